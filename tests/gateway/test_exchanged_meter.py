"""Meters that the gateway polls itself: an exchange while it is off, and a bus whose task is down."""

import asyncio
import json
from pathlib import Path

import pytest
from site_daemon import entries, packs, running
from waiting import free_port, until
from wayside.cli import main
from wayside.evidence.kinds import NOT_RECORDED, DeviceBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.kinds import meter_memory
from wayside.lab.plant import answer_for, serve_tcp
from wayside.runtime.clock import SystemClock
from wayside.south.modbus.bus import ModbusBus
from wayside.trust.keys import load
from wayside.values.reading import TimeQuality

PROFILE = """
[profile]
name = "plain"
title = "t"
source = "s"
verified = "document"
[requests]
max_registers = 9
[registers]
area = "holding"
type = "u32"
[[probe]]
address = 0
min = 0
max = 1
[channels]
energy_active_import = { address = 0, unit = "kWh", exponent = -2 }
"""
IDENTITY = '[identity]\nserial_number = { address = 8, type = "u32" }\n'
SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "./plain.toml"
poll_ms = 50
report_ms = 100
"""


class Meter:
    """A register in steps of 0.01 kWh, and a serial number at 8."""

    def __init__(self, steps: int, serial: int = 7):
        self.steps, self.serial = steps, serial

    def read(self, function: int, address: int, count: int) -> bytes:
        if address == 8:
            return self.serial.to_bytes(4, "big")
        self.steps += 1
        return self.steps.to_bytes(4, "big")

    def write(self, address: int, registers: bytes) -> None: ...


class Silent(Meter):
    """Says what no value is."""

    def read(self, function: int, address: int, count: int) -> bytes:
        return b"\xff" * 4


class Still(Meter):
    """Does not count, but jumps once behind so many polls."""

    jump_behind = -1

    def read(self, function: int, address: int, count: int) -> bytes:
        if address == 0:
            self.jump_behind -= 1
            self.steps += 400_000 * (self.jump_behind == 0) - 1
        return super().read(function, address, count)


@pytest.fixture
def polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the gateway on a meter until more than so many packs are logged."""
    monkeypatch.setattr(SystemClock, "time_quality", lambda self: TimeQuality.SYNCED)
    ports: dict[Path, int] = {}

    def run(
        meter: Meter,
        has_serial: bool = True,
        count: int = 12,
        site: str = SITE,
        profile: str = PROFILE,
        folder: Path = tmp_path,
    ) -> None:
        (folder / "plain.toml").write_text(profile + (IDENTITY if has_serial else ""))
        port = ports.setdefault(folder, free_port())  # a restart finds it where it was

        async def scenario() -> None:
            server = serve_tcp(answer_for({1: meter, 2: meter}), port=port)
            async with server, running(folder, site.format(port=port)) as gateway:
                await until(lambda: gateway.intake.counters["packs"] > count)

        asyncio.run(scenario())

    return run


