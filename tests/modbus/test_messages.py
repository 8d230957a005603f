"""wayside_wire.modbus: CRC, requests, and what an answer must have to count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU
from wayside_wire import modbus

# A real exchange with an Eastron SDM120: voltage, 231.68 V.
REQUEST = bytes.fromhex("010400000002")
ANSWER = bytes.fromhex("0104044367af55")


def test_real_exchange() -> None:
    assert modbus.read_request(1, 4, 0, 2) == REQUEST
    assert modbus.rtu_frame(REQUEST) == bytes.fromhex("01040000000271cb")
    assert modbus.rtu_frame(ANSWER) == bytes.fromhex("0104044367af55e210")
    assert modbus.check_answer(REQUEST, modbus.rtu_body(modbus.rtu_frame(ANSWER))) == bytes.fromhex("4367af55")


@given(st.binary(min_size=1, max_size=300))
def test_crc_is_that_of_pymodbus(data: bytes) -> None:
    assert modbus.crc16(data) == int.from_bytes(FramerRTU.compute_CRC(data).to_bytes(2, "big"), "little")


@given(st.binary(min_size=2, max_size=254), st.data())
def test_a_burst_of_up_to_16_bits_is_seen(body: bytes, data: st.DataObject) -> None:
    # Little-endian: bytes go on the wire with the lowest bit first, and a burst is a run of bits there.
    frame = int.from_bytes(modbus.rtu_frame(body), "little")
    width = 8 * (len(body) + 2)
    burst = data.draw(st.integers(1, 0xFFFF)) << data.draw(st.integers(0, width - 16))
    with pytest.raises(modbus.ModbusError) as caught:
        modbus.rtu_body((frame ^ burst).to_bytes(width // 8, "little"))
    assert caught.value.kind == modbus.CRC


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("0204044367af55", modbus.UNIT),
        ("0103044367af55", modbus.FUNCTION),
        ("0104024367", modbus.COUNT),
        ("0104084367af554367af55", modbus.COUNT),
        ("01040443", modbus.CUT),
        ("0104044367af5500", modbus.EXTRA),
        ("0104", modbus.CUT),
        ("", modbus.CUT),
        ("018402", modbus.EXCEPTION),
        ("01840200", modbus.EXTRA),
        ("018302", modbus.FUNCTION),
    ],
)
def test_what_is_not_the_answer(answer: str, kind: str) -> None:
    with pytest.raises(modbus.ModbusError) as caught:
        modbus.check_answer(REQUEST, bytes.fromhex(answer))
    assert caught.value.kind == kind
    assert caught.value.code == (2 if kind == modbus.EXCEPTION else 0)


def test_writes() -> None:
    request = modbus.write_request(3, 0x0102, b"\x00\x01\x00\x02")
    assert request == bytes.fromhex("0310010200020400010002")
    assert modbus.check_answer(request, request[:6]) == b""
    one = modbus.write_one_request(3, 0x0102, b"\x12\x34")
    assert modbus.check_answer(one, one) == b""
    with pytest.raises(modbus.ModbusError, match="another write"):
        modbus.check_answer(one, one[:-1] + b"\x35")
    for registers in (b"", b"\x00", bytes(2 * modbus.MAX_WRITE + 2)):
        with pytest.raises(ValueError, match="even number"):
            modbus.write_request(3, 0, registers)


def test_bits_are_counted_in_bytes() -> None:
    request = modbus.read_request(1, modbus.READ_COILS, 0, 9)
    assert modbus.answer_size(request) == 5
    assert modbus.check_answer(request, bytes.fromhex("010102ff01")) == b"\xff\x01"
    with pytest.raises(ValueError, match="not supported"):
        modbus.answer_size(bytes((1, 43, 14, 1, 0, 0)))


def test_tcp_frame() -> None:
    assert modbus.tcp_frame(0x1234, REQUEST) == bytes.fromhex("123400000006") + REQUEST
