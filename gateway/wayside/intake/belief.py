"""Whether a clock that says that it is synchronised is believed, before anything is erased by age.

A receiver whose weeks roll over (GPS: 1,024 of them), a time server of somebody's mistake: the kernel calls both
synchronised. What is erased does not come back, so a leap that nothing explains waits for a person (decision 0120).
"""

import logging
from contextlib import closing, suppress

from wayside.evidence import EvidenceError
from wayside.evidence.entry import beginning
from wayside.evidence.finding import utc
from wayside.log import Log, LogError, LogReader
from wayside.log.reader import epochs
from wayside.runtime.clock import Clock
from wayside.values.reading import TimeQuality

_logger = logging.getLogger(__name__)

EARLIEST_MS = 1_735_689_600_000
"""2025-01-01: before Wayside was there, so every clock that says less is wrong."""

_BELIEVED = "gateway/believed"  # what the log keeps beside the cursors: the last time that was believed
_DAY_MS = 86_400_000
_MOST_OFF_MS = 31 * _DAY_MS  # so long a gateway may be switched off unasked
_NOTE_EVERY_MS = 3_600_000
_NEWEST = 256  # entries among which the last right time is looked for, where nothing is noted
_JUST_NOW_MS = 60_000


class Belief:
    """Asked on the log's thread, once for each pass. `problem`: why the clock is not believed, "" while it is."""

    def __init__(self, clock: Clock, log: Log, earliest_ms: int = EARLIEST_MS):
        self._clock = clock
        self._earliest_ms = earliest_ms
        self._last_ms = _noted(log) or _newest_stamp(log, clock.utc_ms())
        self._at_s: float | None = None  # when that was, by the clock that never jumps; None: before this start
        self._noted_ms = 0
        self.problem = ""

    def quality(self, log: Log) -> TimeQuality:
        """What the clock is worth for erasing."""
        quality, now_ms = self._clock.time_quality(), self._clock.utc_ms()
        if quality != TimeQuality.SYNCED:
            self.problem = ""
            return quality
        problem = self._doubt(now_ms)
        if problem and not self.problem:
            _logger.error("%s", problem)
        self.problem = problem
        if problem:
            return TimeQuality.HOLDOVER
        self._believe(log, now_ms)
        return quality

    def confirm(self, log: Log) -> None:
        """A person says that the clock is right."""
        self._noted_ms, self.problem = 0, ""
        self._believe(log, self._clock.utc_ms())

    def _believe(self, log: Log, now_ms: int) -> None:
        self._last_ms, self._at_s = now_ms, self._clock.monotonic()
        if abs(now_ms - self._noted_ms) >= _NOTE_EVERY_MS:
            with suppress(LogError):  # the next pass notes it
                log.set_cursor(_BELIEVED, now_ms)
                self._noted_ms = now_ms

    def _doubt(self, now_ms: int) -> str:
        passed_ms = 0 if self._at_s is None else int((self._clock.monotonic() - self._at_s) * 1000)
        ahead_ms = now_ms - self._last_ms - passed_ms
        most_ms = _MOST_OFF_MS if self._at_s is None else _DAY_MS
        if now_ms < self._earliest_ms:
            why = "which was before Wayside was there"
        elif self._last_ms and not -_DAY_MS <= ahead_ms <= most_ms:
            days = abs(ahead_ms) // _DAY_MS
            why = f"{days} days {'later' if ahead_ms > 0 else 'earlier'} than the last time that was believed allows"
        else:
            return ""
        return (
            f"the clock says that it is synchronised, and {utc(now_ms)}, {why}: nothing is erased by age until it is"
            " right again, or somebody says that it is: wayside clock SITE --confirm"
        )


def _noted(log: Log) -> int:
    for epoch in sorted(epochs(log.folder), reverse=True):
        with suppress(LogError):
            if epoch == log.epoch:
                found = log.cursor(_BELIEVED)
            else:
                with closing(LogReader(log.folder, epoch=epoch)) as reader:
                    found = reader.cursor(_BELIEVED)
            if found:
                return found
    return 0


def _newest_stamp(log: Log, now_ms: int) -> int:
    """The newest time of a synchronised clock among the newest entries, but for those of this start; 0: none."""
    found = 0
    for record in log.records(max(0, log.size - _NEWEST), _NEWEST):
        with suppress(EvidenceError):
            _, time_ms, quality = beginning(record.entry)
            if quality == TimeQuality.SYNCED and abs(time_ms - now_ms) > _JUST_NOW_MS:
                found = max(found, time_ms)
    return found
