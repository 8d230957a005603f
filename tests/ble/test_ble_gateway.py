"""The gateway's side of Bluetooth: a scan that lives for years, counters that grow, values by profile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.clock import SystemClock
from wayside.reading import Reading
from wayside.south.ble import environment
from wayside.south.ble.receiver import Beacon, Receiver
from wayside.south.ble.scanner import Advert, OnAdvert, ScannerError, uuid16
from wayside.south.ble.watch import Watch
from wayside.south.lora.store import Store
from wayside_wire import bthome
from wayside_wire.pack import BAD, GOOD

KEY = bytes(range(16))
ADDRESS = "54:48:E6:8F:80:A5"
RAW_ADDRESS = bytes.fromhex(ADDRESS.replace(":", ""))


class Fake:
    """A scanner that does what the test's script says: "works", "silent", "no bluez", "hangs in stop"."""

    def __init__(self, mood: str, log: list[str]):
        self.mood, self.log = mood, log
        self._task: asyncio.Task[None] | None = None

    async def start(self, on_advert: OnAdvert) -> None:
        self.log.append(f"start {self.mood}")
        if self.mood == "no bluez":
            raise ScannerError("org.bluez is not there")
        if self.mood != "silent":
            self._task = asyncio.create_task(self._speak(on_advert))

    async def _speak(self, on_advert: OnAdvert) -> None:
        for _ in range(3):
            on_advert(Advert("00:00:00:00:00:01", -70, {}))
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        if self.mood == "no bluez":
            raise ScannerError("gone")
        if self._task:
            self._task.cancel()

    async def reset(self) -> None:
        self.log.append("reset")


def watched(moods: list[str], enough: Callable[[Watch], bool]) -> tuple[Watch, list[str]]:
    log: list[str] = []
    coming = iter(moods)

    async def main() -> Watch:
        watch = Watch(lambda: Fake(next(coming, "works"), log), lambda advert: None, 0.03, (0.001, 0.01))
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(20):
            while not enough(watch):
                await asyncio.sleep(0.005)
        task.cancel()
        return watch

    return asyncio.run(main()), log


def test_a_silent_scan_is_started_again_and_then_the_adapter_is_reset() -> None:
    watch, log = watched(["works", "silent", "silent", "silent"], lambda watch: watch.counters["starts"] >= 6)
    assert log[:6] == ["start works", "start silent", "reset", "start silent", "reset", "start silent"]
    assert watch.counters["silences"] >= 4 and watch.counters["adverts"] >= 3


def test_bluez_may_vanish_and_come_back() -> None:
    watch, _ = watched(["no bluez"] * 3, lambda watch: watch.counters["adverts"] > 0)
    assert watch.counters["errors"] == 3 and "not there" in watch.last_error


class Site:
    def __init__(self, folder: Path, key: bytes | None = KEY):
        self.told: list[tuple[str, list[Reading]]] = []
        self.store = Store(folder / "ble.db")
        self.receiver = Receiver({ADDRESS.lower(): Beacon("air-2", key)}, self.store, SystemClock(), self._report)

    def _report(self, device: str, readings: object) -> None:
        self.told.append((device, list(readings)))  # type: ignore[call-overload]

    def hear(self, data: bytes, address: str = ADDRESS) -> None:
        self.receiver.take(Advert(address, -60, {uuid16(0xFCD2): data}))


def sealed(counter: int, value: int = 2150) -> bytes:
    return bytes(bthome.seal([(2, value)], KEY, RAW_ADDRESS, counter))


def test_counters_have_to_grow_across_a_reboot(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(sealed(10))
    site.hear(sealed(10))
    site.hear(sealed(9))
    site.hear(sealed(12, 2160))
    assert [readings[0].mantissa for _, readings in site.told] == [2150, 2160]
    assert site.told[0][0] == "air-2" and site.told[0][1][0][:5] == ("temperature", "Cel", 2150, -2, GOOD)
    assert site.receiver.counters == {"reports": 2, "repeated": 1, "replayed": 1}
    site.store.close()
    again = Site(tmp_path)
    again.hear(sealed(12))
    again.hear(sealed(11))
    assert not again.told


def test_strangers_and_those_who_speak_for_others(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(bthome.encode([(2, 1)]))
    site.hear(bytes(bthome.seal([(2, 1)], bytes(16), RAW_ADDRESS, 99)))
    site.hear(sealed(5), "00:00:00:00:00:01")
    site.hear(b"")
    assert not site.told
    assert site.receiver.counters == {"not encrypted": 1, "malformed or not authentic": 2, "strangers": 1}
    site.hear(sealed(5))
    assert len(site.told) == 1


def test_plain_advertisements_are_taken_once(tmp_path: Path) -> None:
    site = Site(tmp_path, None)
    for packet in (1, 1, 1, 2):
        site.hear(bthome.encode([(0, packet), (0x12, 612)]))
    assert len(site.told) == 2


@pytest.fixture(scope="module")
def plain_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("ble"), None)


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=40))
def test_no_advertisement_raises(plain_site: Site, data: bytes) -> None:
    plain_site.hear(data)
    plain_site.hear(b"\x40" + data)


def test_environmental_sensing() -> None:
    class Device:
        async def read(self, uuid: str) -> bytes:
            values = {0x2A6E: "9efd", 0x2A6F: "ffff", 0x2A6D: "10270f00", 0x2A77: "01"}
            for number, text in values.items():
                if uuid == uuid16(number):
                    return bytes.fromhex(text)
            raise ScannerError("not there")

    async def main() -> list[Reading]:
        return await environment.read(Device(), [0x2A6E, 0x2A6F, 0x2A6D, 0x2A77, 0x2A72], 5)

    temperature, humidity, pressure, short, absent = asyncio.run(main())
    assert temperature[:5] == ("temperature", "Cel", -610, -2, GOOD)
    assert pressure[:5] == ("pressure", "Pa", 993_040, -1, GOOD)
    assert [each.quality for each in (humidity, short, absent)] == [BAD] * 3
    assert [each.reason for each in (humidity, short, absent)] == [
        "value is not known", "1 bytes instead of 2", "not there",
    ]  # fmt: skip


def test_a_disk_that_refuses_takes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.store.close()
    site.hear(sealed(5))
    assert not site.told and site.receiver.counters == {"disk refuses": 1}


def test_a_device_that_is_asked_reads_bad_while_it_is_away() -> None:
    class Device:
        async def read(self, uuid: str) -> bytes:
            return bytes.fromhex("6608")

    away = [True, False, True]
    told: list[list[Reading]] = []

    @asynccontextmanager
    async def connect() -> AsyncIterator[Device]:
        if away[min(len(told), 2)]:
            raise ScannerError("not there")
        yield Device()

    async def main() -> environment.Poller:
        report = lambda readings: told.append(list(readings))  # noqa: E731
        poller = environment.Poller(connect, ["temperature"], 0.001, SystemClock(), report)
        task = asyncio.create_task(poller.run())
        async with asyncio.timeout(20):
            while len(told) < 3:
                await asyncio.sleep(0.002)
        task.cancel()
        return poller

    poller = asyncio.run(main())
    assert [(each[0].quality, each[0].mantissa, each[0].reason) for each in told[:3]] == [
        (BAD, None, "no answer"), (GOOD, 2150, ""), (BAD, None, "no answer"),
    ]  # fmt: skip
    assert poller.counters["connections"] == 1
    with pytest.raises(ValueError, match="temperature"):
        environment.Poller(connect, ["taste"], 1, SystemClock(), lambda readings: None)
