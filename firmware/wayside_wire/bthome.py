"""BTHome v2 (bthome.io/format): measurements in the service data of a BLE advertisement, UUID FCD2.

Plain: device information, then objects of an id and a little-endian integer, ids not falling. Encrypted: the objects
with AES-CCM, then a counter of 4 bytes, which has to grow, and a tag of 4; the nonce is address, D2 FC, information,
counter.
"""

from . import WireError
from .aes import Ccm
from .number import divide_half_even
from .possible import is_possible

UUID16 = 0xFCD2
PLAIN, ENCRYPTED, TRIGGERED = 0x40, 0x41, 0x04  # version 2; the last is a flag
_RESERVED = 0x1A  # bit 1 once said that an address comes first; it and bits 3 and 4 are not ours to guess
ROOM = 24  # bytes of service data in a legacy advertisement beside its flags
_TAG = 4
_FINEST = -6  # the smallest exponent of an object

PACKET_ID = 0x00

_RATIO = "/"  # SenML's unit of what is on or off
_DIRECTION, _CIRCLE = 0x5E, 36000

# id: (channel, unit, bytes, signed, factor, exponent): value = raw * factor * 10**exponent in a SenML unit.
MEASUREMENTS = {
    0x01: ("battery", "%EL", 1, False, 1, 0),
    0x02: ("temperature", "Cel", 2, True, 1, -2),
    0x03: ("humidity", "%RH", 2, False, 1, -2),
    0x04: ("pressure", "Pa", 3, False, 1, 0),
    0x05: ("illuminance", "lx", 3, False, 1, -2),
    0x06: ("mass", "kg", 2, False, 1, -2),
    0x08: ("dew_point", "Cel", 2, True, 1, -2),
    0x09: ("count", "count", 1, False, 1, 0),
    0x0A: ("energy", "J", 3, False, 3600, 0),
    0x0B: ("power", "W", 3, False, 1, -2),
    0x0C: ("voltage", "V", 2, False, 1, -3),
    0x0D: ("pm2.5", "ug/m3", 2, False, 1, 0),
    0x0E: ("pm10", "ug/m3", 2, False, 1, 0),
    0x12: ("co2", "ppm", 2, False, 1, 0),
    0x13: ("tvoc", "ug/m3", 2, False, 1, 0),
    0x14: ("moisture", "/100", 2, False, 1, -2),
    0x2E: ("humidity", "%RH", 1, False, 1, 0),
    0x2F: ("moisture", "/100", 1, False, 1, 0),
    0x3D: ("count", "count", 2, False, 1, 0),
    0x3E: ("count", "count", 4, False, 1, 0),
    0x3F: ("rotation", "deg", 2, True, 1, -1),
    0x40: ("distance", "m", 2, False, 1, -3),
    0x41: ("distance", "m", 2, False, 1, -1),
    0x42: ("duration", "s", 3, False, 1, -3),
    0x43: ("current", "A", 2, False, 1, -3),
    0x44: ("speed", "m/s", 2, False, 1, -2),
    0x45: ("temperature", "Cel", 2, True, 1, -1),
    0x46: ("uv_index", "", 1, False, 1, -1),
    0x47: ("volume", "m3", 2, False, 1, -4),
    0x48: ("volume", "m3", 2, False, 1, -6),
    0x4A: ("voltage", "V", 2, False, 1, -1),
    0x4B: ("gas", "m3", 3, False, 1, -3),
    0x4C: ("gas", "m3", 4, False, 1, -3),
    0x4D: ("energy", "J", 4, False, 3600, 0),
    0x4E: ("volume", "m3", 4, False, 1, -6),
    0x4F: ("water", "m3", 4, False, 1, -6),
    0x51: ("acceleration", "m/s2", 2, False, 1, -3),
    0x55: ("volume_storage", "m3", 4, False, 1, -6),
    0x56: ("conductivity", "S/m", 2, False, 1, -4),
    0x57: ("temperature", "Cel", 1, True, 1, 0),
    0x58: ("temperature", "Cel", 1, True, 35, -2),
    0x59: ("count", "count", 1, True, 1, 0),
    0x5A: ("count", "count", 2, True, 1, 0),
    0x5B: ("count", "count", 4, True, 1, 0),
    0x5C: ("power", "W", 4, True, 1, -2),
    0x5D: ("current", "A", 2, True, 1, -3),
    0x5E: ("direction", "deg", 2, False, 1, -2),
    0x5F: ("precipitation", "m", 2, False, 1, -4),
    0x61: ("rotational_speed", "1/min", 2, False, 1, 0),
}
# Binary sensors have an id of their own each, and all the same form.
for _id, _name in (
    (0x0F, "generic"), (0x10, "power_on"), (0x11, "opening"), (0x15, "battery_low"), (0x16, "charging"), (0x17, "co"),
    (0x18, "cold"), (0x19, "connectivity"), (0x1A, "door"), (0x1B, "garage_door"), (0x1C, "gas_found"), (0x1D, "heat"),
    (0x1E, "light"), (0x1F, "lock_open"), (0x20, "wet"), (0x21, "motion"), (0x22, "moving"), (0x23, "occupancy"),
    (0x24, "plug"), (0x25, "presence"), (0x26, "problem"), (0x27, "running"), (0x28, "safety"), (0x29, "smoke"),
    (0x2A, "sound"), (0x2B, "tamper"), (0x2C, "vibration"), (0x2D, "window"),
):  # fmt: skip
    MEASUREMENTS[_id] = (_name, _RATIO, 1, False, 1, 0)

