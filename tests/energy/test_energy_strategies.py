"""Strategies as tables: what is seen in a cycle, and what is asked. "?" is unknown, "-" is nothing."""

import dataclasses
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from energy.sites import ABC, BATTERY, CAR, INVERTER, fuse, house
from energy.world import UTC_MS, World
from hypothesis import given
from hypothesis import strategies as st
from tables import rows
from wayside.control.energy import core
from wayside.control.energy.assets import Asset, AssetKind
from wayside.control.energy.cycle import AssetSeen, Grid, How, Now, PowerRequests, Snapshot
from wayside.control.energy.strategies import (
    backup,
    curtail,
    deadline,
    fair_share,
    peak_shaving,
    planned,
    reactive,
    self_consumption,
    surplus,
    time_of_use,
)
from wayside.control.energy.strategies.fair_share import ChargeClaim
from wayside.control.energy.strategies.time_of_use import Slot
from wayside.control.energy.strategies.view import Asker, View
from wayside.control.energy.task import EnergyPlan, PlannedSlot

ME = Asker("me")
BERLIN = ZoneInfo("Europe/Berlin")


def view(grid: str | int, ms: int = 0, utc_ms: int = 0, decivolts: int | None = None, **seen: object) -> View:
    """seen: watts of an asset, or (watts, Wh); "?": unknown."""
    states = {}
    for name, each in seen.items():
        watts, energy = each if isinstance(each, tuple) else (each, None)
        states[name] = AssetSeen(ms, None if watts == "?" else int(watts), energy_wh=energy)
    known = None if grid == "?" else int(grid)
    room = None if known is None else ((-(10**9), 10**9),) * 4
    return View(Now(ms, utc_ms), Snapshot(Grid(ms, known), states), room, decivolts)


def watts(requests) -> str:
    return ",".join(str(request.watts) for request in requests)


def test_self_consumption() -> None:
    table = """
        grid    battery    asked
        1500    0          -600     # what is imported is given, two fifths of it in a second
        0       -1500      -1500
        -2000   0          800
        30      500        500      # within the band it stays
        -51     500        520
        ?       500        -
        700     ?          -
    """
    for grid, battery, asked in rows(table)[1:]:
        assert watts(self_consumption.ask(ME, "b", view(grid, b=battery))) == asked, (grid, battery)


@pytest.mark.parametrize("late", [0, 1, 2])  # and a second more: a strategy looks at the cycle before
def test_two_batteries_with_one_aim_do_not_swing(late: int) -> None:
    """Each gave all that was missing: -3 kW and +3 kW at the grid meter in turn."""
    other = dataclasses.replace(BATTERY, name="b2")
    slots = [PlannedSlot(UTC_MS + n * 900_000, {"battery": -1_500, "b2": -1_500}, {}, 0, 0) for n in range(8)]
    plan = EnergyPlan(UTC_MS, tuple(slots), 0, {})
    for asks in (
        lambda seen: [*self_consumption.ask(ME, "battery", seen), *self_consumption.ask(Asker("x"), "b2", seen)],
        lambda seen: planned.ask(ME, plan, seen),
    ):
        world = World(house(BATTERY, other, parties=(fuse(20_000),)), base=(1_000,) * 3, late=late)
        for load in (1_000, 1_500):
            world.base = (load,) * 3
            for second in range(120):
                if second == 60:
                    world.observer.turns = dict.fromkeys(world.observer.turns, 0)
                shown = View(world.now, world.snapshot(), core.room(world.site, world.state))
                world.cycle(PowerRequests(tuple(asks(shown))))
            assert abs(world.grid[0]) <= 50 and sum(world.observer.turns.values()) == 0


def test_backup_reserve() -> None:
    for energy, asked in ((6_000, []), (5_000, [0]), (4_901, [0]), (4_799, [1_000]), (None, [])):
        found = backup.ask(ME, "b", view(0, b=(0, energy)), keep_wh=5_000, band_wh=200, charge_w=1_000)
        assert [each.watts for each in found] == asked, energy
        assert all(each.how == How.AT_LEAST for each in found)


def test_curtailment() -> None:
    for percent, asked in ((100, ""), (120, ""), (60, "-6000"), (0, "0"), (-5, "0")):
        assert watts(curtail.ask(ME, "pv", 10_000, view(0, pv=-4_000), percent=percent)) == asked
    for grid, price, asked in ((-3_000, -1, "-1000"), (-3_000, 0, ""), (-3_000, None, ""), (2_000, -1, "-6000")):
        assert watts(curtail.ask_at_price(ME, "pv", view(grid, pv=-4_000), price)) == asked
    assert curtail.ask_at_price(ME, "pv", view("?", pv=-4_000), -1) == ()


