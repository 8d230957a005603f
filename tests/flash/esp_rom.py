"""The serial side of an ESP32 that waits for an image: its boot ROM, then the stub that esptool loads into its RAM.

A model of what is written down (Espressif's esptool documentation, "Serial Protocol"): SLIP frames, commands and their
status, registers by address, a flash that must be erased before it is written. It runs no code: the stub's bytes are
taken, and from its start on the model answers as the stub does. A pseudo-terminal has no modem lines, so a reset by
DTR and RTS is not seen.
"""

import hashlib
import os
import pty
import select
import struct
import threading
import tty
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("<BBHI")
_SECTOR = 0x1000
_FLASH_BEGIN, _FLASH_DATA, _FLASH_END = 0x02, 0x03, 0x04
_MEM_BEGIN, _MEM_END, _MEM_DATA, _SYNC = 0x05, 0x06, 0x07, 0x08
_WRITE_REG, _READ_REG, _SPI_SET_PARAMS, _SPI_ATTACH, _CHANGE_BAUDRATE = 0x09, 0x0A, 0x0B, 0x0D, 0x0F
_DEFL_BEGIN, _DEFL_DATA, _DEFL_END, _MD5, _SECURITY_INFO = 0x10, 0x11, 0x12, 0x13, 0x14
_BAD_MESSAGE, _BAD_CHECKSUM = 0x05, 0x07
_SPI_USR, _READ_ID = 1 << 18, 0x9F


class Chip(NamedTuple):
    """What tells one chip from another on the line. Register addresses from their technical reference manuals."""

    number: int | None  # in the answer to GET_SECURITY_INFO, which the first chip's ROM does not know
    registers: dict[int, int]
    spi: int
    spi_word: int
    spi_command: int


# Magic word of the ROM; UART divider of a 40 MHz crystal at 115,200 baud.
ESP32 = Chip(None, {0x40001000: 0x00F01D83, 0x3FF40014: 347}, 0x3FF42000, 0x80, 0x24)
ESP32S3 = Chip(9, {0x40001000: 0x00000009, 0x60000014: 347}, 0x60002000, 0x58, 0x20)


class Cut(Exception):
    """The cable was pulled out."""


class EspRom:
    """Bytes in, bytes out. `commands` lists what was asked; before_command may raise Cut."""

    def __init__(self, chip: Chip, flash: bytearray, before_command: Callable[["EspRom", int], None]):
        self.flash = flash
        self.commands: list[int] = []
        self._chip = chip
        self._before = before_command
        self._registers = dict(chip.registers)
        self._in_stub = False
        self._frame: bytearray | None = None
        self._erased: set[int] = set()
        self._inflate = zlib.decompressobj()
        self._place = 0

    def reset(self) -> None:
        """Back to the ROM, with the flash as it is."""
        self._in_stub, self._frame = False, None

    def take(self, data: bytes) -> bytes:
        """What comes back for these bytes of the line."""
        answer = b""
        for byte in data:
            if byte != 0xC0:
                if self._frame is not None:
                    self._frame.append(byte)
            elif self._frame:
                packet = bytes(self._frame).replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                self._frame = None
                answer += self._obey(packet)
            else:
                self._frame = bytearray()
        return answer

    def _obey(self, packet: bytes) -> bytes:
        direction, command, size, check = _HEAD.unpack_from(packet)
        body = packet[_HEAD.size :]
        if direction != 0 or len(body) != size:
            return b""
        self.commands.append(command)
        self._before(self, command)
        if command == _SYNC:
            # The ROM answers a SYNC eight times; its value is none of the stub's zero.
            return self._answer(command, value=0 if self._in_stub else 0x20120707) * 8
        if command in (_FLASH_DATA, _DEFL_DATA, _MEM_DATA) and _checksum(body[16:]) != check & 0xFF:
            return self._answer(command, error=_BAD_CHECKSUM)
        if command == _READ_REG:
            return self._answer(command, value=self._registers.get(int.from_bytes(body[:4], "little"), 0))
        if command == _MD5:
            place, length = struct.unpack_from("<II", body)
            digest = hashlib.md5(self.flash[place : place + length])
            return self._answer(command, digest.digest() if self._in_stub else digest.hexdigest().encode())
        if command == _SECURITY_INFO and self._chip.number is not None:
            return self._answer(command, struct.pack("<I8sII", 0, bytes(8), self._chip.number, 0))
        if command == _MEM_END:
            self._in_stub = True
            return self._answer(command) + b"\xc0OHAI\xc0"
        if command == _WRITE_REG:
            self._write_register(*struct.unpack_from("<II", body))
        elif command in (_FLASH_BEGIN, _DEFL_BEGIN):
            self._erased, self._inflate = set(), zlib.decompressobj()
            (self._place,) = struct.unpack_from("<12xI", body)
        elif command == _FLASH_DATA:
            self._program(body[16:])
        elif command == _DEFL_DATA:
            self._program(self._inflate.decompress(body[16:]))
        elif command not in (
            _MEM_BEGIN, _MEM_DATA, _SPI_SET_PARAMS, _SPI_ATTACH, _CHANGE_BAUDRATE, _FLASH_END, _DEFL_END,
        ):  # fmt: skip
            return self._answer(command, error=_BAD_MESSAGE)
        return self._answer(command)

    def _answer(self, command: int, data: bytes = b"", value: int = 0, error: int = 0) -> bytes:
        status = bytes([error != 0, error]) + (b"" if self._in_stub else bytes(2))
        packet = _HEAD.pack(1, command, len(data) + len(status), value) + data + status
        return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"

    def _write_register(self, address: int, value: int) -> None:
        self._registers[address] = value
        if address == self._chip.spi and value & _SPI_USR:
            # A command to the flash chip: done at once. Its identity has its size, as a power of 2.
            identity = 0xEF | 0x40 << 8 | (len(self.flash).bit_length() - 1) << 16
            asked = self._registers.get(self._chip.spi + self._chip.spi_command, 0) & 0xFF == _READ_ID
            self._registers[self._chip.spi + self._chip.spi_word] = identity if asked else 0
            self._registers[address] = 0

    def _program(self, data: bytes) -> None:
        """Erase what lies ahead sector by sector, then clear bits: a flash sets none."""
        for sector in range(self._place // _SECTOR, -(-(self._place + len(data)) // _SECTOR)):
            if sector not in self._erased:
                self.flash[sector * _SECTOR : (sector + 1) * _SECTOR] = b"\xff" * _SECTOR
                self._erased.add(sector)
        end = self._place + len(data)
        self.flash[self._place : end] = bytes(a & b for a, b in zip(self.flash[self._place : end], data, strict=True))
        self._place = end


def _checksum(data: bytes) -> int:
    state = 0xEF
    for byte in data:
        state ^= byte
    return state


@contextmanager
def plugged_in(rom: EspRom, port: Path) -> Iterator[None]:
    """The chip at `port` (a link to a pseudo-terminal). A Cut closes its end: the port is gone, as with a cable."""
    chip, host = pty.openpty()
    tty.setraw(host)
    # Others may open and close the port in turn.
    port.unlink(missing_ok=True)
    port.symlink_to(os.ttyname(host))
    end, told = os.pipe()

    def work() -> None:
        try:
            while end not in select.select([chip, end], [], [])[0]:
                answer = rom.take(os.read(chip, 65536))
                while answer:
                    answer = answer[os.write(chip, answer) :]
        except (Cut, OSError):
            pass
        finally:
            os.close(chip)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        os.write(told, b"x")
        thread.join()
        for handle in (host, end, told):
            os.close(handle)
        port.unlink(missing_ok=True)
        rom.reset()
