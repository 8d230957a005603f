"""Two drivers on an RS-485 line: garbage for everybody, a counter for us, and never a wrong value."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from wayside_hil.emulator import PinEdge, UartByte
from wayside_hil.rs485 import Rs485Line
from wayside_hil.second_master import SecondMaster
from wayside_hil.wayside.meter_node import MeterNode, configuration
from wayside_hil.wayside.modbus_line import framed, request
from wayside_wire.pack import BAD, GOOD

S = 1_000_000_000
MS = 1_000_000
BIT = S // 9600


class Board:
    """Notes what its UART hears."""

    real_time = False

    def __init__(self) -> None:
        self.now = 0
        self.heard: list[tuple[int, int]] = []

    def send_uart(self, uart: int, data: bytes, baud: int, at_ns: int, parity: str) -> int:
        self.heard += [(at_ns, value) for value in data]
        return at_ns


def speak(line: Rs485Line, data: bytes, begin: int) -> int:
    """The node sends; returns when its driver is off again."""
    line.see(PinEdge(begin, 6, 1))
    at = begin
    for value in data:
        line.see(UartByte(at, 1, value, at, at + 10 * BIT, float(BIT), "N"))
        at += 10 * BIT
    line.see(PinEdge(at, 6, 0))
    return at


def settle(board: Any, line: Rs485Line, until: int) -> None:
    while board.now < until:
        board.now += MS
        line.settle(board.now)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def line(board: Board) -> Rs485Line:
    return Rs485Line(board, 1, 6, framed(lambda body: body[:2] + b"\x02\x12\x34"))  # type: ignore[arg-type]


REQUEST = bytes.fromhex("010400000001 31ca")


def test_a_request_alone_is_answered(board: Board, line: Rs485Line) -> None:
    speak(line, REQUEST, 0)
    settle(board, line, 100 * MS)
    assert bytes(value for _, value in board.heard)[:5] == b"\x01\x04\x02\x12\x34"
    assert line.collisions == 0 and len(line.answers) == 1


def test_who_talks_into_a_request_spoils_it(board: Board, line: Rs485Line) -> None:
    line.talk(b"\x55\x55", at_ns=3 * MS)
    speak(line, REQUEST, 0)
    settle(board, line, 100 * MS)
    assert line.collisions >= 3, "its characters and those of the node"
    assert line.answers == [] and line.requests[0][2] != REQUEST
    assert board.heard == [], "its receiver was off"


def test_who_talks_into_an_answer_spoils_it(board: Board, line: Rs485Line) -> None:
    end = speak(line, REQUEST, 0)
    settle(board, line, end // MS * MS)
    line.talk(b"\x00\xff\x0f", at_ns=end + 14 * MS)
    settle(board, line, 100 * MS)
    values = [value for _, value in board.heard]
    assert line.collisions >= 3 and values != list(line.answers[0][2])


def test_another_masters_request_is_answered_too(board: Board, line: Rs485Line) -> None:
    line.talk(REQUEST, at_ns=0)
    settle(board, line, 100 * MS)
    assert line.collisions == 0
    assert bytes(value for _, value in board.heard) == REQUEST + line.answers[0][2], "and the node hears both"


@pytest.fixture
def node(image: Path) -> Iterator[MeterNode]:
    with MeterNode(image) as made:
        # Of a meter that answers within 40 ms nothing is believed for 40 times that, where another master may be meant.
        made.provision(configuration(timeout_ms=60, quiet_ms=40))
        yield made


def test_a_second_master_costs_readings_and_makes_none_wrong(node: MeterNode) -> None:
    other = SecondMaster(node.line, Random(3), request())
    node.world.plugs.append(other)
    node.start()
    node.packs(1)
    other.present = True
    node.world.until(lambda: other.asked >= 8 and node.line.collisions > 0, "the two masters meet")
    other.present = False

    def is_well() -> bool:
        newest = list(node.gateway.packs.values())[-1].pack
        return all(each.quality == GOOD for each in newest.readings if each.channel == "voltage_l1")

    for _ in range(10):
        node.packs(len(node.gateway.packs) + 2)
        if is_well():
            break
    node.gateway.check_chain()
    seen = []
    for arrived in node.gateway.packs.values():
        for reading in arrived.pack.readings:
            if reading.channel != "voltage_l1":
                continue
            seen.append(reading.quality)
            if reading.quality == GOOD:
                volts = reading.mantissa * 10**reading.exponent
                assert volts == pytest.approx(node.meter.phases[0].voltage_mv / 1000, rel=0.05)
            elif reading.quality == BAD:
                assert reading.mantissa is None
    assert seen[-1] == GOOD, "it recovers"
