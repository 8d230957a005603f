"""Characteristics of Bluetooth's Environmental Sensing Service (UUID 181A): integers, low byte first.

Environmental Sensing Service 1.0 section 3.1 names them, the GATT Specification Supplement gives their formats under
their names, Assigned Numbers section 3.8 their UUIDs. Particulate matter is not here: its format has steps of 10 ug/m3.
"""

from .possible import is_possible

SERVICE = 0x181A

# UUID: (channel, unit, bytes, signed, exponent, the raw value that means "not known")
CHARACTERISTICS = {
    0x2A6D: ("pressure", "Pa", 4, False, -1, None),
    0x2A6E: ("temperature", "Cel", 2, True, -2, -0x8000),
    0x2A6F: ("humidity", "%RH", 2, False, -2, 0xFFFF),
    0x2A77: ("irradiance", "W/m2", 2, False, -1, None),
    0x2A76: ("uv_index", "", 1, False, 0, None),
    0x2A7B: ("dew_point", "Cel", 1, True, 0, None),
    0x2A72: ("wind_speed", "m/s", 2, False, -2, None),
    0x2A73: ("wind_direction", "deg", 2, False, -2, None),
    0x2A78: ("rainfall", "m", 2, False, -3, None),
    0x2A7A: ("heat_index", "Cel", 1, True, 0, None),
    0x2B8C: ("co2", "ppm", 2, False, 0, 0xFFFF),
}
_CO2_AND_MORE = 0xFFFE  # "65534 or greater"
_CIRCLE = 35999  # hundredths of a degree


def decode(number: int, data: bytes):
    """(mantissa, "") of the value of a characteristic, or (None, reason)."""
    _, _, size, signed, _, unknown = CHARACTERISTICS[number]
    if len(data) != size:
        return None, "%d bytes instead of %d" % (len(data), size)
    value = int.from_bytes(data, "little")
    if signed and value >> (8 * size - 1):
        value -= 1 << 8 * size
    if value == unknown:
        return None, "value is not known"
    if not _can_be(number, value):
        return None, "out of range"
    return value, ""


def number_of(channel: str, unit: str):
    """The characteristic that says this quantity, None when there is none."""
    for number, row in CHARACTERISTICS.items():
        if row[:2] == (channel, unit):
            return number
    return None


def encode(number: int, reading) -> bytes:
    """The value of a characteristic: what "not known" is, or nothing, where it cannot say the reading exactly."""
    _, _, size, signed, exponent, unknown = CHARACTERISTICS[number]
    value = _scaled(reading, exponent)
    bits = 8 * size - (1 if signed else 0)
    least = -(1 << bits) if signed else 0
    if value is None or not (least <= value < 1 << bits and _can_be(number, value)):
        value = unknown
    return b"" if value is None else (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def _can_be(number: int, value: int) -> bool:
    if number == 0x2B8C:
        return value < _CO2_AND_MORE
    if number == 0x2A73:
        return value <= _CIRCLE
    _, unit, _, _, exponent, _ = CHARACTERISTICS[number]
    return is_possible(unit, value, exponent)


def _scaled(reading, exponent: int):
    """The mantissa at this exponent, None for a reading that has none or would lose digits."""
    if reading.mantissa is None:
        return None
    steps = reading.exponent - exponent
    if steps >= 0:
        return reading.mantissa * 10**steps
    value, rest = divmod(reading.mantissa, 10**-steps)
    return None if rest else value
