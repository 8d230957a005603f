"""Files with an RP2040's program (UF2, ELF, or the flash's bytes as they are) and the flash content that they describe.

UF2: github.com/microsoft/uf2, README "File format". ELF: System V ABI, "ELF Header" and "Program Header", 32 bits.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

FLASH_BASE = 0x10000000
FLASH_SIZE = 2 * 1024 * 1024
RP2040_FAMILY = 0xE48BFF56

_BLOCK = struct.Struct("<IIIIIIII476sI")
_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_NOT_MAIN_FLASH = 0x00000001
_FAMILY_PRESENT = 0x00002000

_ELF_HEADER = struct.Struct("<4sBB10xHHIIIIIHHHHHH")
_SEGMENT = struct.Struct("<IIIIIIII")
_LITTLE_32, _ARM, _LOAD = (1, 1), 40, 1


class FirmwareError(ValueError):
    """Not a program for this chip; the text says why."""


def flash_of(path: Path) -> bytes:
    """The whole 2 MiB of flash after the program of this file was put onto an erased Pico. FirmwareError, OSError."""
    data = path.read_bytes()
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise FirmwareError(f"{path}: the bench takes .uf2, .elf and .bin files")
    flash = bytearray(b"\xff" * FLASH_SIZE)
    try:
        for address, content in read(data):
            offset = address - FLASH_BASE
            if not 0 <= offset <= FLASH_SIZE - len(content):
                raise FirmwareError(f"{len(content)} bytes go to 0x{address:08x}, outside of the Pico's flash")
            flash[offset : offset + len(content)] = content
    except FirmwareError as error:
        raise FirmwareError(f"{path}: {error}") from None
    return bytes(flash)


def _uf2(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Address and content of each block."""
    if not data or len(data) % _BLOCK.size:
        raise FirmwareError(f"a UF2 file has blocks of {_BLOCK.size} bytes, this one has {len(data)} bytes")
    for place in range(0, len(data), _BLOCK.size):
        start0, start1, flags, address, size, number, count, family, content, end = _BLOCK.unpack_from(data, place)
        if (start0, start1, end) != _MAGIC:
            raise FirmwareError(f"block {place // _BLOCK.size} is none of UF2: the file is damaged or of another kind")
        if number != place // _BLOCK.size or count * _BLOCK.size != len(data):
            raise FirmwareError(f"block {number} of {count} is at place {place // _BLOCK.size}: it is cut or damaged")
        if flags & _FAMILY_PRESENT and family != RP2040_FAMILY:
            raise FirmwareError(
                f"the image is for family 0x{family:08x}, the RP2040's is 0x{RP2040_FAMILY:08x}: wrong board"
            )
        if size > len(content):
            raise FirmwareError(f"block {number} says that it has {size} bytes: the file is damaged")
        if not flags & _NOT_MAIN_FLASH:
            yield address, content[:size]


def _elf(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Physical address and content of each segment that lies in flash."""
    if len(data) < _ELF_HEADER.size:
        raise FirmwareError("this is no ELF file: it is too short")
    magic, bits, order, _, machine, _, _, first, _, _, _, size, count, _, _, _ = _ELF_HEADER.unpack_from(data)
    if magic != b"\x7fELF" or (bits, order) != _LITTLE_32 or machine != _ARM or size != _SEGMENT.size:
        raise FirmwareError("this is no ELF file for a 32-bit ARM")
    if first + count * size > len(data):
        raise FirmwareError("the ELF file is cut")
    for number in range(count):
        kind, offset, _, physical, length, _, _, _ = _SEGMENT.unpack_from(data, first + number * size)
        if kind != _LOAD or not length or not FLASH_BASE <= physical < FLASH_BASE + FLASH_SIZE:
            continue
        if offset + length > len(data):
            raise FirmwareError("the ELF file is cut")
        yield physical, data[offset : offset + length]


def _bin(data: bytes) -> Iterator[tuple[int, bytes]]:
    """From the flash's first byte on."""
    yield FLASH_BASE, data


_READERS: dict[str, Callable[[bytes], Iterator[tuple[int, bytes]]]] = {".uf2": _uf2, ".elf": _elf, ".bin": _bin}
