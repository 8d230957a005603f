"""Time on a node: milliseconds since start that never wrap, and UTC from the gateway with what it is worth.

A board's clock is not trusted to know the date: ports differ in epoch, most boards have no battery. Intervals come
from `ticks_ms`; UTC is an offset to them, set by the gateway's Time message. Nothing is ordered by UTC. Which times are
believed: decisions 0012 and 0014.
"""

from micropython import const
from wayside_wire.pack import HOLDOVER, SYNCED, UNSYNCED

from . import BUILT_MS, SERVICE_MS

_JUMP_MS = const(2000)  # a larger correction is believed when further answers agree with it
_FURTHER = const(2)  # so many of them ...
_APART_MS = const(5000)  # ... and each so long after the one before


def is_possible(utc_ms: int) -> bool:
    """Whether this firmware can run then."""
    return BUILT_MS <= utc_ms < BUILT_MS + SERVICE_MS


class NodeClock:
    """One per node. `jumps` counts corrections larger than _JUMP_MS that were made, `refused` times that cannot be."""

    def __init__(self, ticks_ms, ticks_diff, sleep_ms, holdover_ms: int):
        """ticks_ms, ticks_diff, sleep_ms: as MicroPython's `time` and `asyncio` have them.

        holdover_ms: age at which a time once synced counts as HOLDOVER.
        """
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self.sleep_ms = sleep_ms
        self._holdover_ms = holdover_ms
        self._last_tick = ticks_ms()
        self._now_ms = 0
        self._offset_ms = 0
        self._quality = UNSYNCED
        self._sure = False  # it goes back to a time that was SYNCED
        self._set_at = 0
        self._doubted_ms = None  # an offset far from ours that waits for further answers
        self._doubted_at = 0  # when the last of them came
        self._agreed = 0
        self._refusing = False
        self.jumps = 0
        self.refused = 0

    def now(self) -> int:
        """Milliseconds since start. Call it more often than `ticks_ms` wraps (12 days on the boards)."""
        tick = self._ticks_ms()
        self._now_ms += self._ticks_diff(tick, self._last_tick)
        self._last_tick = tick
        return self._now_ms

    def set_utc(self, utc_ms: int, quality: int) -> str:
        """Take the gateway's time, worth `quality` (pack.UNSYNCED, HOLDOVER, SYNCED).

        What people should know of it, empty when there is nothing.
        """
        now = self.now()
        if quality == UNSYNCED or quality < self.quality():
            return ""  # ours is better
        if not is_possible(utc_ms):
            self.refused += 1
            told = "" if self._refusing else "clock: %d ms refused, this firmware cannot run then" % utc_ms
            self._refusing = True
            return told
        self._refusing = False
        offset = utc_ms - now
        told = ""
        if self._quality != UNSYNCED and abs(offset - self._offset_ms) > _JUMP_MS:
            moved = offset - self._offset_ms
            if self._doubted_ms is None or abs(offset - self._doubted_ms) > _JUMP_MS:
                self._doubted_ms = offset
                self._doubted_at = now
                self._agreed = 0
                return "clock: %+d ms doubted until the gateway has said so %d times" % (moved, 1 + _FURTHER)
            if now - self._doubted_at < _APART_MS:
                return ""
            self._doubted_at = now
            self._agreed += 1
            if self._agreed < _FURTHER:
                return ""
            self.jumps += 1
            told = "clock: moved by %+d ms" % moved
        self._doubted_ms = None
        self._sure = quality == SYNCED or (self._sure and not told)
        self._offset_ms = offset
        self._quality = quality
        self._set_at = now
        return told

    def quality(self) -> int:
        """What stamp() is worth now. A time in doubt counts as HOLDOVER."""
        if self._quality == SYNCED and (self._doubted_ms is not None or self.now() - self._set_at >= self._holdover_ms):
            return HOLDOVER
        return self._quality

    def stamp(self, at_ms: int) -> int:
        """The pack time of the moment `at_ms` of now(): UTC, or since start while UNSYNCED."""
        return at_ms + self._offset_ms

    def sure_utc(self):
        """UTC now, None while the gateway has not been sure of it since the start."""
        return self.stamp(self.now()) if self._sure else None

    def wants_time(self, age_ms: int) -> bool:
        """Whether the gateway should be asked: never set, in doubt for a while, or set longer ago than age_ms."""
        if self._quality == UNSYNCED:
            return True
        if self._doubted_ms is not None:
            return self.now() - self._doubted_at >= _APART_MS
        return self.now() - self._set_at >= age_ms
