"""Peak shaving: the mean import of a quarter of an hour stays under the highest one that is paid for anyhow.

What is billed is the highest quarter of the month (of the wall clock): a peak that has been is paid, so up to there
nothing is shaved any more.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View

QUARTER_MS = 900_000


class PeakMemory(NamedTuple):
    """month: year and month; peak_w: its highest quarter; quarter: its number; watt_ms: imported in it; at_ms: until
    when (UTC)."""

    month: tuple[int, int] = (0, 0)
    peak_w: int = 0
    quarter: int = 0
    watt_ms: int = 0
    at_ms: int = 0


def learn(memory: PeakMemory, view: View, zone: tzinfo) -> PeakMemory:
    """The memory one cycle later. What nobody measured is not counted; a clock that goes back begins a quarter anew."""
    utc_ms = view.now.utc_ms
    when = datetime.fromtimestamp(utc_ms // 1000, zone)
    month, quarter = (when.year, when.month), utc_ms // QUARTER_MS
    passed_ms = utc_ms - memory.at_ms
    if month != memory.month:
        memory = PeakMemory(month)
    if quarter != memory.quarter or passed_ms < 0:
        mean_w = memory.watt_ms // QUARTER_MS
        return PeakMemory(month, max(memory.peak_w, mean_w), quarter, 0, utc_ms)
    imported_w = max(0, view.grid) if view.grid is not None and passed_ms <= 10_000 else 0
    return memory._replace(watt_ms=memory.watt_ms + imported_w * passed_ms, at_ms=utc_ms)


def ask(asker: Asker, battery: str, view: View, memory: PeakMemory, *, floor_w: int) -> Sequence[PowerRequest]:
    """floor_w: below this no peak is worth a cycle of the battery. What the rest of the quarter may import so that its
    mean stays under the peak is left to the grid, and the battery gives what is over."""
    without = view.without(battery)
    if without is None:
        return ()
    left_ms = max(1_000, QUARTER_MS - view.now.utc_ms % QUARTER_MS)
    may_w = max(0, (max(floor_w, memory.peak_w) * QUARTER_MS - memory.watt_ms) // left_ms)
    if without <= may_w:
        return ()
    return (asker.at(view, battery, may_w - without),)
