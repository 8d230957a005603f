"""For how many minutes a monitor has watched, all its starts together: a clock that nobody sets, for a node without.

It stands still while the monitor does not run, and restarts lose what was not written yet: it never runs fast.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wayside.evidence.files import replace_file

_EVERY = 10  # minutes between two words to the disk
_FILE = "watched"
_SIZE = 12  # bytes of a line: what a power cut leaves of one is none
_MOST = 1 << 48


class Watched:
    """append(path, data): has data written at the end of a file, and does not wait for it."""

    def __init__(self, state: Path, append: Callable[[Path, bytes], object]):
        self._path = state / _FILE
        self._append = append
        self._before = self._written = _last(self._path)
        self._began: float | None = None
        with suppress(OSError):  # without it the file grows, by six lines an hour
            replace_file(self._path, _line(self._before))

    def minutes(self, now: float) -> int:
        """Until `now`, monotonic seconds."""
        if self._began is None:
            self._began = now
        watched = self._before + int((now - self._began) // 60)
        if watched - self._written >= _EVERY:
            self._written = watched
            self._append(self._path, _line(watched))
        return watched


def _line(minutes: int) -> bytes:
    return b"%0*d\n" % (_SIZE - 1, minutes)


def _last(path: Path) -> int:
    """The last whole line; 0 where there is none, which the node takes for no time at all."""
    with suppress(OSError):
        for line in reversed(path.read_bytes().splitlines(keepends=True)):
            if len(line) == _SIZE and line.endswith(b"\n") and line[:-1].isdigit():
                return int(line)
    return 0