def settled(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    evidence = folder / "evidence"
    evidence.unlink(missing_ok=True)
    assert main(["export", str(folder / "site.toml"), str(evidence), "--device", "meter-1"]) == 0
    capsys.readouterr()
    key = NoteKey("test.example/log/0", ED25519, load(folder / "state" / "log.key").public)
    assert main(["settle", str(evidence), "--key", str(key), "--device", "meter-1", "--json"]) == 0
    (channel,) = json.loads(capsys.readouterr().out)["channels"]
    return channel


def events(folder: Path) -> list[str]:
    """Of the meter; that a start records nothing in between is none."""
    found = [entry.body.event for entry in entries(folder) if isinstance(entry.body, DeviceBody)]
    return [event for event in found if event != NOT_RECORDED]


def test_a_meter_with_a_higher_count_comes_while_the_gateway_is_off(tmp_path: Path, polled, capsys):
    polled(Meter(100_000, 7))
    polled(Meter(500_000, 8))
    assert events(tmp_path) == ["identified", "replaced", "replaced"]
    found = settled(tmp_path, capsys)
    assert len(found["stretches"]) == 2 and float(found["kwh"]) < 10
    assert "another serial number" in str(found["breaks"])


def test_the_same_meter_over_a_restart_is_one_stretch(tmp_path: Path, polled, capsys):
    meter = Meter(100_000, 7)
    polled(meter)
    meter.steps += 20
    polled(meter)
    assert events(tmp_path) == ["identified"]
    (stretch,) = settled(tmp_path, capsys)["stretches"]
    assert float(stretch["kwh"]) > 0.2


def test_a_meter_without_a_number(tmp_path: Path, polled, capsys):
    """A restart of some seconds is no time for an exchange; a higher count is held back all the same."""
    meter = Meter(100_000)
    polled(meter, has_serial=False)
    polled(meter, has_serial=False)
    assert events(tmp_path) == []
    assert len(settled(tmp_path, capsys)["stretches"]) == 1
    polled(Meter(500_000), has_serial=False)
    assert float(settled(tmp_path, capsys)["kwh"]) < 10
    assert any("max_power_w" in each.reason for pack in packs(tmp_path, "meter-1") for each in pack.readings)


def test_a_jump_that_was_held_back_until_a_restart_is_not_paid(tmp_path: Path, polled, monkeypatch, capsys):
    """The log knows the last count however long ago it was, or the device counts anew."""
    monkeypatch.setattr(meter_memory, "_LOOK_BACK", 2)
    for far in (600, 2):
        monkeypatch.setattr(meter_memory, "_LOOK_FAR_BACK", far)
        meter = Still(100_000)
        polled(meter)
        meter.jump_behind = 6
        polled(meter, count=20)
        assert packs(tmp_path, "meter-1")[-1].readings[0].reason.startswith("counter rose more")
        polled(meter)
        if far == 600:
            assert packs(tmp_path, "meter-1")[-1].readings[0].reason.startswith("counter rose more")
        assert float(settled(tmp_path, capsys)["kwh"]) == 0


def test_the_site_file_means_another_count_by_the_same_name(tmp_path: Path, polled, capsys):
    """0.35 kWh more or less would be plausible, so only what the counts belong to can say it."""
    ratio = PROFILE.replace("exponent = -2", 'exponent = -2, ratio = "ct"')
    parts = PROFILE + "[parts]\ncount = 2\nstride = 40\n"
    cases = {
        "unit": (PROFILE, SITE.replace("unit = 1", "unit = 2")),
        "ratio": (ratio, SITE + 'ct_ratio = "3"\n'),
        "part": (parts, SITE + "part = 2\n"),
        "profile": (PROFILE.replace('name = "plain"', 'name = "other"'), SITE),
        "register": (PROFILE.replace("address = 0, unit", "address = 2, unit"), SITE),
    }
    for name, (profile, site) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        first = SITE + 'ct_ratio = "1"\n' if name == "ratio" else SITE
        was = PROFILE if name in ("profile", "register") else profile
        polled(Meter(100), False, 3, site=first, profile=was, folder=folder)
        assert events(folder) == [], name
        for _ in range(2):  # the second start finds nothing new
            polled(Meter(135), False, 3, site=site, profile=profile, folder=folder)
        assert events(folder) == ["unwatched"], name
        found = settled(folder, capsys)
        assert len(found["stretches"]) == 2 and "new count" in str(found["breaks"]), name


def test_at_another_endpoint_the_serial_number_says_whether_it_is_the_same_meter(tmp_path: Path, polled, capsys):
    for name, serial, then in (("same", 7, []), ("other", 8, ["replaced", "replaced"]), ("none", None, ["unwatched"])):
        folder = tmp_path / name
        folder.mkdir()
        known = ["identified"] if serial else []
        for place, number in (("127.0.0.1", 7), ("localhost", serial or 7)):
            polled(Meter(100, number), bool(serial), 4, SITE.replace("127.0.0.1", place), folder=folder)
        assert events(folder) == known + then, name
        assert len(settled(folder, capsys)["stretches"]) == 1 + bool(then), name


def test_a_meter_that_moves_and_never_counts_there_is_not_continued(tmp_path: Path, polled, capsys):
    """It is silent where it was moved to: what it counts at last does not continue what it counted before."""
    polled(Meter(100), False)
    polled(Silent(0), False, site=SITE.replace("unit = 1", "unit = 2"))
    polled(Meter(135), False, site=SITE.replace("unit = 1", "unit = 2"))
    assert events(tmp_path)[0] == "unwatched"
    assert len(settled(tmp_path, capsys)["stretches"]) == 2


def test_a_bus_whose_task_is_down_has_bad_readings_that_say_so(tmp_path: Path, polled, monkeypatch):
    async def dies(self: ModbusBus) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(ModbusBus, "run", dies)
    polled(Meter(0))
    readings = [each for pack in packs(tmp_path, "meter-1") for each in pack.readings]
    assert readings and {each.reason for each in readings} == {"bus down: RuntimeError: a mistake of ours"}


@pytest.mark.parametrize("how", ["unit", "ratio", "serial number"])
def test_a_name_that_comes_back_to_its_first_count_is_paid_for_all_three(tmp_path: Path, polled, capsys, how: str):
    """Lower counts between two higher ones are no fall of a register where the log says that they are other ones'."""
    first, second = Meter(500_000, 7), Meter(10_000, 8)
    there, back, profile = SITE, SITE.replace("unit = 1", "unit = 2"), PROFILE
    if how == "ratio":
        profile = PROFILE.replace("exponent = -2", 'exponent = -2, ratio = "ct"')
        there, back = (f'{SITE}ct_ratio = "{ratio}"\n' for ratio in (50, 1))
        second = first
    elif how == "serial number":
        back = SITE
    for meter, site in ((first, there), (second, back), (first, there)):
        polled(meter, how == "serial number", site=site, profile=profile)
    found = settled(tmp_path, capsys)
    assert len(found["stretches"]) == 3 and not any(each["unused"] for each in found["stretches"])
    assert all(each["registers"] > 3 for each in found["stretches"])


def test_another_count_that_lies_within_the_first_one_takes_nothing_from_it(tmp_path: Path, polled, capsys):
    polled(Meter(10_000), False, 20)
    polled(Meter(10_010), False, site=SITE.replace("unit = 1", "unit = 2"))
    first, _ = settled(tmp_path, capsys)["stretches"]
    assert not first["unused"] and float(first["kwh"]) > 0.12