# What is no measurement of ours, by size, so that what comes after it is understood: events, time, versions.
_OTHER = {0x07: 2, 0x3A: 1, 0x3C: 2, 0x49: 2, 0x50: 4, 0x52: 2, 0x60: 1, 0x62: 4, 0x63: 4, 0x64: 1, 0x65: 1, 0xF0: 2}
_OTHER[0xF1], _OTHER[0xF2] = 4, 3
_SIZED = (0x53, 0x54)  # text and raw: a byte says how long


def encode(objects, triggered: bool = False) -> bytes:
    """Plain service data of (id, raw integer) pairs; ValueError for one that does not fit its id."""
    return bytes([PLAIN | (TRIGGERED if triggered else 0)]) + _objects(objects)


def seal(objects, key: bytes, address: bytes, counter: int, triggered: bool = False) -> bytes:
    """Encrypted service data. address: 6 bytes as they are written; counter: never used before with this key."""
    info = bytes([ENCRYPTED | (TRIGGERED if triggered else 0)])
    count = counter.to_bytes(4, "little")
    sealed = Ccm(key, _TAG).seal(address + b"\xd2\xfc" + info + count, b"", _objects(objects))
    return info + sealed[:-_TAG] + count + sealed[-_TAG:]


def open_sealed(data: bytes, key: bytes, address: bytes):
    """(counter, plain service data) of encrypted service data; WireError when it is none, or not by this key."""
    if len(data) < 9 or not is_encrypted(data):
        raise WireError("BTHome: not encrypted, or too short for it")
    count, tag = data[-8:-4], data[-4:]
    plain = Ccm(key, _TAG).open(address + b"\xd2\xfc" + data[:1] + count, b"", data[1:-8] + tag)
    return int.from_bytes(count, "little"), bytes([data[0] & 0xFE]) + plain


def is_encrypted(data: bytes) -> bool:
    """Whether service data is; WireError for what is no BTHome v2, or says more than version 2 defines."""
    if not data or data[0] >> 5 != 2:
        raise WireError("BTHome: not version 2")
    if data[0] & _RESERVED:
        raise WireError("BTHome: reserved bits are set")
    return bool(data[0] & 1)


