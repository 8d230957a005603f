"""The gateway's side of Bluetooth: a scan that lives for years, counters that grow, values by profile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_daemon import entries, running
from waiting import until
from wayside.cli import main
from wayside.evidence import kinds
from wayside.runtime.clock import SystemClock
from wayside.south.ble import environment
from wayside.south.ble.about import Bluetooth
from wayside.south.ble.receiver import BeginningError, BleReceiver, BleSender
from wayside.south.ble.scanner import Advert, OnAdvert, ScannerError, uuid16
from wayside.south.ble.watch import BleWatch
from wayside.south.lora.store import LoraStore
from wayside.values.reading import Reading
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


def watched(moods: list[str], enough: Callable[[BleWatch], bool]) -> tuple[BleWatch, list[str]]:
    log: list[str] = []
    coming = iter(moods)

    async def main() -> BleWatch:
        watch = BleWatch(lambda: Fake(next(coming, "works"), log), lambda advert: None, 0.03, (0.001, 0.01))
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(60):
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
    watch, _ = watched(["no bluez"] * 10_000, lambda watch: watch.counters["errors"] > 0)
    assert "not there" in watch.last_error
    watch, _ = watched(["no bluez"] * 3, lambda watch: watch.counters["adverts"] > 0)
    assert watch.counters["errors"] == 3 and not watch.last_error


class Site:
    def __init__(self, folder: Path, key: bytes | None = KEY):
        self.told: list[tuple[str, list[Reading]]] = []
        self.notes: list[tuple[str, str]] = []
        self.store = LoraStore(folder / "ble.db")
        beacons = {ADDRESS.lower(): BleSender("air-2", key)}
        self.receiver = BleReceiver(beacons, self.store, SystemClock(), self._report, self._note)

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.receiver.status()["air-2"]["counts"])

    def _note(self, device: str, text: str) -> None:
        self.notes.append((device, text))

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
    assert site.counts == {"reports": 2, "repeated": 1, "older counter": 1}
    site.store.close()
    again = Site(tmp_path)
    again.hear(sealed(12, 2160))
    again.hear(sealed(11))
    assert not again.told


def test_strangers_and_those_who_speak_for_others(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(bthome.encode([(2, 1)]))
    site.hear(bytes(bthome.seal([(2, 1)], bytes(16), RAW_ADDRESS, 99)))
    site.hear(sealed(5), "00:00:00:00:00:01")
    site.hear(b"")
    assert not site.told
    assert site.counts == {"not encrypted": 1, "malformed or not authentic": 2} and site.receiver.strangers == 1
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
        return await environment.read(Device(), [0x2A6E, 0x2A6F, 0x2A6D, 0x2A77, 0x2A72], lambda: 5)

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
    assert not site.told and site.counts == {"disk refuses": 1}


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
        async with asyncio.timeout(60):
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


@pytest.mark.parametrize(
    ("number", "raw", "value"),
    [
        (0x2A6E, "4d95", (-27_315, "")),
        (0x2A6E, "4c95", (None, "out of range")),
        (0x2A6F, "1027", (10_000, "")),
        (0x2A6F, "1127", (None, "out of range")),
        (0x2A73, "9f8c", (35_999, "")),
        (0x2A73, "a08c", (None, "out of range")),
    ],
)
def test_environmental_sensing_says_nothing_that_cannot_be(
    number: int, raw: str, value: tuple[int | None, str]
) -> None:
    reading = environment.decode(number, bytes.fromhex(raw), 0)
    assert (reading.mantissa, reading.reason) == value


# What one firmware sends twice a cycle: two advertisements of one packet id that say different things.
HALVES = [bytes.fromhex("4000b00151028d0a038d11"), bytes.fromhex("4000b00c200b10001101")]


def test_two_contents_of_one_packet_id_are_two(tmp_path: Path) -> None:
    site = Site(tmp_path, None)
    for data in (HALVES[0], HALVES[0], HALVES[1], HALVES[0], HALVES[1]):
        site.hear(data)
    assert [[each.channel for each in readings] for _, readings in site.told] == [
        ["battery", "temperature", "humidity"], ["voltage", "power_on", "opening"],
    ]  # fmt: skip
    assert site.counts == {"reports": 2, "repeated": 3, "same counter, other content": 1}


def test_two_contents_of_one_counter_are_two_across_a_reboot(tmp_path: Path) -> None:
    first, second = (bytes(bthome.seal([(2, value)], KEY, RAW_ADDRESS, 7)) for value in (2150, 2160))
    site = Site(tmp_path)
    site.hear(first)
    site.store.close()
    site = Site(tmp_path)
    for data in (first, second, second, first):
        site.hear(data)
    assert [readings[0].mantissa for _, readings in site.told] == [2160]
    assert site.counts == {"reports": 1, "repeated": 3, "same counter, other content": 1}


def test_contents_of_one_counter_are_bounded(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for value in range(40):
        site.hear(sealed(7, value))
    assert len(site.told) == 16 and site.counts["too many of one counter"] == 24


def test_a_value_that_cannot_be_is_bad_and_the_others_are_not(tmp_path: Path) -> None:
    site = Site(tmp_path, None)
    site.hear(bytes.fromhex("40020080" "03bf13"))  # fmt: skip
    [(_, [temperature, humidity])] = site.told
    assert temperature[:6] == ("temperature", "Cel", None, 0, BAD, "out of range")
    assert humidity[:5] == ("humidity", "%RH", 5055, -2, GOOD)
    site.hear(bytes.fromhex("4202578d38c1a404138a01"))
    assert len(site.told) == 1 and site.counts["malformed or not authentic"] == 1


def test_a_counter_that_starts_anew_is_named_and_taken_when_somebody_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(sealed(154_553, 2150))
    for counter in (148, 148, 149, 149):
        site.hear(sealed(counter))
    assert not site.notes
    with pytest.raises(BeginningError, match="has not started anew"):
        site.receiver.accept("air-2")
    for counter in (150, 151, 152):
        site.hear(sealed(counter, 2160))
    [(device, text)] = site.notes
    assert device == "air-2" and text.startswith("counts from 148, after 154553")
    assert site.receiver.status()["air-2"]["restarted"].startswith("counts from 148, after 154553")
    assert len(site.told) == 1
    assert site.receiver.accept("air-2") == "counts from 152 on, no more from 154553"
    assert site.receiver.status()["air-2"]["restarted"] == ""
    for counter in (148, 151, 153):
        site.hear(sealed(counter, 2170))
    assert [readings[0].mantissa for _, readings in site.told] == [2150, 2170]
    site.store.close()
    again = Site(tmp_path)
    again.hear(sealed(153, 2170))
    again.hear(sealed(154))
    assert len(again.told) == 1


def test_one_late_repetition_is_no_new_beginning(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for counter in (100, 98, 99, 101, 97, 98, 102):
        site.hear(sealed(counter))
    assert not site.notes and site.counts["older counter"] == 4
    with pytest.raises(BeginningError):
        site.receiver.accept("air-9")


def test_recordings_that_are_played_fill_no_log(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for round_ in range(50):
        site.hear(sealed(1000 + round_))
        for counter in (1, 2, 3, 4):
            site.hear(sealed(counter))
    assert len(site.notes) == 1


def test_a_battery_that_fails_again_and_again_is_still_one_new_beginning(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(sealed(9000))
    for counter in (1, 2, 1, 1, 2, 3, 4):
        site.hear(sealed(counter))
    assert site.receiver.accept("air-2") == "counts from 4 on, no more from 9000"


def test_a_recording_that_is_played_between_hides_no_new_beginning(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(sealed(9000))
    for counter in range(1, 30):
        site.hear(sealed(counter, 2100 + counter))
        site.hear(sealed(8000))
    assert len(site.notes) == 1
    assert site.receiver.accept("air-2") == "counts from 29 on, no more from 9000"
    site.hear(sealed(30))
    assert len(site.told) == 2


@pytest.mark.parametrize("counters", [(7,), (6, 7)])
def test_a_counter_that_does_not_count_is_named(counters: tuple[int, ...], tmp_path: Path) -> None:
    site = Site(tmp_path)
    for value in range(40):
        site.hear(sealed(counters[value % len(counters)], 2000 + value))
    assert site.notes and site.receiver.status()["air-2"]["restarted"]
    if len(counters) == 1:
        assert "stands still at 7" in site.notes[-1][1]
        with pytest.raises(BeginningError, match="firmware that counts"):
            site.receiver.accept("air-2")


def test_a_sensor_that_says_nothing_to_report_is_seen(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(bytes(bthome.seal([], KEY, RAW_ADDRESS, 3)))
    assert not site.told and site.counts["nothing to report"] == 1


SITE = """
[site]
name = "test.example"
state = "state"
[[ble]]
adapter = "hci7"
[[ble.sensor]]
device = "air-2"
address = "54:48:E6:8F:80:A5"
key_file = "air-2.key"
"""


def test_the_command_accepts_it_and_the_log_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "secrets" / "radio"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "secrets").chmod(0o700)
    (folder / "air-2.key").touch(mode=0o600)
    (folder / "air-2.key").write_text(KEY.hex())
    path = str(tmp_path / "site.toml")

    async def scenario() -> None:
        async with running(tmp_path, SITE) as daemon:
            [adapter] = daemon.parts.of(Bluetooth)
            for counter in (9000, 1, 2):
                adapter.receiver.take(Advert(ADDRESS, -60, {uuid16(0xFCD2): sealed(counter)}))
            await asyncio.sleep(0)
            assert await asyncio.to_thread(main, ["ble", "accept", path, "air-2"]) == 1
            assert "has not started anew" in capsys.readouterr().err
            adapter.receiver.take(Advert(ADDRESS, -60, {uuid16(0xFCD2): sealed(3)}))
            assert await asyncio.to_thread(main, ["ble", "list", path]) == 0
            assert "COUNTER STARTED ANEW: counts from 1, after 9000" in capsys.readouterr().out
            assert await asyncio.to_thread(main, ["ble", "accept", path, "nobody"]) == 1
            assert "no beacon 'nobody'; there are: air-2" in capsys.readouterr().err
            assert await asyncio.to_thread(main, ["ble", "accept", path, "air-2"]) == 0
            assert "counts from 3 on" in capsys.readouterr().out
            await until(lambda: bool(adapter.watch.last_error), "that there is no such adapter")
            assert await asyncio.to_thread(main, ["status", path]) == 3
            told = capsys.readouterr()
            assert "1 beginnings accepted" in told.out and "Bluetooth adapter hci7 hears nothing" in told.err

    asyncio.run(scenario())
    assert main(["ble", "list", path]) == 1 and "no gateway runs" in capsys.readouterr().err
    bodies = [each.body for each in entries(tmp_path)]
    commands = [(each.target, each.what, each.outcome) for each in bodies if isinstance(each, kinds.CommandBody)]
    assert commands[-1] == ("air-2", "accept new counter", "counts from 3 on, no more from 9000")
    assert commands[0][2].startswith("refused: the counter of air-2 has not")
    [event] = [each for each in bodies if isinstance(each, kinds.DeviceBody)]
    assert event.event == "counter restarted" and event.text.startswith("counts from 1, after 9000")


@pytest.mark.parametrize(
    ("data", "values"),
    [
        # What people's sensors send, as they told: event driven, a packet id before all, a dimmer's two bytes, a minus.
        ("4400220164021a09", {"battery": (100, 0), "temperature": (2330, -2)}),
        ("4000620159020608034d12", {"battery": (89, 0), "temperature": (2054, -2), "humidity": (4685, -2)}),
        ("403c00000164", {}),
        ("40013c3c0000", {"battery": (60, 0)}),
        ("4002f6ff", {"temperature": (-10, -2)}),
        ("4003bf1302ca09", {"humidity": (5055, -2), "temperature": (2506, -2)}),
        ("4001500263ff3b0102", {"battery": (80, 0), "temperature": (-157, -2)}),
    ],
)  # fmt: skip
def test_what_sensors_in_the_field_send(tmp_path: Path, data: str, values: dict[str, tuple[int, int]]) -> None:
    site = Site(tmp_path, None)
    site.hear(bytes.fromhex(data))
    told = {each.channel: (each.mantissa, each.exponent) for _, readings in site.told for each in readings}
    assert told == (values or {"battery": (100, 0)})


def test_a_sealed_one_with_the_flag_of_an_event_opens(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hear(bytes(bthome.seal([(1, 90)], KEY, RAW_ADDRESS, 3, triggered=True)))
    assert site.told[0][1][0].mantissa == 90


@pytest.mark.parametrize("first", [0, 2, 148, 19_911])
@pytest.mark.parametrize("last", [65_531, 91_302, 3_103_785_729, 0xFFFFFFFF])
def test_counters_that_people_saw_fall(tmp_path: Path, first: int, last: int) -> None:
    """After a new battery, after an overflow of 16 bits: never taken unasked, always told, taken when asked."""
    site = Site(tmp_path)
    site.hear(sealed(last))
    for counter in range(first, first + 4):
        site.hear(sealed(counter, 2160))
    assert len(site.told) == 1 and len(site.notes) == 1
    site.receiver.accept("air-2")
    site.hear(sealed(first + 9, 2170))
    assert len(site.told) == 2
