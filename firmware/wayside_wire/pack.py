"""A pack: a device's readings of one report, numbered, chained and signed at the source.

A pack is a COSE_Sign1 over a SenML-CBOR payload (RFC 8428 with the integer labels of its section 6). Its identity is
(device, boot, sequence); `previous` is the hash of the device's pack before it, across boots too, so that a missing
pack is visible to whoever holds the others. Every number is fixed in docs/wire-format.md.
"""

import hashlib
from collections import namedtuple

from . import WireError, cbor, cose

MAX_PACK = 960  # bytes; leaves room for the link message and the frame around it in 1,024
SENML_CBOR = 112  # CoAP content format, RFC 8428 section 12.3.1
HEADER = -65537  # private-use COSE label: [boot, sequence, time quality, previous]
NO_PREVIOUS = bytes(16)

GOOD, UNCERTAIN, BAD = 0, 1, 2
UNSYNCED, HOLDOVER, SYNCED = 0, 1, 2

# SenML labels, RFC 8428 table 4; quality is ours and absent when good.
_BASE_NAME, _BASE_TIME, _NAME, _UNIT, _VALUE, _STRING, _TIME = -2, -3, 0, 1, 2, 3, 6
_QUALITY = "q"

# Everything of a pack but its records, at its largest: tag and array 2, protected header 59, unprotected 1,
# payload head 3, array of records 2, base name 4 (without the device), signature 66.
_ENVELOPE = 140

_MAX_READINGS = 64
_MAX_NAME = 48
_MAX_REASON = 64
_MAX_UNIT = 12
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:._"

Reading = namedtuple("Reading", ("channel", "unit", "mantissa", "exponent", "quality", "reason", "time_ms"))
"""mantissa * 10**exponent in `unit`; a bad reading has mantissa None and a reason. time_ms: see Pack.time_quality."""

Pack = namedtuple("Pack", ("device", "boot", "sequence", "time_quality", "previous", "readings"))
"""time_quality: SYNCED or HOLDOVER: time_ms counts from 1970 UTC; UNSYNCED: from the start of boot number `boot`."""


def pack_hash(raw: bytes) -> bytes:
    """16 bytes that name a pack in the next one's header and in its acknowledgement."""
    return hashlib.sha256(raw).digest()[:16]


def key_id(public: bytes) -> bytes:
    """Key id of an Ed25519 public key: the first 8 bytes of its SHA-256."""
    return hashlib.sha256(public).digest()[:8]


def sign_pack(pack, kid: bytes, sign) -> bytes:
    """The bytes of `pack`; `sign(message) -> 64 bytes`. ValueError when it would be larger than MAX_PACK."""
    protected = {
        cose.ALG: cose.EDDSA,
        cose.CRIT: [HEADER],
        cose.CONTENT_TYPE: SENML_CBOR,
        cose.KID: kid,
        HEADER: [pack.boot, pack.sequence, pack.time_quality, pack.previous],
    }
    raw = cose.sign1(protected, encode_readings(pack.device, pack.readings), sign)
    if len(raw) > MAX_PACK:
        raise ValueError("pack of %d bytes is over %d: put fewer readings into it" % (len(raw), MAX_PACK))
    return raw


def split(device: str, readings) -> list:
    """`readings` in as few runs as fit one pack each, in order."""
    room = MAX_PACK - _ENVELOPE - len(device)
    runs = []
    size = room
    for reading in readings:
        record = len(encode_readings("", (reading,)))
        if size + record > room or len(runs[-1]) == _MAX_READINGS:
            runs.append([])
            size = 0
        runs[-1].append(reading)
        size += record
    return runs


def open_pack(raw: bytes, verify):
    """(Pack, key id) of bytes that `verify(kid, message, signature) -> bool` accepts; WireError otherwise."""
    if len(raw) > MAX_PACK:
        raise WireError("pack of %d bytes is over %d" % (len(raw), MAX_PACK))

    def check(protected, unprotected, message, signature):
        _check_header(protected, unprotected)
        return len(signature) == 64 and verify(protected[cose.KID], message, signature)

    protected, _, payload = cose.open_sign1(raw, check, (HEADER,))
    device, readings = decode_readings(payload)
    boot, sequence, time_quality, previous = protected[HEADER]
    return Pack(device, boot, sequence, time_quality, previous, readings), protected[cose.KID]


