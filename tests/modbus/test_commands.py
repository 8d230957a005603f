"""The technician's commands, on simulated meters: scan, read, sniff, profile."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import tty
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from modbus.test_sunspec import INVERTER
from waiting import PATIENCE_S, wait_until
from wayside import profiles
from wayside.cli import main, scan
from wayside.lab.plant import Sdm630, answer_for, serve_pty, serve_tcp
from wayside.lab.plant.energy import PV, EnergySite, serve
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.profiles.node import for_node
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.south.modbus.bus import ModbusBus
from wayside.south.modbus.device import DeviceSettings
from wayside.south.modbus.endpoint import usual_timeout_s
from wayside.south.modbus.link import SerialLink, TcpLink
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
        assert self._ready.wait(PATIENCE_S)
        return self.address

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()


@pytest.fixture
def tcp_site() -> Iterator[int]:
    with Background(lambda: serve_tcp(answer_for({1: Sdm630(1), 3: SunSpecDevice(INVERTER)}))) as port:
        yield port


def test_scan_finds_devices_and_writes_a_site_file(tcp_site: int, capsys: Any, tmp_path: Path) -> None:
    assert main(["scan", f"127.0.0.1:{tcp_site}", "--units", "1-3", "--timeout-ms", "60"]) == 0
    fragment = capsys.readouterr().out
    path = tmp_path / "site.toml"
    path.write_text(fragment)
    assert main(["check", str(path)]) == 0
    assert "good: 1 buses, 0 nodes, 2 devices" in capsys.readouterr().out
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
        (["scan", "rtu:///dev/no-such-port"], 2, "cannot be opened: there is no such port; plug it in"),
        (["scan", "ttyUSB77"], 2, "is this the port /dev/ttyUSB77?"),
        (["scan", "null"], 2, "is this the port /dev/null?"),
        (["scan", "127.0.0.1:x"], 2, "tcp://... is not an endpoint: its host or port cannot be read"),
        (["scan", "127.0.0.1:1"], 2, "127.0.0.1:1 cannot be reached: "),
        (["read", "tcp://127.0.0.1:1"], 2, "name a profile with --profile; `wayside profile list` shows all"),
        (["read", "127.0.0.1:1"], 2, "name a profile with --profile"),
        (["read", "/dev/no-such-port"], 2, "name a profile with --profile"),
        (["read", "127.0.0.1:1", "--profile", "abb-b23"], 2, "127.0.0.1:1 cannot be reached: "),
        (["read", "/dev/no-such-port", "--profile", "abb-b23"], 2, "there is no such port; plug it in"),
        (["read", "null", "--profile", "abb-b23"], 2, "is this the port /dev/null?"),
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


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["scan", "127.0.0.1:1", "--units", "a"], "write numbers and ranges"),
        (["scan", "127.0.0.1:1", "--units", "1-300"], "addresses are 0 to 255"),
        (["scan", "127.0.0.1:1", "--units", "1-99999999999"], "addresses are 0 to 255"),
        (["scan", "127.0.0.1:1", "--units", "5-1"], "the smaller number first"),
        (["scan", "/dev/null", "--bauds", "96oo"], "whole number from 300"),
        (["scan", "/dev/null", "--parities", "X"], "write N, E and O"),
        (["scan", "/dev/null", "--timeout-ms", "0"], "whole number from 1 to 60000"),
        (["scan", "/dev/null", "--name", "Not a name"], "domain-like name"),
        (["read", "tcp://127.0.0.1:1", "--unit", "300"], "whole number from 0 to 255"),
    ],
)
def test_wrong_numbers_are_wrong_usage(words: list[str], text: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and text in capsys.readouterr().err


def everywhere(answer: Callable[[bytes], bytes | None]) -> Callable[[bytes], bytes | None]:
    """A device that heeds no unit address and answers with the one that it was asked for."""

    def answered(body: bytes) -> bytes | None:
        found = answer(b"\x01" + body[1:])
        return found and body[:1] + found[1:]

    return answered


def scanned(answer: Callable[[bytes], bytes | None], folder: Path, capsys: Any, *more: str) -> tuple[str, int]:
    """(what scan writes about a device by TCP, what check says of it)."""
    with Background(lambda: serve_tcp(answer)) as port:
        assert main(["scan", f"127.0.0.1:{port}", "--timeout-ms", "50", *more]) == 0
    written = capsys.readouterr().out
    (folder / "site.toml").write_text(written)
    status = main(["check", str(folder / "site.toml")])
    assert status == 0, capsys.readouterr().err
    return written, status


def test_a_device_that_answers_to_every_unit_address_is_found_once(tmp_path: Path, capsys: Any) -> None:
    written, _ = scanned(everywhere(answer_for({1: Sdm630(1)})), tmp_path, capsys)
    assert written.count("[[bus.device]]") == 1 and "unit = 1\n" in written
    assert "Answers to every unit address: this is one device." in written


def test_a_gateway_that_refuses_for_whom_it_does_not_know_hides_nobody(tmp_path: Path, capsys: Any) -> None:
    known = answer_for({2: Sdm630(1), 3: Sdm630(2)})

    def answer(body: bytes) -> bytes | None:
        return known(body) or bytes((body[0], body[1] | 0x80, 4))

    written, _ = scanned(answer, tmp_path, capsys, "--units", "1-4")
    assert written.count("[[bus.device]]") == 2 and "unit = 2\n" in written and "unit = 3\n" in written
    assert written.count("no profile fits") == 1


@pytest.mark.parametrize("unit", [0, 255])
def test_an_address_that_no_site_file_takes_is_a_remark(unit: int, tmp_path: Path, capsys: Any) -> None:
    written, _ = scanned(answer_for({unit: Sdm630(1)}), tmp_path, capsys, "--units", f"{unit},7,{unit}")
    taken = f"unit = {unit}\n" in written
    assert taken or f"# Unit {unit}: fits eastron-sdm630, but" in written


def test_nothing_that_fits_still_makes_a_file(tmp_path: Path, capsys: Any) -> None:
    written, _ = scanned(lambda body: bytes((body[0], body[1] | 0x80, 2)), tmp_path, capsys, "--units", "1")
    assert "no profile fits" in written


def test_a_device_that_is_silent_to_what_it_lacks_is_found(tmp_path: Path, capsys: Any) -> None:
    """It has holding registers only, and answers nothing at all to a request for input registers."""
    device = answer_for({1: SunSpecDevice(INVERTER)})
    written, _ = scanned(lambda body: device(body) if body[1] == 3 else None, tmp_path, capsys, "--units", "1-2")
    assert 'profile = "sunspec"' in written


def test_a_device_that_is_busy_or_loses_an_answer_is_known_all_the_same(tmp_path: Path, capsys: Any) -> None:
    device, asked = answer_for({1: Sdm630(1)}), 0

    def answer(body: bytes) -> bytes | None:
        nonlocal asked
        asked += body[0] == 1
        if asked % 7 == 3:
            return None
        return bytes((body[0], body[1] | 0x80, 6)) if asked == 2 else device(body)

    written, _ = scanned(answer, tmp_path, capsys, "--units", "1")
    assert 'profile = "eastron-sdm630"' in written


def test_a_gateway_that_hangs_up_on_a_unit_that_it_does_not_know(tmp_path: Path, capsys: Any) -> None:
    device = answer_for({3: Sdm630(1)})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while (request := await reader.readexactly(12)) and (answer := device(request[6:])):
                writer.write(request[:4] + len(answer).to_bytes(2, "big") + answer)
        writer.close()

    @contextlib.asynccontextmanager
    async def gateway() -> Any:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]

    with Background(gateway) as port:
        assert main(["scan", f"127.0.0.1:{port}", "--units", "1-4", "--timeout-ms", "500"]) == 0
    assert "unit = 3\n" in capsys.readouterr().out


def test_scan_and_read_wait_as_long_as_the_bus() -> None:
    settings = DeviceSettings("m", 1, profiles.load("eastron-sdm630"), 1000)
    for link in (TcpLink("127.0.0.1", 1), SerialLink("/dev/null")):
        bus = ModbusBus("b", link, [settings], SystemClock(), lambda *_: None)
        assert bus.devices["m"].timeout_s <= usual_timeout_s(link)


def test_an_adapter_that_refuses_a_parity_costs_the_other_settings_nothing(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = termios.tcsetattr

    def refuse(handle: int, when: int, attributes: list[Any]) -> None:
        if attributes[2] & termios.PARENB:
            raise termios.error(22, "Invalid argument")
        plain(handle, when, attributes)

    monkeypatch.setattr(termios, "tcsetattr", refuse)
    with Background(lambda: serve_pty(answer_for({2: Sdm630(2)}), 19200, turnaround_s=0.002)) as path:
        words = ["scan", path, "--bauds", "19200", "--timeout-ms", "100", "--units"]
        assert main([*words, "2", "--parities", "E,N"]) == 0
        said = capsys.readouterr()
        assert "unit = 2" in said.out and "its adapter refuses baud 19200, parity E" in said.err
        assert main([*words, "2", "--parities", "E,O"]) == 2
        assert main(["sniff", path, "--parity", "E"]) == 2
        assert "its adapter refuses" in capsys.readouterr().err


def test_what_scan_writes_runs(tmp_path: Path, capsys: Any) -> None:
    with Background(lambda: serve_tcp(answer_for({1: Sdm630(1)}))) as port:
        assert main(["scan", f"127.0.0.1:{port}", "--units", "1", "--timeout-ms", "100"]) == 0
        site = tmp_path / "site.toml"
        site.write_text(capsys.readouterr().out)
        daemon = subprocess.Popen([sys.executable, "-m", "wayside", "run", str(site)], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: main(["status", str(site)]) == 0, "the meter is read")
        finally:
            daemon.terminate()
            assert daemon.wait(PATIENCE_S) == 0


def test_options_stand_wherever_one_likes(tcp_site: int, tmp_path: Path, capsys: Any) -> None:
    device, options = f"tcp://127.0.0.1:{tcp_site}", ["--profile", "eastron-sdm630"]
    for words in ([device, *options, "frequency"], [*options, device, "frequency"], [device, "frequency", *options]):
        assert main(["read", *words]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1


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
@example([(171, 0, b"\x05 \x05 ")], 1)
def test_sniffing_does_not_depend_on_how_the_bytes_come(items: list[tuple[int, int, bytes]], size: int) -> None:
    stream = b"".join(exchange(*item) for item in items)
    # Of 65,536 answers one begins as a request does, with a right CRC in its first eight bytes: without gaps it is one.
    assume(all(modbus.crc16(exchange(*item)[8:16]) for item in items))
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


def test_what_can_be_left_out_is_not_required(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["read"])
    assert "required: DEVICE\n" in capsys.readouterr().err


def test_parse_units() -> None:
    assert scan.parse_units("1-3,100") == [1, 2, 3, 100]
    with pytest.raises(ArgumentTypeError, match="write numbers and ranges"):
        scan.parse_units("1,2-")


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


def test_read_shows_what_a_sunspec_device_may_be_told_and_its_curves(capsys: pytest.CaptureFixture[str]) -> None:
    plant = EnergySite()
    with Background(lambda: serve(plant)) as port:
        at = f"127.0.0.1:{port}"
        assert main(["read", at, "--profile", "sunspec", "--unit", str(PV), "--der"]) == 0
        out = capsys.readouterr().out
        assert main(["read", at, "--profile", "eastron-sdm630", "--der"]) == 2
        assert "--der is for SunSpec devices" in capsys.readouterr().err
    assert "active_power             -8000 W to 8000 W, with" in out
    assert "power_limit              0.00 % to 100.00 %, with a timer of its own" in out
    assert "connect                  0 to 1\n" in out
    assert "705 " in out and "Ena disabled" in out
    assert "    92.0 VNomPct/44.0 DeptRef, 98.0 VNomPct/0.0 DeptRef, 102.0 VNomPct/0.0 DeptRef, " in out
