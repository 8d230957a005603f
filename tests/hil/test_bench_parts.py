"""The bench's parts without an emulator: consoles in simulated time, files that it reads, ports, switches, coverage."""

import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pexpect
import pytest
from wayside_hil import app, bench_file, coverage, plugin, registry
from wayside_hil.board import Board
from wayside_hil.dut import BoardDut
from wayside_hil.emulator.firmware import FLASH_BASE, FirmwareError, flash_of
from wayside_hil.events import Event, PinEdge, UartByte, UsbOutput
from wayside_hil.led import Led
from wayside_hil.plants import PlantError, Plants
from wayside_hil.registry import deed, plant, step
from wayside_hil.repl import ReplError, WorldRepl
from wayside_hil.scenario import ScenarioError, load, play, read
from wayside_hil.targets import serial as serial_target
from wayside_hil.targets.serial import SerialBoard, SupplySwitch, SwitchError
from wayside_hil.targets.wokwi import WokwiBoard
from wayside_hil.wire import connect
from wayside_hil.world import World

S = 1_000_000_000


class Talker(Board):
    """A board in simulated time that says and does what its script has at a time, and answers what is typed."""

    has = frozenset({"console", "uart", "pins", "power"})
    place = "the talker"

    def __init__(self, script: list[Event]):
        self._script = script
        self._now = 0
        self.typed = b""
        self.sent: list[tuple[int, bytes]] = []

    @property
    def now(self) -> int:
        return self._now

    def run_for(self, span_ns: int) -> list[Event]:
        before, self._now = self._now, self._now + span_ns
        return [event for event in self._script if before < event.at <= self._now]

    def send_usb(self, data: bytes, at_ns: int | None = None) -> None:
        self.typed += data

    def send_uart(self, uart: int, data: bytes, *more: Any) -> int:
        self.sent.append((uart, data))
        return self._now


def dut_of(board: Board, folder: Path, wiring: dict[str, dict[str, Any]] | None = None) -> BoardDut:
    world = World(board)
    return BoardDut(world, Plants(world, wiring or {}), folder / "console.log", "test")


def test_expect_waits_in_the_boards_time(tmp_path: Path) -> None:
    dut = dut_of(Talker([UsbOutput(10 * S, b"ten seconds\r\n"), UsbOutput(11 * S, b"42 later")]), tmp_path)
    with pytest.raises(pexpect.TIMEOUT, match="ten seconds"):
        dut.expect_exact("ten seconds", timeout=9)
    assert dut.now == pytest.approx(9 * S, abs=2e6)
    dut.expect_exact("ten seconds", timeout=2)
    assert dut.expect(r"(\d+) later").group(1) == b"42"
    dut.write("typed")
    dut.write(b"raw")
    assert dut.board.typed == b"typed\rraw"
    dut.close()


def test_expect_has_all_that_pytest_embedded_gives_it(tmp_path: Path) -> None:
    script: list[Event] = [UsbOutput(S, b"one "), UsbOutput(2 * S, b"two "), UsbOutput(3 * S, b"three\n")]
    dut = dut_of(Talker(script), tmp_path)
    assert dut.expect(["no such words", pexpect.TIMEOUT], timeout=0.5) == b""
    found = dut.expect(["one", "two"], expect_all=True, timeout=5)
    assert [each.group() for each in found] == [b"one", b"two"]
    with pytest.raises(ValueError, match="should not have been matched"):
        dut.expect("three", not_matching="e")  # never: nothing is before it
        dut.expect("\n", not_matching="$")
    with pytest.raises(pexpect.TIMEOUT):
        dut.expect_exact(["a", "b"], timeout=0)
    dut.close()


