"""The core among everything that can be asked and go wrong: an observer of its own finds every invariant kept."""

import dataclasses
import inspect
import itertools
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from energy.campaign import campaign
from energy.sites import ABC, BATTERY, CAR, EXPORT, IMPORT, INVERTER, PUMP, V2G, VAN, fuse, house, remote
from energy.world import World
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.control.energy import core, limits, meter, record, replay, reserve, share, steady, writes
from wayside.control.energy.assets import Asset, AssetKind, SiteError
from wayside.control.energy.cycle import AssetSeen, How, PowerRequest, PowerRequests, SetPoint, Snapshot
from wayside.control.energy.limits import Limit, Party
from wayside.evidence.entry import decode_unplaced, encode_unplaced

UNTIL = 500_000_000


def ask(asset: str, watts: int, priority: int = 8, *, until: int = UNTIL, how: How = How.AT) -> PowerRequest:
    return PowerRequest(asset, watts, "me", priority, until, how)


def wanting(*wanted: PowerRequest, limits: tuple[Limit, ...] = ()) -> PowerRequests:
    return PowerRequests(wanted, limits)


@pytest.mark.parametrize("seed", range(examples(30)))
def test_nothing_that_happens_breaks_an_invariant(seed: int) -> None:
    world = campaign(seed, 250)
    assert not world.observer.violations, world.observer.told


@pytest.mark.campaign(minutes=5)
def test_nothing_breaks_an_invariant_in_a_hundred_thousand_cycles() -> None:
    for seed in range(1_000, 1_100):
        if seed != _OPEN:
            world = campaign(seed, 1_000)
            assert not world.observer.violations, (seed, world.observer.told)


_OPEN = 1_093


@pytest.mark.campaign
@pytest.mark.xfail(strict=True, reason="a car stops discharging a second before the battery takes over: docs/energy.md")
def test_the_seed_that_is_open() -> None:
    assert not campaign(_OPEN, 1_000).observer.violations


no_watts = st.sampled_from((float("nan"), True, None))
strange_watts = st.one_of(st.integers(-20_000, 20_000), no_watts, st.integers(-(2**70), 2**70))


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_no_request_makes_it_unsafe(data: st.DataObject) -> None:
    """Small sites, arbitrary loads, limits and requests, and hypothesis that looks for the smallest failure."""
    assets = data.draw(st.lists(st.sampled_from((VAN, PUMP, CAR, BATTERY, INVERTER, V2G)), min_size=1, unique=True))
    world = World(house(*assets, parties=(fuse(8_000), remote("grid", IMPORT, 4_200), remote("feed", EXPORT, 0))))
    names = st.sampled_from([*(asset.name for asset in assets), "nobody"])
    times = st.one_of(st.just(2**62), st.integers(-5_000, 60_000).map(lambda ms: 1_000_000 + ms))
    request = st.builds(
        PowerRequest, names, strange_watts, st.just("x"), st.integers(0, 17), times, st.sampled_from(How)
    )
    limit = st.builds(
        Limit, st.sampled_from((IMPORT, EXPORT)), strange_watts, st.sampled_from(((), ABC, ("b",), ("d",))),
        st.sampled_from(("grid", "feed", "x")), st.just(3), st.one_of(st.none(), times),
        failsafe_watts=st.sampled_from((None, -1, 10**9)), failsafe_for_ms=st.sampled_from((None, "soon", 1)),
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 5))):
        world.base = data.draw(st.tuples(*(st.integers(-9_000, 9_000),) * 3))
        world.sun = data.draw(st.integers(0, 100))
        world.heard = data.draw(st.sampled_from((frozenset(), frozenset({"grid"}), frozenset({"grid", "feed"}))))
        wanted = data.draw(st.lists(request, max_size=4))
        came = data.draw(st.lists(limit, max_size=3))
        world.run(data.draw(st.integers(1, 8)), PowerRequests(tuple(wanted), tuple(came)))
    assert not world.observer.violations, world.observer.told


