"""What people reported of other energy controllers, made again here; docs/attacks.md ("Energy") says who did."""

import dataclasses
from itertools import pairwise

import pytest
from energy.sites import ABC, BATTERY, CAR, EXPORT, IMPORT, INVERTER, V2G, VAN, fuse, house, remote
from energy.test_energy_core import ask, wanting
from energy.world import World
from wayside.control.energy import core, limits
from wayside.control.energy.assets import Asset, AssetKind
from wayside.control.energy.cycle import How, Now, PowerRequests
from wayside.control.energy.limits import Limit, Party


def charger(name: str, least: int = 4_140, most: int = 11_040, **more) -> Asset:
    return Asset(name, AssetKind.CHARGER, ABC, 0, most, least_w=least, **more)


def site_limit(watts: int) -> Party:
    return Party("site", (Limit(IMPORT, watts, (), "site"),))


def test_a_charger_begins_throttled_where_there_is_room_for_less_than_it_wants() -> None:
    """It asked for 2990 W where 2756 were left, began, was stopped, began again."""
    world = World(house(charger("car", 1_380), parties=(site_limit(5_700),)), base=(1_000, 1_000, 944))
    world.run(60, wanting(ask("car", 2_990)))
    assert world.tell("car") == 2_756 and world.observer.turns["car"] == 0


def test_a_heat_pump_that_begins_throttles_or_changes_over_and_does_not_stop() -> None:
    """6000 W in all: 4000 W of car, 500 of house, then 2000 more; one phase was never tried."""
    car = dataclasses.replace(CAR, default_w=0, min_on_ms=0)
    world = World(house(car, parties=(site_limit(6_000),)), base=(200, 150, 150))
    world.run(80, wanting(ask("car", 5_500)))
    world.base = (2_200, 150, 150)
    world.run(10, wanting(ask("car", 5_500)))
    assert world.points[0][1:3] == (3_500, ("a",)) and world.grid[0] == 6_000


def test_the_eighth_charger_waits_and_does_not_begin_and_stop_in_turn() -> None:
    cars = [charger(f"car{n}", 11_040) for n in range(8)]
    world = World(house(*cars, parties=(site_limit(80_000),), start_gap_ms=1_000))
    world.run(300, wanting(*(ask(car.name, 11_040) for car in cars)))
    assert sum(bool(point.watts) for point in world.points) == 7
    assert sum(world.observer.turns.values()) == 0


def test_an_overload_that_no_charger_makes_stops_none_that_cannot_help() -> None:
    car = Asset("car", AssetKind.CHARGER, ("a",), 0, 4_600, least_w=1_380)
    world = World(house(car, parties=(fuse(5_700),)), base=(500, 500, 7_000))
    world.run(20, wanting(ask("car", 4_600)))
    assert world.tell("car") == 4_600
    assert ("over import c", "fuse") in [(reason.bound, reason.by) for reason in world.reasons]


def test_a_limit_is_kept_and_not_only_shown() -> None:
    cars = [charger(f"car{n}") for n in range(3)]
    world = World(house(*cars, parties=(site_limit(35_000),)))
    world.base = (2_000, 2_000, 2_000)
    world.run(60, wanting(*(ask(car.name, 11_040) for car in cars)))
    assert 34_000 < world.grid[0] <= 35_000


@pytest.mark.parametrize("fault", ["lost", "phase", "stale"])
def test_without_the_meter_charging_does_not_go_on_and_does_not_go_up(fault: str) -> None:
    """It went on with 3 x 16 A; elsewhere it went from 5 to 10 kW, once phases could not be read."""
    world = World(house(charger("car", default_w=4_140), parties=(fuse(11_000),)))
    world.run(30, wanting(ask("car", 5_100)))
    world.grid_fault = fault
    world.run(10, wanting(ask("car", 11_040)))
    assert world.tell("car") == 4_140


