"""The daemon as a whole, on simulated meters: what it logs about itself, a dead meter, status, proxy, stopping."""

import asyncio
import json
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from site_daemon import entries, packs, running
from waiting import until
from wayside.cli import main
from wayside.control.journal import Appender, Journal
from wayside.daemon.status import snapshot
from wayside.evidence.kinds import DecisionBody, DeviceBody, EntryKind
from wayside.evidence.stream import device_stream
from wayside.intake import expiry
from wayside.kinds import retention
from wayside.kinds.journal_feed import JournalFeed
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.runtime.clock import SystemClock
from wayside.site.config import load
from wayside.south.modbus import ModbusBus

SITE = """
[site]
name = "test.example"
state = "state"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
{more}
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 50
report_ms = 100
channels = ["voltage_l1", "energy_active_import"]
[[bus.device]]
name = "meter-2"
unit = 2
profile = "eastron-sdm630"
poll_ms = 50
report_ms = 50
timeout_ms = 50
channels = ["voltage_l1"]
"""


def test_a_dead_meter_is_told_once_and_the_other_goes_on(tmp_path: Path):
    async def scenario() -> None:
        meter = answer_for({1: Sdm630(1)})
        async with serve_tcp(meter) as port, running(tmp_path, SITE.format(port=port, more="")) as site:
            packs = site.intake.counters
            await until(lambda: site.parts.of(ModbusBus)[0].devices["meter-2"].unreachable and packs["packs"] > 40)

    asyncio.run(scenario())
    good = packs(tmp_path, "meter-1")
    assert len(good) > 5 and all(reading.quality == 0 for pack in good for reading in pack.readings)
    assert {reading.channel for reading in good[1].readings} == {
        "voltage_l1",
        "voltage_l1.min",
        "voltage_l1.max",
        "voltage_l1.mean",
        "energy_active_import",
        "energy_active_import.diff",
    }
    bad = packs(tmp_path, "meter-2")
    assert bad and all(reading.mantissa is None and reading.reason for pack in bad for reading in pack.readings)
    told = [(entry.stream, entry.body.event) for entry in entries(tmp_path) if isinstance(entry.body, DeviceBody)]
    assert told == [(device_stream("meter-1"), "identified"), (device_stream("meter-2"), "unreachable")]


def test_configuration_and_keys_are_logged_once_and_again_when_they_change(tmp_path: Path):
    async def scenario(text: str) -> None:
        async with running(tmp_path, text):
            await until((tmp_path / "state" / "status.sock").exists)
        (tmp_path / "state" / "status.sock").unlink(missing_ok=True)

    def count(kind: EntryKind) -> int:
        return sum(entry.kind == kind for entry in entries(tmp_path))

    text = SITE.format(port=1, more="")
    asyncio.run(scenario(text))
    assert (count(EntryKind.CONFIGURATION), count(EntryKind.KEY)) == (1, 2)
    assert [EntryKind(entry.kind) for entry in entries(tmp_path)][:2] == [EntryKind.CONFIGURATION, EntryKind.KEY]
    asyncio.run(scenario(text))
    assert (count(EntryKind.CONFIGURATION), count(EntryKind.KEY)) == (1, 2)
    asyncio.run(scenario(text + "# a comment\n"))
    assert (count(EntryKind.CONFIGURATION), count(EntryKind.KEY)) == (2, 2)


