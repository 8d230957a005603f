"""A register against the power of the same meter: what it counts in a slot is what its power says.

A wrong ratio of a current transformer, a wrong unit or exponent in a profile and a register of another tariff show as a
steady ratio that is not 1; a register that stands still shows as nothing counted while power flows. Slots come from
`forecast.counters`: a change of epoch, a fall or an outage is a gap there and compares nothing.
"""

from collections.abc import Sequence
from statistics import median

from wayside.control.energy.diagnosis.finding import Finding

_PART = 0.05
_LEAST_W = 50.0
_LEAST_SLOTS = 12


def counter(device: str, series: Sequence[tuple[int, float | None, float | None]]) -> list[Finding]:
    """Slots of (start in ms, watts by the register, mean watts by the power that was read)."""
    pairs = [(at, a, b) for at, a, b in series if a is not None and b is not None and abs(b) >= _LEAST_W]
    if len(pairs) < _LEAST_SLOTS:
        return []
    still = [each for each in pairs if each[1] == 0]
    first, last = pairs[0], pairs[-1]
    evidence = ((first[0], first[1]), (last[0], last[1]))
    if len(still) > 0.9 * len(pairs):
        text = f"its register stood still while its power was {median(b for _, _, b in still):.0f} W"
        return [Finding("counter", device, still[0][0], still[-1][0], text, evidence)]
    ratios = [a / b for _, a, b in pairs]
    ratio = median(ratios)
    spread = median(abs(each - ratio) for each in ratios)
    if abs(ratio - 1) <= _PART or spread > abs(ratio - 1) / 2:
        return []
    text = f"its register counts {ratio:.3f} times what its power says: look at ratio, unit and exponent in the profile"
    return [Finding("counter", device, first[0], last[0], text, evidence)]
