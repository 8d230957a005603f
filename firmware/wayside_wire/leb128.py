"""Integers in few bytes: LEB128 in its shortest form only; signed ones by zigzag, so that small ones are short."""

from . import WireError


def write_signed(out: bytearray, value: int) -> None:
    """ValueError for what does not fit in 64 bits."""
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("%d does not fit in 64 bits" % value)
    write_unsigned(out, value << 1 if value >= 0 else (-value << 1) - 1)


def write_unsigned(out: bytearray, value: int) -> None:
    """value: 0 or more, 64 bits at most."""
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def read_signed(data: bytes, at: int):
    """As read_unsigned()."""
    value, at = read_unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def read_unsigned(data: bytes, at: int):
    """(value, where the next field begins); WireError for every spelling that the functions above do not write."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("LoRa: a number that does not end")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if (byte == 0 and shift > 7) or value >> 64:
        raise WireError("LoRa: a number that is not in its shortest form, or over 64 bits")
    return value, at
