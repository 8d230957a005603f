"""The trace of a board: a file that a reader of VCD reads back, and a picture."""

import io
from pathlib import Path

from vcd.reader import TokenKind, tokenize
from wayside_hil.emulator import PinEdge, Reset, SpiByte, UartByte
from wayside_hil.events import I2cStep, PinInput, UartInput
from wayside_hil.targets.real_time import Pty, RealTimeBoard
from wayside_hil.trace import Trace
from wayside_hil.wayside.link_trace import link_trace
from wayside_hil.world import World
from wayside_wire import frame, link


def traced() -> Trace:
    trace = link_trace(0)
    trace.see(Reset(0, "power"))
    at = 1_000_000
    for value in frame.encode(link.encode(link.Error(1, "no"))):
        trace.see(UartByte(at + 86_800, 0, value, at, at + 86_800, 8_680.0, "N"))
        at += 86_800
    trace.see(PinEdge(at + 10_000, 6, 1))
    trace.see(UartByte(at + 1_100_000, 1, 0x5A, at + 50_000, at + 1_100_000, 104_166.0, "N"))
    trace.see(PinEdge(at + 1_200_000, 6, 0))
    trace.see(SpiByte(at + 1_301_000, 0, 0x42, 0x12, at + 1_300_000))
    return trace


def test_the_file_has_every_byte_edge_and_message_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "trace.vcd"
    traced().write_vcd(path)
    names, changes, now = {}, [], 0
    for token in tokenize(io.BytesIO(path.read_bytes())):
        if token.kind is TokenKind.VAR:
            names[token.var.id_code] = token.var.reference
        elif token.kind is TokenKind.CHANGE_TIME:
            now = token.time_change
        elif token.kind is TokenKind.CHANGE_SCALAR:
            changes.append((now, names[token.scalar_change.id_code], token.scalar_change.value))
        elif token.kind is TokenKind.CHANGE_VECTOR:
            changes.append((now, names[token.vector_change.id_code], token.vector_change.value))
        elif token.kind is TokenKind.CHANGE_STRING:
            changes.append((now, names[token.string_change.id_code], token.string_change.value))
    lines = {"uart0_byte", "uart0_busy", "uart1_byte", "uart1_busy", "spi0_mosi_byte", "spi0_miso_byte"}
    assert set(names.values()) == {"pin6", "reset", "link", *lines}
    assert any(name == "link" and value == "Error" for _, name, value in changes)
    rises = [at for at, name, value in changes if name == "pin6" and value == "1"]
    falls = [at for at, name, value in changes if name == "pin6" and value == "0"]
    assert falls[-1] - rises[-1] == 1_190_000
    assert any(name == "uart1_byte" and value == 0x5A for _, name, value in changes)
    (asked,) = [at for at, name, value in changes if name == "spi0_mosi_byte" and value == 0x42]
    (answered,) = [at for at, name, value in changes if name == "spi0_miso_byte" and value == 0x12]
    assert answered - asked == 1000


def test_what_the_world_does_to_the_board_is_in_it(tmp_path: Path) -> None:
    board = RealTimeBoard({0: Pty()})
    world = World(board)
    trace = Trace()
    trace.watch(world)
    board.send_uart(0, b"Q", 9600)
    board._told([PinInput(5_000, 7, 1), PinInput(6_000, 7, 1), PinInput(7_000, 7, 0), I2cStep(8_000, 0, "write 0x76")])
    board._told([UartInput(1, 0x41, 9_000, 10_000, 100.0), I2cStep(11_000, 0, "< 5a")])
    trace.see(Reset(20_000, "watchdog"))
    path = tmp_path / "trace.vcd"
    trace.write_vcd(path)
    text = path.read_text()
    for name in ("uart0_rx_byte", "uart1_rx_byte", "uart1_rx_busy", "pin7_in", "i2c0"):
        assert f" {name} $end" in text
    assert "write\\x200x76" in text or "write 0x76" in text
    picture = trace.svg()
    for lane in ("uart1_rx", "pin7_in", "i2c0"):
        assert f">{lane}</text>" in picture
    board.close()


def test_the_picture_has_a_lane_for_each() -> None:
    picture = traced().svg()
    assert picture.startswith("<svg") and picture.endswith("</svg>")
    for lane in ("uart0", "uart1", "spi0", "pin6"):
        assert f">{lane}</text>" in picture
    assert "5a" in picture and "42 for 12" in picture and "polyline" in picture
