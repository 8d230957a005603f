"""The kinds of entries, one frozen dataclass each: its fields, how they are encoded, what they may hold.

`encode` and `decode` follow the CDDL of docs/log-format.md to the letter: what that closes is refused here when it is
something else. A body is a map with small numbers as keys; a field that may be absent is absent when it is empty.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, Self

from wayside_wire import cbor
from wayside_wire.text import is_name

from wayside.evidence import EvidenceError
from wayside.evidence.origin import OriginError, parse_origin

MAX_CLASS = 4  # assurance classes C0 .. C4
MAX_TEXT = 16_384  # bytes

DEVICE_ATTESTED, GATEWAY_ATTESTED = "device", "gateway"
REGISTERED, REVOKED = "registered", "revoked"
GATEWAY, NODE, LOG, OPERATOR = "gateway", "node", "log", "operator"
AGE, SIZE, SIZE_UNDELIVERED = "age", "size", "size, undelivered"
NOT_RECORDED = "not recorded"
NOT_CERTAIN = "; not certain: "
"""In the text of such an entry, before the reasons why its times are not certain."""
DISCARD_OLDEST, REDUCE_FIDELITY, DISCARD_NEWEST = "discard-oldest", "reduce-fidelity", "discard-newest"


class EntryKind(IntEnum):
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


# --- what a field may hold ---

Test = Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value.encode()) <= MAX_TEXT


def _data(value: object) -> bool:
    return isinstance(value, bytes)


def _bytes_of(size: int) -> Test:
    return lambda value: isinstance(value, bytes) and len(value) == size


def _up_to(most: int) -> Test:
    return lambda value: bool(cbor.is_int(value)) and isinstance(value, int) and 0 <= value <= most


def _step(value: object) -> bool:
    return bool(cbor.is_int(value)) and isinstance(value, int) and abs(value) <= _MOST


def _or_null(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _one_of(*words: str) -> Test:
    return lambda value: isinstance(value, str) and value in words


def _origin(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_origin(value))
    except OriginError:
        return False


def _list_of(test: Test, least: int = 0) -> Test:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(test, value))


def _profiles(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(map(is_name, value)) and all(map(_text, value.values()))


def _inputs(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0


_MOST = 2**63 - 1
_count = _up_to(_MOST)
_uint32 = _up_to(2**32 - 1)
_kid = _bytes_of(8)


class BodyField(NamedTuple):
    """A field's key in the map, its name in the dataclass, and what it may hold. `optional`: absent when empty."""

    label: int
    name: str
    test: Test
    optional: bool = False


class Body:
    """What an entry says. Each kind has its own `fields`; `kind` is its number."""

    __slots__ = ()
    kind: ClassVar[int]
    fields: ClassVar[tuple[BodyField, ...]]

    def encode(self) -> dict[int, Any]:
        """The map of the CDDL; EvidenceError for what nobody would take when it is read again."""
        found = {}
        for label, name, test, optional in self.fields:
            value = getattr(self, name)
            if optional and not value:
                continue
            found[label] = list(value) if isinstance(value, tuple) else value
            if not test(found[label]):
                raise EvidenceError(f"{EntryKind(self.kind).name.lower()} body: {name} is out of form")
        self._check()
        return found

    @classmethod
    def decode(cls, raw: dict[Any, Any]) -> Self:
        """EvidenceError says which field is missing or out of form."""
        values = {}
        for field in cls.fields:
            if field.label not in raw:
                if not field.optional:
                    raise EvidenceError(f"field {field.label} ({field.name}) is missing")
                continue
            value = raw[field.label]
            # An optional field that is there and empty would be a second spelling of the same.
            if not field.test(value) or (field.optional and not value):
                raise EvidenceError(f"field {field.label} ({field.name}) is out of form")
            values[field.name] = tuple(value) if isinstance(value, list) else value
        if len(values) != len(raw):
            raise EvidenceError("there is a field that does not belong here")
        make: Callable[..., Self] = cls
        body = make(**values)
        body._check()
        return body

    def _check(self) -> None:
        """What ties fields to each other."""