def test_time_of_use_over_days_of_23_and_25_hours() -> None:
    """Each hour of UTC has its price; the wall clock jumps or repeats an hour and nothing is charged twice."""
    for day, hours in ((datetime(2026, 3, 29, tzinfo=BERLIN), 23), (datetime(2026, 10, 25, tzinfo=BERLIN), 25)):
        begin = int(day.timestamp()) * 1000
        following = int(datetime(day.year, day.month, day.day + 1, tzinfo=BERLIN).timestamp()) * 1000
        assert (following - begin) // 3_600_000 == hours
        slots = [Slot(begin + n * 3_600_000, begin + (n + 1) * 3_600_000, 10 if n == 2 else 30) for n in range(hours)]
        charged = 0
        for utc_ms in range(begin, following, 900_000):
            found = time_of_use.ask(
                ME, "b", view(500, utc_ms=utc_ms, b=0), slots, charge_w=3_000, discharge_w=2_000, cheap=10, dear=40
            )
            charged += watts(found) == "3000"
        assert charged == 4


def test_time_of_use() -> None:
    slots = (Slot(0, 100, 50), Slot(50, 100, 5), Slot(100, 200, 20))
    for utc_ms, grid, asked in ((0, 900, "-900"), (0, 5_000, "-2000"), (0, -700, "0"), (60, 0, "3000"), (150, 0, ""),
                                (250, 0, ""), (0, "?", "")):  # fmt: skip
        found = time_of_use.ask(
            ME, "b", view(grid, utc_ms=utc_ms, b=0), slots, charge_w=3_000, discharge_w=2_000, cheap=10, dear=40
        )
        assert watts(found) == asked, (utc_ms, grid)


def test_peak_shaving_remembers_what_is_paid_already() -> None:
    memory = peak_shaving.PeakMemory()
    at = int(datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()) * 1000
    asked = []
    for load in (3_000, 8_000, 6_000, 9_000):  # a quarter each; 5 kW are worth nothing
        for _ in range(900):
            given = int(watts(peak_shaving.ask(ME, "b", view(load, utc_ms=at, b=0), memory, floor_w=5_000)) or 0)
            can = max(given, -2_000)
            memory = peak_shaving.learn(memory, view(load + can, utc_ms=at, b=can), BERLIN)
            at += 1_000
        asked.append((memory.peak_w, can))
    # Of 8 kW only 2 can be shaved, so 6 are paid; then 6 kW are nothing to shave, and 9 are to 7.
    peaks = [peak for peak, _ in asked]
    assert peaks[0] == 0 and 2_900 < peaks[1] <= 3_000 and 5_900 < peaks[2] < 6_400
    assert asked[2][1] == 0


def test_peak_shaving_begins_anew_with_the_month_and_with_a_clock_that_was_set_back() -> None:
    at = int(datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC).timestamp()) * 1000
    memory = peak_shaving.PeakMemory((2026, 11), 9_000, at // peak_shaving.QUARTER_MS, 10**9, at)
    later = peak_shaving.learn(memory, view(100, utc_ms=at + 1_000, b=0), BERLIN)  # 0:00 on 1 December in Berlin
    assert later.month == (2026, 12) and later.peak_w < 9_000
    back = peak_shaving.learn(memory, view(100, utc_ms=at - 10, b=0), BERLIN)
    assert back.watt_ms == 0
    unknown = peak_shaving.learn(memory, view("?", utc_ms=at + 500, b=0), BERLIN)
    assert unknown.watt_ms == memory.watt_ms


def test_surplus_charging() -> None:
    table = """
        seconds    grid     car     battery    asked
        59         -2000    0       0          -        # not before a minute
        2          -2000    0       0          2000
        100        0        2000    0          2000
        10         500      2000    0          1500
        100        1500     1500    0          1380     # too little, but not for long
        10         -3000    1380    0          4380
        170        2000     1380    0          1380
        11         2000     1380    0          -        # three minutes
        10         -500     0       1500       -
        51         -500     0       1500       2000     # what a battery takes is surplus too
        1          ?        2000    0          -        # unknown is no surplus
        62         -2000    0       0          2000
        10         0        1380    -1700      1380     # nor is what a battery gives
        171        0        1380    -1700      -
        1          ?        2000    0          -
        59         -9000    0       0          -
    """
    memory, ms = surplus.SurplusMemory(), 0
    for seconds, grid, car, battery, asked in rows(table)[1:]:
        for _ in range(int(seconds)):
            ms += 1_000
            memory, found = surplus.ask(
                ME, "car", view(grid, ms, car=car, b=battery), memory, least_w=1_380, spare=("b",)
            )
        assert watts(found) == asked, (seconds, grid)


def test_deadline() -> None:
    hour = 3_600_000
    for missing, left, asked in ((0, hour, ""), (9_000, 3 * hour, ""), (9_000, hour, "11000"), (9_000, -hour, "11000"),
                                 (100, 2**60, "")):  # fmt: skip
        found = deadline.ask(ME, "car", view(0, 0, car=0), missing_wh=missing, depart_ms=left, high_w=11_000)
        assert watts(found) == asked, (missing, left)


@pytest.mark.parametrize(
    ("room", "claims", "expected"),
    [
        (11_000, [("a", 4_140, 11_040), ("b", 4_140, 11_040)], (5_500, 5_500)),
        (8_000, [("a", 4_140, 11_040), ("b", 4_140, 11_040)], (8_000, 0)),
        (8_000, [("a", 4_140, 11_040, 8), ("b", 4_140, 11_040, 2)], (0, 8_000)),
        (20_000, [("a", 4_140, 11_040, 8), ("b", 4_140, 11_040, 2)], (8_960, 11_040)),
        (10_000, [("a", 1_380, 3_680), ("b", 1_380, 22_000)], (3_680, 6_320)),
        (5_000, [("a", 4_140, 11_040, 1), ("b", 800, 2_000, 9)], (4_200, 800)),
        (0, [("a", 1_380, 3_680)], (0,)),
        (9_000, [("a", 4_140, 3_000)], (0,)),
    ],
)
def test_fair_share(room: int, claims: list, expected: tuple[int, ...]) -> None:
    assert tuple(fair_share.shares(room, [ChargeClaim(*each) for each in claims]).values()) == expected


claims = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(0, 22_000), st.integers(1, 16), st.integers(0, 9)), max_size=12
)


