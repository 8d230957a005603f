"""A PV plant that gives less than it could: less than its neighbours, or than its own best days.

No weather is known. Neighbours have the same one: their ratio is steady, and what lowers it is the plant's. Alone, a
plant is held against the best of its own last weeks at each time of day (its clear sky, as it stands: tilt, shade and
all): clouds do not stay for ten days at every hour, dirt, snow, a lost string or an inverter that limits do.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from wayside.control.energy.diagnosis.cusum import change
from wayside.control.energy.diagnosis.finding import MeterFinding

DAY_MS = 86_400_000
_KNOWN = 28
_ALONE_DAYS = 10
_ALONE_PART = 0.7


def below_neighbours(
    device: str, first_ms: int, own: Sequence[float | None], neighbours: Mapping[str, Sequence[float | None]]
) -> list[MeterFinding]:
    """Daily energies of a plant and of others near it, in any unit, one per day from first_ms on.

    The first 28 days teach. Give the last two or three months: with the season the ratio of two roofs changes."""
    ratios: list[tuple[int, float]] = []
    usual = [[value for value in series[:_KNOWN] if value] for series in neighbours.values()]
    for day, value in enumerate(own):
        shares = [
            series[day] / median(best)  # type: ignore[operator]
            for series, best in zip(neighbours.values(), usual, strict=True)
            if best and series[day] is not None
        ]
        if value is not None and shares and median(shares) > 0.2:
            ratios.append((day, value / median(shares)))
    changed = change([ratio for _, ratio in ratios], sum(day < _KNOWN for day, _ in ratios), only=-1)
    if changed is None:
        return []
    before = median(ratio for _, ratio in ratios[: changed.since] or ratios[:1])
    now = median(ratio for _, ratio in ratios[changed.since :])
    if before <= 0:
        return []
    since, certain = (first_ms + ratios[place][0] * DAY_MS for place in (changed.since, changed.certain))
    text = f"gives {100 * now / before:.0f} % of what its neighbours let expect: look for dirt, shade or a lost string"
    return [MeterFinding("low generation", device, since, certain, text, ((since, now), (certain, now)))]


def below_own_best(device: str, first_ms: int, days: Sequence[Sequence[float | None]]) -> list[MeterFinding]:
    """Days of watts per slot. One finding when no slot of ten days reached 70 % of the best of the days before.

    The sun's own course is less than 1 % in a day; a month before it is the same within a tenth.
    """
    for day in range(_ALONE_DAYS + 10, len(days) + 1):
        recent, before = days[day - _ALONE_DAYS : day], days[max(0, day - 40) : day - _ALONE_DAYS]
        now, then = (_envelope(rows) for rows in (recent, before))
        parts = [
            a / b for a, b in zip(now, then, strict=True) if a is not None and b and b > 0.3 * max(filter(None, then))
        ]
        if len(parts) >= 4 and sum(value is not None for row in recent for value in row) * 2 > sum(map(len, recent)):
            best = sorted(parts)[-1 - len(parts) // 10]
            if best < _ALONE_PART:
                start = first_ms + (day - _ALONE_DAYS) * DAY_MS
                text = (
                    f"has not been above {100 * best:.0f} % of its own best for {_ALONE_DAYS} days at any hour:"
                    " look for a lost string, snow, dirt or a limit in the inverter"
                )
                return [MeterFinding("low generation", device, start, first_ms + day * DAY_MS, text, ((start, best),))]
    return []


def _envelope(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [max((value for value in column if value is not None), default=None) for column in zip(*rows, strict=True)]
