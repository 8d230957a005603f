"""Exact decimals from registers, with integers only.

Boards have 32-bit floats and a gateway's doubles round too: a register's bits are turned once, here, into an integer
mantissa for a decimal exponent that the profile fixes. Floats follow IEEE 754-2019 section 3.4.
"""


def scale_integer(raw: int, shift: int, factor: int = 1) -> int:
    """raw * factor * 10**shift, rounded half to even."""
    raw *= factor
    if shift >= 0:
        return raw * 10**shift
    return divide_half_even(raw, 10**-shift)


def f32_decimal(bits: int, shift: int, factor: int = 1) -> int | None:
    """The float32 with these bits, times factor * 10**shift, rounded half to even; None for NaN and infinity."""
    return _float_decimal(bits >> 31, (bits >> 23) & 0xFF, bits & 0x7FFFFF, 23, 0xFF, shift, factor)


def f64_decimal(bits: int, shift: int, factor: int = 1) -> int | None:
    """As f32_decimal, for a float64."""
    mantissa = bits & 0xFFFFFFFFFFFFF
    return _float_decimal(bits >> 63, (bits >> 52) & 0x7FF, mantissa, 52, 0x7FF, shift, factor)


def _float_decimal(sign, exponent, fraction, width, special, shift, factor):
    if exponent == special:
        return None
    if exponent:
        fraction |= 1 << width
    else:
        exponent = 1  # subnormal
    power = exponent - (special >> 1) - width
    numerator = fraction * factor
    denominator = 1
    if power >= 0:
        numerator <<= power
    else:
        denominator <<= -power
    if shift >= 0:
        numerator *= 10**shift
    else:
        denominator *= 10**-shift
    if sign:
        numerator = -numerator
    return divide_half_even(numerator, denominator)


def divide_half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator for a positive denominator, rounded half to even."""
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient
