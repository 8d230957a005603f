"""I2C chips as a bus sees them: registers, or answers to commands; and the board's bus with some of them."""

import errno
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

_LONGEST = 64  # bytes that a chip is read in one transaction


class I2cChip(Protocol):
    """What stands at an address. OSError: it does not acknowledge."""

    def write(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes: ...


class RegisterChip:
    """A chip whose writes begin with a register, and whose reads go on from there."""

    def __init__(self, **content: bytes):
        """content: what stands from a register on, which is a hexadecimal number behind an "x": xD0=b"\\x60"."""
        self.content = bytearray(256)
        self._at = 0
        for register, data in content.items():
            self.put(int(register[1:], 16), data)

    def put(self, register: int, data: bytes) -> None:
        self.content[register : register + len(data)] = data

    def write(self, data: bytes) -> None:
        self._at = data[0]
        self.put(data[0], data[1:])

    def read(self, size: int) -> bytes:
        return bytes(self.content[self._at : self._at + size])


class Scd41:
    """Measures as soon as it was told to; refuses to be told twice, as the datasheet has it (section 3.5.1)."""

    def __init__(self, ppm: int, temperature: int, humidity: int):
        """temperature, humidity: raw."""
        self.words = (ppm, temperature, humidity)
        self._measuring = False
        self._asked = b""

    def write(self, data: bytes) -> None:
        if data == b"\x21\xb1":
            if self._measuring:
                raise OSError(errno.EIO)
            self._measuring = True
        self._asked = data

    def read(self, size: int) -> bytes:
        words = (0x8006 if self._measuring else 0x8000,) if self._asked == b"\xe4\xb8" else self.words
        return b"".join(map(_checked, words))[:size]


def _checked(word: int) -> bytes:
    """With its CRC-8: polynomial 31, from FF on (section 3.12)."""
    left = (word ^ 0xFF00) << 8
    for bit in range(23, 7, -1):
        if left >> bit & 1:
            left ^= 0x131 << bit - 8
    return struct.pack(">HB", word, left)


class ChipBus:
    """The chips by address on an I2C of the emulated board. One that is taken away does not acknowledge any more."""

    def __init__(self, chips: Mapping[int, I2cChip]):
        self._chips = chips
        self._chip: I2cChip | None = None
        self._written = b""
        self._coming = b""

    def connect(self, address: int, reads: bool) -> bool:
        self.stop()
        self._chip = self._chips.get(address)
        if self._chip and reads:
            self._coming = self._chip.read(_LONGEST)
        return self._chip is not None

    def write(self, value: int) -> bool:
        self._written += bytes([value])
        return True

    def read(self) -> int:
        value, self._coming = (self._coming[:1] or b"\xff")[0], self._coming[1:]
        return value

    def stop(self) -> None:
        written, self._written = self._written, b""
        if self._chip and written:
            with suppress(OSError):  # refused, but the bytes were acknowledged as they came
                self._chip.write(written)
