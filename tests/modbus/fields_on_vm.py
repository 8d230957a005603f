"""What few fields need, under the interpreter of a board: run by test_micropython.py, plain functions only."""

import random

from wayside_wire import modbus_field
from wayside_wire.modbus_field import More, RegisterField


def field(kind="u", count=1, shift=0, factor=1, mask=0, more=None, address=0, missing=()):
    return RegisterField("c", "V", 0, 3, address, count, kind, False, False, shift, factor, missing, None, mask, more)


def below(limit):
    return random.getrandbits(29) % limit


def test_one_rounding_half_to_even():
    random.seed(2026)
    for _ in range(2000):
        factor, divisor, offset = below(10**6) + 1, below(10**5) + 1, below(2000) - 1000
        bits = below(1 << 16)
        mantissa, reason = modbus_field.decode(
            field("s", factor=factor, more=More(divisor, offset, (), ())), bits.to_bytes(2, "big")
        )
        exact = modbus_field.signed(bits, 16) * factor + offset
        twice = 2 * (exact - mantissa * divisor)
        assert not reason and abs(twice) <= divisor, (bits, factor, divisor, offset)
        assert abs(twice) < divisor or not mantissa & 1, "half to even"


def test_a_sum_of_words_that_stand_apart():
    # 65,536 times the first register and the third, plus a thousand times the second and a float.
    term = field(address=1, factor=1000)
    number = field("f", 2, address=3)
    one = field("u", 5, more=More(1, 0, (0, 2), (term, number)))
    assert modbus_field.decode(one, b"\x00\x02\x00\x03\x00\x01\x44\x7a\x00\x00") == (131073 + 3000 + 1000, "")
    assert modbus_field.decode(one, b"\x00\x02\x00\x03\x00\x01\x7f\xc0\x00\x00") == (None, modbus_field.NOT_A_NUMBER)


def test_digits():
    assert modbus_field.decode(field("d", 4), b"\x12\x34\x56\x78\x90\x12\x34\x56") == (1234567890123456, "")
    assert modbus_field.decode(field("d"), b"\x00\x0a") == (None, modbus_field.NOT_A_NUMBER)


def test_coils():
    assert modbus_field.as_registers(1, 10, b"\x05\x02") == b"\0\1\0\0\0\1" + 12 * b"\0" + b"\0\1"


def test_a_number_in_the_low_byte():
    assert modbus_field.decode(field("s", mask=0xFF), b"\x12\xfe") == (-2, "")


def test_what_nobody_can_hold():
    assert modbus_field.decode(field("u", 4, factor=3600), b"\xff" * 8) == (None, modbus_field.TOO_LARGE)
