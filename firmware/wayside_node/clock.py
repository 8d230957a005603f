"""Time on a node: milliseconds since start that never wrap, and UTC from the gateway with what it is worth.

A board's clock is not trusted to know the date: ports differ in epoch, most boards have no battery. Intervals come
from `ticks_ms`; UTC is an offset to them, set by the gateway's Time message. Nothing is ordered by UTC.
"""

from micropython import const
from wayside_wire.pack import HOLDOVER, SYNCED, UNSYNCED

_JUMP_MS = const(2000)  # a larger correction is believed when a second Time message agrees with it


class Clock:
    """One per node. `jumps` counts corrections that were larger than _JUMP_MS."""

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
        self._set_at = 0
        self._doubted_ms = None  # an offset far from ours that waits for a second witness
        self.jumps = 0

    def now(self) -> int:
        """Milliseconds since start. Call it more often than `ticks_ms` wraps (12 days on the boards)."""
        tick = self._ticks_ms()
        self._now_ms += self._ticks_diff(tick, self._last_tick)
        self._last_tick = tick
        return self._now_ms

    def set_utc(self, utc_ms: int, quality: int) -> None:
        """Take the gateway's time, worth `quality` (pack.UNSYNCED, HOLDOVER, SYNCED)."""
        now = self.now()
        if quality == UNSYNCED or quality < self.quality():
            return  # ours is better
        offset = utc_ms - now
        if self._quality != UNSYNCED and abs(offset - self._offset_ms) > _JUMP_MS:
            doubted = self._doubted_ms
            if doubted is None or abs(offset - doubted) > _JUMP_MS:
                self._doubted_ms = offset
                return
            self.jumps += 1
        self._doubted_ms = None
        self._offset_ms = offset
        self._quality = quality
        self._set_at = now

    def quality(self) -> int:
        """What stamp() is worth now. A time in doubt counts as HOLDOVER."""
        if self._quality == SYNCED and (self._doubted_ms is not None or self.now() - self._set_at >= self._holdover_ms):
            return HOLDOVER
        return self._quality

    def stamp(self, at_ms: int) -> int:
        """The pack time of the moment `at_ms` of now(): UTC, or since start while UNSYNCED."""
        return at_ms + self._offset_ms

    def wants_time(self, age_ms: int) -> bool:
        """Whether the gateway should be asked: never set, in doubt, or set longer ago than age_ms."""
        if self._quality == UNSYNCED or self._doubted_ms is not None:
            return True
        return self.now() - self._set_at >= age_ms
