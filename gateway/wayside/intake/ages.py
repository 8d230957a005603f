"""How long entries have been in the log, by the clock that never jumps: after an outage a wall clock is no witness."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic

_STEP_S = 1.0
_MOST = 3600  # steps that are remembered: an hour at least


class Ages:
    """Of the entries from index `size` on; what was there before this start is of any age."""

    def __init__(self, size: int, clock: Callable[[], float] = monotonic):
        self._clock = clock
        self._steps: deque[tuple[int, float]] = deque(maxlen=_MOST)  # from this index on logged at that time, or later
        self._size = size

    def grew(self, size: int) -> None:
        """The log has `size` entries now."""
        now_s = self._clock()
        if not self._steps or now_s - self._steps[-1][1] >= _STEP_S:
            self._steps.append((self._size, now_s))
        self._size = size

    def most_s(self, index: int) -> float:
        """Seconds that the entry has been in the log at most; infinite where nobody knows."""
        place = bisect_right(self._steps, (index, inf))
        return self._clock() - self._steps[place - 1][1] if place else inf
