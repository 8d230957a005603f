"""The process image moves with every poll, and whoever reads it reads one poll of a device, never half of one."""

import asyncio
import socket
from pathlib import Path

import pytest
from gateway.test_adapters import ADAPTER
from site_daemon import running
from south.fields import example
from waiting import free_port, until
from wayside.lab.plant import answer_for, serve_tcp
from wayside.south import adapters
from wayside.values.image import Snapshot

SITE = '[site]\nname = "test.example"\n'
PROFILE = """
[profile]
name = "counting"
title = "t"
source = "s"
verified = "document"
[requests]
max_registers = 1
[registers]
area = "holding"
type = "u16"
[channels]
first = { address = 0, unit = "W" }
second = { address = 100, unit = "W" }
"""
BUS = """
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter"
unit = 1
profile = "counting"
poll_ms = 20
report_ms = 3600000
"""


class Counting:
    """Counts its polls, each of two requests, and says the number in both."""

    polls = 0

    def read(self, function: int, address: int, count: int) -> bytes:
        self.polls += address == 0
        return (self.polls % 65_000).to_bytes(2, "big")

    def write(self, address: int, registers: bytes) -> None:
        raise NotImplementedError


def test_each_poll_is_there_whole_long_before_its_report(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "counting.toml").write_text(PROFILE)
    kept: list[tuple[Snapshot, int]] = []

    async def scenario() -> None:
        port = free_port()
        meter = serve_tcp(answer_for({1: Counting()}), port)
        async with meter, running(tmp_path, SITE + BUS.format(port=port)) as site:

            def seen() -> bool:
                meter = site.image.snapshot.get("meter", {})
                if meter and meter["first"].mantissa is not None:
                    assert meter["first"].mantissa == meter["second"].mantissa
                    kept.append((site.image.snapshot, meter["first"].mantissa))
                return len({number for _, number in kept}) > 20

            await until(seen, "twenty polls")
            assert not site.intake.counters["packs"], "nothing is reported yet"

    asyncio.run(scenario())
    assert all(snapshot["meter"]["second"].mantissa == number for snapshot, number in kept), "a snapshot stays"


def test_what_an_adapter_polls_is_there_long_before_its_report(tmp_path: Path) -> None:
    port = free_port()
    text = f'[[adapter]]\nname = "tanks"\nkind = "udp_lines"\n[adapter.options]\nport = {port}\nreport_s = 3600.0\n'

    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            async with running(tmp_path, SITE + text + 'sensors = {tank = {level = "m"}}\n') as site:
                for number in range(1, 4):

                    def heard(number: int = number) -> bool:
                        sender.sendto(b"tank level %d" % number, ("127.0.0.1", port))
                        level = site.image.snapshot.get("tank", {}).get("level")
                        return level is not None and level.mantissa == number

                    await until(heard, "the level")
                assert not site.intake.counters["packs"], "nothing is reported yet"

    with example("udp_lines", tmp_path):
        asyncio.run(scenario())


def test_what_the_log_would_not_hold_nobody_acts_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ADAPTER.replace('report("cabinet-air"', 'poll("cabinet-air"').replace("self._next, 0", "float('nan'), 0")
    text = text.replace("start: int", "start: int\n\n    def aggregated_s(self): return 3600.0")
    (tmp_path / "nan.py").write_text(text)
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    table = '[[adapter]]\ndevice = "cabinet-air"\nkind = "nan"\noptions = {start = 1}\n'

    async def scenario() -> None:
        async with running(tmp_path, SITE + table) as site:
            await until(lambda: bool(site.image.snapshot.get("cabinet-air")), "a reading")
            count = site.image.snapshot["cabinet-air"]["count"]
            assert (count.mantissa, count.reason) == (None, "not a whole number")

    asyncio.run(scenario())
