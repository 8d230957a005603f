"""Deterministic CBOR, the part of it that Wayside speaks (RFC 8949 section 4.2.1, no floats).

=====================  ==========================================
CBOR                   Python
=====================  ==========================================
major 0, 1             int, -2**64 to 2**64 - 1
major 2                bytes
major 3                str
major 4                list (tuples are accepted for encoding)
major 5                dict
tag 4 [e, m]           Decimal(exponent=e, mantissa=m)
any other tag          Tag(number, value)
false, true, null      False, True, None
=====================  ==========================================

The decoder accepts exactly what the encoder would have written: one encoding per value, so that a signature over the
bytes is a signature over the value.
"""

import struct
from collections import namedtuple

from . import WireError

MAX_DEPTH = 8

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, _SIMPLE = range(8)  # major types

Tag = namedtuple("Tag", ("number", "value"))
Decimal = namedtuple("Decimal", ("exponent", "mantissa"))

_DECIMAL_FRACTION = 4  # RFC 8949 section 3.4.4


def encode(value) -> bytes:
    """The deterministic encoding of `value`; TypeError or ValueError for what the subset cannot express."""
    out = bytearray()
    write(out, value)
    return bytes(out)


def decode(data: bytes, max_depth: int = MAX_DEPTH):
    """The value of exactly one item that fills `data`; WireError for everything else."""
    if not isinstance(data, bytes):
        data = bytes(data)
    try:
        value, end = _read(data, 0, max_depth)
    except IndexError:
        raise WireError("CBOR: ends early")
    if end != len(data):
        raise WireError("CBOR: %d bytes after the item" % (len(data) - end))
    return value


def decode_at(data: bytes, at: int, max_depth: int = MAX_DEPTH):
    """(value, position after it) of the item at `at`: for who reads something large piece by piece."""
    try:
        return _read(data, at, max_depth)
    except IndexError:
        raise WireError("CBOR: ends early")


def open_array(data: bytes, at: int):
    """(number of elements, position of the first) of the array at `at`."""
    return _open(data, at, ARRAY)


def open_map(data: bytes, at: int):
    """(number of pairs, position of the first key) of the map at `at`; its keys and their order are not checked."""
    return _open(data, at, MAP)


def _open(data: bytes, at: int, major: int):
    if at >= len(data) or data[at] >> 5 != major:
        raise WireError("CBOR: no %s where one is needed" % ("array" if major == ARRAY else "map"))
    first = data[at]
    count = first & 31
    if count >= 24:
        count, at = _long_argument(data, at + 1, first)
    else:
        at += 1
    if count > len(data) - at:
        raise WireError("CBOR: length %d is beyond the end" % count)
    return count, at


def is_int(value) -> bool:
    """Whether a decoded value is an integer and not a truth value, on either interpreter."""
    return type(value) is int


# --- encoding ---


def write(out: bytearray, value, depth: int = 0) -> None:
    """Append `value`, inside of `depth` other items; as encode()."""
    if depth > MAX_DEPTH:
        raise ValueError("CBOR: nested deeper than %d" % MAX_DEPTH)
    if isinstance(value, bytes):
        write_bytes(out, value)
    elif isinstance(value, str):
        write_text(out, value)
    # True and False come before int: on CPython they are ints, on MicroPython they are not.
    elif value is None:
        out.append(0xF6)
    elif value is False:
        out.append(0xF4)
    elif value is True:
        out.append(0xF5)
    elif isinstance(value, int):
        write_int(out, value)
    elif isinstance(value, bytearray):
        write_bytes(out, value)
    elif isinstance(value, Decimal):
        if depth + 2 > MAX_DEPTH:
            raise ValueError("CBOR: nested deeper than %d" % MAX_DEPTH)
        write_decimal(out, value.exponent, value.mantissa)
    elif isinstance(value, Tag):
        if value.number == _DECIMAL_FRACTION:
            raise ValueError("CBOR: write tag 4 as Decimal")
        write_head(out, TAG, value.number)
        write(out, value.value, depth + 1)
    elif isinstance(value, (list, tuple)):
        write_head(out, ARRAY, len(value))
        for item in value:
            write(out, item, depth + 1)
    elif isinstance(value, dict):
        _write_map(out, value, depth)
    else:
        raise TypeError("CBOR: cannot encode %s" % type(value))


def write_head(out: bytearray, major: int, argument: int) -> None:
    """Append the shortest head: the major type and its argument (RFC 8949 section 3)."""
    major <<= 5
    if argument < 24:
        out.append(major | argument)
    elif argument < 0x100:
        out.extend(struct.pack(">BB", major | 24, argument))
    elif argument < 0x10000:
        out.extend(struct.pack(">BH", major | 25, argument))
    elif argument < 0x100000000:
        out.extend(struct.pack(">BI", major | 26, argument))
    elif argument < 0x10000000000000000:
        out.extend(struct.pack(">BQ", major | 27, argument))
    else:
        raise ValueError("CBOR: integer needs more than 64 bits")


def write_int(out: bytearray, value: int) -> None:
    """Append an integer."""
    if value >= 0:
        write_head(out, UNSIGNED, value)
    else:
        write_head(out, NEGATIVE, -1 - value)


def write_text(out: bytearray, text: str) -> None:
    """Append a text string."""
    raw = text.encode()
    write_head(out, TEXT, len(raw))
    out.extend(raw)


def write_bytes(out: bytearray, raw: bytes) -> None:
    """Append a byte string."""
    write_head(out, BYTES, len(raw))
    out.extend(raw)


def write_decimal(out: bytearray, exponent: int, mantissa: int) -> None:
    """Append a decimal fraction."""
    open_decimal(out, exponent)
    write_int(out, mantissa)


def open_decimal(out: bytearray, exponent: int) -> None:
    """Append a decimal fraction up to its mantissa, which write_int() appends."""
    out.append(0xC4)  # tag 4
    out.append(0x82)  # array of two
    write_int(out, exponent)


def _write_map(out: bytearray, value: dict, depth: int) -> None:
    pairs = [(_key(key), key) for key in value]
    if pairs and depth + 1 > MAX_DEPTH:
        raise ValueError("CBOR: nested deeper than %d" % MAX_DEPTH)
    pairs.sort(key=_first)
    write_head(out, MAP, len(pairs))
    for name, key in pairs:
        out.extend(name)
        write(out, value[key], depth + 1)


def _key(key) -> bytes:
    name = bytearray()
    if isinstance(key, str):
        write_text(name, key)
    elif isinstance(key, bytes):
        write_bytes(name, key)
    elif isinstance(key, int) and key is not True and key is not False:
        write_int(name, key)
    else:
        raise TypeError("CBOR: map key is neither integer nor string")
    return bytes(name)


def _first(pair):
    return pair[0]


# --- decoding ---


def _read(data: bytes, at: int, depth: int):
    """(value, position after it) of the item at `at`, with `depth` levels left; IndexError where a head is cut."""
    if depth < 0:
        raise WireError("CBOR: nested too deep")
    first = data[at]
    at += 1
    if first < 24:
        return first, at
    major = first >> 5
    if major == _SIMPLE:
        return _simple(first), at
    argument = first & 31
    if argument >= 24:
        argument, at = _long_argument(data, at, first)
    if major == UNSIGNED:
        return argument, at
    if major == NEGATIVE:
        return -1 - argument, at
    if major == TAG:
        return _read_tag(data, at, depth, argument)
    # Every element takes a byte at least: a length beyond the buffer is refused before anything is allocated.
    if argument > len(data) - at:
        raise WireError("CBOR: length %d is beyond the end" % argument)
    if major == TEXT:
        return _text(data[at : at + argument]), at + argument
    if major == BYTES:
        return data[at : at + argument], at + argument
    if major == MAP:
        return _read_map(data, at, depth, argument)
    items = []
    for _ in range(argument):
        item, at = _read(data, at, depth - 1)
        items.append(item)
    return items, at


def _long_argument(data: bytes, at: int, first: int):
    """(argument, position after it) of a head whose argument does not fit into its first byte."""
    if first & 31 > 27:
        raise WireError("CBOR: indefinite length or reserved 0x%02x" % first)
    size = 1 << (first & 3)
    if at + size > len(data):
        raise WireError("CBOR: ends early")
    argument = int.from_bytes(data[at : at + size], "big")
    # A longer head than needed would be a second encoding of the same value.
    if argument < (24 if size == 1 else 1 << (4 * size)):
        raise WireError("CBOR: head is not the shortest")
    return argument, at + size


def _simple(first: int):
    if first == 0xF4:
        return False
    if first == 0xF5:
        return True
    if first == 0xF6:
        return None
    raise WireError("CBOR: float or simple value 0x%02x is not allowed" % first)


def _read_map(data: bytes, at: int, depth: int, count: int):
    result = {}
    previous = b""
    for _ in range(count):
        start = at
        if data[at] >= 0x80:  # major 4 and above
            raise WireError("CBOR: map key is neither integer nor string")
        key, at = _read(data, at, depth - 1)
        name = data[start:at]
        if name <= previous:
            raise WireError("CBOR: map keys out of order or twice")
        previous = name
        result[key], at = _read(data, at, depth - 1)
    return result, at


def _read_tag(data: bytes, at: int, depth: int, number: int):
    if number != _DECIMAL_FRACTION:
        value, at = _read(data, at, depth - 1)
        return Tag(number, value), at
    if data[at] == 0x82:
        exponent, at = _read(data, at + 1, depth - 2)
        mantissa, at = _read(data, at, depth - 2)
        if is_int(exponent) and is_int(mantissa):
            return Decimal(exponent, mantissa), at
    raise WireError("CBOR: tag 4 is not [exponent, mantissa]")


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeError:
        raise WireError("CBOR: text is not UTF-8")
    if len(text) == len(raw):  # ASCII
        return text
    # MicroPython takes overlong forms and surrogates; neither survives a count of the shortest form.
    size = 0
    for character in text:
        point = ord(character)
        if 0xD800 <= point < 0xE000 or point > 0x10FFFF:
            raise WireError("CBOR: text is not UTF-8")
        size += 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
    if size != len(raw):
        raise WireError("CBOR: text is not UTF-8")
    return text
