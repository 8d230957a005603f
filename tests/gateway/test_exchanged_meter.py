"""Meters that the gateway polls itself: an exchange while it is off, and a bus whose task is down."""

import asyncio
import json
from pathlib import Path

import pytest
from site_daemon import entries, packs, running
from waiting import until
from wayside.cli import main
from wayside.clock import SystemClock
from wayside.daemon import meter_memory
from wayside.evidence.kinds import NOT_RECORDED, Device
from wayside.evidence.note import ED25519, NoteKey
from wayside.plant import answer_for, serve_tcp
from wayside.reading import TimeQuality
from wayside.south.modbus.bus import Bus
from wayside.trust.keys import load

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

    def run(meter: Meter, has_serial: bool = True, count: int = 12) -> None:
        path = tmp_path / "plain.toml"
        path.write_text(PROFILE + (IDENTITY if has_serial else ""))

        async def scenario() -> None:
            async with serve_tcp(answer_for({1: meter})) as port, running(tmp_path, SITE.format(port=port)) as site:
                await until(lambda: site.intake.counters["packs"] > count)

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
    found = [entry.body.event for entry in entries(folder) if isinstance(entry.body, Device)]
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


def test_a_bus_whose_task_is_down_has_bad_readings_that_say_so(tmp_path: Path, polled, monkeypatch):
    async def dies(self: Bus) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Bus, "run", dies)
    polled(Meter(0))
    readings = [each for pack in packs(tmp_path, "meter-1") for each in pack.readings]
    assert readings and {each.reason for each in readings} == {"bus down: RuntimeError: a mistake of ours"}
