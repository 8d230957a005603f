"""How much memory this process has, against what it may have. Imports nothing of the gateway."""

import resource
import time
from collections.abc import Callable
from pathlib import Path

_SHARE = 0.8
"""Of the limit, from which on memory is short: what has begun has to end, and the interpreter's heap is coarse."""
_LOOK_EVERY_S = 1.0
_PAGE_BYTES = resource.getpagesize()


def resident_bytes() -> int:
    """Of this process, as the kernel counts it (proc_pid_statm(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


class MemoryWatch:
    """Says when the process comes near `limit_bytes`, so that what can wait elsewhere, or give way, does."""

    def __init__(
        self,
        limit_bytes: float,
        resident: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self.limit_bytes = limit_bytes
        self._resident = resident or resident_bytes
        self._monotonic = monotonic
        self._looked = float("-inf")
        self._bytes = 0

    def is_short(self) -> bool:
        """The kernel is asked once a second at most."""
        now = self._monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            self._bytes = self._resident()
        return self._bytes > _SHARE * self.limit_bytes
