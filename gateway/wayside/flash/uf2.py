"""UF2 files (github.com/microsoft/uf2, README "File format") and the flash content that they describe."""

import struct

FLASH_BASE = 0x10000000
FLASH_SIZE = 2 * 1024 * 1024
RP2040_FAMILY = 0xE48BFF56

_BLOCK = struct.Struct("<IIIIIIII476sI")
_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_NOT_MAIN_FLASH = 0x00000001
_FAMILY_PRESENT = 0x00002000


class Uf2Error(ValueError):
    """Not a UF2 file for this chip; the text says why."""


def content(uf2: bytes) -> bytes:
    """The flash from its first byte to the last that this file writes; gaps are erased. Uf2Error."""
    if not uf2 or len(uf2) % _BLOCK.size:
        raise Uf2Error(f"a UF2 file has blocks of {_BLOCK.size} bytes, this one has {len(uf2)} bytes")
    flash = bytearray()
    for place in range(0, len(uf2), _BLOCK.size):
        start0, start1, flags, address, size, number, count, family, data, end = _BLOCK.unpack_from(uf2, place)
        if (start0, start1, end) != _MAGIC:
            raise Uf2Error(f"block {place // _BLOCK.size} is none of UF2: the file is damaged or of another kind")
        if number != place // _BLOCK.size or count * _BLOCK.size != len(uf2):
            raise Uf2Error(f"block {number} of {count} is at place {place // _BLOCK.size}: the file is cut or damaged")
        if flags & _FAMILY_PRESENT and family != RP2040_FAMILY:
            raise Uf2Error(f"the image is for family 0x{family:08x}, an RP2040 is 0x{RP2040_FAMILY:08x}: wrong board")
        if flags & _NOT_MAIN_FLASH:
            continue
        offset = address - FLASH_BASE
        if not 0 <= offset <= FLASH_SIZE - size or size > len(data):
            raise Uf2Error(f"block {number} goes to 0x{address:08x}, outside of the Pico's flash")
        flash.extend(b"\xff" * (offset + size - len(flash)))
        flash[offset : offset + size] = data[:size]
    return bytes(flash)
