"""The payload of a pack: readings as SenML-CBOR (RFC 8428 with the integer labels of its section 6).

The first record carries the base name "device/" and the base time; every value is an integer or a decimal fraction.
Times are decimal fractions of seconds with the exponent -3. One list of readings has one encoding only.
"""

from collections import namedtuple

from . import WireError, cbor
from .text import is_name, is_printable, printable

GOOD, UNCERTAIN, BAD = 0, 1, 2

Reading = namedtuple("Reading", ("channel", "unit", "mantissa", "exponent", "quality", "reason", "time_ms"))
"""mantissa * 10**exponent in `unit`; a bad reading has mantissa None, exponent 0 and a reason. time_ms: see Pack."""

MAX_READINGS = 64

# SenML labels, RFC 8428 table 4; quality is ours and absent when good.
_BASE_NAME, _BASE_TIME, _NAME, _UNIT, _VALUE, _STRING, _TIME = -2, -3, 0, 1, 2, 3, 6
_QUALITY = "q"

_MAX_REASON = 64
_MAX_UNIT = 12
_MAX_EXPONENT = 24
LAST_TIME_MS = 253402300799999  # the end of the year 9999: what comes later no calendar can show
_NO_LIMIT = 1 << 30


def is_unit(unit) -> bool:
    """Whether a reading may have this unit: a SenML unit (RFC 8428 section 12.1), or a text as short as one."""
    return is_printable(unit, _MAX_UNIT)


def encode_readings(device: str, readings) -> bytes:
    """The payload of `readings`; ValueError for what decode_readings would refuse, so that it is never signed.

    A reason is cut to what a record holds; characters that cannot be shown become question marks.
    """
    if not 0 < len(readings) <= MAX_READINGS:
        raise ValueError("a pack holds 1 to %d readings" % MAX_READINGS)
    return encode_runs(device, readings, _NO_LIMIT)[0][0]


def encode_runs(device: str, readings, room: int, shift_ms: int = 0) -> list:
    """[(payload, number of its readings)] of all `readings` in order, each payload with as many as fit.

    room: bytes of a payload but for the array's head; shift_ms: is added to all times. ValueError as encode_readings.
    """
    runs = []
    records = bytearray()
    count = base_ms = 0
    for reading in readings:
        if not 0 <= reading.time_ms + shift_ms <= LAST_TIME_MS:
            raise ValueError("%s: time cannot be sent: %s" % (reading.channel, reading.time_ms))
        if count:
            whole = len(records)
            _write_record(records, reading, base_ms)
            if len(records) <= room and count < MAX_READINGS:
                count += 1
                continue
            runs.append(_run(count, records[:whole]))
            records = bytearray()
        base_ms = reading.time_ms
        _write_record(records, reading, base_ms, device, shift_ms)
        count = 1
    if count:
        runs.append(_run(count, records))
    return runs


def _run(count: int, records: bytearray):
    out = bytearray()
    cbor.write_head(out, cbor.ARRAY, count)
    out.extend(records)
    return bytes(out), count


def _write_record(out: bytearray, reading, base_ms: int, device=None, shift_ms: int = 0) -> None:
    """Append one record; with a device name it is the first, which carries name and time for all."""
    # Written key by key in the order of the encoded keys (RFC 8949 section 4.2.1): no map to build, nothing to sort.
    channel, unit, mantissa, exponent, quality, reason, time_ms = reading
    head = 0xA3  # map of name, unit and value
    if quality != GOOD or mantissa is None:
        if not GOOD <= quality <= BAD:
            raise ValueError("%s: quality %s cannot be sent" % (channel, quality))
        if (quality == BAD) != (mantissa is None) or (mantissa is None and not reason):
            raise ValueError("%s: a bad reading has a reason and no value, any other a value" % channel)
        head += 1
    if time_ms != base_ms:
        head += 1
    if device is not None:
        head += 2
    out.append(head)
    if mantissa is None:
        exponent = None
    start = _starts.get(channel)
    if start is None or start[0] != unit or start[1] != exponent:
        start = _keep_start(channel, unit, exponent)
    out.extend(start[2])
    if mantissa is None:
        cbor.write_text(out, printable(reason, _MAX_REASON))
    elif mantissa >= 0:
        cbor.write_head(out, cbor.UNSIGNED, mantissa)  # what write_int() does, a call less
    else:
        cbor.write_int(out, mantissa)
    if time_ms != base_ms:
        out.append(_TIME)
        cbor.write_decimal(out, -3, time_ms - base_ms)
    if device is not None:
        base_ms += shift_ms
        if not is_name(device):
            raise ValueError("device name cannot be sent: %s" % device)
        cbor.write_int(out, _BASE_NAME)
        cbor.write_text(out, device + "/")
        cbor.write_int(out, _BASE_TIME)
        cbor.write_decimal(out, -3, base_ms)
    if quality != GOOD:
        cbor.write_text(out, _QUALITY)
        out.append(quality)