def test_status_tells_and_the_proxy_reads_the_same_meter(tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port, serve_tcp(answer_for({})) as free:
            proxy = free + 1 if free < 65_000 else free - 1
            text = SITE.format(port=port, more=f"proxy_port = {proxy}")
            async with running(tmp_path, text) as daemon:
                await until(lambda: daemon.intake.counters["packs"] > 4)
                assert await asyncio.to_thread(main, ["status", str(tmp_path / "site.toml"), "--json"]) == 3
                told = json.loads((said := capsys.readouterr()).out)
                assert "wayside status: meter-2 on cabinet" in said.err and "meter-1" not in said.err
                assert told["buses"]["cabinet"]["devices"]["meter-1"]["good_polls"] > 0
                assert told["log"]["origin"] == "test.example/log/0" and told["log"]["size"] >= 2
                assert await asyncio.to_thread(main, ["status", str(tmp_path / "site.toml")]) == 3
                assert "meter-1" in capsys.readouterr().out
                async with AsyncModbusTcpClient("127.0.0.1", port=proxy) as client:
                    answer = await client.read_input_registers(0, count=2, device_id=1)
                assert not answer.isError() and 0x4300 <= answer.registers[0] <= 0x4400, "some 230 V as float32"

    asyncio.run(scenario())
    assert main(["status", str(tmp_path / "site.toml")]) == 1
    assert "start it: wayside run" in capsys.readouterr().err


def test_an_inverter_is_discovered_and_its_channels_are_reported(tmp_path: Path):
    text = """
[site]
name = "test.example"
[[bus]]
name = "roof"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "inverter"
unit = 1
profile = "sunspec"
poll_ms = 100
report_ms = 200
"""

    async def scenario() -> None:
        models = {1: {"Mn": "Acme", "SN": "7"}, 103: {"W": 1234, "W_SF": 0, "Hz": 5001, "Hz_SF": 0xFFFE}}
        inverter = answer_for({1: SunSpecDevice(models)})
        async with serve_tcp(inverter) as port, running(tmp_path, text.format(port=port)) as site:
            await until(lambda: site.intake.counters["packs"] > 3)

    asyncio.run(scenario())
    channels = {reading.channel for pack in packs(tmp_path, "inverter") for reading in pack.readings}
    assert {"power_active", "power_active.mean", "frequency"} <= channels, channels


def test_what_a_controller_decides_is_in_the_log(tmp_path: Path):
    (tmp_path / "junction").mkdir()
    appender = Appender(print)
    journal = Journal(tmp_path / "junction", appender, SystemClock())
    journal.add(DecisionBody("signals", "plan 3", "detector 12 is stuck"))
    appender.close()

    async def scenario() -> None:
        text = SITE.format(port=1, more="") + '[[journal]]\nname = "junction-7"\nfolder = "junction"\n'
        async with running(tmp_path, text) as daemon:
            await until(lambda: daemon.parts.of(JournalFeed)[0].taken == 1)
            assert snapshot(daemon.parts)["journals"] == {"junction-7": {"taken": 1, "problem": ""}}
            assert "journal junction-7" in [each.name for each in daemon.pulses()]

    asyncio.run(scenario())
    (found,) = [entry for entry in entries(tmp_path) if entry.kind == EntryKind.DECISION]
    assert found.body == DecisionBody("signals", "plan 3", "detector 12 is stuck")


def test_the_entries_of_a_controller_are_kept_as_long_as_retention_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A journal's name stood for a device's stream, which there is not: its entries were kept for ever."""
    seen: list[set[str]] = []
    monkeypatch.setattr(retention, "_EVERY_S", 0.01)
    monkeypatch.setattr(expiry, "expire", lambda log, policies, *_: seen.append(set(policies)))

    async def scenario() -> None:
        text = SITE.format(port=1, more="") + '[[journal]]\nname = "junction-7"\nfolder = "junction"\n'
        async with running(tmp_path, text + '[[retention]]\ndevices = ["junction-7", "meter-1"]\ndays = 30\n'):
            await until(lambda: bool(seen))

    asyncio.run(scenario())
    assert seen[0] == {"journal/junction-7", "device/meter-1"}


def test_the_process_image_moves_with_every_poll_and_loses_what_the_site_file_loses(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            text = SITE.format(port=port, more="").replace("report_ms = 100", "report_ms = 600000")
            async with running(tmp_path, text) as daemon:
                await until(lambda: "voltage_l1" in daemon.image.snapshot.get("meter-1", {}))
                first = daemon.image.snapshot["meter-1"]["voltage_l1"]
                await until(lambda: daemon.image.snapshot["meter-1"]["voltage_l1"].time_ms > first.time_ms)
                changed = text.replace('channels = ["voltage_l1", "energy_active_import"]', 'channels = ["voltage_l1"]')
                (tmp_path / "site.toml").write_text(changed)
                await daemon.apply(load(tmp_path / "site.toml"), changed.encode())
                assert "energy_active_import" not in daemon.image.snapshot["meter-1"]

    asyncio.run(scenario())
