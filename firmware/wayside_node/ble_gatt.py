"""The glue to aioble: the beacon's advertisements, the bench's services, and whoever connects.

Attributes: the Environmental Sensing Service for the quantities that it has, and the Wayside service
(wayside_wire.bench) for all of them and for commands.
"""

import asyncio

import aioble  # pyright: ignore[reportMissingImports]  (micropython-lib's; not on every board)
import bluetooth  # pyright: ignore[reportMissingImports]
from micropython import const
from wayside_wire import bench as wire
from wayside_wire import environment

_INTERVAL_US = const(250000)
_TURN_MS = const(1000)
_WRITES_MS = const(1000)
_INDICATION_MS = const(5000)
_MOST = const(512)  # bytes of an attribute, Bluetooth Core 5.4 volume 3 part F section 3.2.9
_ATT_HEADER = const(3)
_LEAST_MTU = const(23)
_DESCRIPTION = const(0x2901)
_FLAGS = b"\x02\x01\x06"  # discoverable, no BR/EDR
_NAME = const(0x09)
_NAME_ROOM = const(29)


class GattServices:
    """The attributes of one node, registered once. `show(readings)` is what they say from then on."""

    def __init__(self, channels):
        own = aioble.Service(bluetooth.UUID(wire.SERVICE))
        self._values = {}
        for channel in channels:
            value = aioble.Characteristic(own, bluetooth.UUID(wire.VALUE), read=True, notify=True)
            aioble.Descriptor(value, bluetooth.UUID(_DESCRIPTION), read=True, initial=wire.described(channel))
            self._values[channel.name] = value
        self.command = aioble.BufferedCharacteristic(
            own, bluetooth.UUID(wire.COMMAND), write=True, capture=True, max_len=_MOST
        )
        self.answer = aioble.Characteristic(own, bluetooth.UUID(wire.ANSWER), indicate=True)
        services = [own]
        self._standard = {}
        sensing = aioble.Service(bluetooth.UUID(environment.SERVICE))
        for channel in channels:
            number = environment.number_of(channel.name, channel.unit)
            if number is not None:
                it = aioble.Characteristic(sensing, bluetooth.UUID(number), read=True, notify=True)
                self._standard[channel.name] = (number, it)
        if self._standard:
            services.append(sensing)
        aioble.register_services(*services)

    def show(self, readings) -> None:
        """Tells those who asked for notifications too, of what has changed."""
        for reading in readings:
            _write(self._values[reading.channel], wire.encode_value(reading))
            number, standard = self._standard.get(reading.channel, (0, None))
            if standard is not None:
                _write(standard, environment.encode(number, reading))


def _write(characteristic, data: bytes) -> None:
    if characteristic.read() != data:
        characteristic.write(data, send_update=True)


def address() -> bytes:
    """The board's own, as it is written. Switches the radio on."""
    return bytes(aioble.config("mac")[1])


class GattRadio:
    """Two tasks: advertise() and serve()."""

    def __init__(self, name: str, beacon, bench, services, on_air):
        """bench, services: None for a node that nobody ever connects to; on_air(): called after each advertisement."""
        named = name.encode()[:_NAME_ROOM]
        self._name = bytes([len(named) + 1, _NAME]) + named
        self._beacon = beacon
        self._bench = bench
        self._services = services
        self._on_air = on_air
        self._connection = None

    async def advertise(self, beat) -> None:
        """The beacon's runs in turn; connectable while the bench is on and nobody is there yet."""
        while True:
            beat()
            connectable = self._bench is not None and self._bench.is_on() and self._connection is None
            data = self._beacon.next()
            if data is None and not connectable:
                await asyncio.sleep_ms(_TURN_MS)
                continue
            try:
                connection = await aioble.advertise(
                    _INTERVAL_US,
                    adv_data=data or _FLAGS,
                    resp_data=self._name if connectable else None,
                    connectable=connectable,
                    timeout_ms=_TURN_MS,
                )
            except asyncio.TimeoutError:
                self._on_air()
                continue
            if connection is None:
                raise asyncio.CancelledError  # which aioble keeps to itself
            self._on_air()
            self._connection = connection

    async def serve(self, beat) -> None:
        """Answers whoever is connected, and sends him away when the bench is switched off."""
        while True:
            beat()
            connection = self._connection
            if connection is None:
                await asyncio.sleep_ms(50)
                continue
            self._bench.begin()
            try:
                await self._converse(connection, beat)
                await connection.disconnect()
            except (aioble.DeviceDisconnectedError, asyncio.TimeoutError, OSError):
                pass  # he is gone
            finally:
                self._connection = None

    async def _converse(self, connection, beat) -> None:
        while connection.is_connected() and self._bench.is_on():
            beat()
            try:
                writer, data = await self._services.command.written(timeout_ms=_WRITES_MS)
            except asyncio.TimeoutError:
                continue
            if writer is not connection:
                continue  # left over from somebody who is gone
            answer = self._bench.take(data)
            size = (connection.mtu or _LEAST_MTU) - _ATT_HEADER
            for at in range(0, len(answer), size):
                beat()
                await self._services.answer.indicate(connection, answer[at : at + size], timeout_ms=_INDICATION_MS)