junk = st.sampled_from(
    (None, "x", -1, 0, 1.0, 2**70, float("inf"), float("nan"), True, [], [1], ["a"], (), (None,), ("a", "a"), ("ab",),
     ("", "a"), [300, 300, 300])
)  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_what_is_no_number_no_name_and_no_phase_costs_nobody_a_cycle(data: st.DataObject) -> None:
    world = World(house(V2G, BATTERY, parties=(fuse(8_000), remote("grid", IMPORT, 4_200))))
    limit = Limit(IMPORT, 5_000, (), "grid")._replace(**{data.draw(st.sampled_from(Limit._fields)): data.draw(junk)})
    wish = ask("battery", 500)._replace(**{data.draw(st.sampled_from(PowerRequest._fields)): data.draw(junk)})
    key = limits.Key("grid", IMPORT, ())._replace(**{data.draw(st.sampled_from(limits.Key._fields)): data.draw(junk)})
    asked = PowerRequests((wish, ask("v2g", 5_000)), (limit,), (key,))
    inputs = world.snapshot()
    field = data.draw(st.sampled_from(("at_ms", "watts", "phases")))
    grid = inputs.grid._replace(**{field: data.draw(junk)})
    seen = inputs.seen["v2g"]._replace(**{data.draw(st.sampled_from(AssetSeen._fields)): data.draw(junk)})
    heard = frozenset({"grid", data.draw(st.sampled_from((None, 1, "x")))})
    shown = inputs._replace(grid=grid, seen={**inputs.seen, "v2g": seen}, heard=heard)
    state = world.state
    for _ in range(3):
        cycle = record.EnergyCycle(state, shown, asked, world.now)
        state, points, reasons = core.decide(world.site, *cycle)
        assert all(type(point.watts) is int for point in points)
        # Whatever it was, the log says what was decided of it.
        body = decode_unplaced(encode_unplaced(1, 0, record.entry(world.site, cycle, points, reasons))).body
        moment = replay.again(world.site, body, 1)
        assert (moment.points, moment.reasons) == (points, reasons)


# --- what a cycle does, by name of the invariant ---


def test_limit_a_step_of_load_is_over_in_three_seconds() -> None:
    world = World(house(CAR, parties=(fuse(8_000),)))
    world.run(30, wanting(ask("car", 11_040)))
    assert world.tell("car") == 11_040
    world.base = (6_000, 300, 300)
    world.run(3, wanting(ask("car", 11_040)))
    assert world.grid[1] == 8_000 and world.observer.kept_after == [1]
    assert world.why("car").bound == "import a" and world.why("car").by == "fuse"


def test_limit_an_overload_on_one_phase_stops_nobody_on_another() -> None:
    world = World(
        house(VAN, Asset("other", AssetKind.CHARGER, ("a",), 0, 3_680, least_w=1_380), parties=(fuse(8_000),))
    )
    world.run(80, wanting(ask("other", 3_680), ask("van", 7_360)))
    world.base = (300, 300, 9_000)
    world.run(5, wanting(ask("other", 3_680), ask("van", 7_360)))
    assert (world.tell("other"), world.tell("van")) == (3_680, 0)


def test_limit_throttled_before_it_is_stopped_and_begun_again_behind() -> None:
    world = World(house(VAN, parties=(fuse(8_000),)))
    wanted = wanting(ask("van", 7_360))
    world.run(80, wanted)
    told = []
    for load in (300, 3_000, 6_000, 7_000, 300):
        world.base = (0, 0, load)
        world.run(70, wanted)
        told.append(world.tell("van"))
    assert told == [7_360, 5_000, 2_000, 0, 7_360]


def test_limit_goes_on_with_one_phase_before_it_stops() -> None:
    world = World(house(CAR, parties=(fuse(8_000),)))
    world.run(30, wanting(ask("car", 11_040)))
    world.base = (300, 7_900, 300)
    world.run(5, wanting(ask("car", 11_040)))
    assert world.points[0][1:3] == (3_680, ("a",))
    world.base = (300, 300, 300)
    world.run(200, wanting(ask("car", 11_040)))
    assert world.points[0].phases == ("a",)  # not before switch_ms
    world.run(120, wanting(ask("car", 11_040)))
    assert world.points[0][1:3] == (11_040, ABC)


def test_limit_the_weakest_gives_way_first_and_of_equal_ones_the_first() -> None:
    two = [Asset(name, AssetKind.CHARGER, ABC, 0, 11_040, least_w=4_140) for name in ("one", "two")]
    for priorities, expected in (((8, 8), (4_140, 8_760)), ((4, 8), (8_760, 4_140)), ((16, 1), (4_140, 8_760))):
        world = World(house(*two, parties=(Party("site", (Limit(IMPORT, 13_800, (), "site"),)),)))
        world.run(30, wanting(ask("one", 4_140), ask("two", 4_140)))
        world.run(30, wanting(ask("one", 11_040, priorities[0]), ask("two", 11_040, priorities[1])))
        assert (world.tell("one"), world.tell("two")) == expected, priorities


def test_limit_a_load_that_falls_by_more_than_lies_between_the_bounds() -> None:
    """The worst of the last cycles leaves no set-point for both bounds: it fed in until the peak was forgotten."""
    world = World(house(BATTERY, parties=(remote("grid", IMPORT, 4_200), remote("feed", EXPORT, 0))))
    world.base = (0, 0, 6_000)
    world.run(10)
    world.base = (0, -1_000, 400)
    world.run(3)
    assert world.grid[0] == 0 and world.observer.kept_after[-1] == 1


def test_limit_no_export_curtails_and_charges() -> None:
    world = World(house(BATTERY, INVERTER, parties=(remote("feed", EXPORT, 0),)))
    world.run(20)
    assert world.tell("battery") == 0 and world.tell("pv") == -5_900  # what loads and battery can take when it comes
    world.sun = 100
    world.run(3)
    assert world.tell("battery") == 5_000 and world.grid[0] == 0
    assert world.why("pv").by == "feed (fail-safe)" and world.observer.kept_after == [1]


