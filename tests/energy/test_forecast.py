"""Forecasts: what each method takes, days of 23 and 25 hours, gaps, drift, intervals, and registers that begin anew."""

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.control.energy.forecast import methods
from wayside.control.energy.forecast.counters import Count, Unplaced, slots
from wayside.control.energy.forecast.forecaster import Forecaster
from wayside.control.energy.forecast.history import History
from wayside.control.energy.forecast.ridge import gauss, mix

HOUR = 3_600_000
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone=BERLIN) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def filled(first: str, days: int, watts, zone=BERLIN) -> History:
    """Hours of `days` days; watts is called with (day from 0, hour by the wall clock)."""
    history = History(zone, HOUR)
    begin = history.place(at(first, zone))[0]
    start = at(first, zone)
    while history.place(start)[0] < begin + days:
        day, hour = history.place(start)
        history.add(start, watts(day - begin, hour))
        start += HOUR
    return history


METHODS = [
    (methods.day_before, 13, 13),
    (methods.week_before, 13, 7),
    (methods.mean_of_week, 13, 10),
    (methods.median_of_week, 13, 10),
    (methods.mean_of_weekdays, 13, 3.5),
    (methods.last_of_kind, 13, 11),
    (methods.mean_of_kind, 13, 9),
]


@pytest.mark.parametrize("method, last, expected", METHODS)
def test_what_each_method_takes(method, last, expected):
    """14 days from a Monday on, each of which has its number as watts; the next is a Monday."""
    history = filled("2026-06-01", 14, lambda day, _: day)
    first = history.days[0]
    assert method(history, first + last, first + 14) == [expected] * 24


def test_the_second_day_is_not_made_from_the_first_which_nobody_knows_yet():
    history = filled("2026-06-01", 14, lambda day, _: day)
    first = history.days[0]
    assert methods.week_before(history, first + 13, first + 15)[0] == 8
    assert methods.week_before(history, first + 13, first + 21)[0] == 7
    assert methods.day_before(history, first + 13, first + 15)[0] == 13


def test_a_gap_is_no_zero_and_the_day_before_stands_in():
    history = filled("2026-06-01", 10, lambda day, hour: None if (day, hour) == (9, 5) else 100 + day)
    first = history.days[0]
    row = methods.day_before(history, first + 9, first + 10)
    assert (row[4], row[5]) == (109, 108)


@pytest.mark.parametrize("day, hours", [("2026-03-29", 23), ("2026-10-25", 25)])
def test_days_of_23_and_25_hours(day, hours):
    """emhass 589, 766: lengths that did not match, and a forecast that was an hour off after the change."""
    forecaster = Forecaster(BERLIN, HOUR)
    start = at(day) - 20 * 24 * HOUR
    start = at(datetime.fromtimestamp(start / 1000, BERLIN).date().isoformat())
    while start < at(day):
        local = datetime.fromtimestamp(start / 1000, BERLIN)
        forecaster.add(start, 1_000 if local.hour == 8 else 100)
        start += HOUR
    made = forecaster.forecast(at(day), 48)
    hour_of = [datetime.fromtimestamp((made.start_ms + slot * HOUR) / 1000, BERLIN) for slot in range(48)]
    assert sum(each.date() == hour_of[0].date() for each in hour_of) == hours
    assert [each.hour for each, watts in zip(hour_of, made.watts, strict=True) if watts > 500] == [8, 8]
    assert len(made.watts) == len(made.low) == len(made.high) == 48


