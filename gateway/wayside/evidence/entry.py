"""What the log holds: entries, and the salted commitment that stands for each in the tree. CDDL: docs/log-format.md.

An entry is deterministic CBOR {0: kind, 1: logged at (ms since 1970), 2: time quality, 3: body}. The tree holds
SHA-256(salt, entry) only: proofs and checkpoints reveal nothing of a reading, and who erases entry and salt erases the
reading while every proof stays valid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Any

from wayside_wire import WireError, cbor

from wayside.evidence import EvidenceError
from wayside.evidence.origin import OriginError, parse_origin

SALT_SIZE = 16
MAX_ENTRY = 64 * 1024
MAX_CLASS = 4  # assurance classes C0 .. C4

KIND, LOGGED_AT, TIME_QUALITY, BODY = range(4)


class Kind(IntEnum):
    """The kinds of entries."""

    PACK = 1
    GAP = 2
    COMMAND = 3
    DECISION = 4
    KEY = 5
    CONFIGURATION = 6
    UPDATE = 7
    EPOCH = 8
    CLOCK = 9
    OVERLOAD = 10
    RETENTION = 11
    DEVICE = 12


KEY_ENTRY = bytes([0xA4, KIND, Kind.KEY])  # how each key entry begins: a map of four, kind 5

DEVICE_ATTESTED = "device"
GATEWAY_ATTESTED = "gateway"


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded entry. `time_quality`: of the gateway's clock when it was logged."""

    kind: int
    logged_at_ms: int
    time_quality: int
    body: dict[Any, Any]


def commitment(salt: bytes, entry: bytes) -> bytes:
    """What the log's tree holds for an entry: 32 bytes. The salt has a fixed length, so the join is unambiguous."""
    if len(salt) != SALT_SIZE:
        raise EvidenceError(f"a salt has {SALT_SIZE} bytes")
    return sha256(salt + entry).digest()


def encode_entry(kind: int, logged_at_ms: int, time_quality: int, body: dict[int, Any]) -> bytes:
    data: bytes = cbor.encode({KIND: int(kind), LOGGED_AT: logged_at_ms, TIME_QUALITY: int(time_quality), BODY: body})
    return data


def decode_entry(data: bytes) -> Entry:
    """The entry in `data`; EvidenceError when it is not one.

    Kinds that are not known yet are let through, and so are further fields of a body: a later version may add them.
    """
    if len(data) > MAX_ENTRY:
        raise EvidenceError(f"an entry of {len(data)} bytes is over {MAX_ENTRY}")
    try:
        value = cbor.decode(data)
    except WireError as error:
        raise EvidenceError(f"entry: {error}") from None
    if not isinstance(value, dict) or list(value) != [KIND, LOGGED_AT, TIME_QUALITY, BODY]:
        raise EvidenceError("entry: not a map of kind, time, time quality and body")
    kind, logged_at, quality, body = value.values()
    numbers = all(cbor.is_int(each) and each >= 0 for each in (kind, logged_at, quality))
    if not numbers or not isinstance(body, dict):
        raise EvidenceError("entry: kind, time or body are of the wrong type")
    for label, fits in enumerate(_BODIES.get(kind, ())):
        if label not in body or not fits(body[label]):
            raise EvidenceError(f"entry: {Kind(kind).name.lower()} body: field {label} is missing or of the wrong type")
    for label, fits in _OPTIONAL.get(kind, {}).items():
        if label in body and not fits(body[label]):
            raise EvidenceError(f"entry: {Kind(kind).name.lower()} body: field {label} is of the wrong type")
    return Entry(kind, logged_at, quality, body)


def kind_and_time(data: bytes) -> tuple[int, int]:
    """(kind, ms since 1970) of an entry, without a look at its body: a log has very many of them."""
    # As every entry of a kind below 24 begins: a map of four, 0: kind, 1: time in 1, 2, 4 or 8 bytes.
    if len(data) > 5 and data[:2] == b"\xa4\x00" and data[2] < 24 and data[3] == LOGGED_AT:
        end = 5 + _TIME_BYTES.get(data[4], len(data))
        if end < len(data):
            return data[2], int.from_bytes(data[5:end], "big")
    entry = decode_entry(data)
    return entry.kind, entry.logged_at_ms


_TIME_BYTES = {0x18: 1, 0x19: 2, 0x1A: 4, 0x1B: 8}  # RFC 8949 section 3, additional information 24 to 27

# --- bodies ---


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _is_count(value: object) -> bool:
    return bool(cbor.is_int(value)) and isinstance(value, int) and value >= 0


def _is_count_or_null(value: object) -> bool:
    return value is None or _is_count(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_bytes_list(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_bytes, value))