def test_a_meter_that_repeats_an_old_reading_is_stale_although_it_answers() -> None:
    world = World(house(charger("car")))
    world.run(30, wanting(ask("car", 6_000)))
    frozen = world.snapshot().grid
    for second in range(20):
        snapshot = world.snapshot()._replace(grid=frozen)
        world.state, points, reasons = core.decide(
            world.site, world.state, snapshot, wanting(ask("car", 6_000)), world.now
        )
        assert (points[0].watts == 0) == (second > 5), second
        world.now_ms += 1_000
    assert "older than" in reasons[0].by


def test_a_restart_does_not_begin_with_the_most() -> None:
    world = World(house(charger("car")))
    world.run(2, wanting(ask("car", 11_040)))
    assert world.tell("car") == 0


@pytest.mark.parametrize("surplus", [3_700, 3_900, 4_100, 4_139])
def test_a_surplus_between_one_phase_and_three_does_not_change_phases_in_turn(surplus: int) -> None:
    """16 A: one phase ends at 3.7 kW and three begin at 4.1; between them it changed every eight minutes."""
    world = World(house(dataclasses.replace(CAR, switch_ms=10_000)))
    phases = []
    for second in range(300):
        world.cycle(wanting(ask("car", surplus + (second % 3))))
        phases.append(world.points[0].phases)
    changes = sum(before != after for before, after in pairwise(phases))
    assert changes <= (30 if surplus == 4_139 else 1) and not world.observer.violations


def test_what_three_phases_can_take_is_not_left_to_one() -> None:
    """6 kW with 32 A: one phase could take them, and it never changed over to all three."""
    car = dataclasses.replace(CAR, single_high_w=7_360, switch_ms=20_000)
    world = World(house(car, parties=(fuse(20_000),)))
    world.run(60, wanting(ask("car", 3_000)))
    assert world.points[0].phases == ("a",)
    world.run(60, wanting(ask("car", 6_000)))
    assert world.points[0][1:3] == (6_000, ABC)


def test_a_charger_that_is_gone_does_not_shut_down_the_others() -> None:
    cars = [charger(f"car{n}") for n in range(2)]
    world = World(house(*cars, parties=(site_limit(15_000),)))
    wanted = wanting(*(ask(car.name, 11_040) for car in cars))
    world.run(30, wanted)
    world.dead = frozenset({"car0"})
    world.run(100, wanted)  # by then it has stopped by its own timer
    assert world.tell("car1") == 11_040 and world.power["car0"] == 0


def test_a_slow_meter_and_battery_do_not_swing_each_other_up() -> None:
    """The reading is two seconds old when it comes, and the battery needs two more."""
    world = World(house(BATTERY, parties=(fuse(3_000),)), base=(4_000, 3_900, 4_100), lag=3)
    readings = []
    for _ in range(120):
        readings.append(world.snapshot().grid)
        world.cycle()
    late = World(house(BATTERY, parties=(fuse(3_000),)), base=(4_000, 3_900, 4_100), lag=2)
    turns, before, way = 0, 0, 0
    shown: list = []
    for _ in range(180):
        snapshot = late.snapshot()
        shown.append(snapshot.grid)
        late._move()
        late.state, late.points, _ = core.decide(
            late.site, late.state, snapshot._replace(grid=shown[max(0, len(shown) - 3)]), PowerRequests(), late.now
        )
        late._queue.append({point.asset: (point.watts, point.phases) for point in late.points})
        now = late.points[0].watts
        step = (now > before) - (now < before)
        turns += step * way < 0
        before, way = now, step or way
        late.now_ms += 1_000
    assert turns <= 2 * 180 // 10 + 2 and late.grid[3] <= 3_000 + 100
    assert world.observer.turns["battery"] <= 1


def test_charge_and_discharge_do_not_flicker_between_two_who_ask() -> None:
    """A value of one and a bound of the other, in whatever order they come: it is merged once."""
    world = World(house(BATTERY))
    wanted = [ask("battery", -2_000, 8), ask("battery", 1_000, 5, how=How.AT_LEAST)]
    for second in range(60):
        world.cycle(wanting(*wanted[:: (-1) ** second]))
        assert world.tell("battery") in ((0, 1_000) if second < 3 else (1_000,))


