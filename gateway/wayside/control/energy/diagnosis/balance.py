"""Energy balance: what the grid meter shows must be the sum of what the meters behind it show.

Only slots in which all of them are known are compared. Each meter may be wrong by its class; what is beyond the sum of
the classes in the same direction over a whole day is a meter that is missing, doubled, reversed or wrong. A ratio that
changes slowly is told by `cusum` before it leaves the classes.
"""

from collections.abc import Mapping, Sequence

from wayside.control.energy.diagnosis.cusum import change
from wayside.control.energy.diagnosis.finding import MeterFinding

CLASS = 0.02  # of each meter: class 1 of EN 50470-3 at 15 min means, doubled for transformers and times
_FLOOR_W = 20.0
_DAYS_KNOWN = 14


def balance(
    grid: str,
    days: Sequence[tuple[int, Sequence[float | None], Mapping[str, Sequence[float | None]]]],
    error: float = CLASS,
) -> list[MeterFinding]:
    """Findings of days of (start in ms, grid watts per slot, watts per slot of each meter; consumption positive)."""
    found: list[MeterFinding] = []
    rests: list[tuple[int, float]] = []
    for start_ms, total, parts in days:
        beside = allowed = 0.0
        known = 0
        for slot, value in enumerate(total):
            values = [series[slot] for series in parts.values()]
            good = [each for each in values if each is not None]
            if value is None or len(good) < len(values):
                continue
            known += 1
            beside += value - sum(good)
            allowed += error * (abs(value) + sum(map(abs, good))) + _FLOOR_W
        if not known or known * 2 < len(total):
            continue
        rests.append((start_ms, beside / known))
        if abs(beside) > allowed:
            found.append(_out_of_class(grid, start_ms, beside / known, allowed / known, total, parts))
    if not found and len(rests) > _DAYS_KNOWN:
        changed = change([rest for _, rest in rests], _DAYS_KNOWN)
        if changed:
            since, certain = rests[changed.since], rests[changed.certain]
            text = (
                f"what the meters leave over was {rests[0][1]:.0f} W and is {certain[1]:.0f} W: one of them drifts, or"
                " something is connected that none of them sees"
            )
            found.append(MeterFinding("drift", grid, since[0], certain[0], text, (since, certain)))
    return found


def _out_of_class(
    grid: str,
    start_ms: int,
    beside: float,
    allowed: float,
    total: Sequence[float | None],
    parts: Mapping[str, Sequence[float | None]],
) -> MeterFinding:
    """Which meter would make it right: counted twice (it is reversed: twice its value), or not at all."""
    sign, twice = [], []
    for name, series in parts.items():
        both = [(a, b) for a, b in zip(total, series, strict=True) if a is not None and b is not None]
        mean = sum(b for _, b in both) / len(both) if both else 0.0
        if abs(mean) > allowed and abs(beside + 2 * mean) <= allowed:
            sign.append(name)
        elif abs(mean) > allowed and abs(beside + mean) <= allowed:
            twice.append(name)
    whose = ""
    if sign:
        whose += f"; it would be right if {' or '.join(sign)} had the other sign"
    if twice:
        whose += f"; it would be right without {' or '.join(twice)}: is it counted twice?"
    text = f"differs from the sum of its meters by {beside:.0f} W in the mean of a day, {allowed:.0f} W may be{whose}"
    return MeterFinding("balance", grid, start_ms, start_ms + 86_400_000, text, ((start_ms, beside),))
