"""The simple forecasts of a whole day, made from the days before it.

Each is a function (history, last, day) -> row: from what is known up to the end of day `last`, the watts of `day`,
which comes after it. Seasonal naive methods and means: Hyndman & Athanasopoulos, "Forecasting: Principles and
Practice",
3rd ed., sections 5.2 and 13.4. A place that a method knows nothing of is None.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from statistics import median

from wayside.control.energy.forecast.history import History, Row

Method = Callable[[History, int, int], Row]

_BACK = 35  # days; what is older says little of tomorrow


def _same_place(rows: Sequence[Row], per_day: int, wanted: int, what: Callable[[list[float]], float]) -> Row:
    """At each place, `what` of the first `wanted` rows that know it."""
    made: Row = []
    for at in range(per_day):
        values = []
        for row in rows:
            if (value := row[at]) is not None:
                values.append(value)
                if len(values) == wanted:
                    break
        made.append(what(values) if values else None)
    return made


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def kind_of_day(day: int) -> int:
    """Of an ordinal: 0 on Monday to Friday, 1 on Saturday, 2 on Sunday."""
    return max(0, date.fromordinal(day).weekday() - 4)


def _before(last: int, step: int = 1) -> Iterator[int]:
    yield from range(last, last - _BACK, -step)


def _weekly(last: int, day: int) -> Iterator[int]:
    return _before(day - 7 * -(-(day - last) // 7), 7)


def _of_its_kind(last: int, day: int) -> Iterator[int]:
    kind = kind_of_day(day)
    return (each for each in _before(last) if kind_of_day(each) == kind)


def day_before(history: History, last: int, day: int) -> Row:
    """The last day known, slot by slot: persistence."""
    return _same_place(history.rows(_before(last)), history.per_day, 1, _mean)


def week_before(history: History, last: int, day: int) -> Row:
    """The last day known of the same weekday."""
    return _same_place(history.rows(_weekly(last, day)), history.per_day, 1, _mean)


def mean_of_week(history: History, last: int, day: int) -> Row:
    """Mean of seven days."""
    return _same_place(history.rows(_before(last)), history.per_day, 7, _mean)


def median_of_week(history: History, last: int, day: int) -> Row:
    """Median of seven days: what is switched on once a week is not expected every day."""
    return _same_place(history.rows(_before(last)), history.per_day, 7, median)


def mean_of_weekdays(history: History, last: int, day: int) -> Row:
    """Mean of four days of the same weekday."""
    return _same_place(history.rows(_weekly(last, day)), history.per_day, 4, _mean)


def mean_of_kind(history: History, last: int, day: int) -> Row:
    """Mean of five days of the same kind: working days, Saturdays or Sundays."""
    return _same_place(history.rows(_of_its_kind(last, day)), history.per_day, 5, _mean)


def last_of_kind(history: History, last: int, day: int) -> Row:
    """The last day known of the same kind."""
    return _same_place(history.rows(_of_its_kind(last, day)), history.per_day, 1, _mean)


LOAD: dict[str, Method] = {
    "day before": day_before,
    "week before": week_before,
    "mean of 7 days": mean_of_week,
    "median of 7 days": median_of_week,
    "mean of 4 weeks": mean_of_weekdays,
    "mean of 5 days of the kind": mean_of_kind,
    "last day of the kind": last_of_kind,
}
GENERATION: dict[str, Method] = {
    "day before": day_before,
    "mean of 7 days": mean_of_week,
    "median of 7 days": median_of_week,
}
