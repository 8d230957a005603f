"""The technician's commands, on simulated meters: scan, read, sniff, profile."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modbus.test_sunspec import INVERTER
from waiting import PATIENCE_S
from wayside import config, profiles
from wayside.cli import main, scan
from wayside.plant import Sdm630, answer_for, serve_pty, serve_tcp
from wayside.plant.sunspec import SunSpecDevice
from wayside.profiles.node import for_node
from wayside.south.modbus.sniff import Frame, Sniffer
from wayside_wire import modbus


class Background:
    """A simulated line in a thread of its own, for commands that run an event loop themselves."""

    def __init__(self, serve: Callable[[], contextlib.AbstractAsyncContextManager[Any]]):
        self.address: Any = None
        self._serve = serve
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    async def _run(self) -> None:
        async with self._serve() as self.address:
            self._ready.set()
            await self._done.wait()

    def __enter__(self) -> Any:
        self._thread.start()
        assert self._ready.wait(10)
        return self.address

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def tcp_site() -> Iterator[int]:
    with Background(lambda: serve_tcp(answer_for({1: Sdm630(1), 3: SunSpecDevice(INVERTER)}))) as port:
        yield port


def test_scan_finds_devices_and_writes_a_site_file(tcp_site: int, capsys: Any, tmp_path: Path) -> None:
    assert main(["scan", f"127.0.0.1:{tcp_site}", "--units", "1-3", "--timeout-ms", "60"]) == 0
    fragment = capsys.readouterr().out
    path = tmp_path / "site.toml"
    path.write_text('[site]\nname = "test"\n\n' + fragment)
    site = config.load(path)
    assert [(one.unit, one.profile) for one in site.bus[0].device] == [(1, "eastron-sdm630"), (3, "sunspec")]
    assert "eastron-sdm120" in fragment, "what fits less well is named, too"
    # And what the fragment says can be read.
    assert main(["read", "eastron-sdm630-1", "frequency", "voltage_l1", "--site", str(path)]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2 and " Hz " in out and "good" in out
    assert main(["read", "sunspec-3", "voltage_l1", "voltage_l2", "--site", str(path)]) == 1
    out = capsys.readouterr().out
    assert "230.10 V" in out and "no value" in out
    assert main(["read", "nobody", "--site", str(path)]) == 2
    assert 'polls no device "nobody"; it has: eastron-sdm630-1, sunspec-3' in capsys.readouterr().err


def test_scan_on_a_serial_line(capsys: Any) -> None:
    with Background(lambda: serve_pty(answer_for({2: Sdm630(2)}), 19200, turnaround_s=0.002)) as path:
        command = ["scan", path, "--units", "2,4", "--bauds", "19200", "--parities", "N", "--timeout-ms", "100"]
        assert main(command) == 0
        assert f'endpoint = "rtu://{path}?baud=19200&parity=N"' in (out := capsys.readouterr().out)
        assert "unit = 2" in out and "unit = 4" not in out
        assert main([*command[:3], "4,5", *command[4:]]) == 1
        assert "Nobody answers" in capsys.readouterr().out
        endpoint = f"rtu://{path}?baud=19200"
        assert main(["read", endpoint, "--unit", "2", "--profile", "eastron-sdm630"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 85


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["scan", "/dev/no-such-port"], 2, "cannot be opened: there is no such port; plug it in"),
        (["scan", "127.0.0.1:1", "--units", "a"], 2, "write numbers and ranges"),
        (["scan", "127.0.0.1:1", "--units", "1-300"], 2, "addresses are 0 to 255"),
        (["scan", "127.0.0.1:1"], 2, "127.0.0.1:1 cannot be reached: "),
        (["read", "tcp://127.0.0.1:1"], 2, "name a profile: --profile abb-b23 | "),
        (["read", "tcp://127.0.0.1:1", "--profile", "abb"], 2, 'unknown profile "abb"'),
        (["read", "tcp://127.0.0.1:1", "--profile", "abb-b23"], 2, "127.0.0.1:1 cannot be reached: "),
        (["read", "udp://127.0.0.1:1", "--profile", "abb-b23"], 2, "udp://127.0.0.1:1 is not an endpoint: write"),
        (["read", "meter", "--site", "/no/such/file"], 2, "cannot be read"),
        (["sniff", "/dev/no-such-port"], 2, "there is no such port; plug it in"),
        (["sniff", "/dev/null", "--profile", "1"], 2, "write UNIT=NAME"),
        (["profile", "lint", "/no/such/file"], 1, "cannot be read"),
        (["profile", "node", "/no/such/file.toml"], 1, "cannot be read"),
        (["profile", "node", "eastron"], 1, "did you mean"),
        (["profile", "node", "abb-b23", "volts"], 1, "known: "),
        (["profile", "node", "sunspec"], 1, "a node cannot"),
    ],
)
def test_errors_say_what_to_do(words: list[str], status: int, text: str, capsys: Any) -> None:
    assert main(words) == status
    assert text in capsys.readouterr().err


def test_profile_lint_and_list(capsys: Any, tmp_path: Path) -> None:
    folder = Path(profiles.__file__).parent
    assert main(["profile", "lint", *map(str, sorted(folder.glob("*.toml")))]) == 0
    out = capsys.readouterr().out
    assert out.count(": good: ") == len(profiles.names()) - 1
    assert "float32" in out
    bad = tmp_path / "bad.toml"
    bad.write_text((folder / "abb-b23.toml").read_text().replace('unit = "Hz"', 'unit = "hertz"'))
    assert main(["profile", "lint", str(bad)]) == 1
    assert 'channels.frequency.unit: unknown unit "hertz"' in capsys.readouterr().err
    assert main(["profile", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in profiles.names())


def test_a_profile_as_a_nodes_configuration_has_it(capsys: Any) -> None:
    chosen = ["voltage_l1", "energy_active_import"]
    file = Path(profiles.__file__).parent / "abb-b23.toml"
    for name in ("abb-b23", str(file)):
        assert main(["profile", "node", name, *chosen]) == 0
        made = json.loads(capsys.readouterr().out)
        assert made == json.loads(json.dumps(for_node(profiles.load("abb-b23"), chosen)))
        assert [row[0] for row in made["channels"]] == chosen


def exchange(unit: int, address: int, data: bytes) -> bytes:
    request = modbus.read_request(unit, 4, address, len(data) // 2)
    answer = bytes((unit, 4, len(data))) + data
    return modbus.rtu_frame(request) + modbus.rtu_frame(answer)


def test_sniff_decodes_another_masters_traffic(capsys: Any) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        traffic = exchange(1, 0, bytes.fromhex("4367af55")) + b"\x55\xaa" + modbus.rtu_frame(b"\x02\x84\x02")
        timer = threading.Timer(0.2, os.write, (master, traffic))
        timer.start()
        words = ["sniff", os.ttyname(slave), "--seconds", "1", "--profile", "1=eastron-sdm120"]
        assert main(words) == 0
        timer.join()
    finally:
        os.close(master)
        os.close(slave)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "unit   1 -> read 2 from 0 (function 4)",
        "unit   1 <- voltage_l1=231.685 V",
        "unit   2 <- exception 2 to function 4",
    ]
    assert "2 bytes belonged to no frame" in err


EXCHANGES = st.lists(
    st.tuples(st.integers(1, 247), st.integers(0, 60_000), st.binary(min_size=1, max_size=60).map(lambda b: b + b)),
    max_size=8,
)


@given(EXCHANGES, st.integers(1, 40))
def test_sniffing_does_not_depend_on_how_the_bytes_come(items: list[tuple[int, int, bytes]], size: int) -> None:
    stream = b"".join(exchange(*item) for item in items)
    sniffer = Sniffer()
    frames: list[Frame] = []
    for at in range(0, len(stream), size):
        frames += sniffer.feed(stream[at : at + size])
    assert [frame.data for frame in frames if frame.request is not None] == [data for _, _, data in items]
    assert sniffer.noise == 0


@given(st.binary(max_size=600), EXCHANGES)
def test_noise_never_stops_the_sniffer(noise: bytes, items: list[tuple[int, int, bytes]]) -> None:
    sniffer = Sniffer()
    sniffer.feed(noise)
    # Whatever came before, a few quiet frames later it is in step.
    sniffer.feed(bytes(300))
    stream = b"".join(exchange(*item) for item in items)
    assert len(sniffer.feed(stream)) <= 2 * len(items)
    assert len(sniffer._buffer) <= 256


def test_parse_units() -> None:
    assert scan.parse_units("1-3,100") == [1, 2, 3, 100]


def test_ctrl_c_leaves_the_line_clean() -> None:
    asked, answer = threading.Event(), answer_for({1: Sdm630(1)})

    def noted(body: bytes) -> bytes | None:
        asked.set()
        return answer(body)

    with Background(lambda: serve_pty(noted, 19200, turnaround_s=0.15)) as path:
        words = [
            sys.executable,
            "-m",
            "wayside",
            "scan",
            path,
            "--units",
            "1-247",
            "--bauds",
            "19200",
            "--parities",
            "N",
        ]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert asked.wait(PATIENCE_S), "the scan does not ask"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 130
        assert b"Traceback" not in errors
        # Nobody's answer is left for who comes next.
        endpoint = f"rtu://{path}?baud=19200"
        assert main(["read", endpoint, "frequency", "--profile", "eastron-sdm630"]) == 0
