"""A check sum behind what is kept in flash, so that what a power cut has torn or flash has spoilt is told from it."""

import binascii
import struct


def checked(data: bytes) -> bytes:
    """`data` and its CRC-32 (little-endian)."""
    return data + struct.pack("<I", binascii.crc32(data))


def unchecked(data):
    """What checked() was given; None where the check sum is not that of what stands before it, and for None."""
    inner = None if data is None else data[:-4]
    return inner if inner is not None and checked(inner) == data else None