@dataclass(frozen=True, slots=True)
class UnknownBody(Body):
    """A kind of a later version. That it is in the log is proven all the same."""

    number: int
    raw: dict[int, Any]

    @classmethod
    def of(cls, kind: int, raw: dict[Any, Any]) -> "UnknownBody":
        if not all(cbor.is_int(label) and label >= 0 for label in raw):
            raise EvidenceError("a field's key is not a number")
        return cls(kind, raw)

    def encode(self) -> dict[int, Any]:
        return self.raw


@dataclass(frozen=True, slots=True)
class PackBody(Body):
    """A pack exactly as received. `attested`: "device", signed at the source, or "gateway", polled and signed by it."""

    attested: str
    raw: bytes

    kind: ClassVar = EntryKind.PACK
    fields: ClassVar = (
        BodyField(0, "attested", _one_of(DEVICE_ATTESTED, GATEWAY_ATTESTED)),
        BodyField(1, "raw", _data),
    )


@dataclass(frozen=True, slots=True)
class GapBody(Body):
    """Sequences `first` to `last` of `boot` by the key `kid` will not come; `last` None: nobody knows how many."""

    kid: bytes
    boot: int
    first: int
    last: int | None
    cause: str

    kind: ClassVar = EntryKind.GAP
    fields: ClassVar = (
        BodyField(0, "kid", _kid),
        BodyField(1, "boot", _uint32),
        BodyField(2, "first", _uint32),
        BodyField(3, "last", _or_null(_uint32)),
        BodyField(4, "cause", _text),
    )

    def _check(self) -> None:
        if self.last is not None and self.last < self.first:
            raise EvidenceError("the gap ends before it begins")


@dataclass(frozen=True, slots=True)
class CommandBody(Body):
    """Somebody (`origin`) asked `target` for something, and what came of it; `raw`: the signed command, if it was."""

    target: str
    origin: str
    what: str
    outcome: str
    raw: bytes = b""

    kind: ClassVar = EntryKind.COMMAND
    fields: ClassVar = (
        BodyField(0, "target", _text),
        BodyField(1, "origin", _text),
        BodyField(2, "what", _text),
        BodyField(3, "outcome", _text),
        BodyField(4, "raw", _data, True),
    )


@dataclass(frozen=True, slots=True)
class DecisionBody(Body):
    """A controller decided; `inputs`: what it knew then, as CBOR."""

    controller: str
    what: str
    cause: str
    inputs: dict[Any, Any] | None = None

    kind: ClassVar = EntryKind.DECISION
    fields: ClassVar = (
        BodyField(0, "controller", _text),
        BodyField(1, "what", _text),
        BodyField(2, "cause", _text),
        BodyField(3, "inputs", _inputs, True),
    )


@dataclass(frozen=True, slots=True)
class KeyBody(Body):
    """A key that begins to count from here on, for `devices`, in `role`; or, "revoked", that no longer does.

    Registered again it counts for the devices named last, and for no others. assurance: class 0 .. 4 for C0 .. C4;
    holder: the node's or operator's name; proof: of possession, as the node signed it when it was enrolled;
    certificates: wayside.evidence.certificate; profiles: by device.
    """

    public: bytes
    role: str
    devices: tuple[str, ...]
    event: str
    assurance: int = 0
    holder: str = ""
    reason: str = ""
    proof: bytes = b""
    certificates: tuple[bytes, ...] = ()
    profiles: dict[str, str] | None = None

    kind: ClassVar = EntryKind.KEY
    fields: ClassVar = (
        BodyField(0, "public", _bytes_of(32)),
        BodyField(1, "role", _one_of(GATEWAY, NODE, LOG, OPERATOR)),
        BodyField(2, "devices", _list_of(is_name)),
        BodyField(3, "event", _one_of(REGISTERED, REVOKED)),
        BodyField(4, "assurance", _up_to(MAX_CLASS), True),
        BodyField(5, "holder", _text, True),
        BodyField(6, "reason", _text, True),
        BodyField(7, "proof", _data, True),
        BodyField(8, "certificates", _list_of(_data, 1), True),
        BodyField(9, "profiles", _profiles, True),
    )