def refuses(watts: int) -> int:
    return min(watts, 0)


def keeps(watts: int) -> int:
    return max(watts, 0)


def half(watts: int) -> int:
    return watts // 2


@pytest.mark.parametrize("bend", [refuses, half])
@pytest.mark.parametrize("watts", [0, 3_000])
def test_limit_a_battery_that_does_not_take_what_it_is_told_is_not_counted_on_again(watts: int, bend) -> None:
    """The inverter was let go because the battery could take it, each 14 s anew, and fed in 5 kW for four of them."""
    site = house(BATTERY, INVERTER, parties=(Party("feed", (Limit(EXPORT, watts, (), "feed"),)),))
    world = World(site, sun=100, bends={"battery": bend})
    over = []
    for second in range(200):
        world.cycle()
        over += [second] * (world.grid[0] < -watts - 30)
    assert len(over) <= 8 and max(over, default=0) < 30
    assert world.observer.turns["pv"] + world.observer.turns["battery"] <= 4


@pytest.mark.parametrize("bend", [keeps, half])
def test_limit_a_battery_that_does_not_give_what_it_is_told_lets_no_car_up(bend) -> None:
    world = World(house(CAR, BATTERY, parties=(fuse(4_000),)), base=(1_500,) * 3, bends={"battery": bend})
    over = 0
    for _ in range(300):
        world.cycle(wanting(ask("car", 11_040, 5)))
        over += max(world.grid[1:]) > 4_030
    assert over <= 8 and 7_000 < world.tell("car") < 11_000
    assert world.observer.turns["car"] + world.observer.turns["battery"] <= 4


def test_limit_a_battery_that_takes_nothing_goes_on_giving() -> None:
    """What it gave already was counted twice, and it was told 0 for a second of eleven."""
    world = World(house(BATTERY, parties=(fuse(2_000), no_export(2_800))), bends={"battery": refuses})
    world.run(20, wanting(ask("battery", 3_000)))
    assert world.state.held[0].short == 1
    world.base = (650, 5_000, -100)
    world.run(5, wanting(ask("battery", 3_000)))
    for _ in range(40):
        world.cycle(wanting(ask("battery", 3_000)))
        assert world.tell("battery") == -5_000
    assert not world.observer.violations


def test_limit_a_battery_that_takes_nothing_feeds_no_phase_over_its_bound() -> None:
    """For the sum of the phases it went on giving what one of them could not take."""
    site = (Party("site", (Limit(IMPORT, 5_000, (), "site"),)), Party("feed", (Limit(EXPORT, 500, ABC, "feed"),)))
    world = World(house(BATTERY, parties=site), bends={"battery": refuses})
    world.run(20, wanting(ask("battery", 3_000)))
    assert world.state.held[0].short == 1
    world.base = (5_000, 5_000, 1_300)
    world.run(20)
    assert world.tell("battery") == -5_000
    world.base = (5_000, 5_000, -1_300)
    world.run(20)
    assert world.tell("battery") == 0 and not world.observer.violations


def test_limit_a_car_that_waits_for_room_waits_on_the_phases_on_which_it_runs() -> None:
    """Changed over to three phases for which no room was left yet, it had less than they need."""
    world = World(house(dataclasses.replace(CAR, switch_ms=20_000), BATTERY, parties=(fuse(8_000),)), base=(300,) * 3)
    world.run(60, wanting(ask("car", 3_680)))
    assert world.points[0].phases == ("a",)
    world.base = (300, 7_900, 300)
    world.run(30, wanting(ask("car", 11_040), ask("battery", 5_000)))
    for second in range(60):
        world.cycle(wanting(ask("car", 11_040), ask("battery", 5_000 * (second % 20 < 10))))
        assert world.tell("car") >= (4_140 if world.points[0].phases == ABC else 1_380)
    assert not world.observer.violations


def test_limit_a_battery_that_does_again_what_it_is_told_is_counted_on_again() -> None:
    site = house(BATTERY, INVERTER, parties=(Party("feed", (Limit(EXPORT, 0, (), "feed"),)),))
    world = World(site, sun=100, bends={"battery": refuses})
    world.run(60)
    assert world.power == {"battery": 0, "pv": -900} and world.state.held[0].short == 1
    world.bends = {}
    world.run(20)
    assert world.power == {"battery": 5_000, "pv": -5_900} and world.state.held[0].short == 0
    assert world.observer.turns["pv"] <= 2


