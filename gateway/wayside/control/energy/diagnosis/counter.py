"""A register against the power of the same meter: what it counts in a slot is what its power says.

A wrong ratio of a current transformer, a wrong unit or exponent in a profile and a register of another tariff show as a
steady ratio that is not 1; a register that stands still shows as nothing counted while power flows. One that counts in
whole kilowatt-hours is neither: slots are put together until what they should count is many of its steps. Slots come
from `forecast.counters`: a change of epoch, a fall or an outage is a gap there and compares nothing.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from wayside.control.energy.diagnosis.finding import MeterFinding

_PART = 0.05
_LEAST_W = 50.0
_LEAST_SLOTS = 12
_STEPS = 20  # so that one of them is no more than _PART
_COARSE_WH = 1_000  # the step of a register of which no step was seen
_MS_PER_HOUR = 3_600_000


def counter(device: str, series: Sequence[tuple[int, float | None, float | None]]) -> list[MeterFinding]:
    """Slots of (start in ms, watts by the register, mean watts by the power that was read)."""
    pairs = [(at, a, b) for at, a, b in series if a is not None and b is not None and abs(b) >= _LEAST_W]
    if len(pairs) < _LEAST_SLOTS:
        return []
    first, last = pairs[0], pairs[-1]
    evidence = ((first[0], first[1]), (last[0], last[1]))
    step_w, hours = _step_w([a for _, a, _ in pairs]), min(y[0] - x[0] for x, y in pairwise(pairs)) / _MS_PER_HOUR
    still = [each for each in pairs if each[1] == 0]
    missed_wh = sum(abs(b) for _, _, b in still) * hours
    if (
        len(still) > 0.9 * len(pairs)
        and missed_wh > 2 * max(step_w * hours, _COARSE_WH) + sum(abs(a) for _, a, _ in pairs) * 10 * hours
    ):
        text = f"its register stood still while its power was {median(b for _, _, b in still):.0f} W"
        return [MeterFinding("counter", device, still[0][0], still[-1][0], text, evidence)]
    ratios = _ratios(pairs, _STEPS * step_w)
    if len(ratios) < _LEAST_SLOTS or len(still) == len(pairs):
        return []
    ratio = median(ratios)
    spread = median(abs(each - ratio) for each in ratios)
    if abs(ratio - 1) <= _PART or spread > abs(ratio - 1) / 2:
        return []
    text = f"its register counts {ratio:.3f} times what its power says: look at ratio, unit and exponent in the profile"
    return [MeterFinding("counter", device, first[0], last[0], text, evidence)]


def _step_w(counted: Sequence[float]) -> float:
    """A step of the register, as power in a slot; 0: it is too fine to see. Where it counts nothing in some slots it
    counts a step, or more, in others."""
    values = sorted({abs(each) for each in counted})
    finest = min((later - earlier for earlier, later in pairwise(values)), default=0.0)
    return max(finest, values[-1] if values[0] == 0 else 0.0)


def _ratios(pairs: Sequence[tuple[int, float, float]], least_w: float) -> list[float]:
    """What was counted by what flowed, of slots that are put together until that is `least_w`."""
    ratios = []
    counted = flowed = 0.0
    for _, a, b in pairs:
        counted, flowed = counted + a, flowed + b
        if abs(flowed) >= least_w and flowed:
            ratios.append(counted / flowed)
            counted = flowed = 0.0
    return ratios
