"""Chips on a modelled I2C bus, as boards/UNIX/board_i2c.py asks for them."""

import asyncio
import errno
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sensor_samples import BME280_FIRST, BME280_SECOND, bme280_data
from wayside_node.sensors.scd41 import crc8


class Chip(Protocol):
    """What stands at an address. OSError: it does not acknowledge."""

    def write(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes: ...


class Registers:
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
        return b"".join(struct.pack(">H", word) + bytes([crc8(struct.pack(">H", word))]) for word in words)[:size]


def bme280() -> Registers:
    """At 25.08 degrees and 1006.53 hPa."""
    data = bme280_data(415148, 519888, 30000)
    return Registers(xD0=b"\x60", x88=BME280_FIRST, xE1=BME280_SECOND, xF7=data)


def qmc5883l(x: int, y: int, z: int) -> Registers:
    return Registers(x00=struct.pack("<hhh", x, y, z), x06=b"\x01")


class _Bus(asyncio.DatagramProtocol):
    def __init__(self, chips: dict[int, Chip]):
        self._chips = chips

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data), address)

    def _answer(self, data: bytes) -> bytes:
        try:
            chip = self._chips.get(data[1])
            if chip is None:
                raise OSError(errno.ENODEV)
            if data[:1] == b"W":
                chip.write(data[2:])
                return b"\x00"
            return b"\x00" + chip.read(data[2])
        except OSError as error:
            return bytes([error.errno or errno.EIO])


@asynccontextmanager
async def bus(chips: dict[int, Chip]) -> AsyncIterator[str]:
    """The chips by address; gives HOST:PORT. A chip that is taken out of the dictionary does not answer any more."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Bus(chips), ("127.0.0.1", 0))
    try:
        yield "{}:{}".format(*transport.get_extra_info("sockname"))
    finally:
        transport.close()
