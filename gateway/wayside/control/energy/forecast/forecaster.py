"""Forecasts of one quantity: the method that has been best lately, with an interval, as a value made at a time.

Each local day begins with the rows that every method gives for it, made from the days before alone; when the day is
over it is known how wrong each was. So the choice is a backtest with a rolling origin on the site's own log (Hyndman
& Athanasopoulos, 3rd ed., section 5.10) that costs one comparison a day. Persistence is what a method has to beat:
one that is not better by a margin over three weeks is not taken, one that is worse in the last days is left (drift).

Within the day a forecast follows what the last hour was beside it. Intervals are quantiles of what was wrong at
the same time of day: split conformal prediction (Vovk, Gammerman & Shafer 2005), whose level is adapted to how often it
held lately (Gibbs & Candès 2021, "Adaptive conformal inference under distribution shift").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from wayside.control.energy.forecast import methods, ridge
from wayside.control.energy.forecast.history import History, Row

MIX = "mix"
_TRAIN = 28  # days that the mix is fitted to
_JUDGE = 21  # days whose errors choose
_RECENT = 4  # days that show a drift
_MARGIN = 0.98  # of persistence's error: to be taken
_DRIFT = 1.15  # of persistence's error over the recent days: to be left
_KEEP = 45
_AHEAD = 3  # days for which rows are made: 48 hours touch three
_GAIN = 0.002  # per slot, how fast the level of the intervals is adapted
_NEAR_HOURS = 2.0  # the time in which what the last hour was beside the forecast fades to a third


@dataclass(frozen=True, slots=True)
class Forecast:
    """Mean watts per slot from start_ms on, and the interval in which `share` of them are expected.

    made_at_ms: nothing later than this was used. method: what made it, and why that.
    """

    made_at_ms: int
    start_ms: int
    slot_ms: int
    watts: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    share: float
    method: str
    reason: str


@dataclass(slots=True)
class _Day:
    """What was said of a day before it began: rows by method, for it and the two after it."""

    rows: dict[str, list[Row]]
    chosen: str
    reason: str
    errors: dict[str, float] = field(default_factory=dict)


class Forecaster:
    """Learns from slots as they are measured and tells what comes. Not for series with gaps of weeks: it says None."""

    def __init__(
        self,
        zone: tzinfo = UTC,
        slot_ms: int = 900_000,
        *,
        generation: bool = False,
        share: float = 0.8,
    ):
        """generation: of the sun; then the zone is not used, for the sun knows no summer time."""
        self.history = History(UTC if generation else zone, slot_ms)
        self._methods = methods.GENERATION if generation else methods.LOAD
        self._naive = ("day before",) if generation else ("day before", "week before")
        # Of the sun a choice among means follows the weather of the last weeks, which does not stay.
        self._open = ("day before", MIX) if generation else (*self._methods, MIX)
        self._generation = generation
        self._share = share
        self._days: dict[int, _Day] = {}
        self._today: int | None = None
        self._miss = 1 - share
        self._beside: dict[int, float] = {}
        self._spreads: tuple[int, list[tuple[float, float]]] = (0, [])

    def add(self, start_ms: int, watts: float | None) -> None:
        """A slot that is over. Slots come in order; one that is left out is a gap."""
        day, at = self.history.place(start_ms)
        if self._today is None or day > self._today:
            self._begin(day)
        self.history.add(start_ms, watts)
        expected = self._row(day, 0)[at] if day in self._days else None
        self._beside = {each: beside for each, beside in self._beside.items() if each > start_ms - 3_600_000}
        if watts is not None and expected is not None:
            self._beside[start_ms] = watts - expected

    def forecast(self, made_at_ms: int, slots: int, *, follow: bool = True) -> Forecast | None:
        """The next `slots` slots, the first being the one that begins at or before made_at_ms. None: nothing is known.

        follow: whether what the last hour was beside the forecast is taken along.
        """
        slot_ms = self.history.slot_ms
        start = made_at_ms - made_at_ms % slot_ms
        today, _ = self.history.place(start)
        if self._today is None or today > self._today:
            self._begin(today)
        if today not in self._days:
            return None
        watts, low, high = [], [], []
        if self._spreads[0] != today:
            self._spreads = today, self._spread(today)
        spread = self._spreads[1]
        beside = self._near(start) if follow else 0.0
        for slot in range(slots):
            day, at = self.history.place(start + slot * slot_ms)
            value = self._row(today, day - today)[at]
            if value is None:
                return None
            fade = 2.718281828 ** (-slot * slot_ms / 3_600_000 / _NEAR_HOURS)
            near = value + beside * fade
            if self._generation and not value:
                near = 0.0
            below, above = spread[at]
            watts.append(max(0, round(near)))
            low.append(max(0, round(near - below)))
            high.append(max(0, round(near + above)))
        now = self._days[today]
        return Forecast(
            made_at_ms, start, slot_ms, tuple(watts), tuple(low), tuple(high), self._share, now.chosen, now.reason
        )

    def outlooks(self, forecast: Forecast, most: int) -> list[tuple[int, ...]]:
        """Ways that the hours may go: the forecast with what past days were beside theirs, the latest first.

        Slot by slot of one past stretch, so that a long evening stays a long evening. The forecast alone when no day
        before is known whole.
        """
        history = self.history
        found: list[tuple[int, ...]] = []
        today, _ = history.place(forecast.start_ms)
        reach = history.place(forecast.start_ms + (len(forecast.watts) - 1) * forecast.slot_ms)[0] - today
        for back in range(reach + 1, _KEEP):
            past = self._days.get(today - back)
            if past is None:
                continue
            path = []
            for slot, watts in enumerate(forecast.watts):
                day, at = history.place(forecast.start_ms + slot * forecast.slot_ms)
                row = history.row(day - back)
                came, said = (row[at] if row else None), past.rows[past.chosen][day - today][at]
                if came is None or said is None:
                    break
                path.append(max(0, round(watts + came - said)) if not self._generation or said else 0)
            if len(path) == len(forecast.watts):
                found.append(tuple(path))
            if len(found) == most:
                break
        return found or [forecast.watts]

    def errors(self) -> dict[str, float]:
        """Mean absolute error of each method over the days that choose, watts."""
        days = [day for number, day in self._days.items() if self._today and self._today - _JUDGE <= number]
        return {
            name: sum(day.errors[name] for day in days if name in day.errors) / known
            for name in (*self._methods, MIX)
            if (known := sum(name in day.errors for day in days))
        }

    def _row(self, made: int, ahead: int) -> Row:
        day = self._days[made]
        return day.rows[day.chosen][min(ahead, _AHEAD - 1)]

    def _begin(self, day: int) -> None:
        """A day begins: judge the one before, and make the rows of this one."""
        if self._today is not None:
            for number in range(self._today, day):
                self._judge(number)
        self._today = day
        last = day - 1
        if not self.history.days:
            return
        rows = {
            name: [method(self.history, last, day + ahead) for ahead in range(_AHEAD)]
            for name, method in self._methods.items()
        }
        weights = self._fit(day)
        rows[MIX] = [_mixed([rows[name][ahead] for name in self._methods], weights) for ahead in range(_AHEAD)]
        chosen, reason = self._choose(day)
        self._days[day] = _Day(rows, chosen, reason)
        for old in [each for each in self._days if each < day - _KEEP]:
            del self._days[old]

    def _judge(self, number: int) -> None:
        """How wrong each method was of a day that is over, and how often the interval held."""
        day, came = self._days.get(number), self.history.row(number)
        if day is None or came is None:
            return
        for name, rows in day.rows.items():
            pairs = zip(came, rows[0], strict=True)
            wrong = [abs(value - said) for value, said in pairs if value is not None and said is not None]
            if 2 * len(wrong) >= self.history.per_day:
                day.errors[name] = sum(wrong) / len(wrong)
        spread = self._spread(number)
        for at, (value, said) in enumerate(zip(came, day.rows[day.chosen][0], strict=True)):
            if value is None or said is None or (self._generation and not said):
                continue
            below, above = spread[at]
            held = said - below <= value <= said + above
            self._miss += _GAIN * ((1 - self._share) - (not held))
        self._miss = min(0.6, max(0.01, self._miss))

    def _choose(self, day: int) -> tuple[str, str]:
        past = [each for number, each in self._days.items() if day - _JUDGE <= number < day and each.errors]
        naive = self._naive[0]
        if len(past) < 7:
            return naive, f"only {len(past)} days are judged yet: 7 are needed to choose"
        total = {
            name: sum(each.errors[name] for each in past)
            for name in self._open
            if all(name in each.errors for each in past)
        }
        if not total:
            return naive, "no method knew all of the last days"
        naive = min((name for name in self._naive if name in total), key=lambda name: total[name], default=naive)
        best = min(total, key=lambda name: total[name])
        if naive in total and total[best] >= _MARGIN * total[naive]:
            return naive, f"no method was better than it in {len(past)} days"
        recent = past[-_RECENT:]
        lately, plain = (sum(each.errors[name] for each in recent) for name in (best, naive))
        if lately > _DRIFT * plain:
            return (
                naive,
                f"{best} has drifted: its error of the last {len(recent)} days is {lately / plain:.2f} of this one's",
            )
        return best, f"its error of {len(past)} days is {total[best] / total[naive]:.2f} of {naive}'s"

    def _fit(self, day: int) -> list[float]:
        """Weights of the mix, from what the methods said of the days before and what came."""
        inputs, wanted = [], []
        for number in range(day - _TRAIN, day):
            past, came = self._days.get(number), self.history.row(number)
            if past is None or came is None:
                continue
            columns = [past.rows[name][0] for name in self._methods]
            for at in range(number % 2, self.history.per_day, 2):
                said, value = [column[at] for column in columns], came[at]
                row = [each for each in said if each is not None]
                if value is not None and len(row) == len(said) and any(row):
                    inputs.append(row)
                    wanted.append(value)
        return ridge.mix(inputs, wanted) or [1 / len(self._methods)] * len(self._methods)

    def _near(self, start_ms: int) -> float:
        """What the last hour was beside the forecast, halved: half of it is chance."""
        hour = [beside for at, beside in self._beside.items() if start_ms - 3_600_000 <= at < start_ms]
        return sum(hour) / len(hour) / 2 if hour else 0.0

    def _spread(self, before: int) -> list[tuple[float, float]]:
        """At each place of the day, how far below and above what came has been from what was said."""
        per_day = self.history.per_day
        group = max(1, per_day // 24)
        beside: list[list[float]] = [[] for _ in range(per_day // group)]
        for number in range(before - _TRAIN, before):
            past, came = self._days.get(number), self.history.row(number)
            if past is None or came is None:
                continue
            said = past.rows[past.chosen][0]
            for at in range(per_day):
                value, row = came[at], said[at]
                if value is not None and row is not None and not (self._generation and not row):
                    beside[at // group].append(value - row)
        spread = []
        for values in beside:
            values.sort()
            low, high = _quantile(values, self._miss / 2), _quantile(values, 1 - self._miss / 2)
            spread += [(-low, high)] * group
        return spread


def _mixed(rows: Sequence[Row], weights: Sequence[float]) -> Row:
    """Never negative: a mix may have weights below 0."""
    made: Row = []
    for values in zip(*rows, strict=True):
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            made.append(sum(known) / len(known) if known else None)
        else:
            made.append(max(0.0, sum(weight * value for weight, value in zip(weights, known, strict=True))))
    return made


def _quantile(ordered: Sequence[float], part: float) -> float:
    """Of values in order, as split conformal prediction takes it: the (n + 1)-th part, one more than there are."""
    if not ordered:
        return 0.0
    place = part * (len(ordered) + 1) - 1
    return ordered[min(len(ordered) - 1, max(0, round(place)))]