def test_a_plant_and_a_step_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("PLANTS", "STEPS", "DEEDS"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))

    @plant("bell", needs={"pins"})
    def bell(board: Board, pin: int) -> Led:
        return Led(pin)

    @plant("scale", needs={"adc"})
    def scale(board: Board) -> object:
        return object()

    @step("rings", wants=("bell",))
    def rings(dut: BoardDut, times: int, within_ns: int) -> None:
        dut.world.until(lambda: len(dut.plants.bell.edges) >= 2 * times, f"{times} rings", within_ns)

    @deed("listen", wants=("scale",))
    def listen(dut: BoardDut) -> None:
        dut.run_for(1)

    edges: list[Event] = [PinEdge(place * S, 7, place % 2) for place in range(1, 7)]
    dut = dut_of(Talker(edges), tmp_path, {"bell": {"pin": 7}})
    play(read({"title": "t", "step": [{"rings": 3}]}), dut)
    with pytest.raises(AssertionError, match=r"t, step 2: 9 rings: not within 1\.5 simulated seconds"):
        play(read({"title": "t", "step": [{"wait_s": 1}, {"rings": 9, "within_s": 1.5}]}), dut)
    with pytest.raises(ScenarioError, match=r"step\[0\].rings: 'often' is not what this step takes: a whole number"):
        read({"title": "t", "step": [{"rings": "often"}]})
    with pytest.raises(pytest.skip.Exception, match="the talker has no adc, which the plant scale needs"):
        _ = dut.plants.scale
    assert "bell" in dut.plants and "scale" not in dut.plants and "nothing" not in dut.plants
    with pytest.raises(PlantError, match="'nothing' is no kind of plant; there are bell, "):
        _ = dut.plants.nothing
    with pytest.raises(PlantError, match=r"the plant other: .*pin"):
        dut.plants.add("other", "bell", pins=3)
    for pin in (77, -1):
        with pytest.raises(PlantError, match=f"the plant other: pin is {pin}: an RP2040 has 0 to 29"):
            dut.plants.add("other", "bell", pin=pin)
    with pytest.raises(PlantError, match="the plant other: pin is '25': write a whole number"):
        dut.plants.add("other", "bell", pin="25")
    with pytest.raises(PlantError, match="'lamp' is no kind of plant"):
        Plants(dut.world, {"light": {"kind": "lamp", "pin": 7}}).make_all()
    with pytest.raises(TypeError, match=r"this is a BoardDut: write dut\[0\].world"):
        connect(dut, 1, dut.world, 1)  # type: ignore[arg-type]
    dut.close()


YAML = """
name: n
version: 1
steps:
  - wait-serial: "ready"
  - set-control: {part-id: btn-1, control: pressed, value: 1}
  - write-serial: [65, 66]
  - delay: 500ms
  - expect-pin: {part-id: pico, pin: GP25, value: 1}
"""


class Button:
    def __init__(self) -> None:
        self.closed = False

    def set(self, closed: bool) -> None:
        self.closed = closed


def test_a_scenario_of_wokwi_on_another_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PLANTS", dict(registry.PLANTS))
    plant("test-button")(lambda board: Button())
    (tmp_path / "s.yaml").write_text(YAML)
    script: list[Event] = [UsbOutput(S, b"ready"), PinEdge(S + S // 4, 25, 1)]
    dut = dut_of(Talker(script), tmp_path, {"btn_1": {"kind": "test-button"}})
    play(load(tmp_path / "s.yaml"), dut)
    assert dut.plants.btn_1.closed and dut.board.typed == b"AB"
    dut.close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("steps:\n  - wait-serial: a\n  - fly: 1\n", r"s.yaml:3: step\[1\].fly: there is no such step"),
        ("steps:\n  - delay: 5\n", r"s.yaml:2: step\[0\].delay: 5 is not what"),
        ("version: 2\nsteps: []\n", "version: 1"),
        ("steps: [", "is not YAML"),
        ("name: n\n", "steps"),
        ("steps: []\n", "at least one"),
    ],
)
def test_a_file_of_wokwi_that_is_wrong_is_explained(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ScenarioError, match=why):
        load(tmp_path / "s.yaml")


