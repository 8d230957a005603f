"""Diagnosis: what each finding needs, what it must not be fooled by, and how often it calls for nothing."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.control.energy.diagnosis.balance import balance
from wayside.control.energy.diagnosis.counter import counter
from wayside.control.energy.diagnosis.cusum import change
from wayside.control.energy.diagnosis.phases import lost_power, lost_voltage
from wayside.control.energy.diagnosis.plant import DAY_MS, below_neighbours, below_own_best
from wayside.control.energy.diagnosis.stuck import stuck

QUARTER = 900_000


def timed(*values):
    return [(place * QUARTER, value) for place, value in enumerate(values)]


STUCK = {
    "five times": ((1.0, *(230.4,) * 5, 2.0), 1),
    "four times": ((1.0, *(230.4,) * 4, 2.0), 0),
    "until the end": ((1.0, *(230.4,) * 5), 1),
    "nothing at night": ((0,) * 40, 0),
    "gaps between": ((7.5, None, 7.5, 7.5, None, None, 7.5, 7.5), 1),
    "only gaps": ((None,) * 40, 0),
    "twice": ((*(3,) * 6, 1, *(4,) * 6), 2),
    "nothing": ((), 0),
}


@pytest.mark.parametrize("case", STUCK)
def test_stuck(case):
    values, count = STUCK[case]
    found = stuck("meter", timed(*values))
    assert len(found) == count
    assert all(each.kind == "stuck" and each.from_ms < each.until_ms for each in found)


def test_stuck_says_how_often():
    assert stuck("meter", timed(1, *(230.4,) * 5, 2))[0].text == (
        "shows 230.4 in 5 readings in a row: read the device itself, and its connection"
    )


def test_a_small_lasting_change_is_found_with_when_it_began():
    random.seed(1)
    values = [random.gauss(100, 3) for _ in range(60)] + [random.gauss(106, 3) for _ in range(30)]
    found = change(values, 30)
    assert found and found.direction == 1 and 55 <= found.since <= 66 and found.certain <= 80


def test_one_wild_value_is_no_change():
    assert change([1.0, 1.1] * 10 + [99.0] + [1.0, 1.1] * 10, 20) is None


def test_too_little_is_no_change():
    assert change([1.0] * 4, 4) is None and change([], 0) is None


def test_how_often_cusum_calls_for_nothing():
    random.seed(2)
    calls = sum(change([random.gauss(0, 1) for _ in range(60)], 30) is not None for _ in range(200))
    assert calls <= 10


def a_day(number, house, car, rest=0.0, wrong=1.0):
    random.seed(number)
    part = [house * random.uniform(0.5, 1.5) for _ in range(96)]
    other = [car * (slot % 8 == 0) for slot in range(96)]
    grid = [(a + b + rest) * random.uniform(0.995, 1.005) for a, b in zip(part, other, strict=True)]
    return number * DAY_MS, grid, {"house": [a * wrong for a in part], "car": other}


def test_meters_that_add_up_are_not_told():
    assert balance("grid", [a_day(number, 500, 4_000) for number in range(40)]) == []


@pytest.mark.parametrize(
    "wrong, told",
    [
        (-1.0, "it would be right if house had the other sign"),
        (0.5, "differs from the sum of its meters by 2"),
    ],
)
def test_a_meter_that_is_wrong_is_told(wrong, told):
    found = balance("grid", [a_day(0, 500, 4_000, wrong=wrong)])
    assert len(found) == 1 and found[0].kind == "balance" and told in found[0].text


def test_a_meter_that_is_counted_twice_is_named():
    start, grid, parts = a_day(0, 500, 3_000)
    found = balance("grid", [(start, grid, {**parts, "again": parts["house"]})])
    assert "it would be right without house or again: is it counted twice?" in found[0].text


def test_a_slow_drift_is_told_before_it_leaves_the_classes():
    days = [a_day(number, 2_000, 4_000, rest=max(0, number - 20) * 3.0) for number in range(35)]
    found = balance("grid", days)
    assert [each.kind for each in found] == ["drift"]
    assert found[0].from_ms >= 18 * DAY_MS


def test_gaps_prove_nothing():
    start, grid, parts = a_day(0, 500, 4_000, wrong=-1.0)
    assert balance("grid", [(start, [None] * 96, parts)]) == []
    assert balance("grid", [(start, grid, {"house": [None] * 96})]) == []


def weather(days):
    random.seed(5)
    return [random.uniform(0.15, 1) for _ in range(days)]


def test_a_plant_below_its_neighbours():
    sun = weather(60)
    own = [20 * each * (0.7 if day > 30 else 1) * random.uniform(0.97, 1.03) for day, each in enumerate(sun)]
    others = {name: [size * each * random.uniform(0.97, 1.03) for each in sun] for name, size in (("a", 5), ("b", 9))}
    found = below_neighbours("pv", 0, own, others)
    assert len(found) == 1 and "gives 7" in found[0].text and 28 * DAY_MS <= found[0].from_ms <= 33 * DAY_MS
    assert below_neighbours("pv", 0, [20 * each for each in sun], others) == []
    assert below_neighbours("pv", 0, own, {}) == []


def sunny_days(count, part=lambda day: 1.0):
    return [
        [max(0, 40 - abs(48 - slot)) * 100 * cloud * part(day) for slot in range(96)]
        for day, cloud in enumerate(weather(count))
    ]


def test_a_plant_below_its_own_best():
    assert below_own_best("pv", 0, sunny_days(60)) == []
    found = below_own_best("pv", 0, sunny_days(60, lambda day: 0.5 if day >= 35 else 1.0))
    assert len(found) == 1 and 33 * DAY_MS <= found[0].from_ms <= 36 * DAY_MS
    assert below_own_best("pv", 0, [[None] * 96] * 60) == []
    assert below_own_best("pv", 0, [[0] * 96] * 60) == []


def test_a_lost_phase_by_voltage():
    good, lost = (231.0, 229.0, 230.0), (231.0, 40.0, 230.0)
    found = lost_voltage("meter", timed(good, lost, lost, (231.0, None, 230.0), lost, good))
    assert len(found) == 1 and found[0].text.startswith("phase b shows 40 V while the others carry, in 3 readings")
    assert lost_voltage("meter", timed(good, lost, lost, good)) == []
    assert lost_voltage("meter", timed(*[(0.0, 0.0, 0.0)] * 5)) == []


def test_a_lost_phase_by_power():
    found = lost_power("pump", timed(*[(700.0, 690.0, 2.0)] * 4), 200)
    assert len(found) == 1 and "phase c" in found[0].text
    assert lost_power("pump", timed(*[(0.0, 0.0, 0.0)] * 9), 200) == []
    assert lost_power("pump", timed(*[(700.0, 690.0, None)] * 9), 200) == []


def test_a_register_against_its_power():
    random.seed(6)
    power = [random.uniform(100, 3_000) for _ in range(96)]

    def with_register(watts):
        return [(slot * QUARTER, watts(each), each) for slot, each in enumerate(power)]

    assert counter("meter", with_register(lambda each: each * random.uniform(0.97, 1.03))) == []
    assert "counts 0.500 times" in counter("meter", with_register(lambda each: each / 2))[0].text
    assert "counts -1.000 times" in counter("meter", with_register(lambda each: -each))[0].text
    assert "stood still while its power was" in counter("meter", with_register(lambda each: 0))[0].text
    assert counter("meter", with_register(lambda each: None)) == []
    assert counter("meter", with_register(lambda each: random.uniform(0, 3_000))) == []


@pytest.mark.parametrize("step_wh", [1, 10, 100, 1_000])
@pytest.mark.parametrize("watts", [60, 150, 300, 500, 800, 1_500, 3_000])
def test_a_register_that_counts_in_coarse_steps_is_no_false_alarm(watts: int, step_wh: int) -> None:
    """Of a register of whole kWh it was said that it stands still, or counts 0.000 or 1.263 times."""

    def series(times: float, slots: int) -> list[tuple[int, float, float]]:
        counted = [int(times * watts * slot / 4 / step_wh) * step_wh for slot in range(slots + 1)]
        return [(slot * QUARTER, 4.0 * (counted[slot + 1] - counted[slot]), float(watts)) for slot in range(slots)]

    for slots in (12, 48, 96, 672):
        assert counter("meter", series(1, slots)) == []
    assert counter("meter", series(0, 100 + 12_000 // watts))[0].text.startswith("its register stood still")
    found = counter("meter", series(2, 96 + 2 * 12 * 20 * 4 * 2 * step_wh // watts))[0].text
    assert 1.95 < float(found.split()[3]) < 2.05


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 30))
def test_no_series_breaks_a_diagnosis(seed, days):
    chance = random.Random(seed)
    size = chance.choice([0, 1, 96])
    one, other = (
        [chance.choice([None, 0, -5.5, chance.uniform(-1e6, 1e6), chance.uniform(0, 1)]) for _ in range(size)]
        for _ in range(2)
    )
    stuck("m", timed(*one))
    counter("m", [(at, a, b) for (at, a), b in zip(timed(*one), other, strict=True)])
    balance("m", [(day * DAY_MS, one, {"x": other}) for day in range(days)])
    below_neighbours("m", 0, one, {"x": other})
    below_own_best("m", 0, [one] * days)
    lost_voltage("m", [(at, (a, b, a)) for (at, a), b in zip(timed(*one), other, strict=True)])
