"""Three numbers that must never go back: boot number, the radio's frame counter, number of the last command taken.

Two copies, written one after the other: a cut while one is written leaves the other, as does a spoilt block of flash.
"""

import binascii
import struct

from micropython import const

_FORMAT = "<IIQ"  # boot, frames reserved, last command; behind it the CRC-32 of all three
_SIZE = const(16)
_AHEAD = const(256)


class CountersLost(Exception):
    """Neither copy can be read."""


class Counters:
    """The counters in files `path`.0 and `path`.1. What is counted is durable before it is used."""

    def __init__(self, files, path: str):
        self._files = files
        self._path = path
        self._boot = 0
        self._reserved = 0
        self._frame = 0
        self._whole = 0  # a copy that is known to be whole: it is written last
        self.command = 0

    def create(self) -> None:
        """The counters of a new node, all zero."""
        self._store(0, 0, 0)

    def load(self) -> None:
        """Read both copies; CountersLost when neither holds."""
        found = [self._read(0), self._read(1)]
        if found == [None, None]:
            raise CountersLost()
        self._whole = 0 if found[0] else 1
        self._boot, self._reserved, self.command = max([copy for copy in found if copy])
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

    def _read(self, copy: int):
        data = self._files.read("%s.%d" % (self._path, copy))
        if data is None or len(data) != _SIZE + 4:
            return None
        numbers = struct.unpack(_FORMAT, data[:_SIZE])
        return numbers if _crc(data[:_SIZE]) == struct.unpack("<I", data[_SIZE:])[0] else None

    def _store(self, boot: int, reserved: int, command: int) -> None:
        data = struct.pack(_FORMAT, boot, reserved, command)
        data += struct.pack("<I", _crc(data))
        other = 1 - self._whole
        self._files.replace("%s.%d" % (self._path, other), data)
        self._files.replace("%s.%d" % (self._path, self._whole), data)
        self._boot = boot
        self._reserved = reserved
        self.command = command


def _crc(data: bytes) -> int:
    return binascii.crc32(data) & 0xFFFFFFFF
