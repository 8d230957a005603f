"""From the bytes of registers to an exact decimal: what a profile says of one channel, and how it is applied."""

from collections import namedtuple

from . import number
from .number import BEYOND, TOO_LARGE

# How a register's bits are a number.
UNSIGNED, SIGNED, MAGNITUDE, FLOAT, BITS, TEXT, BCD, POWER_FACTOR = "u", "s", "m", "f", "b", "t", "d", "q"

RegisterField = namedtuple(
    "RegisterField",
    (
        "channel",  # name of the reading
        "unit",  # SenML unit of the reading
        "exponent",  # decimal exponent of the reading
        "function",  # 1 to 4: which area is read
        "address",  # protocol address of the first register, from 0
        "count",  # registers, with those between the parts of one whose parts stand apart
        "kind",  # one of the letters above; MAGNITUDE is a sign bit and a magnitude, BCD four bits for each digit,
        # POWER_FACTOR a ratio or percent: its terms are the register itself, active power, the power's scale factor,
        # apparent power and that one's scale factor
        "words_low_first",  # the word with the low bits comes first
        "bytes_low_first",  # the bytes of each word are swapped
        "shift",  # mantissa = register * 10**shift, rounded half to even, ...
        "factor",  # ... times this integer
        "missing",  # register values, as unsigned integers, that mean "no value"
        "scale",  # address of the register (s16, same area) whose power of ten multiplies, or None
        "mask",  # bits of the register that count, right-aligned after masking; 0: all
        "more",  # a More where the rest does not say it all, else None
    ),
)

More = namedtuple(
    "More",
    (
        "divisor",  # mantissa = (register * 10**shift * factor + offset) / divisor, with the terms, rounded only once
        "offset",
        "words",  # places of the field's own registers from `address` on, in their order; () where there are no others
        "terms",  # Fields that are added, their addresses counted from `address` on
    ),
)

NO_VALUE = "no value"
NO_SCALE = "no scale factor"
NOT_A_NUMBER = "not a number"
PERCENT_OR_NOT = "percent or ratio, not known"
NOT_PLAUSIBLE = "does not fit the powers"

MOST_SCALE = 10  # SunSpec Device Information Model Specification: a sunssf is -10 to 10, or "not implemented"


def raw_bits(field, data: bytes) -> int:
    """The registers of `field` as one unsigned integer, its most significant bit first."""
    if field.bytes_low_first:
        swapped = bytearray(data)
        for at in range(0, len(data) - 1, 2):
            swapped[at] = data[at + 1]
            swapped[at + 1] = data[at]
        data = swapped
    if not field.words_low_first or len(data) == 2:
        return int.from_bytes(data, "big")
    value = 0
    for at in range(len(data) - 2, -1, -2):
        value = value << 16 | data[at] << 8 | data[at + 1]
    return value


def signed(bits: int, width: int) -> int:
    """The two's complement number with these bits."""
    return bits - (1 << width) if bits >> (width - 1) else bits


def decode(field, data: bytes, scale: int = 0):
    """(mantissa, "") of the registers `data`, or (None, why there is no value).

    data: two bytes per register, as they came; scale: content of the scale-factor register, where the field has one.
    """
    more = field.more
    if more is not None:
        return _decode_exactly(field, data, scale, more)
    bits = raw_bits(field, data)
    if bits in field.missing:
        return None, NO_VALUE
    if not -MOST_SCALE <= scale <= MOST_SCALE:
        return None, NO_SCALE
    shift = field.shift + scale
    kind = field.kind
    value = bits
    if kind == FLOAT:
        value = number.f32_decimal(bits, shift) if field.count == 2 else number.f64_decimal(bits, shift)
    else:
        if kind == SIGNED and not field.mask:
            value = signed(bits, 16 * field.count)
        elif kind != UNSIGNED or field.mask:
            value = _integer(field, bits, 16 * field.count)
        if shift and value is not None:
            value = number.scale_integer(value, shift)
    if value is None:
        return None, NOT_A_NUMBER
    value *= field.factor
    return (value, "") if -BEYOND <= value < BEYOND else (None, TOO_LARGE)


def _decode_exactly(field, data, scale, more):
    """As decode(), for sums and for factors that are no decimals: fractions until the end, then one rounding."""
    if field.kind == POWER_FACTOR:
        return _power_factor(field, data, scale, more)
    total, divisor, reason = _fraction(field, data, scale)
    for term in more.terms:
        start = 2 * term.address
        numerator, denominator, why = _fraction(term, data[start : start + 2 * term.count], 0)
        total = total * denominator + numerator * divisor
        divisor *= denominator
        reason = reason or why
    return (None, reason) if reason else _bounded(number.divide_half_even(total, divisor))


def _power_factor(field, data, scale, more):
    """As decode(). Devices write 0.996 or 99.6 into the same register: the quotient of the powers says which it is."""
    parts = [
        _fraction(term, data[2 * term.address : 2 * (term.address + term.count)], 0 if at else scale)
        for at, term in enumerate(more.terms)
    ]
    value, divisor, reason = parts[0]
    if reason:
        return None, reason
    one = 10**-field.exponent * divisor
    low, high = _quotient([part[0] for part in parts[1:]] if not any([part[2] for part in parts[1:]]) else None)
    size = abs(value)
    is_ratio = _is_between(size, one, low, high)
    is_percent = _is_between(size, 100 * one, low, high)
    # 16 bits with three decimals end at 32.8: that cannot be percent.
    if is_ratio and is_percent and value and scale > -3:
        return None, PERCENT_OR_NOT
    if not is_ratio and not is_percent:
        return None, NOT_PLAUSIBLE
    return _bounded(number.divide_half_even(value, divisor if is_ratio else 100 * divisor))