@pytest.mark.parametrize("late", [0, 1, 2, 3])
@pytest.mark.parametrize("lag", [1, 2, 3])
def test_limit_a_late_meter_and_slow_assets_make_no_oscillation(late: int, lag: int) -> None:
    site = house(BATTERY, INVERTER, parties=(Party("feed", (Limit(EXPORT, 0, (), "feed"),)),))
    world = World(site, sun=100, late=late, lag=lag)
    world.run(60)
    world.observer.turns = dict.fromkeys(world.observer.turns, 0)
    for _ in range(60):
        world.cycle()
        assert world.grid[0] >= -30
    assert sum(world.observer.turns.values()) <= 1


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        # (second, what comes), then (second, watts in force)
        ({1: None}, {0: 4_200, 1: 4_200, 100: 4_200}),  # a heartbeat alone does not leave the fail-safe
        ({1: (0, None)}, {0: 4_200, 1: 0, 119: 0, 121: 4_200, 500: 4_200}),  # nor does zero become "no limit"
        ({1: (9_000, 30)}, {1: 9_000, 30: 9_000, 31: limits.MOST_W, 121: 4_200}),
        ({1: (9_000, None), 100: None, 200: None}, {215: 9_000, 319: 9_000, 320: 4_200}),
        ({1: (9_000, None), 200: None, 250: (11_000, None)}, {121: 4_200, 200: 4_200, 250: 11_000}),
        ({1: (-1, None)}, {1: 4_200, 2: 4_200}),
        ({1: (float("nan"), None)}, {1: 4_200}),
        ({1: (9_000, -5)}, {1: 4_200}),  # over before it came
        ({1: (9_000, 10**12)}, {1: 9_000, 119: 9_000}),
        ({1: (9_000, None), 2: (9_000, None), 3: (9_000, None)}, {3: 9_000}),
        ({1: "withdrawn"}, {1: limits.MOST_W, 120: limits.MOST_W, 121: 4_200}),
    ],
)
def test_expiry(heard: dict, expected: dict) -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200),)))
    begin = world.now_ms
    for second in range(max(expected) + 1):
        came, withdrawn = (), ()
        world.heard = frozenset({"grid"}) if second in heard else frozenset()
        what = heard.get(second)
        if what == "withdrawn":
            withdrawn = (limits.Key("grid", IMPORT, ()),)
        elif what:
            end = None if what[1] is None else begin + 1000 * (second + what[1])
            came = (Limit(IMPORT, what[0], (), "grid", 4, end),)
        world.cycle(PowerRequests((), came, withdrawn))
        if second in expected:
            assert world.bounds[0].high == expected[second], second
    assert not world.observer.violations


def test_expiry_of_two_limits_at_once_the_stricter_counts_and_a_strangers_does_not() -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200),)))
    limits_ = [Limit(IMPORT, watts, (), who) for who, watts in (("grid", 9_000), ("grid", 7_000), ("x", 0))]
    for order in (limits_, limits_[::-1]):
        world.cycle(PowerRequests((), tuple(order)))
        assert world.bounds[0].high == 7_000
    assert any("nobody of this name" in reason.bound for reason in world.reasons)


def test_expiry_of_two_limits_at_once_neither_ends_before_both_would() -> None:
    """The lower one was for two seconds, the other for an hour: then there was none."""
    for watts in ((100, 101), (100, 100)):
        for turn in (1, -1):
            world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200),)))
            ends = (world.now_ms + 2_000, world.now_ms + 60_000)
            came = tuple(Limit(IMPORT, each, (), "grid", 4, end) for each, end in zip(watts, ends, strict=True))
            world.run(10, PowerRequests((), came[::turn]))
            assert world.bounds[0].high == 100 and not world.observer.violations


def test_expiry_phases_in_another_order_are_the_same_limit() -> None:
    """A fail-safe of 0 on ("a", "b", "c") was never left by a limit on ("c", "b", "a")."""
    party = Party("grid", (Limit(IMPORT, None, ABC, "grid", 4, None, 0),), 120_000)
    world = World(house(CAR, parties=(party,)))
    world.cycle(PowerRequests((), (Limit(IMPORT, 9_000, ("c", "b", "a"), "grid"),)))
    assert world.bounds[1].high == 9_000
    world.cycle(PowerRequests((), (), (limits.Key("grid", IMPORT, ("b", "a", "c")),)))
    assert world.bounds[1].high == limits.MOST_W and not world.observer.violations


def test_expiry_no_limit_is_lost_among_many() -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200),)))
    places = [each for count in range(5) for each in itertools.product("abc", repeat=count)]
    world.cycle(PowerRequests((), tuple(Limit(EXPORT, 10**8, each, "grid") for each in places)))
    world.cycle(PowerRequests((), (Limit(EXPORT, 0, (), "grid"), Limit(EXPORT, 1, ("c",), "grid"))))
    assert (world.bounds[0].low, world.bounds[3].low) == (0, -1)
    assert len(world.state.parties[0].standing) <= 16 and not world.observer.violations


def test_expiry_a_fail_safe_that_has_an_end_ends_in_words() -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200, for_ms=60_000),)))
    world.run(60)
    assert world.bounds[0].high == 4_200
    world.run(5)
    assert world.bounds[0].high == limits.MOST_W
    assert ("import lapsed", "grid") in [(reason.bound, reason.by) for reason in world.reasons]


