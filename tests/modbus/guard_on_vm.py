"""The pure Modbus parts under the interpreter of a board: run by test_micropython.py, plain functions only."""

import random

import faulty_line
from wayside_wire import modbus, modbus_field, modbus_plan
from wayside_wire.modbus_rtu_guard import RtuGuard
from wayside_wire.modbus_tcp_guard import TcpGuard

TIMING = faulty_line.Timing


def below(limit):
    return random.getrandbits(24) % limit


def field(address, count=2, kind="f"):
    return modbus_field.RegisterField(
        f"c{address}", "V", -3, 4, address, count, kind, False, False, 3 if kind == "f" else 0, 1, (), None, 0, None
    )


def test_many_faulted_transactions():
    random.seed(2026)
    for shapes in (4, 1):
        guard = RtuGuard(TIMING.gap, TIMING.repeat, TIMING.character)
        account = faulty_line.run(guard, below, 10_000, 60, shapes=shapes)
        assert account.wrong == 0, account.wrong
        assert account.right > 1500, account.right


def test_a_healthy_line():
    random.seed(1)
    account = faulty_line.run(RtuGuard(TIMING.gap, TIMING.repeat, TIMING.character), below, 2000, 0)
    assert account.right == 2000


def test_real_exchange():
    request = modbus.read_request(1, 4, 0, 2)
    assert modbus.rtu_frame(request) == bytes([0x01, 0x04, 0, 0, 0, 2, 0x71, 0xCB])
    body = modbus.rtu_body(bytes([0x01, 0x04, 0x04, 0x43, 0x67, 0xAF, 0x55, 0xE2, 0x10]))
    assert modbus_field.decode(field(0), modbus.check_answer(request, body)) == (231685, "")


def test_integers_of_64_bits():
    raw = bytes([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFC, 0x18])
    assert modbus_field.decode(field(0, 4, "s"), raw) == (-1000, "")
    assert modbus_field.decode(field(0, 4, "u"), b"\x7f" + raw[1:]) == (2**63 - 1000, "")
    assert modbus_field.decode(field(0, 4, "u"), raw) == (None, modbus_field.TOO_LARGE)
    assert modbus_field.encode(field(0, 4, "s"), -1000) == raw


def test_plan():
    blocks = modbus_plan.plan([field(0), field(10), field(100)], 80, 18)
    assert [(block.address, block.count) for block in blocks] == [(0, 12), (100, 2)]
    blocks = modbus_plan.plan([field(0), field(4), field(8), field(12), field(14), field(16)], 80, modbus_plan.NO_GAPS)
    assert [(block.address, block.count) for block in blocks] == [(0, 2), (12, 6), (4, 2), (12, 4), (8, 2), (12, 4)]


def test_tcp():
    guard = TcpGuard(7)
    frame = guard.begin(modbus.read_request(1, 3, 0, 1), 0, 100, 100)
    guard.feed(frame[:4] + bytes([0, 5, 1, 3, 2, 0, 42]), 1)
    assert guard.poll(1) == bytes([0, 42])
