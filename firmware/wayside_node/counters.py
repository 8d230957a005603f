"""Three numbers that must never go back: boot number, the radio's frame counter, number of the last command taken."""

from micropython import const

from .copies import Copies

_FORMAT = "<IIQ"  # boot, frames reserved, last command
_AHEAD = const(256)


class CountersLost(Exception):
    """Neither copy can be read."""


class Counters:
    """The counters in files `path`.0 and `path`.1. What is counted is durable before it is used."""

    def __init__(self, files, path: str):
        self._copies = Copies(files, path, _FORMAT)
        self._boot = 0
        self._reserved = 0
        self._frame = 0
        self.command = 0

    def create(self) -> None:
        """The counters of a new node, all zero."""
        self._store(0, 0, 0)

    def load(self) -> None:
        """Read both copies; CountersLost when neither holds."""
        found = self._copies.load()
        if found is None:
            raise CountersLost()
        self._boot, self._reserved, self.command = found
        self._frame = self._reserved  # what the boot before had reserved may have been used

    def next_boot(self, at_least: int = 1) -> int:
        """A boot number that was never used before."""
        self._store(max(self._boot + 1, at_least), self._reserved, self.command)
        return self._boot

    def next_frame(self) -> int:
        """A frame counter that was never used before. Writes to flash once in 256 calls."""
        if self._frame >= self._reserved:
            self._store(self._boot, self._frame + _AHEAD, self.command)
        self._frame += 1
        return self._frame - 1

    @property
    def boot(self) -> int:
        """The last boot number that was given out, 0 before the first."""
        return self._boot

    def take_command(self, number: int) -> bool:
        """Whether a command of this number may be done: it is above all before, and is used from here on."""
        if number <= self.command:
            return False
        self._store(self._boot, self._reserved, number)
        return True

    def _store(self, boot: int, reserved: int, command: int) -> None:
        self._copies.store(boot, reserved, command)
        self._boot = boot
        self._reserved = reserved
        self.command = command