def _quotient(powers):
    """((numerator, denominator) of the least, of the greatest) that active by apparent power can be; all if unknown.

    powers: the two registers, each with its scale factor behind it; a count more or less is the same power.
    """
    if powers is None or abs(powers[2]) < 2 or not all([-MOST_SCALE <= scale <= MOST_SCALE for scale in powers[1::2]]):
        return (0, 1), (1, 0)
    active, scale, apparent, other_scale = powers
    above, below = 10 ** max(scale - other_scale, 0), 10 ** max(other_scale - scale, 0)
    active, apparent = abs(active), abs(apparent)
    return (max(active - 1, 0) * above, (apparent + 1) * below), ((active + 1) * above, (apparent - 1) * below)


def _is_between(value, one, low, high) -> bool:
    """Whether value / one can be a power factor, and is not three times off the quotient of the powers."""
    return 10 * value <= 11 * one and 3 * value * low[1] >= low[0] * one and value * high[1] <= 3 * high[0] * one


def _fraction(field, data, scale):
    """(numerator, denominator, ""), which the field's own registers are exactly, or (0, 1, why there is no value)."""
    divisor, offset, words, _ = field.more or _PLAIN
    if words:
        data = b"".join([data[2 * at : 2 * at + 2] for at in words])
    bits = raw_bits(field, data)
    if bits in field.missing:
        return 0, 1, NO_VALUE
    if not -MOST_SCALE <= scale <= MOST_SCALE:
        return 0, 1, NO_SCALE
    if field.kind == FLOAT:
        value = number.f32_fraction(bits) if len(data) == 4 else number.f64_fraction(bits)
    else:
        value = _integer(field, bits, 8 * len(data))
        value = value if value is None else (value, 1)
    if value is None:
        return 0, 1, NOT_A_NUMBER
    numerator, denominator = value
    shift = field.shift + scale
    if shift >= 0:
        numerator *= 10**shift
    else:
        denominator *= 10**-shift
    return numerator * field.factor + offset * denominator, denominator * divisor, ""


_PLAIN = More(1, 0, (), ())


def _integer(field, bits: int, width: int):
    """The number in these bits, None where they are none."""
    kind = field.kind
    mask = field.mask
    if mask:
        bits &= mask
        while not mask & 1:
            mask >>= 1
            bits >>= 1
        width = 0
        while mask >> width:
            width += 1
    if kind == SIGNED:
        return signed(bits, width)
    if kind == MAGNITUDE:
        top = 1 << (width - 1)
        return top - bits if bits & top else bits
    return _digits(bits) if kind == BCD else bits


def _digits(bits: int):
    """The decimal number whose digits take four bits each, None where one is above 9."""
    value = 0
    place = 1
    while bits:
        if bits & 15 > 9:
            return None
        value += (bits & 15) * place
        place *= 10
        bits >>= 4
    return value


def _bounded(mantissa: int):
    return (mantissa, "") if -BEYOND <= mantissa < BEYOND else (None, TOO_LARGE)


def as_registers(function: int, count: int, data: bytes) -> bytes:
    """What answers a read of `count`, two bytes for each: a coil or discrete input is a register that holds 0 or 1."""
    if function > 2:
        return data
    registers = bytearray(2 * count)
    for at in range(count):
        # MODBUS Application Protocol V1.1b3, section 6.1: the first is the lowest bit of the first byte.
        registers[2 * at + 1] = data[at >> 3] >> (at & 7) & 1
    return bytes(registers)


def encode(field, count: int) -> bytes:
    """The registers that hold the integer `count`; OverflowError when they cannot."""
    width = 16 * field.count
    if field.kind == SIGNED:
        if not -(1 << (width - 1)) <= count < 1 << (width - 1):
            raise OverflowError("%d does not fit into %d signed bits" % (count, width))
        count &= (1 << width) - 1
    elif field.kind != UNSIGNED or not 0 <= count < 1 << width:
        raise OverflowError("%d does not fit into %d unsigned bits" % (count, width))
    words = [count >> shift & 0xFFFF for shift in range(0, width, 16)]
    if not field.words_low_first:
        words.reverse()
    return b"".join([word.to_bytes(2, "little" if field.bytes_low_first else "big") for word in words])


def text(field, data: bytes) -> str:
    """The registers as text: up to the first zero byte; what is not UTF-8 becomes '?'."""
    if field.bytes_low_first:
        data = b"".join([bytes((data[at + 1], data[at])) for at in range(0, len(data), 2)])
    data = bytes(data)
    end = data.find(b"\x00")
    if end >= 0:
        data = data[:end]
    try:
        return data.decode()
    except UnicodeError:
        return "".join([chr(byte) if 32 <= byte < 127 else "?" for byte in data])