def decode(data: bytes):
    """(packet id or None, [(channel, unit, mantissa, exponent)]) of plain service data; WireError otherwise.

    The second channel of one name is NAME-2, and so on. Objects of unknown id end the reading: their size is not known.
    The mantissa is None for a value that cannot be: below absolute zero, over 100 %, a switch that is neither on nor
    off.
    """
    if is_encrypted(data):
        raise WireError("BTHome: encrypted")
    packet = None
    found = []
    names = {}
    at = 1
    while at < len(data):
        number = data[at]
        at += 1
        if number in _SIZED:
            at += 1 + (data[at] if at < len(data) else 0)
            continue
        if number in _OTHER:
            at += _OTHER[number]
            continue
        name, unit, size, signed, factor, exponent = MEASUREMENTS.get(number, ("", "", 1, False, 1, 0))
        if not name and number != PACKET_ID:
            break
        if at + size > len(data):
            raise WireError("BTHome: object %02x ends early" % number)
        raw = int.from_bytes(data[at : at + size], "little")
        at += size
        if number == PACKET_ID:
            packet = raw
            continue
        if signed and raw >> (8 * size - 1):
            raw -= 1 << 8 * size
        can_be = _can_be(number, raw)
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = "%s-%d" % (name, names[name])
        found.append((name, unit, raw * factor, exponent) if can_be else (name, unit, None, 0))
    if at > len(data):
        raise WireError("BTHome: ends early")
    return packet, found


def _can_be(number: int, raw: int) -> bool:
    _, unit, _, _, factor, exponent = MEASUREMENTS[number]
    if unit == _RATIO:
        return raw < 2
    if number == _DIRECTION:
        return raw <= _CIRCLE
    return is_possible(unit, raw * factor, exponent)


def objects_of(readings) -> list:
    """(id, raw) of readings that BTHome can say, in steps of the object that comes nearest, rounded half to even.

    What is decoded has that object's exponent, so it does not claim more than it says. Bad readings are left out, as
    are those whose name and unit no object has, or that are beyond its range.
    """
    chosen = []
    for reading in readings:
        fits = [] if reading.mantissa is None else [_nearest(reading, number) for number in MEASUREMENTS]
        fits = [each for each in fits if each]
        if fits:
            chosen.append(min(fits)[3:])
    return chosen


def _nearest(reading, number: int):
    """(distance, whether it has another exponent, bytes, id, raw); None where this object cannot say the reading."""
    name, unit, size, signed, factor, exponent = MEASUREMENTS[number]
    if (name, unit) != (reading.channel, reading.unit):
        return None
    finest = min(_FINEST, reading.exponent)
    wanted = reading.mantissa * 10 ** (reading.exponent - finest)
    step = factor * 10 ** (exponent - finest)
    raw = divide_half_even(wanted, step)
    if not _fits(raw, size, signed):
        return None
    return abs(raw * step - wanted), exponent != reading.exponent, size, number, raw


def split(objects, room: int) -> list:
    """Runs of objects that fit `room` bytes each, sorted by id."""
    runs = []
    left = 0
    for number, raw in sorted(objects):
        size = 1 + (1 if number == PACKET_ID else MEASUREMENTS[number][2])
        if size > left:
            runs.append([])
            left = room
        runs[-1].append((number, raw))
        left -= size
    return runs


def advertisement(service_data: bytes) -> bytes:
    """The advertising data: flags (discoverable, no BR/EDR) and service data; ValueError when it is too long."""
    if len(service_data) > ROOM:
        raise ValueError("%d bytes of service data are over %d" % (len(service_data), ROOM))
    return b"\x02\x01\x06" + bytes([len(service_data) + 3, 0x16, 0xD2, 0xFC]) + service_data


def _objects(objects) -> bytes:
    out = bytearray()
    for number, raw in sorted(objects):
        size, signed = (1, False) if number == PACKET_ID else MEASUREMENTS[number][2:4]
        if not _fits(raw, size, signed):
            raise ValueError("%d does not fit BTHome object %02x" % (raw, number))
        out.append(number)
        out.extend((raw & (1 << 8 * size) - 1).to_bytes(size, "little"))
    return bytes(out)


def _fits(raw: int, size: int, signed: bool) -> bool:
    bits = 8 * size
    return -(1 << bits - 1) <= raw < 1 << bits - 1 if signed else 0 <= raw < 1 << bits
