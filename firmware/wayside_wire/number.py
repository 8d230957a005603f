"""Exact decimals from registers, with integers only.

Boards have 32-bit floats and a gateway's doubles round too: a register's bits are turned once, here, into an integer
mantissa for a decimal exponent that the profile fixes. Floats follow IEEE 754-2019 section 3.4.
"""

BEYOND = 1 << 63
"""A reading's mantissa is -BEYOND or more and less than BEYOND: what SQLite, InfluxDB and most programs hold, one bit
less than a pack does. Nothing that is metered comes near."""

TOO_LARGE = "number too large"
"""The reason of a reading whose mantissa would be beyond."""


def scale_integer(raw: int, shift: int, factor: int = 1) -> int:
    """raw * factor * 10**shift, rounded half to even."""
    raw *= factor
    if shift >= 0:
        return raw * 10**shift
    return divide_half_even(raw, 10**-shift)


def f32_decimal(bits: int, shift: int, factor: int = 1) -> int | None:
    """The float32 with these bits, times factor * 10**shift, rounded half to even; None for NaN and infinity."""
    exponent = bits >> 23 & 0xFF
    if exponent == 0xFF:
        return None
    fraction = bits & 0x7FFFFF
    if exponent:
        fraction |= 0x800000
    else:
        exponent = 1  # subnormal
    return _decimal(-fraction if bits >> 31 else fraction, exponent - 150, shift, factor)


def f64_decimal(bits: int, shift: int, factor: int = 1) -> int | None:
    """As f32_decimal, for a float64."""
    exponent = bits >> 52 & 0x7FF
    if exponent == 0x7FF:
        return None
    fraction = bits & 0xFFFFFFFFFFFFF
    if exponent:
        fraction |= 0x10000000000000
    else:
        exponent = 1  # subnormal
    return _decimal(-fraction if bits >> 63 else fraction, exponent - 1075, shift, factor)


def _decimal(numerator, power, shift, factor):
    """numerator * 2**power * factor * 10**shift, rounded half to even."""
    numerator *= factor
    if shift < 0:
        if power >= 0:
            return divide_half_even(numerator << power, 10**-shift)
        return divide_half_even(numerator, 10**-shift << -power)
    numerator *= 10**shift
    if power >= 0:
        return numerator << power
    # The divisor is a power of two: what divide_half_even does, with the bits that fall out.
    quotient = numerator >> -power
    twice = numerator - (quotient << -power) << 1
    one = 1 << -power
    if twice > one or (twice == one and quotient & 1):
        quotient += 1
    return quotient


def f32_fraction(bits: int):
    """(numerator, denominator), which the float32 with these bits is exactly; None for NaN and infinity."""
    # 2**-149 is the smallest float32.
    numerator = f32_decimal(bits, 0, 1 << 149)
    return None if numerator is None else (numerator, 1 << 149)


def f64_fraction(bits: int):
    """As f32_fraction, for a float64."""
    numerator = f64_decimal(bits, 0, 1 << 1074)
    return None if numerator is None else (numerator, 1 << 1074)


def divide_half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator for a positive denominator, rounded half to even."""
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient
