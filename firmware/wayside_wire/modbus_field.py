"""From the bytes of registers to an exact decimal: what a profile says of one channel, and how it is applied."""

from collections import namedtuple

from . import number

# Types: the letter and, but for bits and text, the width in bits.
UNSIGNED, SIGNED, MAGNITUDE, FLOAT, BITS, TEXT = "u", "s", "m", "f", "b", "t"

Field = namedtuple(
    "Field",
    (
        "channel",  # name of the reading
        "unit",  # SenML unit of the reading
        "exponent",  # decimal exponent of the reading
        "function",  # 1 to 4: which area is read
        "address",  # protocol address of the first register, from 0
        "count",  # registers
        "kind",  # one of the letters above; MAGNITUDE is a sign bit and a magnitude
        "words_low_first",  # the word with the low bits comes first
        "bytes_low_first",  # the bytes of each word are swapped
        "shift",  # mantissa = register * 10**shift, rounded half to even, ...
        "factor",  # ... times this integer
        "missing",  # register values, as unsigned integers, that mean "no value"
        "scale",  # address of the register (s16, same area) whose power of ten multiplies, or None
        "mask",  # bits of the register that count, right-aligned after masking; 0: all
    ),
)

NO_VALUE = "no value"
NO_SCALE = "no scale factor"
NOT_A_NUMBER = "not a number"

_NO_SCALE_FACTOR = -0x8000  # SunSpec Device Information Model Specification: sunssf "not implemented"


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
    bits = raw_bits(field, data)
    if bits in field.missing:
        return None, NO_VALUE
    if scale == _NO_SCALE_FACTOR:
        return None, NO_SCALE
    shift = field.shift + scale
    kind = field.kind
    if kind == FLOAT:
        mantissa = number.f32_decimal(bits, shift) if field.count == 2 else number.f64_decimal(bits, shift)
        if mantissa is None:
            return None, NOT_A_NUMBER
        return mantissa * field.factor, ""
    if field.mask:
        bits &= field.mask
        low = field.mask
        while not low & 1:
            low >>= 1
            bits >>= 1
    elif kind == SIGNED:
        bits = signed(bits, 16 * field.count)
    elif kind == MAGNITUDE:
        top = 1 << (16 * field.count - 1)
        if bits & top:
            bits = top - bits
    if shift:
        bits = number.scale_integer(bits, shift)
    return bits * field.factor, ""


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