@dataclass(frozen=True, slots=True)
class ConfigurationBody(Body):
    """The SHA-256 of the site file that is in force from here on."""

    digest: bytes

    kind: ClassVar = EntryKind.CONFIGURATION
    fields: ClassVar = (BodyField(0, "digest", _bytes_of(32)),)


@dataclass(frozen=True, slots=True)
class EpochBody(Body):
    """The log `before` ended with this last known checkpoint, and why this one begins.

    note: that checkpoint as the log signed it; None where it signed nothing, or nothing of it is known any more. shown:
    further signed checkpoints of earlier epochs that witnesses showed and that `note` cannot be shown to contain.
    """

    before: str
    size: int
    root: bytes
    cause: str
    note: bytes | None
    shown: tuple[bytes, ...] = ()

    kind: ClassVar = EntryKind.EPOCH
    fields: ClassVar = (
        BodyField(0, "before", _origin),
        BodyField(1, "size", _count),
        BodyField(2, "root", _bytes_of(32)),
        BodyField(3, "cause", _text),
        BodyField(4, "note", _or_null(_data)),
        BodyField(5, "shown", _list_of(_data, 1), True),
    )


@dataclass(frozen=True, slots=True)
class ClockBody(Body):
    """The gateway's wall clock moved by `step_ms` against its monotonic clock."""

    step_ms: int

    kind: ClassVar = EntryKind.CLOCK
    fields: ClassVar = (BodyField(0, "step_ms", _step),)


@dataclass(frozen=True, slots=True)
class OverloadBody(Body):
    """So many reports and events of the stream's device gave way because the log could not take them; the policy."""

    reports: int
    policy: str

    kind: ClassVar = EntryKind.OVERLOAD
    fields: ClassVar = (
        BodyField(0, "reports", _count),
        BodyField(1, "policy", _one_of(DISCARD_OLDEST, REDUCE_FIDELITY, DISCARD_NEWEST)),
    )


@dataclass(frozen=True, slots=True)
class RetentionBody(Body):
    """The entries of this stream with numbers in [first, end) are erased, salt and all; their hashes stay.

    cause: "age", "size", or "size, undelivered" where a sink had not delivered all of them. origin: the log that they
    are in, an earlier epoch of the site; empty for this one.
    """

    first: int
    end: int
    cause: str
    origin: str = ""

    kind: ClassVar = EntryKind.RETENTION
    fields: ClassVar = (
        BodyField(0, "first", _count),
        BodyField(1, "end", _count),
        BodyField(2, "cause", _one_of(AGE, SIZE, SIZE_UNDELIVERED)),
        BodyField(3, "origin", _origin, True),
    )

    def _check(self) -> None:
        if self.end <= self.first:
            raise EvidenceError("nothing is erased")


@dataclass(frozen=True, slots=True)
class DeviceBody(Body):
    """Something happened to the stream's device: unreachable, back, replaced ...; UTC of its last good answer.

    Of event "not recorded": nothing of it was recorded from last_good_ms on until this entry.
    unattested: how many reports, in `text`, were heard that the device never signed.
    """

    event: str
    text: str
    last_good_ms: int | None
    unattested: int = 0

    kind: ClassVar = EntryKind.DEVICE
    fields: ClassVar = (
        BodyField(0, "event", _text),
        BodyField(1, "text", _text),
        BodyField(2, "last_good_ms", _or_null(_count)),
        BodyField(3, "unattested", _count, True),
    )


BODIES: dict[int, type[Body]] = {
    each.kind: each
    for each in (
        PackBody,
        GapBody,
        CommandBody,
        DecisionBody,
        KeyBody,
        ConfigurationBody,
        EpochBody,
        ClockBody,
        OverloadBody,
        RetentionBody,
        DeviceBody,
    )
}
