"""Entries: what the log holds, and the salted commitment that stands for each in the tree. CDDL: docs/log-format.md.

An entry is deterministic CBOR {0: kind, 1: logged at (ms since 1970), 2: time quality, 3: body, 4: stream, 5: number}.
It is made without its place (a map of the first four) by whoever has something to say; the log gives it stream and
number: the entries of a stream are numbered 0, 1, 2 ... without gaps, so that one left out is missed.

The tree holds SHA-256(salt, entry) only: proofs and checkpoints reveal nothing of a reading, and who erases entry and
salt erases the reading while every proof stays valid.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from wayside_wire import WireError, cbor
from wayside_wire.senml import LAST_TIME_MS

from wayside.evidence import EvidenceError
from wayside.evidence.kinds import BODIES, Body, EntryKind, UnknownBody
from wayside.evidence.stream import DEVICE, GATEWAY, JOURNAL, KEYS, check_stream

SALT_SIZE = 16
MAX_ENTRY = 64 * 1024
MAX_NUMBER = 2**63 - 1

KIND, LOGGED_AT, TIME_QUALITY, BODY, STREAM, NUMBER = range(6)
_MAP_OF_4, _MAP_OF_6 = b"\xa4", b"\xa6"

KEY_ENTRY = bytes([0xA6, KIND, EntryKind.KEY])  # how each key entry begins: a map of six, kind 5

STREAMS: dict[int, tuple[str, ...]] = {
    EntryKind.PACK: (DEVICE,),
    EntryKind.GAP: (DEVICE,),
    EntryKind.COMMAND: (GATEWAY, JOURNAL),
    EntryKind.DECISION: (JOURNAL,),
    EntryKind.KEY: (KEYS,),
    EntryKind.CONFIGURATION: (GATEWAY,),
    EntryKind.EPOCH: (KEYS,),
    EntryKind.CLOCK: (GATEWAY,),
    EntryKind.OVERLOAD: (DEVICE,),
    EntryKind.RETENTION: (DEVICE, JOURNAL),
    EntryKind.DEVICE: (DEVICE,),
}
"""In which streams each kind may stand. Kinds that are not known yet stand anywhere but among the keys."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded entry. `time_quality`: of the gateway's clock when it was logged; `number`: its place in `stream`.

    `stream` is "" and `number` -1 for one that the log has not placed yet.
    """

    kind: int
    logged_at_ms: int
    time_quality: int
    body: Body
    stream: str = ""
    number: int = -1


def commitment(salt: bytes, entry: bytes) -> bytes:
    """What the log's tree holds for an entry: 32 bytes. The salt has a fixed length, so the join is unambiguous."""
    if len(salt) != SALT_SIZE:
        raise EvidenceError(f"a salt has {SALT_SIZE} bytes")
    return sha256(salt + entry).digest()


def encode_unplaced(logged_at_ms: int, time_quality: int, body: Body) -> bytes:
    """The entry without its place; see place()."""
    fields = {KIND: int(body.kind), LOGGED_AT: logged_at_ms, TIME_QUALITY: int(time_quality), BODY: body.encode()}
    data: bytes = cbor.encode(fields)
    return data


def place(unplaced: bytes, stream: str, number: int) -> bytes:
    """The entry, once the log knows where it stands."""
    if unplaced[:1] != _MAP_OF_4:
        raise EvidenceError("entry: this one has a place already")
    # Keys 4 and 5 come behind 0 to 3 in the one deterministic encoding.
    tail: bytes = bytes([STREAM]) + cbor.encode(stream) + bytes([NUMBER]) + cbor.encode(number)
    return _MAP_OF_6 + unplaced[1:] + tail


def encode_entry(logged_at_ms: int, time_quality: int, body: Body, stream: str, number: int) -> bytes:
    """An entry with its place, for those who write one by hand."""
    return place(encode_unplaced(logged_at_ms, time_quality, body), stream, number)


