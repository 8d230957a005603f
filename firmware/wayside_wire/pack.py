"""A pack: a device's readings of one report, numbered, chained and signed at the source.

A pack is a COSE_Sign1 over a SenML-CBOR payload (senml.py). Its identity is (device, boot, sequence); `previous` is
the hash of the device's pack before it, across boots too, so that a missing pack is visible to whoever holds the
others. Every number is fixed in docs/wire-format.md.
"""

import hashlib
from collections import namedtuple

from . import WireError, cbor, cose
from .senml import BAD, GOOD, UNCERTAIN, Reading, decode_readings, encode_readings, encode_runs

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
    "PackHeader",
    "Reading",
    "decode_readings",
    "encode_readings",
    "key_id",
    "open_pack",
    "pack_hash",
    "sign_pack",
    "sign_payload",
    "split",
)

MAX_PACK = 960  # bytes; leaves room for the link message and the frame around it in 1,024
SENML_CBOR = 112  # CoAP content format, RFC 8428 section 12.3.1
HEADER = -65537  # private-use COSE label: [boot, sequence, time quality, previous]
NO_PREVIOUS = bytes(16)

UNSYNCED, HOLDOVER, SYNCED = 0, 1, 2

# Everything of a pack but its records, at its largest: tag and array 2, protected header 59, unprotected 1,
# payload head 3, array of records 2, signature 66.
_ENVELOPE = 133

Pack = namedtuple("Pack", ("device", "boot", "sequence", "time_quality", "previous", "readings"))
"""time_quality: SYNCED or HOLDOVER: time_ms counts from 1970 UTC; UNSYNCED: from the start of boot number `boot`."""

PackHeader = namedtuple("PackHeader", ("boot", "sequence", "time_quality", "previous"))
"""Where a pack stands in its device's chain, and what its times are worth; as in Pack."""


def pack_hash(raw: bytes) -> bytes:
    """16 bytes that name a pack in the next one's header and in its acknowledgement."""
    return hashlib.sha256(raw).digest()[:16]


def key_id(public: bytes) -> bytes:
    """Key id of an Ed25519 public key: the first 8 bytes of its SHA-256."""
    return hashlib.sha256(public).digest()[:8]


# The protected header up to the key id, and from there to its numbers.
_HEADER_FRONT = (
    b"\xa5"
    + cbor.encode({cose.ALG: cose.EDDSA, cose.CRIT: [HEADER], cose.CONTENT_TYPE: SENML_CBOR, cose.KID: b""})[1:-1]
)
_HEADER_PLACE = cbor.encode(HEADER) + b"\x84"


def sign_pack(pack, kid: bytes, sign) -> bytes:
    """The bytes of `pack`; `sign(message) -> 64 bytes`. ValueError when it would be larger than MAX_PACK."""
    place = PackHeader(pack.boot, pack.sequence, pack.time_quality, pack.previous)
    return sign_payload(place, encode_readings(pack.device, pack.readings), kid, sign)


def sign_payload(place, payload: bytes, kid: bytes, sign) -> bytes:
    """The bytes of the pack at `place` with a payload of split(); as sign_pack."""
    boot, sequence, time_quality, previous = place
    header = bytearray(_HEADER_FRONT)
    cbor.write_bytes(header, kid)
    header.extend(_HEADER_PLACE)
    cbor.write_int(header, boot)
    cbor.write_int(header, sequence)
    cbor.write_int(header, time_quality)
    cbor.write_bytes(header, previous)
    raw = cose.sign1_encoded(header, payload, sign)
    if len(raw) > MAX_PACK:
        raise ValueError("pack of %d bytes is over %d: put fewer readings into it" % (len(raw), MAX_PACK))
    return raw


def split(device: str, readings, shift_ms: int = 0) -> list:
    """[(payload, number of its readings)] of `readings`, in order, each with as many as fit one pack.

    shift_ms is added to their times.
    """
    return encode_runs(device, readings, MAX_PACK - _ENVELOPE, shift_ms)


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
