"""Plans: tables of small days, what stands in their reasons, and properties of any day."""

import os
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.control.energy.planner import Planner, step
from wayside.control.energy.task import EnergyPlan, Goal, Outlook, PlanTask, PlanTaskError, Store

HOUR = 3_600_000
MONDAY = 1_789_344_000_000  # 14 September 2026, 00:00 UTC
CHEAP, DEAR, SOLD = 100_000, 400_000, 50_000
BATTERY = Store("battery", 8_000, 4_000, 4_000, 4_000)
DAY_NIGHT = (CHEAP,) * 4 + (DEAR,) * 4


def task(
    stores: Store | tuple[Store, ...], load: int | tuple[int, ...] = 0, pv: int | tuple[int, ...] = 0, **kw
) -> PlanTask:
    buy = kw.pop("buy", DAY_NIGHT)
    slots = len(buy)
    load = (load,) * slots if isinstance(load, int) else load
    pv = (pv,) * slots if isinstance(pv, int) else pv
    outlooks = kw.pop("outlooks", (Outlook(load, pv),))
    stores = (stores,) if isinstance(stores, Store) else stores
    return PlanTask(MONDAY, HOUR, outlooks, buy, kw.pop("sell", (SOLD,) * slots), stores, **kw)


def plan(asked: PlanTask) -> EnergyPlan:
    pytest.importorskip("highspy", reason="the extra `plan` is not installed")
    return Planner(ZoneInfo("Europe/Berlin")).plan(asked)


def test_it_buys_at_the_cheap_price_what_the_dear_hours_need():
    made = plan(task(BATTERY, load=1_000))
    bought = sum(each.watts["battery"] for each in made.slots[:4])
    assert [each.watts["battery"] for each in made.slots[4:]] == [-1_000] * 3 + [-999]
    assert 4_000 + bought * 0.95 == pytest.approx(4_000 / 0.95, abs=10)
    assert made.broken == () and made.notes == ()


def test_without_a_difference_in_price_it_does_nothing():
    made = plan(task(BATTERY, load=1_000, buy=(CHEAP,) * 8))
    assert {each.watts["battery"] for each in made.slots[:2]} <= {0, -1_000}
    assert max(each.watts["battery"] for each in made.slots) == 0


def test_wear_that_costs_more_than_the_difference_keeps_it_still():
    store = Store("battery", 8_000, 0, 4_000, 4_000, wear=400_000)
    assert {each.watts["battery"] for each in plan(task(store, load=1_000)).slots} == {0}


def test_the_present_slot_is_what_is_measured_and_the_others_are_weighed():
    """One outlook alone has it buy nothing or much; with both it holds enough for the likelier."""
    sunny, dark = (2_000, *(0,) * 3, *(0,) * 4), (2_000, *(0,) * 3, *(1_000,) * 4)
    both = (Outlook(sunny, (0,) * 8, 0.3), Outlook(dark, (0,) * 8, 0.7))
    made = plan(task(Store("battery", 8_000, 0, 4_000, 4_000), outlooks=both))
    assert made.slots[0].grid_watts == 2_000 + made.slots[0].watts["battery"]
    assert sum(each.watts["battery"] for each in made.slots[:4]) > 2_000


def test_an_import_limit_is_kept_by_buying_before():
    made = plan(task(BATTERY, load=(0,) * 4 + (3_000,) * 4, buy=(CHEAP,) * 8, import_watts=(2_000,) * 8))
    assert max(each.grid_watts for each in made.slots) <= 2_001
    assert made.broken == ()


def test_an_import_limit_that_the_load_alone_breaks_is_named_with_how_much_and_when():
    made = plan(task(Store("battery", 0, 0, 0), load=(0,) * 6 + (5_000,) * 2, import_watts=(3_000,) * 8))
    assert made.broken == (
        "the import limit of 3000 W is exceeded by up to 2000 W from Mon 08:00 to Mon 10:00: load and generation alone"
        " need it, and no store can take it",
    )


def test_an_export_limit_is_kept_by_curtailing_where_that_may_be():
    asked = {"pv": 6_000, "export_watts": (1_000,) * 8}
    made = plan(task(Store("battery", 0, 0, 0), curtailable=True, **asked))
    assert {each.curtailed_watts for each in made.slots} == {5_000} and made.broken == ()
    assert (
        "the export limit of 1000 W is exceeded by up to 5000 W" in plan(task(Store("b", 0, 0, 0), **asked)).broken[0]
    )