@pytest.mark.parametrize("fault", ["lost", "stale", "ageless", "future", "unknown", "nan", "huge", "torn", "phase"])
def test_unknown_leads_to_the_fail_safe_and_is_left_behind_good_readings(fault: str) -> None:
    world = World(house(CAR, BATTERY, INVERTER))
    wanted = wanting(ask("car", 11_040), ask("battery", 3_000))
    world.sun = 100
    world.run(30, wanted)
    assert world.tell("car") == 11_040
    world.grid_fault = fault
    world.cycle(wanted)
    assert [point.watts for point in world.points] == [4_140, 0, -3_000]
    assert world.reasons[0].bound == "grid meter" and world.reasons[0].by
    world.grid_fault = ""
    world.run(2, wanted)
    assert world.tell("battery") == 0
    world.run(20, wanted)
    assert (world.tell("car"), world.tell("battery")) == (11_040, 3_000)


def test_unknown_a_battery_that_is_told_0_is_told_0() -> None:
    world = World(house(BATTERY, parties=(fuse(1_000),)))
    world.run(5, wanting(ask("battery", 0)))
    assert world.tell("battery") == 0 and world.why("battery").wanted == 0
    world.run(2)
    assert world.why("battery").wanted is None


def test_reserve_of_a_battery_holds_against_every_limit() -> None:
    world = World(house(BATTERY, parties=(fuse(0),)), base=(2_000, 2_000, 2_000), energy_mwh={"battery": 1_030_000})
    world.run(600)
    assert world.energy_mwh["battery"] >= 1_000_000 and world.tell("battery") == 0
    assert not world.observer.violations


def test_reserve_a_car_leaves_with_what_its_driver_asked_for() -> None:
    world = World(house(V2G), energy_mwh={"v2g": 38_000_000})
    departs = world.now_ms + 1_200_000
    world.seen["v2g"] = {"needed_wh": 40_000, "depart_ms": departs}
    while world.now_ms < departs:
        world.cycle(wanting(ask("v2g", -7_000)))
    assert world.energy_mwh["v2g"] >= 40_000_000
    assert not world.observer.violations and world.observer.turns["v2g"] <= 2


