"""Registers to exact decimals: every type, word order and byte order against struct and fractions."""

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside_wire import modbus_field
from wayside_wire.modbus_field import RegisterField

ORDERS = [(words, low_bytes) for words in (False, True) for low_bytes in (False, True)]


def field(
    kind: str,
    count: int,
    order: tuple[bool, bool] = (False, False),
    shift: int = 0,
    factor: int = 1,
    missing: tuple[int, ...] = (),
    mask: int = 0,
) -> RegisterField:
    return RegisterField("c", "V", 0, 3, 0, count, kind, *order, shift, factor, frozenset(missing), None, mask, None)


def on_the_wire(big: bytes, order: tuple[bool, bool]) -> bytes:
    """Big-endian bytes as a device with this order sends them."""
    words = [big[at : at + 2] for at in range(0, len(big), 2)]
    if order[0]:
        words.reverse()
    return b"".join(word[::-1] if order[1] else word for word in words)


@pytest.mark.parametrize(
    ("order", "data"),
    [
        ((False, False), "11223344"),
        ((True, False), "33441122"),
        ((False, True), "22114433"),
        ((True, True), "44332211"),
    ],
)
def test_the_four_orders_of_a_32_bit_value(order: tuple[bool, bool], data: str) -> None:
    assert modbus_field.decode(field("u", 2, order), bytes.fromhex(data)) == (0x11223344, "")


@given(st.sampled_from((1, 2, 4)), st.sampled_from(ORDERS), st.booleans(), st.data())
def test_integers(count: int, order: tuple[bool, bool], is_signed: bool, data: st.DataObject) -> None:
    width = 16 * count
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if is_signed else (0, (1 << width) - 1)
    value = data.draw(st.integers(low, high))
    wire = on_the_wire(value.to_bytes(2 * count, "big", signed=is_signed), order)
    one = field("s" if is_signed else "u", count, order)
    assert modbus_field.decode(one, wire) == ((value, "") if value < 2**63 else (None, modbus_field.TOO_LARGE))
    assert modbus_field.encode(one, value) == wire
    with pytest.raises(OverflowError):
        modbus_field.encode(one, high + 1)
    with pytest.raises(OverflowError):
        modbus_field.encode(one, low - 1)


@given(st.sampled_from(((2, ">f"), (4, ">d"))), st.sampled_from(ORDERS), st.binary(min_size=8, max_size=8),
       st.integers(-3, 6), st.sampled_from((1, -1, 36)))  # fmt: skip
def test_floats(kind: tuple[int, str], order: tuple[bool, bool], raw: bytes, shift: int, factor: int) -> None:
    count, code = kind
    big = raw[: 2 * count]
    value = struct.unpack(code, big)[0]
    decoded = modbus_field.decode(field("f", count, order, shift, factor), on_the_wire(big, order))
    if math.isfinite(value):
        # Half to even, exactly; the factor of the unit comes after the rounding.
        exact = round(Fraction(value) * Fraction(10) ** shift) * factor
        assert decoded == ((exact, "") if -(2**63) <= exact < 2**63 else (None, modbus_field.TOO_LARGE))
    else:
        assert decoded == (None, modbus_field.NOT_A_NUMBER)


@given(st.integers(0, 0xFFFF), st.integers(1, 0xFFFF))
def test_bits_behind_a_mask(value: int, mask: int) -> None:
    found, _ = modbus_field.decode(field("b", 1, mask=mask), value.to_bytes(2, "big"))
    assert found == (value & mask) // (mask & -mask)


def test_sign_and_magnitude() -> None:
    assert modbus_field.decode(field("m", 1), b"\x80\x05") == (-5, "")
    assert modbus_field.decode(field("m", 1), b"\x00\x05") == (5, "")


@given(st.integers(-0x8000, 0x7FFF), st.integers(-6, 4))
def test_scale_registers(value: int, scale: int) -> None:
    one = field("s", 1, shift=3)
    raw = value.to_bytes(2, "big", signed=True)
    assert modbus_field.decode(one, raw, scale) == (round(value * Fraction(10) ** (3 + scale)), "")
    assert modbus_field.decode(one, raw, -0x8000) == (None, modbus_field.NO_SCALE)


def test_no_value() -> None:
    one = field("s", 1, missing=(0x8000,))
    assert modbus_field.decode(one, b"\x80\x00") == (None, modbus_field.NO_VALUE)
    assert modbus_field.decode(one, b"\x80\x01") == (-0x7FFF, "")


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"ABB\x00\x00\x00", "ABB"), (b"Z\xc3\xbcrich\x00", "Zürich"), (b"a\xffb\x01", "a?b?"), (b"\x00\x00", "")],
)
def test_text(data: bytes, text: str) -> None:
    assert modbus_field.text(field("t", len(data) // 2), data) == text
    assert modbus_field.text(field("t", len(data) // 2, (False, True)), on_the_wire(data, (False, True))) == text
