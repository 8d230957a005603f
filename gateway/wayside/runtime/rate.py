"""How much one sender may have logged, so that its flood fills nobody else's disk.

A token bucket: what is sent after an hour away comes through at once, a lasting excess does not.
"""

from dataclasses import dataclass

_HOUR_S = 3600.0


@dataclass(slots=True)
class Rate:
    """At most `per_hour` in each hour, and as many at once."""

    per_hour: int
    _left: float = -1.0
    _seen_s: float = 0.0

    def take(self, now_s: float) -> bool:
        """Whether one more may come now; `now_s`: a clock that never goes back, in seconds."""
        if self._left < 0:
            self._left = float(self.per_hour)
        else:
            grown = (now_s - self._seen_s) * self.per_hour / _HOUR_S
            self._left = min(float(self.per_hour), self._left + max(0.0, grown))
        self._seen_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