def test_reserve_a_departure_counts_on_what_the_fuse_leaves() -> None:
    """It was discharged as if 11 kW were there to charge it again, and left with 11 of 45 kWh."""
    for load, least in ((3_000, 44_900), (2_000, 44_900)):  # nothing at all, or 6 kW
        world = World(house(V2G, parties=(fuse(4_000),)), base=(load,) * 3, energy_mwh={"v2g": 46_000_000})
        departs = world.now_ms + 1_500_000
        world.seen["v2g"] = {"needed_wh": 45_000, "depart_ms": departs}
        lowest = 46_000
        while world.now_ms < departs:
            world.cycle(wanting(ask("v2g", -7_000)))
            lowest = min(lowest, world.energy_mwh["v2g"] // 1_000)
        assert world.energy_mwh["v2g"] >= least * 1_000 and lowest < 46_000
        assert not world.observer.violations
    world.seen["v2g"] = {"needed_wh": 60_000, "depart_ms": world.now_ms + 600_000}
    world.cycle()
    told = next(reason for reason in world.reasons if reason.bound == "departure" and not reason.asset)
    assert told.by == "v2g" and 13_000 < told.got < 15_200


def test_reserve_starts_come_one_after_the_other_and_the_strongest_first() -> None:
    cars = [Asset(f"car{n}", AssetKind.CHARGER, ABC, 0, 11_040, least_w=4_140) for n in range(4)]
    world = World(house(*cars, parties=(fuse(20_000),)))
    order = []
    for _ in range(30):
        world.cycle(wanting(*(ask(car.name, 4_140, 8 - n % 2) for n, car in enumerate(cars))))
        order += [point.asset for point in world.points if point.watts and point.asset not in order]
    assert order == ["car3", "car1", "car2", "car0"]


def test_who_asked_is_named_in_the_cycle_in_which_it_begins() -> None:
    world = World(house(VAN))
    while not world.points or not world.tell("van"):
        world.cycle(wanting(ask("van", 5_000)))
    assert (world.why("van").bound, world.why("van").by) == ("asked", "me")


def test_steady_a_load_that_swings_moves_nobody_each_time() -> None:
    """A compressor of 3 kW, 2 s on and 2 s off, beside a car at the fuse's edge."""
    world = World(house(VAN, parties=(fuse(8_000),)))
    wanted = wanting(ask("van", 7_360))
    world.run(80, wanted)
    world.observer.turns["van"] = 0
    for _ in range(60):
        world.base = (0, 0, 4_000)
        world.run(2, wanted)
        world.base = (0, 0, 1_000)
        world.run(2, wanted)
    assert world.observer.turns["van"] <= 1 and world.tell("van") == 4_000


def test_steady_a_wish_that_turns_each_second() -> None:
    world = World(house(BATTERY))
    world.run(5)
    for second in range(240):
        world.cycle(wanting(ask("battery", 3_000 * (-1) ** second)))
    assert world.observer.turns["battery"] <= 4 * 7


def test_steady_an_asset_with_its_own_slow_loop_does_not_swing() -> None:
    world = World(house(BATTERY, parties=(fuse(3_000),)), lag=3)
    world.base = (4_000, 4_000, 4_000)
    world.run(60)
    assert world.observer.turns["battery"] <= 1 and max(world.grid[1:]) <= 3_000


# --- DEATH ---


def test_death_at_each_write_the_device_falls_back_by_itself() -> None:
    for asset, watts in ((BATTERY, -3_000), (BATTERY, 2_000), (CAR, 4_140)):
        done = writes.writes(asset, SetPoint(asset.name, watts, asset.phases, 60_000))
        for count in range(len(done) + 1):
            told = dict(done[:count])
            if writes.WATTS in told or writes.ENABLE in told:
                assert told[writes.REVERSION_MS] == 60_000 and told[writes.REVERSION_W] == asset.default_w


def test_death_leaves_no_mode_behind() -> None:
    """Two mode registers: at no moment both charging and discharging."""
    asset = dataclasses.replace(BATTERY, has_modes=True)
    registers = {writes.CHARGE_W: 0, writes.DISCHARGE_W: 0}
    for watts in (3_000, -3_000, 0, -1_000, 2_000, 0):
        for write in writes.writes(asset, SetPoint("battery", watts, ABC, 60_000)):
            registers[write.control] = write.value
            assert not (registers[writes.CHARGE_W] and registers[writes.DISCHARGE_W])
        assert registers[writes.CHARGE_W] - registers[writes.DISCHARGE_W] == watts


def single(load: int = 2_500, **more) -> World:
    """A car on phase a, with 1500 W left beside what the house takes there."""
    world = World(house(CAR, parties=(fuse(4_000),)), base=(load, 300, 300), **more)
    world.run(120, wanting(ask("car", 3_680)))
    assert world.points[0][1:3] == (4_000 - load if load > 320 else 3_680, ("a",))
    return world


def test_unknown_a_meter_that_is_lost_raises_nothing() -> None:
    """On one phase its default of three went on that one; an inverter that was curtailed fed in its default."""
    world = single()
    world.grid_fault = "lost"
    world.run(20, wanting(ask("car", 3_680)))
    assert world.points[0][1:3] == (1_380, ("a",))  # what its default has on that phase
    world = World(house(INVERTER, CAR), sun=100)
    world.run(80, wanting(ask("pv", -900)))
    world.grid_fault = "lost"
    world.run(20, wanting(ask("car", 11_040)))
    assert (world.tell("pv"), world.tell("car")) == (-900, 0)


def test_unknown_a_car_that_discharges_does_not_go_on_without_the_meter() -> None:
    """It waited for the room that a battery had not left yet."""
    world = World(house(V2G, BATTERY, parties=(Party("site", (Limit(IMPORT, 1_000, (), "site"),)),)))
    world.run(30, wanting(ask("v2g", -6_000), ask("battery", 5_000)))
    assert (world.tell("v2g"), world.tell("battery")) == (-6_000, 5_000)
    world.grid_fault = "lost"
    world.cycle(wanting(ask("v2g", -6_000), ask("battery", 5_000)))
    assert (world.tell("v2g"), world.tell("battery")) == (0, 0)


def test_unknown_no_phases_change_without_the_meter() -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 2_000),)))
    world.grid_fault = "lost"
    world.run(400, wanting(ask("car", 1_400)))
    assert world.points[0].phases == ABC and not world.observer.violations


def test_unknown_a_car_on_one_phase_has_a_third_of_its_default_on_it_at_every_end() -> None:
    world = single(300)
    state = core.resume(world.site, world.state, world.now, core.Now(5_000, world.now.utc_ms + 2_000))
    _, points, _ = core.decide(world.site, state, Snapshot(None), PowerRequests(), core.Now(6_000, 0))
    assert points[0][1:3] == (1_380, ("a",))
    done = writes.writes(CAR, world.points[0])
    assert dict(done)[writes.REVERSION_W] == 1_380
    names = [each.control for each in done]
    assert names.index(writes.REVERSION_W) < names.index(writes.PHASES)
    back = [each.control for each in writes.writes(CAR, world.points[0]._replace(watts=4_140, phases=ABC))]
    assert back.index(writes.PHASES) < back.index(writes.REVERSION_W)


def test_steady_phases_wait_their_whole_time_where_the_state_was_lost() -> None:
    """kill -9 once a minute changed the phases once a minute."""
    world = World(house(CAR, parties=(fuse(9_000),)), is_new=True)
    world.run(298, wanting(ask("car", 3_680)))
    assert world.points[0].phases == ABC
    world.run(5, wanting(ask("car", 3_680)))
    assert world.points[0].phases == ("a",) and not world.observer.violations