def test_the_hour_that_comes_twice_is_the_mean_of_both():
    history = History(BERLIN, HOUR)
    for text, watts in (("2026-10-25T00:30", 100), ("2026-10-25T01:30", 300)):
        history.add(at(text, UTC) // HOUR * HOUR, watts)
    assert history.row(history.days[0])[2] == 200


def test_generation_is_kept_by_the_sun():
    forecaster = Forecaster(BERLIN, HOUR, generation=True)
    assert forecaster.history.zone is UTC


def run(days: int, watts, **kw) -> tuple[Forecaster, int]:
    forecaster = Forecaster(UTC, HOUR, **kw)
    start = at("2026-01-05", UTC)
    for slot in range(days * 24):
        forecaster.add(start + slot * HOUR, watts(slot // 24, slot % 24))
    return forecaster, start + days * 24 * HOUR


def test_nothing_known_is_no_forecast():
    assert Forecaster(UTC, HOUR).forecast(at("2026-01-05", UTC), 48) is None


def test_a_few_days_are_forecast_by_the_day_before_and_say_why():
    forecaster, now = run(3, lambda day, hour: 100 * day + hour)
    made = forecaster.forecast(now + 5, 48, follow=False)
    assert made.watts == tuple(200 + hour for hour in range(24)) * 2
    assert (made.made_at_ms, made.start_ms, made.method) == (now + 5, now, "day before")
    assert made.reason == "only 2 days are judged yet: 7 are needed to choose"


def test_a_week_of_its_own_is_found():
    """Days off differ from working days: the day before is wrong twice a week."""
    random.seed(1)
    week = [300, 300, 300, 300, 300, 50, 20]
    forecaster, now = run(35, lambda day, hour: week[day % 7] + hour + random.randrange(9))
    made = forecaster.forecast(now, 24)
    assert made.method not in ("day before", "mean of 7 days", "median of 7 days")
    assert all(abs(watts - 300 - hour) < 12 for hour, watts in enumerate(made.watts))
    errors = forecaster.errors()
    assert errors["mean of 4 weeks"] < errors["week before"] < errors["day before"]


def test_what_has_drifted_is_left_for_persistence():
    """A heat pump goes off for the summer: for days every mean is wrong, and the day before is right."""
    random.seed(2)
    forecaster, now = run(30, lambda day, hour: (600 if day < 27 else 250) + random.randrange(400))
    made = forecaster.forecast(now, 24, follow=False)
    assert made.method == "day before"
    assert "has drifted" in made.reason
    assert sum(made.watts) / 24 < 600


def test_the_last_hour_is_taken_along_and_fades():
    forecaster, now = run(20, lambda day, hour: 500)
    forecaster.add(now, 900)
    made = forecaster.forecast(now + HOUR, 24)
    assert made.watts[0] == 700 and made.watts[20] == 500
    assert list(made.watts) == sorted(made.watts, reverse=True)


@pytest.mark.parametrize("generation", [False, True])
def test_an_interval_of_80_percent_holds_in_about_80_percent(generation):
    random.seed(3)
    forecaster = Forecaster(UTC, HOUR, generation=generation)
    start = at("2026-01-05", UTC)
    held = count = 0
    for day in range(80):
        made = forecaster.forecast(start + day * 24 * HOUR, 24)
        for hour in range(24):
            sun = max(0, 6 - abs(12 - hour)) * 500 * random.uniform(0.2, 1)
            watts = round(sun if generation else 200 + 800 * random.random() ** 3)
            if made and day > 30 and (made.watts[hour] or not generation):
                count += 1
                held += made.low[hour] <= watts <= made.high[hour]
            forecaster.add(start + (day * 24 + hour) * HOUR, watts)
    assert 0.75 <= held / count <= 0.85


def test_outlooks_are_the_forecast_with_what_past_days_were_beside_theirs():
    random.seed(4)
    forecaster, now = run(25, lambda day, hour: 300 + random.randrange(300))
    made = forecaster.forecast(now, 36)
    ways = forecaster.outlooks(made, 8)
    assert len(ways) == 8 and all(len(way) == 36 for way in ways)
    assert len(set(ways)) == 8
    assert abs(sum(map(sum, ways)) / 8 - sum(made.watts)) < 0.15 * sum(made.watts)


def test_nothing_later_than_its_time_is_in_a_forecast():
    """Two logs that differ only after a time have the same forecast at it."""
    one, now = run(20, lambda day, hour: 100 + day * hour)
    other, _ = run(20, lambda day, hour: 100 + day * hour)
    for slot in range(30):
        one.add(now + slot * HOUR, 5_000)
    assert other.forecast(now, 36).watts[:5] != one.forecast(now + 30 * HOUR, 36).watts[:5]
    again, _ = run(20, lambda day, hour: 100 + day * hour)
    assert again.forecast(now, 36) == other.forecast(now, 36)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 20_000)), min_size=24, max_size=24 * 12))
def test_any_log_has_a_forecast_in_its_bounds_or_none(values):
    forecaster = Forecaster(BERLIN, HOUR)
    start = at("2026-10-20")
    for slot, value in enumerate(values):
        forecaster.add(start + slot * HOUR, value)
    made = forecaster.forecast(start + len(values) * HOUR, 48)
    if made:
        known = [value for value in values if value is not None]
        assert all(0 <= low <= high for low, high in zip(made.low, made.high, strict=True))
        assert max(made.watts) <= 2 * max(known)
    else:
        assert None in values or len(values) < 24


