"""Contacts: levels that have lasted, and counts that survive the power.

A level counts when it has lasted; what is shorter is bounce.
"""

import struct

from ..checked import checked, unchecked

_FORMAT = "<Q"


class Debounce:
    """Edges in, settled levels out. count: changes to active that lasted; bounces: levels that did not."""

    def __init__(self, least_ms: int, active: bool = False):
        self._least_ms = least_ms
        self.active = active  # settled
        self._level = active
        self._since = 0
        self.count = 0
        self.bounces = 0

    def edge(self, level: bool, at_ms: int) -> None:
        """The contact changed; from an interrupt or from a look at the pin."""
        self.settle(at_ms)
        if level != self._level:
            if self._level != self.active:
                self.bounces += 1
            self._level = level
            self._since = at_ms

    def settle(self, now_ms: int) -> bool:
        """Whether the contact is active, now that so much time has passed."""
        if self._level != self.active and now_ms - self._since >= self._least_ms:
            self.active = self._level
            self.count += 1 if self.active else 0
        return self.active


class Register:
    """A count in `path`.0 and `path`.1 that never goes back: what is told is durable before."""

    def __init__(self, files, path: str):
        self._files = files
        self._path = path
        found = [self._read(copy) for copy in (0, 1)]
        whole = [count for count in found if count is not None]
        self.value = max(whole) if whole else 0
        self._copy = 0 if found[0] != self.value else 1  # the older one is written first
        # Both torn is not "new": the count is lost, and that has to be said.
        self.lost = not whole and any([files.read_or_empty("%s.%d" % (path, copy)) is not None for copy in (0, 1)])

    def add(self, pulses: int) -> int:
        """The new count. OSError: nothing was added."""
        if pulses:
            data = checked(struct.pack(_FORMAT, self.value + pulses))
            self._files.replace("%s.%d" % (self._path, self._copy), data)
            self._copy = 1 - self._copy
            self.value += pulses
        return self.value

    def _read(self, copy: int):
        data = unchecked(self._files.read_or_empty("%s.%d" % (self._path, copy)))
        if data is None or len(data) != struct.calcsize(_FORMAT):
            return None
        return struct.unpack(_FORMAT, data)[0]
