"""Two numbers that must never go back: the boot number and the radio's frame counter.

Two slots, written in turn and each with a generation and a CRC: a cut while one is written leaves the other.
"""

import binascii
import struct

from micropython import const

_FORMAT = "<IIII"  # generation, boot, frames reserved, CRC-32 of the three
_AHEAD = const(256)


class CountersLost(Exception):
    """Neither slot can be read."""


class Counters:
    """The counters in files `path`.0 and `path`.1. What is counted is durable before it is used."""

    def __init__(self, files, path: str):
        self._files = files
        self._path = path
        self._generation = 0
        self._boot = 0
        self._reserved = 0
        self._frame = 0

    def create(self) -> None:
        """The first slot of a new node, all zero."""
        self._store()

    def load(self) -> None:
        """Read both slots; CountersLost when neither holds."""
        for slot in (0, 1):
            found = self._read(slot)
            if found and found[0] > self._generation:
                self._generation, self._boot, self._reserved = found
        if not self._generation:
            raise CountersLost()
        self._frame = self._reserved  # what the boot before had reserved may have been used

    def next_boot(self, at_least: int = 1) -> int:
        """A boot number that was never used before."""
        self._boot = max(self._boot + 1, at_least)
        self._store()
        return self._boot

    def next_frame(self) -> int:
        """A frame counter that was never used before. Writes to flash once in 256 calls."""
        if self._frame >= self._reserved:
            self._reserved = self._frame + _AHEAD
            self._store()
        self._frame += 1
        return self._frame - 1

    def _read(self, slot: int):
        data = self._files.read("%s.%d" % (self._path, slot))
        if data is None or len(data) != 16:
            return None
        generation, boot, reserved, crc = struct.unpack(_FORMAT, data)
        return (generation, boot, reserved) if crc == _crc(data[:12]) else None

    def _store(self) -> None:
        generation = self._generation + 1
        data = struct.pack("<III", generation, self._boot, self._reserved)
        self._files.replace("%s.%d" % (self._path, generation & 1), data + struct.pack("<I", _crc(data)))
        self._generation = generation  # only now: after a failed write the same slot is tried again


def _crc(data: bytes) -> int:
    return binascii.crc32(data) & 0xFFFFFFFF