def test_death_reactive_power_is_given_back_when_nobody_asks_for_it_any_more() -> None:
    asset = dataclasses.replace(BATTERY, most_var=2_000)
    for var, expected in ((1_500, 1_500), (None, 0)):
        done = dict(writes.writes(asset, SetPoint("battery", 0, ABC, 60_000, var)))
        assert done[writes.VAR] == expected
    assert writes.VAR not in dict(writes.writes(BATTERY, SetPoint("battery", 0, ABC, 60_000)))


# --- restart ---


def test_after_a_restart_limits_go_on_and_who_was_heard_has_to_be_heard_again() -> None:
    site = house(CAR, PUMP, parties=(fuse(8_000), remote("grid", IMPORT, 4_200), Party("hand", ())))
    world = World(site)
    world.heard = frozenset({"grid"})
    end = world.now_ms + 600_000
    world.run(20, wanting(limits=(Limit(IMPORT, 9_000, (), "grid"), Limit(EXPORT, 500, (), "hand", 8, end))))
    then = world.now
    now = core.Now(5, then.utc_ms + 100_000)
    state = core.resume(site, world.state, then, now)
    mended, _, _ = core.decide(site, state, world.inputs[1]._replace(heard=frozenset()), PowerRequests(), now)
    bounds = limits.merge(site.phases, mended.parties)
    assert (bounds[0].low, bounds[0].high) == (-500, 4_200)
    later = core.Now(5 + 501_000, 0)
    mended, _, _ = core.decide(site, mended, world.inputs[1], PowerRequests(), later)
    assert limits.merge(site.phases, mended.parties)[0].low == -limits.MOST_W
    with pytest.raises(ValueError, match="another site"):
        core.resume(house(CAR), world.state, then, now)


# --- what cannot be ---


@pytest.mark.parametrize(
    "change",
    [
        {"phases": ()}, {"phases": ("a", "a")}, {"phases": ("d",)}, {"high_w": -1}, {"default_w": 20_000},
        {"least_w": 50_000}, {"single": "c", "phases": ("c",)}, {"duration_ms": 0}, {"step_w": 0}, {"hold_ms": -1},
        {"default_w": 1_000}, {"single": "a", "single_least_w": 0},
    ],
)  # fmt: skip
def test_an_asset_that_cannot_be(change: dict) -> None:
    with pytest.raises(SiteError, match='asset "car"'):
        dataclasses.replace(CAR, **change)


def test_a_default_that_discharges_is_refused() -> None:
    """Nobody looks at its energy any more when it falls to it."""
    with pytest.raises(SiteError, match="0 or more"):
        dataclasses.replace(BATTERY, default_w=-2_000)


def test_a_site_or_a_party_that_cannot_be() -> None:
    for site in (
        lambda: house(CAR, CAR),
        lambda: house(CAR, parties=(fuse(1), fuse(2))),
        lambda: house(CAR, parties=(fuse(-1),)),
        lambda: house(CAR, parties=(Party("x", (Limit(IMPORT, None, (), "x"),)),)),
        lambda: house(CAR, parties=(Party("x", (Limit(IMPORT, 1, (), "y"),)),)),
        lambda: house(CAR, parties=(Party("x", (Limit(IMPORT, None, (), "x", 4, None, 0),)),)),
        lambda: house(CAR, window=0),
    ):
        with pytest.raises(ValueError):
            site()


# --- a mutant for each invariant ---

MODULES = {"core": core, "limits": limits, "meter": meter, "reserve": reserve, "share": share, "steady": steady}


def mutant(name: str, changes: dict[str, str]) -> SimpleNamespace:
    """The core, made again with one module's source changed."""
    source = inspect.getsource(MODULES[name])
    for before, after in changes.items():
        assert source.count(before) == 1, before
        source = source.replace(before, after)
    module = ModuleType("mutant")
    exec(compile(source, "mutant", "exec"), module.__dict__)
    if name == "core":
        return SimpleNamespace(core=module, limits=limits)
    made = ModuleType("core of a mutant")
    exec(compile(inspect.getsource(core), "core of a mutant", "exec"), made.__dict__)
    made.__dict__[name] = module
    return SimpleNamespace(core=made, limits=module if name == "limits" else limits)


def step_of_load(world: World) -> None:
    world.run(80, wanting(ask("van", 7_360)))
    world.base = (300, 300, 6_000)
    world.run(20, wanting(ask("van", 7_360)))


def lost_contact(world: World) -> None:
    world.heard = frozenset({"grid"})
    world.cycle(wanting(limits=(Limit(IMPORT, 20_000, (), "grid"),)))
    world.heard = frozenset()
    world.run(200)
    world.heard = frozenset({"grid"})
    world.run(10)


def lost_meter(world: World) -> None:
    world.run(80, wanting(ask("van", 3_000)))
    world.grid_fault = "stale"
    world.run(10, wanting(ask("van", 3_000)))


def nearly_empty(world: World) -> None:
    world.energy_mwh["battery"] = 1_020_000
    world.run(150, wanting(ask("battery", -5_000)))


def turning(world: World) -> None:
    for second in range(80):
        world.cycle(wanting(ask("battery", 2_000 * (-1) ** second)))