def _check_header(protected: dict, unprotected: dict) -> None:
    if unprotected:
        raise WireError("pack: unprotected header is not empty")
    if protected.get(cose.ALG) != cose.EDDSA:
        raise WireError("pack: algorithm is not EdDSA")
    if protected.get(cose.CONTENT_TYPE) != SENML_CBOR:
        raise WireError("pack: content format is not %d" % SENML_CBOR)
    kid = protected.get(cose.KID)
    if not (isinstance(kid, bytes) and len(kid) == 8):
        raise WireError("pack: key id is not 8 bytes")
    place = protected.get(HEADER)
    if protected.get(cose.CRIT) != [HEADER] or len(protected) != 5:
        raise WireError("pack: protected header has other labels than those of a pack")
    if not (isinstance(place, list) and len(place) == 4):
        raise WireError("pack: header is not [boot, sequence, time quality, previous]")
    boot, sequence, time_quality, previous = place
    if not (_is_uint32(boot) and _is_uint32(sequence)):
        raise WireError("pack: boot or sequence is not an unsigned 32-bit integer")
    if time_quality not in (UNSYNCED, HOLDOVER, SYNCED) or not cbor.is_int(time_quality):
        raise WireError("pack: unknown time quality")
    if not (isinstance(previous, bytes) and len(previous) == 16):
        raise WireError("pack: previous hash is not 16 bytes")


def _is_uint32(value) -> bool:
    return cbor.is_int(value) and 0 <= value < 0x100000000


def encode_readings(device: str, readings) -> bytes:
    """SenML-CBOR of `readings`: base name and base time in the first record, values as decimal fractions."""
    records = []
    base_ms = readings[0].time_ms
    for reading in readings:
        record: dict = {_NAME: reading.channel, _UNIT: reading.unit}
        if reading.quality == BAD:
            record[_STRING] = reading.reason
        else:
            record[_VALUE] = _decimal(reading.mantissa, reading.exponent)
        if reading.quality != GOOD:
            record[_QUALITY] = reading.quality
        if reading.time_ms != base_ms:
            record[_TIME] = _decimal(reading.time_ms - base_ms, -3)
        records.append(record)
    records[0][_BASE_NAME] = device + "/"
    records[0][_BASE_TIME] = _decimal(base_ms, -3)
    return cbor.encode(records)


def decode_readings(payload: bytes):
    """(device, tuple of Readings) of a payload that encode_readings could have written; WireError otherwise."""
    records = cbor.decode(payload)
    if not (isinstance(records, list) and 0 < len(records) <= _MAX_READINGS):
        raise WireError("SenML: not 1 to %d records" % _MAX_READINGS)
    first = records[0]
    if not isinstance(first, dict):
        raise WireError("SenML: record is not a map")
    base_name = first.pop(_BASE_NAME, None)
    if not (isinstance(base_name, str) and base_name[-1:] == "/" and _is_name(base_name[:-1])):
        raise WireError("SenML: first record has no base name 'device/'")
    base_ms = _milliseconds(first.pop(_BASE_TIME, None))
    if base_ms < 0:
        raise WireError("SenML: base time before zero")
    return base_name[:-1], tuple([_reading(record, base_ms) for record in records])


def _reading(record, base_ms: int):
    if not isinstance(record, dict):
        raise WireError("SenML: record is not a map")
    channel = record.pop(_NAME, None)
    if not _is_name(channel):
        raise WireError("SenML: record has no valid name")
    unit = record.pop(_UNIT, None)
    if not (isinstance(unit, str) and len(unit) <= _MAX_UNIT):
        raise WireError("SenML: unit is not a short text")
    quality = record.pop(_QUALITY, GOOD)
    value = record.pop(_VALUE, None)
    reason = record.pop(_STRING, None)
    if quality == BAD:
        if value is not None or not (isinstance(reason, str) and 0 < len(reason) <= _MAX_REASON):
            raise WireError("SenML: a bad reading has a reason and no value")
        mantissa, exponent = None, 0
    elif quality in (GOOD, UNCERTAIN) and cbor.is_int(quality) and reason is None:
        mantissa, exponent = _mantissa_exponent(value)
        reason = ""
    else:
        raise WireError("SenML: quality and value do not fit")
    time_ms = base_ms
    if _TIME in record:
        time_ms += _milliseconds(record.pop(_TIME))
    if record:
        raise WireError("SenML: unknown label %s" % next(iter(record)))
    return Reading(channel, unit, mantissa, exponent, quality, reason, time_ms)


def _decimal(mantissa: int, exponent: int):
    # An integer is its own shortest form; any other exponent stays, because it tells the register's resolution.
    return mantissa if exponent == 0 else cbor.Decimal(exponent, mantissa)


def _mantissa_exponent(value):
    if cbor.is_int(value):
        return value, 0
    if isinstance(value, cbor.Decimal) and value.exponent != 0 and -24 <= value.exponent <= 24:
        return value.mantissa, value.exponent
    raise WireError("SenML: value is neither integer nor decimal fraction")


def _milliseconds(value) -> int:
    if isinstance(value, cbor.Decimal) and value.exponent == -3:
        return value.mantissa
    raise WireError("SenML: time is not in milliseconds")


def _is_name(name) -> bool:
    """RFC 8428 section 4.5.1, without the slash that ends the base name."""
    if not (isinstance(name, str) and 0 < len(name) <= _MAX_NAME) or name[0] in "-:._":
        return False
    return not name.strip(_NAME_CHARACTERS)
