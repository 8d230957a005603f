"""The last lines that the node had to say, in memory, for who cannot see its console."""

from micropython import const
from wayside_wire.text import printable

_LINES = const(32)
_LENGTH = const(120)


class ReportLog:
    """`report(text)` of every part: each line goes to `out(text)`, and is kept with its number and its time."""

    def __init__(self, now, out):
        """now(): ms since start."""
        self._now = now
        self._out = out
        self._lines = []
        self.next = 0

    def __call__(self, text: str) -> None:
        self._out(text)
        if len(self._lines) == _LINES:
            self._lines.pop(0)
        now = self._now()
        self._lines.append(printable("%d.%03d %s" % (now // 1000, now % 1000, text), _LENGTH))
        self.next += 1

    def read(self, first: int, size: int):
        """(number of the first line, number of the next to come, lines) from line `first` on, or the oldest there is.

        As many as have `size` characters together, 3 more counted for each.
        """
        oldest = self.next - len(self._lines)
        first = min(max(first, oldest), self.next)
        found = []
        for line in self._lines[first - oldest :]:
            size -= len(line) + 3
            if size < 0:
                break
            found.append(line)
        return first, self.next, found