def test_what_pays_nothing_is_not_thrown_away():
    made = plan(task(BATTERY, pv=6_000, sell=(0,) * 8, curtailable=True))
    assert sum(each.curtailed_watts for each in made.slots) == 0


def test_below_its_reserve_it_is_filled_again_and_named():
    """emhass 390, evcc optimizer 36 and 105: an energy below its least was "infeasible"."""
    store = Store("battery", 8_000, 1_000, 2_000, 4_000, reserve_wh=2_000)
    made = plan(task(store, load=1_000, buy=(DEAR,) * 8))
    assert all(each.watts["battery"] >= 0 for each in made.slots[:1])
    assert made.slots[-1].stored_wh["battery"] >= 2_000
    assert made.broken == ("battery: 1000 Wh is below its reserve of 2000 Wh; reached at Mon 03:00",)


def test_above_full_it_is_only_not_charged():
    """The same over its most: a battery that counts 101 %."""
    made = plan(task(Store("battery", 8_000, 8_100, 4_000, 4_000), load=1_000, pv=0))
    assert max(each.watts["battery"] for each in made.slots) <= 0
    assert sum(each.watts["battery"] for each in made.slots[4:]) == pytest.approx(-4_000, abs=5)


def test_a_goal_that_can_be_reached_is_and_one_that_cannot_is_named():
    """evcc optimizer 27: a goal that there is no time for made the whole plan fail."""
    car = Store("car", 40_000, 0, 11_000, smallest_watts=1_380, charge_efficiency=1.0)
    goal = Goal(MONDAY + 4 * HOUR, 20_000, "the driver")
    made = plan(task(Store(**{**fields(car), "goals": (goal,)})))
    assert made.slots[3].stored_wh["car"] >= 19_990 and made.broken == ()
    far = Goal(MONDAY + 4 * HOUR, 50_000, "the driver")
    made = plan(task(Store(**{**fields(car), "goals": (far,)})))
    assert made.broken == (
        "car: 50000 Wh at Mon 06:00 for the driver cannot be reached: 10000 Wh will be missing with 11000 W at most",
    )


def test_a_limit_is_kept_before_a_goal_and_a_goal_before_a_reserve():
    goal = (Goal(MONDAY + 4 * HOUR, 12_000, "the driver"),)
    car = Store("car", 40_000, 0, 11_000, charge_efficiency=1.0, goals=goal)
    battery = Store("battery", 8_000, 0, 4_000, 4_000, reserve_wh=4_000, charge_efficiency=1.0)
    made = plan(task((car, battery), import_watts=(2_500,) * 8))
    assert max(each.grid_watts for each in made.slots) <= 2_501
    assert made.slots[3].stored_wh["car"] >= 9_990
    assert [text.split(":")[0] for text in made.broken] == ["car", "battery"]


def test_a_goal_that_is_over_is_not_told_any_more():
    car = Store("car", 40_000, 0, 11_000, goals=(Goal(MONDAY - HOUR, 12_000, "the driver"),))
    assert plan(task(car)).broken == ()


