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
    return _decimal(f32_fraction(bits), shift, factor)


def f64_decimal(bits: int, shift: int, factor: int = 1) -> int | None:
    """As f32_decimal, for a float64."""
    return _decimal(f64_fraction(bits), shift, factor)


def f32_fraction(bits: int):
    """(numerator, denominator), which the float32 with these bits is exactly; None for NaN and infinity."""
    return _fraction(bits >> 31, (bits >> 23) & 0xFF, bits & 0x7FFFFF, 23, 0xFF)


def f64_fraction(bits: int):
    """As f32_fraction, for a float64."""
    return _fraction(bits >> 63, (bits >> 52) & 0x7FF, bits & 0xFFFFFFFFFFFFF, 52, 0x7FF)


def _fraction(sign, exponent, fraction, width, special):
    if exponent == special:
        return None
    if exponent:
        fraction |= 1 << width
    else:
        exponent = 1  # subnormal
    if sign:
        fraction = -fraction
    power = exponent - (special >> 1) - width
    return (fraction << power, 1) if power >= 0 else (fraction, 1 << -power)


def _decimal(fraction, shift, factor):
    if fraction is None:
        return None
    numerator, denominator = fraction
    if shift >= 0:
        return divide_half_even(numerator * factor * 10**shift, denominator)
    return divide_half_even(numerator * factor, denominator * 10**-shift)


def divide_half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator for a positive denominator, rounded half to even."""
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient
