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

from wayside.south.ble.bleak_scanner import BleakAdapter  # noqa: E402
from wayside.south.ble.scanner import Advert, ScannerError, uuid16  # noqa: E402
from wayside.south.ble.watch import Watch  # noqa: E402

ADDRESS = "54:48:E6:8F:80:A5"
PATIENCE_S = 20.0


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
        watch = Watch(lambda: BleakAdapter("hci0"), heard.append, silence_s=1.0, backoff_s=(0.01, 0.1))
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
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert watch.counters["starts"] >= 2 and watch.counters["silences"] >= 1

    asyncio.run(main())


def test_without_an_adapter_it_says_so(bluez: BlueZ) -> None:
    async def main() -> None:
        with pytest.raises(ScannerError, match="hci7"):
            await BleakAdapter("hci7").start(lambda advert: None)

    asyncio.run(main())
