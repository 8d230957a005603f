"""The check sum of a configuration, as blanks at its end: JSON stays JSON for whoever knows nothing of it.

    newline | CRC-32 of all before, 32 bits, the highest first: a space is 0, a tab is 1

A file that a person has put there has none, and need not have one. One that ends with nearly as many blanks has to have
the right one: flash has given back other bits than it was given, or somebody has changed the file in its place.
"""

import binascii
import errno

from micropython import const

SIZE = const(33)
_MOST = const(29)  # of the 32: flash may have spoilt a few
_BLANKS = b" \t"


class SpoiltFile(Exception):
    """The check sum is not that of the file."""


def seal(crc: int) -> bytes:
    return b"\n" + bytes([_BLANKS[crc >> bit & 1] for bit in range(31, -1, -1)])


def has_seal(end: bytes) -> bool:
    """end: of a file, SIZE bytes or more, where it has so many. Says nothing of whether it is the right one."""
    end = end[1 - SIZE :]
    return end.count(b" ") + end.count(b"\t") >= _MOST


def strip(data: bytes) -> bytes:
    """What was sealed, or all of what was not; SpoiltFile."""
    if not has_seal(data):
        return data
    inner = data[:-SIZE]
    if data[-SIZE:] != seal(binascii.crc32(inner)):
        raise SpoiltFile()
    return inner


def look(files, path: str):
    """(bytes before the seal, their CRC-32, whether there is a seal) of a file, read in pieces; SpoiltFile."""
    size = files.size(path)
    end = files.read_at(path, max(0, size - SIZE), SIZE)
    sealed = has_seal(end)
    if sealed:
        size = max(0, size - SIZE)
    crc = seen = 0
    for piece in files.pieces(path, size):
        crc = binascii.crc32(piece, crc)
        seen += len(piece)
    if seen < size:
        raise OSError(errno.EIO)  # shorter than it was
    if sealed and end != seal(crc):
        raise SpoiltFile()
    return size, crc, sealed
