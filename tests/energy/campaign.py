"""Random cycles with faults: meter lost and wrong, assets lost, wild and idle, event storms, steps of the wall clock.

No restarts: `core.resume` has its own tests.
"""

import random

from energy.sites import ABC, BATTERY, CAR, EXPORT, IMPORT, INVERTER, PUMP, V2G, VAN, fuse, house, remote
from energy.world import World
from wayside.control.energy.cycle import How, PowerRequest, PowerRequests
from wayside.control.energy.limits import Direction, Key, Limit

GRID_FAULTS = ("lost", "stale", "ageless", "future", "unknown", "nan", "huge", "torn", "phase")
STRANGE = (-1, float("nan"), True, None, 2**40, "4200")


def site(dice: random.Random):
    assets = dice.sample((VAN, PUMP, CAR, BATTERY, INVERTER, V2G), dice.randint(2, 6))
    parties = [fuse(dice.randrange(4_000, 16_000, 500))]
    if dice.random() < 0.5:
        parties.append(remote("grid", IMPORT, dice.choice((0, 4_200, 11_000)), for_ms=dice.choice((None, 300_000))))
    if dice.random() < 0.5:
        parties.append(remote("feed", EXPORT, dice.choice((0, 3_000))))
    if dice.random() < 0.2:
        parties.append(remote("both", IMPORT, None)._replace(limits=(Limit(EXPORT, 5_000, ABC, "both"),)))
    return house(*assets, parties=tuple(parties))


def limit(dice: random.Random, source: str, now_ms: int) -> Limit:
    ends = (None, now_ms, now_ms - 1, now_ms + 1, now_ms + dice.randrange(120_000), 2**62, -1)
    watts = dice.choice(STRANGE) if dice.random() < 0.1 else dice.randrange(0, 20_000, 100)
    phases = dice.choice(((), (), (), ABC, ("b",)))
    return Limit(dice.choice(list(Direction)), watts, phases, source, 4, dice.choice(ends), 0, 1)


def wish(dice: random.Random, asset, now_ms: int) -> PowerRequest:
    watts = dice.randint(asset.low_w - 1_000, asset.high_w + 1_000)
    how = dice.choice((How.AT, How.AT, How.AT, How.AT_LEAST, How.AT_MOST))
    until = now_ms + dice.choice((0, 1_500, 30_000, 600_000))
    return PowerRequest(asset.name, watts, dice.choice(("tariff", "surplus", "hand")), dice.randint(1, 16), until, how,
                   dice.choice((0, 0, 0, 1, 3)), dice.choice((None, 500)))  # fmt: skip


def campaign(seed: int, cycles: int, **more) -> World:
    """`cycles` random seconds of a random site."""
    dice = random.Random(seed)
    world = World(site(dice), **more)
    names = [asset.name for asset in world.site.assets]
    wanted: list[PowerRequest] = []
    for _ in range(cycles):
        chance = dice.random
        if chance() < 0.05:
            world.base = tuple(dice.randrange(-2_000, 7_000, 50) for _ in ABC)
        if chance() < 0.03:
            world.sun = dice.randint(0, 100)
        if chance() < 0.02 or (world.grid_fault and chance() < 0.2):
            world.grid_fault = "" if world.grid_fault else dice.choice(GRID_FAULTS)
        if chance() < 0.02:
            world.dead = frozenset(dice.sample(names, dice.randint(0, 2)))
        if chance() < 0.02:
            world.idle = frozenset(dice.sample(names, dice.randint(0, 2)))
        if chance() < 0.01:
            world.wild = {n: dice.randrange(0, 3_000) for n in dice.sample(names, dice.randint(0, 1))}
        if chance() < 0.02:
            world.seen = {n: strange(dice, world) for n in dice.sample(names, dice.randint(0, 2))}
        if chance() < 0.01:
            world.utc_shift_ms += dice.choice((-7_200_000, 3_600_000, 10**11))
        if chance() < 0.02:
            away = dice.random() < 0.3
            world.heard = frozenset() if away else frozenset(party.name for party in world.site.parties)
        if chance() < 0.1:
            wanted = [wish(dice, dice.choice(world.site.assets), world.now_ms) for _ in range(dice.randint(0, 8))]
        limits, withdrawn = [], []
        if chance() < 0.02:
            who = [dice.choice(("grid", "feed", "both", "stranger")) for _ in range(dice.choice((1, 1, 1, 2, 30)))]
            limits = [limit(dice, each, world.now_ms) for each in who]
        if chance() < 0.01:
            withdrawn = [Key(dice.choice(("grid", "feed", "stranger")), dice.choice(list(Direction)), ())]
        world.cycle(PowerRequests(tuple(wanted), tuple(limits), tuple(withdrawn)))
        world.now_ms += dice.choice((0, 0, 0, 0, 0, 0, 0, 7, 40))
    return world


def strange(dice: random.Random, world: World) -> dict:
    energy = dice.choice((None, -5, 10**9, 0))
    departs = world.now_ms + dice.choice((-1, 10**6, 10**7, 2**60))
    due = {"needed_wh": dice.randrange(0, 80_000, 100), "depart_ms": departs}
    return dice.choice((
        {"is_ready": False}, {"energy_wh": energy}, {"at_ms": None}, {"at_ms": world.now_ms - 9_000},
        {"watts": None}, {"watts": float("nan")}, {"watts": 10**8}, due,
    ))  # fmt: skip