def test_a_goal_within_the_present_slot_is_told_when_it_is_missed():
    """emhass 1049: what could not be reached in time made every plan fail."""
    car = Store("car", 40_000, 5_000, 11_000, goals=(Goal(MONDAY + HOUR // 2, 12_000, "the driver"),))
    assert "7000 Wh will be missing" in plan(task(car)).broken[0]


def fields(store: Store) -> dict[str, object]:
    return {name: getattr(store, name) for name in Store.__slots__}


def test_a_car_that_leaves_is_not_charged_after():
    car = Store(
        "car", 40_000, 0, 11_000, goals=(Goal(MONDAY + 6 * HOUR, 9_000, "the driver"),), until_ms=MONDAY + 6 * HOUR
    )
    made = plan(task(car, buy=(DEAR,) * 6 + (CHEAP,) * 2))
    assert [each.watts["car"] for each in made.slots[6:]] == [0, 0]
    assert made.slots[5].stored_wh["car"] >= 8_990


def test_an_unknown_energy_is_not_zero():
    made = plan(
        task((Store("battery", 8_000, None, 4_000, 4_000, reserve_wh=2_000), Store("other", 8_000, 0, 4_000, 4_000)))
    )
    assert {each.watts["battery"] for each in made.slots} == {0}
    assert made.reasons["battery"] == "its state of charge is not known: it stands still"
    assert made.broken == ()


def test_small_powers_are_rounded_to_off_or_the_smallest():
    car = Store("car", 40_000, 0, 11_000, smallest_watts=1_380, charge_efficiency=1.0)
    surplus = (900, 500, *(0,) * 6)
    made = plan(task(car, pv=surplus, left_price=0, sell=(0,) * 8))
    assert {each.watts["car"] for each in made.slots} <= {0, 1_380}


def test_a_peak_that_is_paid_for_is_not_exceeded():
    spiky = (0, 0, 0, 6_000, 0, 0, 0, 0)
    paid = plan(task(BATTERY, load=spiky, buy=(CHEAP,) * 8, peak_watts=3_000, peak_price=100_000_000))
    assert max(each.grid_watts for each in paid.slots) <= 3_001


def test_selling_for_more_than_buying_costs_is_no_money_machine():
    made = plan(task(BATTERY, buy=(CHEAP,) * 8, sell=(DEAR,) * 8))
    assert made.notes == (
        "from Mon 02:00 selling pays more than buying costs in 8 slots: planned as if it paid the same, because one"
        " meter cannot do both at once",
    )


def test_negative_prices_fill_it():
    made = plan(task(BATTERY, buy=(-100_000,) * 4 + (DEAR,) * 4, sell=(-100_000,) * 4 + (SOLD,) * 4, load=500))
    assert made.slots[3].stored_wh["battery"] >= 7_990


REASONS = [
    ("charges with all it can: 4000 W", {"load": 2_000, "buy": (CHEAP,) + (DEAR,) * 7}),
    (
        "charges what the import limit of 3000 W leaves",
        {"load": 2_000, "buy": (CHEAP,) + (DEAR,) * 7, "import_watts": (3_000,) * 8},
    ),
    (
        "charges what the generation leaves over",
        {"load": (0,) + (3_000,) * 7, "pv": (700,) + (0,) * 7, "buy": (DEAR,) * 8},
    ),
    ("discharges what the load needs", {"load": 600, "buy": (DEAR,) * 8}),
    ("discharges with all it can: 4000 W", {"load": 6_000, "buy": (DEAR,) + (CHEAP,) * 7}),
]


@pytest.mark.parametrize("reason, asked", REASONS)
def test_the_bound_that_holds_the_present_slot_is_named(reason, asked):
    assert plan(task(Store("battery", 12_000, 5_000, 4_000, 4_000), **asked)).reasons["battery"] == reason


def test_full_and_reserve_are_named():
    assert (
        plan(task(Store("b", 8_000, 7_000, 4_000, 4_000), pv=5_000)).reasons["b"] == "charges until it is full: 8000 Wh"
    )
    assert plan(task(Store("b", 8_000, 8_000, 4_000, 4_000), pv=5_000)).reasons["b"] == "is full: 8000 Wh"
    empty = Store("b", 8_000, 2_000, 4_000, 4_000, reserve_wh=2_000)
    assert (
        plan(task(empty, load=500, buy=(DEAR,) * 8))
        .reasons["b"]
        .startswith("is at its reserve of 2000 Wh (a kWh in it")
    )


def test_what_is_kept_for_later_says_until_when():
    made = plan(task(Store("b", 8_000, 1_000, 0, 4_000), load=500))
    assert made.slots[0].watts["b"] == 0
    assert made.reasons["b"].startswith(
        "energy is kept: it will be at its reserve at Mon 08:00 (a kWh in it is worth 0.3"
    )


BAD = [
    ({"buy": (CHEAP,)}, "a plan has 2 to 400 slots, this task has 1: give a price for each"),
    ({"load": (1,)}, "load of outlook 0 has 1 values for 8 slots: give one per slot"),
    ({"sell": (1,)}, "sell has 1 values for 8 slots: give one per slot"),
    ({"import_watts": (None,)}, "import_watts has 1 values for 8 slots: give one per slot"),
    ({"outlooks": ()}, "a plan needs an outlook, each with a weight above 0: make a forecast first"),
    ({"pv": -5}, "outlook 0 has negative watts: load and generation are counted apart, each from 0 up"),
    ({"import_watts": (-5,) * 8}, "a limit of -5 W cannot be planned: write it as a limit of the other direction"),
]


@pytest.mark.parametrize("asked, told", BAD)
def test_a_task_that_is_not_in_form_is_told_what_to_do(asked, told):
    with pytest.raises(PlanTaskError) as error:
        Planner().plan(task(BATTERY, **asked))
    assert str(error.value) == told


def test_stores_that_cannot_be_are_told():
    for store, told in (
        (Store("b", 1, 1, 1, charge_efficiency=0), "b: an efficiency is above 0 and at most 1"),
        (Store("b", 1, 1, -1), "b: capacity, powers, reserve and energy are not negative"),
        (Store("b", 1, 1, 1, reserve_wh=2), "b: a reserve of 2 Wh is more than it holds"),
    ):
        with pytest.raises(PlanTaskError) as error:
            Planner().plan(task(store))
        assert str(error.value) == told
    with pytest.raises(PlanTaskError, match="two stores have one name: rename one"):
        Planner().plan(task((BATTERY, BATTERY)))


def test_without_the_solver_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(PlanTaskError, match=r"install the extra `plan` .* until then the strategies run alone"):
        Planner().plan(task(BATTERY))


def test_a_plan_of_the_next_slot_is_the_one_of_a_new_planner():
    """It goes on from the last solution, which must change how long it takes and nothing else."""
    pytest.importorskip("highspy", reason="the extra `plan` is not installed")
    kept = Planner()
    for hour in range(6):
        load = tuple(500 + 100 * ((hour + each) % 5) for each in range(8))
        asked = task(
            Store("battery", 8_000, 1_000 + 900 * hour, 4_000, 4_000),
            load=load,
            buy=(*DAY_NIGHT[hour:], *DAY_NIGHT[:hour]),
        )
        assert kept.plan(asked).cost == pytest.approx(Planner().plan(asked).cost, abs=2_000)


series = st.lists(st.integers(0, 8_000), min_size=8, max_size=8).map(tuple)
stores = st.builds(
    Store,
    st.just("battery"),
    st.integers(0, 20_000),
    st.integers(0, 25_000),
    st.integers(0, 5_000),
    st.integers(0, 5_000),
    charge_efficiency=st.sampled_from([0.8, 0.95, 1.0]),
    discharge_efficiency=st.sampled_from([0.8, 0.95, 1.0]),
    smallest_watts=st.sampled_from([0, 0, 1_380]),
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_day_has_a_plan_that_keeps_its_bounds_or_names_them(data):
    store = data.draw(stores)
    store = Store(**{**fields(store), "reserve_wh": data.draw(st.integers(0, store.capacity_wh))})
    prices = st.lists(st.integers(-200_000, 600_000), min_size=8, max_size=8).map(tuple)
    limit = data.draw(st.one_of(st.none(), st.integers(0, 9_000)))
    asked = task(
        store,
        buy=data.draw(prices),
        sell=data.draw(prices),
        outlooks=(Outlook(data.draw(series), data.draw(series)),),
        import_watts=(limit,) * 8,
    )
    made = plan(asked)
    held = store.now_wh
    for slot, each in enumerate(made.slots):
        watts, now = each.watts["battery"], each.stored_wh["battery"]
        outlook = asked.outlooks[0]
        assert each.grid_watts == outlook.load[slot] - outlook.pv[slot] + each.curtailed_watts + watts
        assert -store.discharge_watts <= watts <= store.charge_watts
        assert watts == 0 or abs(watts) >= store.smallest_watts
        if watts < 0:
            assert now >= store.reserve_wh
            assert held - now == pytest.approx(-watts / store.discharge_efficiency, abs=2)
        elif watts > 0:
            assert now <= store.capacity_wh
            assert now - held == pytest.approx(watts * store.charge_efficiency, abs=2)
        else:
            assert now == held
        if limit is not None and each.grid_watts > limit + 3 + store.smallest_watts:
            assert any("import limit" in text or "reserve" in text for text in made.broken)
        held = now


@given(stores, st.integers(0, 20_000), st.floats(-50_000, 50_000), st.sampled_from([0.25, 0.5, 1.0]))
def test_whatever_the_solver_says_a_step_keeps_the_bounds(store, reserve, wanted, hours):
    store = Store(**{**fields(store), "reserve_wh": min(reserve, store.capacity_wh)})
    watts, held = step(store, store.now_wh, wanted, hours)
    assert -store.discharge_watts <= watts <= store.charge_watts
    assert watts * wanted >= 0
    assert watts == 0 or abs(watts) >= store.smallest_watts
    if watts > 0:
        assert store.now_wh <= held <= store.capacity_wh
        assert held - store.now_wh == pytest.approx(watts * hours * store.charge_efficiency, abs=1)
    elif watts < 0:
        assert store.reserve_wh <= held <= store.now_wh
        assert store.now_wh - held == pytest.approx(-watts * hours / store.discharge_efficiency, abs=1)
    else:
        assert held == store.now_wh


def test_the_bench_says_what_is_missing(tmp_path):
    tool = Path(__file__).parents[2] / "tools" / "bench_plan.py"
    command = [sys.executable, str(tool), "forecasts", "--cache", str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PIP_NO_INDEX": "1"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "missing: the package simbench==" in done.stdout