MUTANTS = {
    "LIMIT": (step_of_load, "share", {"for _ in range(2)": "for _ in range(0)"}),
    "EXPIRY": (
        lost_contact,
        "limits",
        {"mode == LimitMode.LAPSED and has_contact": "mode != LimitMode.LIMITED and has_contact"},
    ),
    "UNKNOWN": (lost_meter, "meter", {"now_ms - grid.at_ms > site.stale_ms": "False"}),
    "RESERVE": (
        nearly_empty,
        "reserve",
        {"low = 0 if is_empty else max(asset.low_w, -discharge": "low = min(asset.low_w, discharge"},
    ),
    "STEADY": (turning, "steady", {"too_soon = now_ms - held.moved_ms < hold_ms": "too_soon = False"}),
    "DEATH": (step_of_load, "core", {"phases, asset.duration_ms, var": "phases, 0, var"}),
}
"""By invariant: what happens, and what is changed in a module's source so that it breaks under it."""


@pytest.mark.parametrize("invariant", MUTANTS)
def test_each_mutant_is_killed_by_its_own_invariant(invariant: str) -> None:
    scenario, module, changes = MUTANTS[invariant]
    site = house(VAN, BATTERY, parties=(fuse(8_000), remote("grid", IMPORT, 15_000)))
    if invariant == "LIMIT":
        site = house(VAN, parties=(fuse(8_000),))
    sound = World(site)
    scenario(sound)
    assert not sound.observer.violations, sound.observer.told
    broken = World(site, using=mutant(module, changes))
    scenario(broken)
    assert set(broken.observer.violations) == {invariant}, broken.observer.told


def no_export(watts: int = 0) -> Party:
    return Party("feed", (Limit(EXPORT, watts, (), "feed"),))


def clouds(world: World) -> None:
    world.bends = {"battery": refuses}
    for _ in range(4):
        world.sun = 0
        world.run(20)
        world.sun = 100
        world.run(20)


def mends(world: World) -> None:
    world.bends = {"battery": refuses}
    world.run(40)
    world.bends = {}
    world.run(20)


HELP = "        watts = cut(task.watts, task.low, -room, task.asset.step_w)\n"
DIP = """\
    held = tuple(each._replace(watts=each.watts - (now.ms % 10_000 < 1_000) * 1_000) for each in held)
"""
BLIND = {
    "no battery charges against feeding in": (
        "LIMIT", (no_export(),), {"base": (-1_000,) * 3}, lambda world: world.run(30), "share",
        {"        watts = -cut(-task.watts, -min(most, task.high), -room, task.asset.step_w)\n": "        return\n"},
    ),
    "none helps import beside a limit of export": (
        "LIMIT", (fuse(2_000), no_export(5_000)), {"base": (3_000,) * 3}, lambda world: world.run(30), "share",
        {HELP: "        if balance.bounds[0].low > -10**9:\n            return\n" + HELP},
    ),
    "it helps with a quarter": (
        "LIMIT", (fuse(2_000),), {"base": (3_000,) * 3}, lambda world: world.run(30), "share",
        {HELP: HELP.replace("cut(", "max(-1_251, cut(").replace("step_w)", "step_w))")},
    ),
    "who was told 0 and did 0 is believed": (
        "LIMIT", (no_export(),), {"sun": 100}, clouds, "steady", {"short=0 if proven else held.short": "short=0"},
    ),
    "what a battery could take lets an inverter go": (
        "LIMIT", (no_export(),), {"sun": 100}, mends, "share",
        {"if task.is_curtailed and -task.watts > feeds": "if False"},
    ),
    "it dips every ten seconds": (
        "STEADY", (fuse(20_000),), {"base": (3_000,) * 3}, lambda world: world.run(60), "core",
        {"    points = tuple(_point(": DIP + "    points = tuple(_point("},
    ),
}  # fmt: skip
"""What an observer did not see: by which invariant it has to, limits, the world, what happens, module and change."""


@pytest.mark.parametrize("name", BLIND)
def test_the_observer_is_not_blind_for(name: str) -> None:
    invariant, parties, given, happens, module, changes = BLIND[name]
    site = house(BATTERY, INVERTER, parties=parties)
    sound = World(site, **given)
    happens(sound)
    assert not sound.observer.violations, sound.observer.told
    broken = World(site, **given, using=mutant(module, changes))
    happens(broken)
    assert invariant in broken.observer.violations


def test_there_is_a_mutant_for_every_invariant_that_the_core_names() -> None:
    lines = inspect.getdoc(core).splitlines()
    assert {line.split()[0] for line in lines if line.startswith("  ") and line.split()[0].isupper()} == set(MUTANTS)


def test_the_document_says_of_each_invariant_what_holds() -> None:
    text = (Path(__file__).parents[2] / "docs" / "energy.md").read_text()
    assert set(re.findall(r"^\| ([A-Z]+) \|", text, re.M)) == set(MUTANTS)
