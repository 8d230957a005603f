"""Scans and connections by the package bleak (extra `ble`), on BlueZ."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from dbus_fast import BusType, DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from wayside.south.ble.scanner import Advert, OnAdvert, ScannerError

# All that D-Bus and BlueZ throw when they go away.
_ERRORS = (BleakError, DBusError, OSError, EOFError)


class BleakAdapter:
    """One scan on `adapter` ("hci0")."""

    def __init__(self, adapter: str):
        self._adapter = adapter
        self._scanner: BleakScanner | None = None

    async def start(self, on_advert: OnAdvert) -> None:
        def heard(device: BLEDevice, data: AdvertisementData) -> None:
            on_advert(Advert(device.address, data.rssi, data.service_data))

        try:
            self._scanner = BleakScanner(heard, bluez=_arguments(self._adapter))
            await self._scanner.start()
        except _ERRORS as error:
            raise ScannerError(f"{self._adapter}: {error}; is bluetoothd running, and the adapter there?") from None

    async def stop(self) -> None:
        if self._scanner is None:
            return
        try:
            await self._scanner.stop()
        except _ERRORS as error:
            raise ScannerError(f"{self._adapter}: {error}") from None

    async def reset(self) -> None:
        for on in (False, True):
            await self._power(on)

    async def _power(self, on: bool) -> None:
        try:
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            try:
                reply = await bus.call(
                    Message(
                        destination="org.bluez",
                        path=f"/org/bluez/{self._adapter}",
                        interface="org.freedesktop.DBus.Properties",
                        member="Set",
                        signature="ssv",
                        body=["org.bluez.Adapter1", "Powered", Variant("b", on)],
                    )
                )
            finally:
                bus.disconnect()
        except _ERRORS as error:
            raise ScannerError(f"{self._adapter}: {error}") from None
        if reply is None or reply.message_type == MessageType.ERROR:
            raise ScannerError(f"{self._adapter}: cannot be switched {'on' if on else 'off'}")


def _arguments(adapter: str) -> Any:
    return {"adapter": adapter}


class _Device:
    def __init__(self, client: BleakClient):
        self._client = client

    async def read(self, uuid: str) -> bytes:
        try:
            return bytes(await self._client.read_gatt_char(uuid))
        except _ERRORS as error:
            raise ScannerError(str(error)) from None


@asynccontextmanager
async def connect(adapter: str, address: str) -> AsyncIterator[_Device]:
    """A connection to the device at `address`; ScannerError when it is not there."""
    try:
        async with BleakClient(address, bluez=_arguments(adapter)) as client:
            yield _Device(client)
    except _ERRORS as error:
        raise ScannerError(f"{address}: {error}") from None