@given(st.integers(0, 60_000), claims)
def test_shares_are_never_more_than_there_is(room: int, drawn: list) -> None:
    made = [ChargeClaim(str(number), *each) for number, each in enumerate(drawn)]
    found = fair_share.shares(room, made)
    assert sum(found.values()) <= room
    assert all(not found[each.charger] or each.least_w <= found[each.charger] <= each.most_w for each in made)


def test_reactive_support() -> None:
    table = """
        volts    percent
        2000     -100
        2140     -100
        2185     -51
        2231     0
        2300     0
        2369     0
        2415     50
        2461     100
        2600     100
    """
    for volts, percent in rows(table)[1:]:
        assert reactive.percent_at(int(volts)) == int(percent), volts
    assert reactive.ask(ME, "pv", 5_000, view(0, pv=-1)) == ()
    assert reactive.ask(ME, "pv", 5_000, view(0, decivolts=2_415, pv=-1))[0].var == 2_500


# --- on the core ---


def test_strategies_that_contradict_each_other_move_nothing_unsafe_and_need_no_order() -> None:
    """Self-consumption and a backup reserve: a value and a bound of one battery, in either order."""
    for turn in (1, -1):
        world = World(house(BATTERY, INVERTER, parties=(fuse(8_000),)), base=(800, 700, 500))
        for _ in range(40):
            if not world.points:
                world.cycle()
            shown = View(world.now, world.snapshot(), core.room(world.site, world.state))
            asks = [
                *self_consumption.ask(ME, "battery", shown),
                *backup.ask(Asker("storm", 3), "battery", shown, keep_wh=6_000, band_wh=500),
            ]
            world.cycle(PowerRequests(tuple(asks[::turn])))
        assert world.tell("battery") == 0 and not world.observer.violations
        assert world.why("battery").wanted == 0


def test_a_fair_share_leaves_the_core_nothing_to_take_away() -> None:
    cars = [Asset(f"car{n}", AssetKind.CHARGER, ABC, 0, 11_040, least_w=4_140) for n in range(3)]
    world = World(house(*cars, parties=(fuse(10_000),)))
    for second in range(120):
        world.base = (500 + 40 * (second % 7), 400, 300)
        shown = View(world.now, world.snapshot(), core.room(world.site, world.state))
        room = None if shown.room is None else min(shown.room[0][1], *(3 * high for _, high in shown.room[1:]))
        asks = fair_share.ask(
            ME, shown._replace(room=room and ((0, room),)), [ChargeClaim(car.name, 4_140, 11_040) for car in cars]
        )
        world.cycle(PowerRequests(tuple(asks)))
    assert not world.observer.violations and max(world.observer.turns.values()) <= 12
    assert min(world.tell(car.name) for car in cars) > 8_000


def test_surplus_beside_a_car_on_one_phase() -> None:
    world = World(house(CAR, INVERTER, parties=(fuse(20_000),)), base=(100, 100, 100))
    world.sun, memory = 30, surplus.SurplusMemory()
    for _ in range(400):
        shown = View(world.now, world.snapshot(), core.room(world.site, world.state))
        memory, asks = surplus.ask(ME, "car", shown, memory, least_w=1_380)
        world.cycle(PowerRequests(tuple(asks)))
    assert world.points[0][1:3] == (2_700, ("a",)) and abs(world.grid[0]) <= 10
    assert not world.observer.violations