# channel -> (unit, exponent, the record from its name to its value). A device says the same few with every report, and
# to check and encode them takes a board longer than all the rest of a record.
_starts = {}
_MAX_STARTS = 256


def _keep_start(channel, unit, exponent):
    """What _starts has for the channel: the record from its name to its mantissa; exponent None: to its reason."""
    if not (is_name(channel) and is_unit(unit)):
        raise ValueError("channel or unit cannot be sent: %s, %s" % (channel, unit))
    if exponent is not None and not -_MAX_EXPONENT <= exponent <= _MAX_EXPONENT:
        raise ValueError("%s: exponent %d cannot be sent" % (channel, exponent))
    out = bytearray()
    out.append(_NAME)
    cbor.write_text(out, channel)
    out.append(_UNIT)
    cbor.write_text(out, unit)
    out.append(_STRING if exponent is None else _VALUE)
    # An integer is its own shortest form; any other exponent stays, because it tells the register's resolution.
    if exponent:
        cbor.open_decimal(out, exponent)
    if len(_starts) >= _MAX_STARTS:
        _starts.clear()
    start = _starts[channel] = (unit, exponent, bytes(out))
    return start


def decode_readings(payload: bytes):
    """(device, tuple of Readings) of a payload that encode_readings could have written; WireError otherwise."""
    records = cbor.decode(payload)
    if not (isinstance(records, list) and 0 < len(records) <= MAX_READINGS):
        raise WireError("SenML: not 1 to %d records" % MAX_READINGS)
    first = records[0]
    if not isinstance(first, dict):
        raise WireError("SenML: record is not a map")
    base_name = first.pop(_BASE_NAME, None)
    if not (isinstance(base_name, str) and base_name[-1:] == "/" and is_name(base_name[:-1])):
        raise WireError("SenML: first record has no base name 'device/'")
    base_ms = _milliseconds(first.pop(_BASE_TIME, None))
    if not 0 <= base_ms <= LAST_TIME_MS:
        raise WireError("SenML: base time before zero, or after the year 9999")
    if _TIME in first:
        raise WireError("SenML: first record has a time besides the base time")
    return base_name[:-1], tuple([_reading(record, base_ms) for record in records])


def _reading(record, base_ms: int):
    if not isinstance(record, dict):
        raise WireError("SenML: record is not a map")
    channel = record.pop(_NAME, None)
    if not is_name(channel):
        raise WireError("SenML: record has no valid name")
    unit = record.pop(_UNIT, None)
    if not is_printable(unit, _MAX_UNIT):
        raise WireError("SenML: unit is not a short text")
    quality = _quality(record)
    mantissa, exponent, reason = None, 0, ""
    if quality == BAD:
        reason = record.pop(_STRING, None)
        if not (reason and is_printable(reason, _MAX_REASON)):
            raise WireError("SenML: a bad reading has no short printable reason")
    else:
        mantissa, exponent = _value(record.pop(_VALUE, None))
    time_ms = base_ms
    if _TIME in record:
        offset_ms = _milliseconds(record.pop(_TIME))
        time_ms += offset_ms
        if not offset_ms or not 0 <= time_ms <= LAST_TIME_MS:
            raise WireError("SenML: time is the base time once more, before zero, or after the year 9999")
    if record:
        raise WireError("SenML: label %s has no place here" % next(iter(record)))
    return Reading(channel, unit, mantissa, exponent, quality, reason, time_ms)


def _quality(record) -> int:
    if _QUALITY not in record:
        return GOOD
    quality = record.pop(_QUALITY)
    # A good reading that says so would be a second encoding.
    if not (cbor.is_int(quality) and UNCERTAIN <= quality <= BAD):
        raise WireError("SenML: quality is neither uncertain nor bad")
    return quality


def _value(value):
    if cbor.is_int(value):
        return value, 0
    if isinstance(value, cbor.Decimal) and value.exponent != 0 and -_MAX_EXPONENT <= value.exponent <= _MAX_EXPONENT:
        return value.mantissa, value.exponent
    raise WireError("SenML: value is neither integer nor decimal fraction")


def _milliseconds(value) -> int:
    if isinstance(value, cbor.Decimal) and value.exponent == -3:
        return value.mantissa
    raise WireError("SenML: time is not in milliseconds")
