"""When a report is due: after the interval, or as soon as a value has moved by its threshold."""

from micropython import const
from wayside_wire.pack import GOOD

_LOOKS = const(16)  # of an interval: so many reports can moving values cost at most, and so often is a sensor asked
_LEAST_MS = const(1000)


class Schedule:
    """One node's. jitter(limit) -> 0 .. limit - 1."""

    def __init__(self, now_ms: int, report_ms: int, jitter):
        self._jitter = jitter
        # After a power cut all nodes of a street start in the same second; none may speak in it.
        self._due = now_ms + jitter(report_ms)
        self._look_at = self._due
        self._last = {}

    def wait_ms(self, now_ms: int, working) -> int:
        """How long until is_due() is to be asked again. working: radio_remote.Working."""
        self._due = min(
            self._due, now_ms + working.report_ms + working.report_ms // 16
        )  # a shorter interval counts now
        until = min(self._due, self._look_at) if working.thresholds else self._due
        return max(0, until - now_ms)

    def is_due(self, now_ms: int, working, readings) -> bool:
        """Whether to report these readings of now."""
        if now_ms < self._due and not self._has_moved(working.thresholds, readings):
            self._look_at = now_ms + max(_LEAST_MS, working.report_ms // _LOOKS)
            return False
        return True

    def reported(self, now_ms: int, working, readings) -> None:
        """These were reported: now_ms is the time of is_due()."""
        # Nodes of one street that were started together must not meet on the air every time.
        vary = self._jitter(working.report_ms // 8) - working.report_ms // 16
        self._due = max(min(self._due, now_ms) + working.report_ms + vary, now_ms)
        self._look_at = now_ms + max(_LEAST_MS, working.report_ms // _LOOKS)
        self._last = {reading.channel: reading.mantissa for reading in readings if reading.quality == GOOD}

    def _has_moved(self, thresholds, readings) -> bool:
        for reading in readings:
            step = thresholds.get(reading.channel)
            last = self._last.get(reading.channel)
            if step and last is not None and reading.quality == GOOD and abs(reading.mantissa - last) >= step:
                return True
        return False
