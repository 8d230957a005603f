"""Modelled chips on the virtual board's I2C, as boards/UNIX/board_i2c.py asks for them."""

import asyncio
import errno
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sensor_samples import BME280_FIRST, BME280_SECOND, bme280_data
from wayside_hil.chips import I2cChip, RegisterChip


def bme280() -> RegisterChip:
    """At 25.08 degrees and 1006.53 hPa."""
    data = bme280_data(415148, 519888, 30000)
    return RegisterChip(xD0=b"\x60", x88=BME280_FIRST, xE1=BME280_SECOND, xF7=data)


def qmc5883l(x: int, y: int, z: int) -> RegisterChip:
    return RegisterChip(x00=struct.pack("<hhh", x, y, z), x06=b"\x01")


class _Bus(asyncio.DatagramProtocol):
    def __init__(self, chips: dict[int, I2cChip]):
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
async def bus(chips: dict[int, I2cChip]) -> AsyncIterator[str]:
    """The chips by address; gives HOST:PORT. A chip that is taken out of the dictionary does not answer any more."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Bus(chips), ("127.0.0.1", 0))
    try:
        yield "{}:{}".format(*transport.get_extra_info("sockname"))
    finally:
        transport.close()
