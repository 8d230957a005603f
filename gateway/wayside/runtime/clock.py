"""The gateway's clock: wall time, a time that never jumps, and what the wall time is worth."""

import ctypes
import time
from typing import Protocol

from wayside.values.reading import TimeQuality

_STA_UNSYNC = 0x0040  # adjtimex(2)


class Clock(Protocol):
    """Where time comes from; tests bring their own."""

    def utc_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00 UTC; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never jumps."""
        ...

    def time_quality(self) -> TimeQuality: ...


class _Timex(ctypes.Structure):
    # struct timex of adjtimex(2) as far as `status`; the rest is room that the kernel may fill.
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    ]


class SystemClock:
    """The clock of the machine. Its quality is the kernel's word on whether NTP, PTP or GNSS disciplines it.

    An undisciplined clock counts as holdover: it was set once, from a real-time clock or at shutdown. The log's own
    times expose one that went backwards.
    """

    _REFRESH_S = 10.0

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._quality = TimeQuality.HOLDOVER
        self._asked = float("-inf")

    def utc_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def time_quality(self) -> TimeQuality:
        now = time.monotonic()
        if now - self._asked > self._REFRESH_S:
            self._asked = now
            timex = _Timex()
            state = self._libc.adjtimex(ctypes.byref(timex))
            synced = state >= 0 and not timex.status & _STA_UNSYNC
            self._quality = TimeQuality.SYNCED if synced else TimeQuality.HOLDOVER
        return self._quality