def _is_public_key(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _is_class(value: object) -> bool:
    return _is_count(value) and value in range(MAX_CLASS + 1)


def _is_origin(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_origin(value))
    except OriginError:
        return False


def _is_root(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _is_bytes_or_null(value: object) -> bool:
    return value is None or _is_bytes(value)


def _is_notes(value: object) -> bool:
    return _is_bytes_list(value) and value != []


def _is_text_by_text(value: object) -> bool:
    return isinstance(value, dict) and _is_texts(list(value)) and _is_texts(list(value.values()))


_BODIES: dict[int, tuple[Callable[[object], bool], ...]] = {
    Kind.PACK: (_is_text, _is_text, _is_bytes),
    Kind.GAP: (_is_text, _is_count, _is_count, _is_count_or_null, _is_text),
    Kind.COMMAND: (_is_text, _is_text, _is_text, _is_text),
    Kind.DECISION: (_is_text, _is_text, _is_text),
    Kind.KEY: (_is_public_key, _is_text, _is_texts, _is_text),
    Kind.CONFIGURATION: (_is_bytes,),
    Kind.EPOCH: (_is_origin, _is_count, _is_root, _is_text, _is_bytes_or_null),
    Kind.CLOCK: (cbor.is_int,),
    Kind.OVERLOAD: (_is_text, _is_count, _is_text),
    Kind.RETENTION: (_is_text, _is_count, _is_count, _is_text),
    Kind.DEVICE: (_is_text, _is_text, _is_text, _is_count_or_null),
}
"""What each kind's body holds under 0, 1, 2 ...; the functions below make them."""

_OPTIONAL: dict[int, dict[int, Callable[[object], bool]]] = {
    Kind.COMMAND: {4: _is_bytes},
    Kind.EPOCH: {5: _is_notes},
    Kind.RETENTION: {4: _is_origin},
    Kind.DEVICE: {4: _is_count},
    Kind.KEY: {4: _is_class, 5: _is_text, 6: _is_text, 7: _is_bytes, 8: _is_bytes_list, 9: _is_text_by_text},
}
"""Fields of a body that may be there."""


def pack_body(device: str, attested: str, raw: bytes) -> dict[int, Any]:
    """A pack as received; `attested`: DEVICE_ATTESTED or GATEWAY_ATTESTED."""
    return {0: device, 1: attested, 2: raw}


def gap_body(device: str, boot: int, first: int, last: int | None, cause: str) -> dict[int, Any]:
    """Packs `first` to `last` of `boot` that will not come; `last` None when nobody knows how many."""
    return {0: device, 1: boot, 2: first, 3: last, 4: cause}


def key_body(
    public: bytes,
    role: str,
    devices: Sequence[str],
    event: str,
    *,
    assurance: int = 0,
    holder: str = "",
    reason: str = "",
    proof: bytes = b"",
    certificates: Sequence[bytes] = (),
    profiles: Mapping[str, str] | None = None,
) -> dict[int, Any]:
    """A key that begins or ends to count; role "gateway", "log" or "node", event "registered" or "revoked".

    assurance: class 0 .. 4 for C0 .. C4; holder: the node's name; proof: of possession, as the node signed it when it
    was enrolled; certificates: wayside.evidence.certificate; profiles: by device. What is empty is left out.
    """
    more = {4: assurance, 5: holder, 6: reason, 7: proof, 8: list(certificates), 9: dict(profiles or {})}
    return {0: public, 1: role, 2: list(devices), 3: event} | {label: value for label, value in more.items() if value}


def command_body(target: str, origin: str, what: str, outcome: str, raw: bytes = b"") -> dict[int, Any]:
    """Somebody (`origin`) asked `target` for something, and what came of it; `raw`: the signed command, if it was."""
    return {0: target, 1: origin, 2: what, 3: outcome} | ({4: raw} if raw else {})


def decision_body(controller: str, what: str, cause: str, inputs: dict[Any, Any] | None = None) -> dict[int, Any]:
    """A controller decided; `inputs`: what it knew then, as CBOR."""
    return {0: controller, 1: what, 2: cause} | ({3: inputs} if inputs else {})


def configuration_body(digest: bytes) -> dict[int, Any]:
    """The SHA-256 of the site file that is in force from here on."""
    return {0: digest}


def overload_body(device: str, reports: int, policy: str) -> dict[int, Any]:
    """So many reports of a device gave way because the log could not take them; the policy that chose them."""
    return {0: device, 1: reports, 2: policy}


def clock_body(step_ms: int) -> dict[int, Any]:
    """The gateway's wall clock moved by so much against its monotonic clock."""
    return {0: step_ms}


def device_body(device: str, event: str, text: str, last_good_ms: int | None, unattested: int = 0) -> dict[int, Any]:
    """Something happened to a device: unreachable, back, replaced ...; UTC of its last good answer.

    unattested: how many reports, in `text`, were heard that the device never signed.
    """
    body: dict[int, Any] = {0: device, 1: event, 2: text, 3: last_good_ms}
    return body | {4: unattested} if unattested else body


def retention_body(stream: str, first: int, end: int, cause: str, origin: str = "") -> dict[int, Any]:
    """The entries of `stream` in [first, end) are erased, salt and all; their hashes stay.

    cause: "age", "size", or "size, undelivered" where a sink had not delivered all of them. origin: the log that they
    are in, an earlier epoch of the site; empty for this one.
    """
    body: dict[int, Any] = {0: stream, 1: first, 2: end, 3: cause}
    return body | {4: origin} if origin else body


def epoch_body(
    before: str, size: int, root: bytes, cause: str, note: bytes = b"", shown: Sequence[bytes] = ()
) -> dict[int, Any]:
    """The log `before` ended: its last known size and root, and why this one begins.

    note: the signed checkpoint of that size; empty where nothing was signed, or it is lost. shown: signed checkpoints
    of the site that witnesses hold and that are not contained in it, or cannot be shown to be.
    """
    body: dict[int, Any] = {0: before, 1: size, 2: root, 3: cause, 4: note or None}
    return body | {5: list(shown)} if shown else body
