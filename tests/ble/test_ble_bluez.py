"""bleak against BlueZ mocked on a private D-Bus: advertisements arrive, BlueZ vanishes and comes back.

Needs the package python-dbusmock, whose dbus-python is compiled against Debian's libdbus-1-dev and libglib2.0-dev, and
the program dbus-daemon; skipped where they are not.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

dbusmock = pytest.importorskip("dbusmock", reason="the package python-dbusmock is not installed")
dbus = pytest.importorskip("dbus", reason="the package dbus-python is not installed")
pytest.importorskip("bleak", reason="the package bleak is not installed")

from dbus_fast import BusType, Message  # noqa: E402
from dbus_fast.aio import MessageBus  # noqa: E402
from waiting import PATIENCE_S, until  # noqa: E402
from wayside.south.ble.bleak_scanner import BleakAdapter  # noqa: E402
from wayside.south.ble.scanner import Advert, ScannerError, uuid16  # noqa: E402
from wayside.south.ble.watch import BleWatch  # noqa: E402

ADDRESS = "54:48:E6:8F:80:A5"


class BlueZ:
    """The mocked BlueZ on its bus."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process, self.object = dbusmock.DBusTestCase.spawn_server_template("bluez5", {}, stdout=subprocess.DEVNULL)
        self.mock = dbus.Interface(self.object, "org.bluez.Mock")
        self.mock.AddAdapter("hci0", "adapter")
        self.mock.AddDevice("hci0", ADDRESS, "sensor")

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait()

    def advertise(self, data: bytes) -> None:
        bus = dbusmock.DBusTestCase.get_dbus(system_bus=True)
        path = f"/org/bluez/hci0/dev_{ADDRESS.replace(':', '_')}"
        device = dbus.Interface(bus.get_object("org.bluez", path), dbusmock.MOCK_IFACE)
        device.UpdateProperties(
            "org.bluez.Device1",
            {
                "ServiceData": dbus.Dictionary({uuid16(0xFCD2): dbus.ByteArray(data)}, signature="sv"),
                "ManufacturerData": dbus.Dictionary({}, signature="qv"),
                "RSSI": dbus.Int16(-60 - data[-1] % 20),
            },
        )


@pytest.fixture
def bluez() -> Iterator[BlueZ]:
    if not shutil.which("dbus-daemon"):
        pytest.skip("the program dbus-daemon is not installed")
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    dbusmock.DBusTestCase.start_system_bus()
    mocked = BlueZ()
    yield mocked
    mocked.stop()
    dbusmock.DBusTestCase.tearDownClass()
    if before is None:
        os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
    else:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


def test_scan_through_the_life_of_bluez(bluez: BlueZ) -> None:
    heard: list[Advert] = []

    async def main() -> None:
        watch = BleWatch(lambda: BleakAdapter("hci0"), heard.append, silence_s=1.0, backoff_s=(0.01, 0.1))
        task = asyncio.create_task(watch.run())

        async def until_heard(tail: int) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while not any(advert.services.get(uuid16(0xFCD2), b"")[-1:] == bytes([tail]) for advert in heard):
                    if bluez.process and bluez.process.poll() is None and watch.counters["starts"]:
                        bluez.advertise(bytes([0x40, 0x01, tail]))
                    await asyncio.sleep(0.1)

        await until_heard(1)
        assert heard[-1].address == ADDRESS and heard[-1].rssi_dbm < -40
        bluez.stop()
        async with asyncio.timeout(PATIENCE_S):
            while not watch.counters["errors"]:
                await asyncio.sleep(0.05)
        bluez.start()
        await until_heard(2)
        async with asyncio.timeout(PATIENCE_S):
            while watch.counters["starts"] < 2:  # counted when the call returns; adverts come before
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert watch.counters["silences"] >= 1

    asyncio.run(main())


def test_an_adapter_that_goes_silent_is_switched_off_and_on(bluez: BlueZ) -> None:
    heard: list[Advert] = []
    powered: list[bool] = []

    def changed(message: Message) -> None:
        if message.member == "PropertiesChanged" and message.body[0] == "org.bluez.Adapter1":
            powered.extend(value.value for name, value in message.body[1].items() if name == "Powered")

    async def main() -> None:
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        rule = "type='signal',member='PropertiesChanged',path='/org/bluez/hci0'"
        await bus.call(
            Message(
                destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
                member="AddMatch", signature="s", body=[rule],
            )
        )  # fmt: skip
        bus.add_message_handler(changed)
        watch = BleWatch(lambda: BleakAdapter("hci0"), heard.append, silence_s=0.3, backoff_s=(0.01, 0.1))
        task = asyncio.create_task(watch.run())
        await until(lambda: powered[-2:] == [False, True], "the adapter switched off and on")
        assert watch.counters["silences"] >= 2 and watch.counters["resets"] >= 1
        while not heard:
            if watch.counters["starts"] > watch.counters["silences"]:
                bluez.advertise(bytes([0x40, 0x01, 7]))
            await asyncio.sleep(0.05)
        resets = watch.counters["resets"]
        starts = watch.counters["starts"]
        await until(lambda: watch.counters["starts"] > starts, "another start after another silence")
        assert watch.counters["resets"] == resets, "what was heard proves the adapter: one silence is no reason"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        bus.disconnect()

    asyncio.run(main())


def test_an_adapter_that_is_pulled_out_and_put_back(bluez: BlueZ) -> None:
    heard: list[Advert] = []

    async def main() -> None:
        watch = BleWatch(lambda: BleakAdapter("hci0"), heard.append, silence_s=0.5, backoff_s=(0.01, 0.1))
        task = asyncio.create_task(watch.run())
        await until(lambda: watch.counters["starts"] > 0, "a scan")
        bluez.mock.RemoveAdapterWithDevices("hci0")
        await until(lambda: watch.counters["errors"] > 1, "errors while it is gone")
        assert "hci0" in watch.last_error
        bluez.mock.AddAdapter("hci0", "adapter")
        bluez.mock.AddDevice("hci0", ADDRESS, "sensor")
        starts = watch.counters["starts"]
        await until(lambda: watch.counters["starts"] > starts, "a scan again")
        while not heard:
            bluez.advertise(bytes([0x40, 0x01, 9]))
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_without_an_adapter_it_says_so(bluez: BlueZ) -> None:
    async def main() -> None:
        with pytest.raises(ScannerError, match="hci7"):
            await BleakAdapter("hci7").start(lambda advert: None)

    asyncio.run(main())