def test_a_battery_power_of_nothing_ends_no_cycle_and_lasts() -> None:
    nothing = dataclasses.replace(BATTERY, low_w=0, high_w=0)
    world = World(house(nothing, INVERTER, parties=(fuse(0), remote("feed", EXPORT, 0))), base=(500, -500, 0))
    world.sun = 50
    world.run(30, wanting(ask("battery", 3_000), ask("pv", -10_000)))
    assert world.tell("battery") == 0 and not world.observer.violations


def test_a_negative_limit_is_refused_and_the_fail_safe_is_left_by_the_next_good_one() -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200),)))
    world.cycle(PowerRequests((), (Limit(IMPORT, -5_000, (), "grid"),)))
    assert world.bounds[0].high == 4_200 and any("limit refused" in reason.bound for reason in world.reasons)
    world.cycle(PowerRequests((), (Limit(IMPORT, 6_000, (), "grid"),)))
    assert world.bounds[0].high == 6_000


def test_a_limit_without_a_duration_does_not_end_after_ten_seconds() -> None:
    world = World(house(CAR, parties=(remote("grid", IMPORT, 4_200),)))
    world.heard = frozenset({"grid"})
    world.run(300, PowerRequests((), (Limit(IMPORT, 7_000, (), "grid"),)))
    assert world.bounds[0].high == 7_000


def test_a_wall_clock_that_is_set_ends_no_limit_and_no_request() -> None:
    world = World(house(charger("car"), parties=(remote("grid", IMPORT, 4_200),)))
    world.heard = frozenset({"grid"})
    end = world.now_ms + 60_000
    world.cycle(PowerRequests((), (Limit(IMPORT, 9_000, (), "grid", 4, end),)))
    world.utc_shift_ms = 10**12
    world.run(50)
    assert world.bounds[0].high == 9_000
    world.utc_shift_ms = -(10**12)
    world.run(20)
    assert world.bounds[0].high == limits.MOST_W


def test_a_state_of_charge_outside_its_bounds_is_no_error_and_no_discharge() -> None:
    for energy in (-3, 0, 999, 12_000, None):
        world = World(house(BATTERY, parties=(fuse(1_000),)), base=(2_000, 2_000, 2_000))
        world.seen["battery"] = {"energy_wh": energy}
        world.run(20, wanting(ask("battery", -4_000)))
        assert world.tell("battery") == 0, energy


def test_a_departure_that_is_over_or_far_away_is_no_error() -> None:
    for departs in (-(2**40), 0, 2**60):
        world = World(house(V2G), energy_mwh={"v2g": 30_000_000})
        world.seen["v2g"] = {"needed_wh": 40_000, "depart_ms": departs}
        world.run(20, wanting(ask("v2g", -7_000)))
        assert world.tell("v2g") == (11_000 if departs <= 0 else -7_000)


def test_after_the_controllers_death_no_set_point_stays() -> None:
    """kill -9: nobody renews; the device's own timer brings each to its default."""
    world = World(house(VAN, BATTERY, INVERTER))
    world.run(80, wanting(ask("van", 5_000), ask("battery", -3_000)))
    assert all(0 < point.duration_ms <= 60_000 for point in world.points)
    world.dead = frozenset({"van", "battery", "pv"})
    world.run(62)
    assert world.power == {"van": 0, "battery": 0, "pv": 0}


def test_a_clock_of_the_machine_that_begins_anew_is_carried_over() -> None:
    world = World(house(VAN))
    world.run(90, wanting(ask("van", 5_000)))
    state = core.resume(world.site, world.state, world.now, Now(0, world.now.utc_ms + 1_000))
    _, points, _ = core.decide(world.site, state, world.snapshot(), PowerRequests(), Now(1_000, 0))
    assert points[0].watts == 0
