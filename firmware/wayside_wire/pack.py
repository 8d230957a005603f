"""A pack: a device's readings of one report, numbered, chained and signed at the source.

A pack is a COSE_Sign1 over a SenML-CBOR payload (senml.py). Its identity is (device, boot, sequence); `previous` is
the hash of the device's pack before it, across boots too, so that a missing pack is visible to whoever holds the
others. Every number is fixed in docs/wire-format.md.
"""

import hashlib
from collections import namedtuple

from . import WireError, cbor, cose
from .senml import BAD, GOOD, MAX_READINGS, UNCERTAIN, Reading, decode_readings, encode_readings, write_record

__all__ = (
    "BAD",
    "GOOD",
    "HOLDOVER",
    "MAX_PACK",
    "NO_PREVIOUS",
    "SYNCED",
    "UNCERTAIN",
    "UNSYNCED",
    "Pack",
    "Reading",
    "decode_readings",
    "encode_readings",
    "key_id",
    "open_pack",
    "pack_hash",
    "sign_pack",
    "split",
)

MAX_PACK = 960  # bytes; leaves room for the link message and the frame around it in 1,024
SENML_CBOR = 112  # CoAP content format, RFC 8428 section 12.3.1
HEADER = -65537  # private-use COSE label: [boot, sequence, time quality, previous]
NO_PREVIOUS = bytes(16)

UNSYNCED, HOLDOVER, SYNCED = 0, 1, 2

# Everything of a pack but its records, at its largest: tag and array 2, protected header 59, unprotected 1,
# payload head 3, array of records 2, base name without the device 4, base time 12, signature 66.
_ENVELOPE = 149

# Everything of a record but its texts, at its largest: map 1, name 3, unit 2, decimal value 14, time 13, quality 3. The
# head of a text in place of the value is shorter.
_RECORD = 36

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
    """`readings` in runs that fit one pack each, in order, each as long as fits."""
    room = MAX_PACK - _ENVELOPE - len(device)
    # To encode a record only for its size takes a board 0.8 ms; most reports fit one pack without a doubt.
    if 0 < len(readings) <= MAX_READINGS and sum([_largest(reading) for reading in readings]) <= room:
        return [list(readings)]
    runs = []
    size = room
    for reading in readings:
        record = _record_size(reading, runs[-1][0].time_ms if runs else 0)
        if size + record > room or len(runs[-1]) == MAX_READINGS:
            runs.append([])
            size = 0
            record = _record_size(reading, reading.time_ms)
        runs[-1].append(reading)
        size += record
    return runs


def _largest(reading) -> int:
    """Bytes that no record of this reading is longer than: heads, labels, the longest numbers, its texts."""
    return _RECORD + len(reading.channel) + len(reading.unit) + len(reading.reason)


def _record_size(reading, base_ms: int) -> int:
    out = bytearray()
    write_record(out, reading, base_ms)
    return len(out)


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