def decode_entry(data: bytes) -> Entry:
    """The entry in `data`; EvidenceError when it is not one, or says what its kind cannot say.

    Kinds that are not known yet are let through, with whatever body: a later version may add them.
    """
    fields = _fields(data)
    if list(fields) != [KIND, LOGGED_AT, TIME_QUALITY, BODY, STREAM, NUMBER]:
        raise EvidenceError("entry: not a map of kind, time, time quality, body, stream and number")
    stream, number = fields[STREAM], fields[NUMBER]
    if not isinstance(stream, str):
        raise EvidenceError("entry: the stream is not a text")
    what = check_stream(stream)
    if not (cbor.is_int(number) and 0 <= number <= MAX_NUMBER):
        raise EvidenceError("entry: the number in its stream is not one")
    entry = _checked(fields, stream, number)
    allowed = STREAMS.get(entry.kind)
    if what not in allowed if allowed else what == KEYS:
        raise EvidenceError(f"entry: a {kind_name(entry.kind)} entry does not stand in the stream {stream}")
    return entry


def decode_unplaced(data: bytes) -> Entry:
    """An entry that waits for its place, as a controller's journal holds it; EvidenceError when it is none."""
    fields = _fields(data)
    if list(fields) != [KIND, LOGGED_AT, TIME_QUALITY, BODY]:
        raise EvidenceError("entry: not a map of kind, time, time quality and body")
    return _checked(fields, "", -1)


def _fields(data: bytes) -> dict[Any, Any]:
    if len(data) > MAX_ENTRY:
        raise EvidenceError(f"an entry of {len(data)} bytes is over {MAX_ENTRY}")
    try:
        fields = cbor.decode(data)
    except WireError as error:
        raise EvidenceError(f"entry: {error}") from None
    if not isinstance(fields, dict):
        raise EvidenceError("entry: not a map")
    return fields


def _checked(fields: dict[Any, Any], stream: str, number: int) -> Entry:
    kind, logged_at, quality, raw = fields[KIND], fields[LOGGED_AT], fields[TIME_QUALITY], fields[BODY]
    if not (cbor.is_int(kind) and kind >= 0):
        raise EvidenceError("entry: the kind is not a number")
    if not (cbor.is_int(logged_at) and 0 <= logged_at <= LAST_TIME_MS):
        raise EvidenceError("entry: the time is not one between 1970 and 9999")
    if not (cbor.is_int(quality) and 0 <= quality <= 2):
        raise EvidenceError("entry: the time quality is none of 0, 1 and 2")
    if not isinstance(raw, dict):
        raise EvidenceError("entry: the body is not a map")
    known = BODIES.get(kind)
    try:
        body = known.decode(raw) if known else UnknownBody.of(kind, raw)
    except EvidenceError as error:
        raise EvidenceError(f"entry: {kind_name(kind)} body: {error}") from None
    return Entry(kind, logged_at, quality, body, stream, number)


def kind_name(kind: int) -> str:
    """A kind's name for people; "unknown" for those of a later version."""
    return EntryKind(kind).name.lower() if kind in BODIES else "unknown"


def kind_and_time(data: bytes) -> tuple[int, int]:
    """(kind, ms since 1970) of an entry, without a look at its body: a log has very many of them."""
    return beginning(data)[:2]


def beginning(data: bytes) -> tuple[int, int, int]:
    """(kind, ms since 1970, time quality) of an entry, as kind_and_time."""
    # As every entry of a kind below 24 begins: a map, 0: kind, 1: time in 1, 2, 4 or 8 bytes, 2: quality.
    if len(data) > 5 and data[:1] in (_MAP_OF_4, _MAP_OF_6) and data[1] == KIND and data[2] < 24:
        end = 5 + _TIME_BYTES.get(data[4], len(data))
        if data[3] == LOGGED_AT and end + 1 < len(data) and data[end] == TIME_QUALITY and data[end + 1] < 3:
            return data[2], int.from_bytes(data[5:end], "big"), data[end + 1]
    entry = decode_unplaced(data) if data[:1] == _MAP_OF_4 else decode_entry(data)
    return entry.kind, entry.logged_at_ms, entry.time_quality


_TIME_BYTES = {0x18: 1, 0x19: 2, 0x1A: 4, 0x1B: 8}  # RFC 8949 section 3, additional information 24 to 27
