"""The last resort of a node that gets nothing done: it starts again, and ever more seldom while that changes nothing.

A driver without memory, a Wi-Fi chip or a modem that does nothing any more: the tasks go on, and get nowhere. Neither
the supervisor nor the watchdog sees that; what is seen is that nobody has heard the node for hours. Perhaps nobody is
there: so the first restart comes after two hours, the next after four more, eight, sixteen, and then one a day.

It is a clean end. First the tasks close(): what is in memory alone becomes packs in flash. Where flash does not take
them, there is no restart. How many there have been is kept in flash, for a restart begins no new series.
"""

from micropython import const

from .copies import Copies

_FIRST_MS = const(7200000)
_LONGEST_MS = const(86400000)
_CLOSE_MS = const(60000)  # what closing may take
_STEP_MS = const(1000)
_AGAIN_MS = const(3600000)  # after a restart that could not be had


def _none() -> int:
    return 0


def _no() -> bool:
    return False


def _yes() -> bool:
    return True


class LastResort:
    """Of one node. served(): it was heard. closing: the tasks hand on what they have, and begin nothing new."""

    def __init__(self, files, path: str, clock, report, reset):
        """path: where the count is kept; report(text): for people; reset(): starts the board again."""
        self._copies = Copies(files, path, "<II")  # number of the record, restarts
        self._number, self._restarts = self._copies.load() or (0, 0)
        self._kept = self._restarts
        self._clock = clock
        self._report = report
        self._reset = reset
        self._served_at = clock.now()
        self._not_before = 0
        self._closes_since = 0
        self.closing = False
        self.usual_ms = _none  # how long a healthy node may not be heard
        self.is_held = _no  # whether somebody else decides about restarts: a trial, a technician
        self.is_closed = _yes  # whether nothing is in memory alone, and flash may be written

    def served(self) -> None:
        """The node was heard, or did what it is there for."""
        self._served_at = self._clock.now()
        self._restarts = 0
        self.closing = False

    def keep_is_due(self) -> bool:
        """Whether keep() has something to write: the series is over."""
        return self._kept > self._restarts and self._clock.now() >= self._not_before

    def keep(self) -> None:
        """Make the end of the series durable. Writes flash."""
        try:
            self._store()
        except OSError:
            self._not_before = self._clock.now() + _AGAIN_MS

    async def run(self, beat) -> None:
        """keep() when it is due, as a task of the supervisor; for whom flash may be written at any time."""
        while True:
            beat()
            if self.keep_is_due():
                self.keep()
            await self._clock.sleep_ms(_STEP_MS)

    def look(self) -> None:
        """For the supervisor, which outlives all tasks. Nothing in it can raise."""
        try:
            self._look(self._clock.now())
        except Exception:  # no memory even for this: then the tasks have none, and the supervisor sees that
            pass

    def _look(self, now: int) -> None:
        silent_ms = now - self._served_at
        if self.closing:
            if self.is_closed():
                self._leave(now, silent_ms)
            elif now - self._closes_since > _CLOSE_MS:
                self._put_off(now, "flash does not take what is to be kept before a restart")
        elif silent_ms >= self._wait_ms() and now >= self._not_before and not self._is_held(silent_ms):
            self.closing = True
            self._closes_since = now
            self._report("unheard for %d h: starting again" % (silent_ms // 3600000))

    def _is_held(self, silent_ms: int) -> bool:
        return silent_ms < _LONGEST_MS and self.is_held()  # a trial of a day is none

    def _wait_ms(self) -> int:
        first_ms = max(_FIRST_MS, self.usual_ms())
        return min(first_ms << min(self._restarts, 8), max(first_ms, _LONGEST_MS))

    def _leave(self, now: int, silent_ms: int) -> None:
        self._restarts += 1
        try:
            self._store()
        except OSError as error:
            if silent_ms < _LONGEST_MS:  # uncounted restarts come once a day, too
                self._restarts -= 1
                self._put_off(now, "a restart cannot be noted: %s" % error)
                return
        self._reset()

    def _put_off(self, now: int, why: str) -> None:
        self.closing = False
        self._not_before = now + _AGAIN_MS
        self._report(why)

    def _store(self) -> None:
        self._copies.store(self._number + 1, self._restarts)
        self._number += 1
        self._kept = self._restarts