def test_the_mix_finds_what_is_right_and_is_even_when_nothing_is_known():
    rows = [(float(a), float(b)) for a in range(10) for b in range(10)]
    assert mix(rows, [0.5 * a + 0.5 * b for a, b in rows]) == pytest.approx([0.5, 0.5], abs=0.01)
    assert mix(rows[:3], [1.0, 2.0, 3.0]) == [0.5, 0.5]
    first, second = mix(rows, [a for a, _ in rows])
    assert first > 0.6 > 0.3 > second


def test_gauss():
    assert gauss([[0.0, 2.0], [4.0, 1.0]], [2.0, 9.0]) == [2.0, 1.0]
    with pytest.raises(ValueError, match="no one solution"):
        gauss([[1.0, 1.0], [2.0, 2.0]], [1.0, 2.0])


QUARTER = 900_000


def counts(*readings: tuple[int, int, int]) -> list[Count]:
    return [Count(quarter * QUARTER, wh, epoch) for quarter, wh, epoch in readings]


def test_a_register_becomes_slots():
    made = slots(counts((0, 1_000, 0), (1, 1_250, 0), (2, 1_250, 0), (3, 1_300, 0)), QUARTER, 20_000)
    assert made.watts == {0: 1_000, QUARTER: 0, 2 * QUARTER: 200}
    assert made.unplaced == () and made.fell_ms == ()


def test_readings_between_the_slots_are_shared_by_time():
    third = QUARTER // 3
    made = slots([Count(each * third, 100 * each, 0) for each in range(10)], QUARTER, 20_000)
    assert made.watts == {0: 1_200, QUARTER: 1_200, 2 * QUARTER: 1_200}
    late = [Count(third + each * QUARTER, 250 * each, 0) for each in range(4)]
    assert slots(late, QUARTER, 20_000).watts == {QUARTER: 1_000, 2 * QUARTER: 1_000}


FALLS = {
    # Home Assistant core 140300, frontend 28177: back after a month, and the statistics show -1,400 kWh.
    "a new meter": (counts((0, 1_400_000, 0), (3000, 0, 1), (3001, 50, 1)), {3000 * QUARTER: 200}, 0, 0),
    # evcc 30592, sem-community 782: 0 for a moment, then all that was ever counted in one slot.
    "a moment of 0": (counts((0, 13_423_700, 0), (1, 0, 0), (2, 13_423_900, 0)), {}, 1, 200),
    # grott 99: a step back of 0.1 kWh, which others take for a reset and count all again.
    "a step back": (
        counts((0, 5_700, 0), (1, 5_600, 0), (2, 5_800, 0), (3, 5_900, 0)),
        {2 * QUARTER: 400},
        1,
        100,
    ),
    # hass_wibeee 191: the register begins anew without a word.
    "a reset that nobody told": (counts((0, 439_534, 0), (1, 718, 0), (2, 900, 0)), {}, 2, 0),
    # What came in a week of outage is known, and no hour of it.
    "an outage": (counts((0, 1_000, 0), (672, 71_000, 0), (673, 71_100, 0)), {672 * QUARTER: 400}, 0, 70_000),
    "twice the same time": (counts((0, 1_000, 0), (0, 1_000, 0), (1, 1_100, 0)), {0: 400}, 0, 0),
}


@pytest.mark.parametrize("case", FALLS)
def test_registers_that_fall_reset_or_are_not_read(case):
    readings, watts, fell, unplaced = FALLS[case]
    made = slots(readings, QUARTER, 20_000)
    assert made.watts == watts
    assert len(made.fell_ms) == fell
    assert sum(each.wh for each in made.unplaced) == unplaced


def test_what_came_in_an_outage_is_told_with_its_times():
    made = slots(counts((0, 1_000, 0), (672, 71_000, 0)), QUARTER, 20_000)
    assert made.unplaced == (Unplaced(0, 672 * QUARTER, 70_000),)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 3_000_000), st.integers(0, 1)), max_size=12))
def test_no_slot_is_negative_or_above_what_the_connection_carries(raw):
    readings, when = [], 0
    for step, wh, epoch in raw:
        when += step * 100_000
        readings.append(Count(when, wh, epoch))
    made = slots(readings, QUARTER, 20_000)
    assert all(0 <= watts <= 20_000 for watts in made.watts.values())
    assert all(each.wh >= 0 for each in made.unplaced)