class Client:
    """wokwi-client as far as it is called. The real one was never at hand."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def upload_file(self, name: str, path: Path) -> str:
        self.calls.append(("upload", name, path.name))
        return name

    def serial_monitor(self, hear: Any) -> None:
        self.hear = hear

    def wait_until_simulation_time(self, seconds: float) -> None:
        if seconds > 0.1:
            self.hear(b"hello\r\n")

    def __getattr__(self, name: str) -> Any:
        return lambda *words, **more: self.calls.append((name, *words))


def test_a_board_in_wokwi(tmp_path: Path) -> None:
    client = Client()
    dut = dut_of(WokwiBoard(tmp_path / "diagram.json", tmp_path / "image.uf2", client), tmp_path)
    dut.expect_exact("hello")
    dut.write("x")
    play(read({"title": "t", "step": [{"set-control": {"part-id": "btn1", "control": "pressed", "value": 1}}]}), dut)
    assert ("upload", "image.uf2", "image.uf2") in client.calls
    assert ("serial_write", b"x\r") in client.calls and ("set_control", "btn1", "pressed", 1) in client.calls
    with pytest.raises(pytest.skip.Exception, match="a board in Wokwi has no power"):
        dut.cut_power()
    dut.close()
    assert client.calls[-1] == ("disconnect",)


def test_a_console_and_a_supply_over_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        answering = threading.Thread(target=answer_lines, args=(server,))
        answering.start()
        switch = SupplySwitch(["touch", str(tmp_path / "on")], ["touch", str(tmp_path / "off")])
        board = SerialBoard(f"socket://{host}:{port}", {}, switch)
        assert board.has == {"console", "power"}
        dut = dut_of(board, tmp_path)
        dut.write("hello")
        dut.expect_exact("heard hello", timeout=60)
        dut.start()
        assert (tmp_path / "on").exists() and (tmp_path / "off").exists()
        with pytest.raises(pytest.skip.Exception, match="has no adapter on UART 1"):
            board.send_uart(1, b"x", 9600)
        dut.close()
        answering.join()


def test_a_console_that_is_there_only_while_the_board_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    console = tmp_path / "ttyACM0"
    on = ["sh", "-c", f"(sleep 0.3; ln -s {os.ttyname(theirs)} {console}) >/dev/null 2>&1 &"]
    board = SerialBoard(str(console), {}, SupplySwitch(on, ["rm", str(console)]))
    dut = dut_of(board, tmp_path)
    os.write(ours, b"boot 1\r\n")
    dut.expect_exact("boot 1", timeout=60)
    dut.close()
    console.unlink()
    monkeypatch.setattr(serial_target, "_APPEARS_S", 0)
    with pytest.raises(OSError, match="there is no such port"):
        SerialBoard(str(console), {}, SupplySwitch(["true"], ["true"]))
    os.close(ours)
    os.close(theirs)


def answer_lines(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        line = b""
        while data := connection.recv(100):
            line += data
            if line.endswith(b"\r"):
                connection.sendall(b"heard " + line)
                line = b""


def test_a_switch_that_fails_says_what_it_said() -> None:
    switch = SupplySwitch(["sh", "-c", "echo the hub is gone >&2; exit 3"], ["/nowhere/switch"])
    with pytest.raises(SwitchError, match="the hub is gone"):
        switch.turn(True)
    with pytest.raises(SwitchError, match="/nowhere/switch"):
        switch.turn(False)


def test_two_boards_on_a_wire(tmp_path: Path) -> None:
    left = Talker([UartByte(S, 1, 65, S - 86_800, S, 8680.0, "N")])
    right = Talker([])
    worlds = World(left), World(right)
    connect(worlds[0], 1, worlds[1], 0)
    worlds[1].run_for(2 * S)
    assert right.sent == [(0, b"A")] and left.now == right.now and left.sent == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[bord]\n", r"\[bord\] is unknown: write \[board\]"),
        ("[board]\nimages = 'a'\n", "board.images is unknown"),
        ("[board]\nconsole = 'uart7'\n", "write usb, uart0, uart1"),
        ("[board]\nbaud = '9600'\n", "board.baud is '9600': write a whole number"),
        ("[plants]\nled = 25\n", r"write \[plants.led\]"),
        ("[ports]\nuart1 = 3\n", "ports.uart1 is 3"),
        ("[power]\non = 'a b'\noff = ['c']\n", "write the command as a list"),
        ("[power]\non = ['a']\n", "power.off is None"),
        ("x", "is not TOML"),
    ],
)
def test_a_bench_file_that_is_wrong_is_explained(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "bench.toml").write_text(text)
    with pytest.raises(bench_file.BenchFileError, match=why):
        bench_file.load(tmp_path / "bench.toml")


def test_a_bench_file(tmp_path: Path) -> None:
    text = '[board]\nconsole = "uart1"\nbaud = 9600\nimage = "a.uf2"\n[plants.led]\npin = 25\n'
    text += '[power]\non = ["a"]\noff = ["b"]\n'
    (tmp_path / "bench.toml").write_text(text + '[ports]\nuart0 = "/dev/x"\nuart1 = { port = "y", baud = 4800 }\n')
    bench = bench_file.load(tmp_path / "bench.toml")
    assert (bench.image, bench.console, bench.baud) == (tmp_path / "a.uf2", 1, 9600)
    assert bench.plants == {"led": {"pin": 25}} and bench.switch == SupplySwitch(["a"], ["b"])
    assert bench.uarts == {0: ("/dev/x", 115_200), 1: ("y", 4800)}


def elf(*segments: tuple[int, bytes], machine: int = 40) -> bytes:
    """A 32-bit ELF file with a program header for each (physical address, content)."""
    place = 52 + 32 * len(segments)
    headers, contents = b"", b""
    for address, content in segments:
        headers += struct.pack("<8I", 1, place + len(contents), address, address, len(content), len(content), 5, 4)
        contents += content
    head = struct.pack(
        "<4s5B7xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 0, 2, machine, 1, 0, 52, 0, 0, 52, 32, len(segments), 0, 0, 0
    )
    return head + headers + contents


def test_programs_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"program")
    assert flash_of(tmp_path / "a.bin")[:8] == b"program\xff"
    (tmp_path / "a.elf").write_bytes(elf((FLASH_BASE, b"boot"), (FLASH_BASE + 256, b"rest"), (0x20000000, b"memory")))
    flash = flash_of(tmp_path / "a.elf")
    assert (flash[:4], flash[4:5], flash[256:260], len(flash)) == (b"boot", b"\xff", b"rest", 2 * 1024 * 1024)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.hex", b":00", "takes .uf2, .elf and .bin"),
        ("a.elf", b"\x7fELF", "too short"),
        ("a.elf", elf(machine=62) + bytes(100), "no ELF file for a 32-bit ARM"),
        ("a.elf", elf((FLASH_BASE, b"program"))[:-1], "is cut"),
        ("a.elf", elf((FLASH_BASE + 2 * 1024 * 1024 - 1, b"ab")), "outside of the Pico's flash"),
        ("a.bin", bytes(2 * 1024 * 1024 + 1), "outside of the Pico's flash"),
    ],
)
def test_what_is_no_program_is_explained(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FirmwareError, match=why):
        flash_of(tmp_path / name)


def test_lines_that_ran_as_lcov(tmp_path: Path) -> None:
    source = tmp_path / "firmware" / "a.py"
    source.parent.mkdir()
    source.write_text('"""Words."""\n_N = const(3)\n\n\ndef run(x):\n    if x:\n        return 1\n    return 2\n')
    notes = tmp_path / "notes"
    notes.write_text(f"{source}:5\n{source}:6\n{source}:7\n")
    told = coverage.lcov(notes, [source.parent]).splitlines()
    assert told[0] == f"SF:{source}" and told[-1] == "end_of_record"
    assert "DA:6,1" in told and "DA:7,1" in told and "DA:8,0" in told and "DA:2,0" not in told
    assert "DA:1,0" not in told and told[-3:-1] == ["LF:4", "LH:3"]
    words, environment = coverage.covered(["mp", "-i", "main.py", "x"], notes, [source.parent])
    assert words[:2] == ["mp", "-i"] and words[2].endswith("hil_cover.py") and words[3:] == ["main.py", "x"]
    assert environment == {"HIL_COVERAGE": str(notes), "HIL_COVERED": str(source.parent)}


def test_a_virtual_environment_in_the_folder_is_not_the_application(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print('here')")
    library = tmp_path / "venv" / "lib" / "site-packages"
    library.mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (library / "pip.py").write_text("")
    image = tmp_path / "board.uf2"
    image.write_bytes(b"")
    assert list(app.find(tmp_path, None, image).files) == ["main.py"]


def test_what_an_application_reads_is_named_or_said_to_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import json\njson.load(open('settings.json'))\nopen('www/index.html')\n")
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "bench.toml").write_text('[board]\nfiles = ["*.json", "www/*"]\n')
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("here")
    image = tmp_path / "board.uf2"
    image.write_bytes(b"")
    alone = app.find(tmp_path, None, image)
    assert list(alone.files) == ["main.py"] and alone.left_out == ["settings.json"]
    named = app.find(tmp_path, None, image, bench_file.load(tmp_path / "bench.toml").files)
    assert named.files["settings.json"] == b"{}" and named.files["www/index.html"] == b"here" and not named.left_out
    with pytest.raises(app.AppError, match="no file is there like 'data/"):
        app.find(tmp_path, None, image, ["data/*"])
    (tmp_path / "bench.toml").write_text('[board]\nfiles = "settings.json"\n')
    with pytest.raises(bench_file.BenchFileError, match="write a list of names"):
        bench_file.load(tmp_path / "bench.toml")


class Chatter:
    """A board whose application prints for ever and takes no word."""

    def __init__(self) -> None:
        self.typed = b""

    def write(self, data: bytes) -> None:
        self.typed += data

    def read(self, patience_s: float) -> bytes:
        return b"value 7\r\n" * 100


def test_an_application_that_goes_on_printing_is_no_answer_to_the_repl() -> None:
    board = Chatter()
    with pytest.raises(ReplError, match=r"goes on printing: call enter\(\) first.*value 7"):
        WorldRepl(board).run("print(1)")
    with pytest.raises(ReplError, match="goes on printing"):
        WorldRepl(board).enter()
    assert board.typed.count(b"\x03\x03") == 10


def test_what_was_printed_before_is_not_counted() -> None:
    class Long(Chatter):
        answers = [b"OK1\r\n\x04\x04>", b"x" * 100_000]

        def read(self, patience_s: float) -> bytes:
            return self.answers.pop()

    assert WorldRepl(Long()).run("print(1)").endswith("1\n")


def test_a_board_at_its_prompt_is_told_from_one_that_talks() -> None:
    assert plugin.is_at_prompt(".\r\n>>> ") and plugin.is_at_prompt(">>>")
    assert not plugin.is_at_prompt(">>> \r\nvalue 7\r\n") and not plugin.is_at_prompt("")
