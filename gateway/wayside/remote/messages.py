"""The three signed statements of remote configuration (CDDL: docs/remote.md), and the message that carries a request.

A request names the site, its own number, and both site files by SHA-256: the one that it replaces and the new one,
which travels beside the statement. A result answers one request; a state says what is in force and which number is
next.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import Any, TypeVar

from wayside_wire import WireError, cbor, statement
from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import verifies
from wayside.trust.keys import SigningKey

MAX_FILE = 48 * 1024
MAX_MESSAGE = MAX_FILE + 2048
MAX_TEXT = 600  # bytes of a result's text; the statement has to stay below wayside_wire's limit

_PREFIX = "application/wayside-configuration-"

Verify = Callable[[bytes, bytes, bytes], bool]
"""(key id, message, signature) -> whether that key made it; WireError when there is no such key"""


@dataclass(frozen=True, slots=True)
class Request:
    """Replace the site file whose SHA-256 is `before` by that of `after`, as version `number`."""

    site: str
    number: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the request whose statement has the SHA-256 `request`; the text is for people."""

    site: str
    request: bytes
    is_done: bool
    text: str


@dataclass(frozen=True, slots=True)
class State:
    """The SHA-256 of the site file in force, and the number that the next request has to carry."""

    site: str
    next_number: int
    digest: bytes


_Kind = TypeVar("_Kind", Request, Result, State)
_FORMS: dict[type, tuple[type, ...]] = {
    Request: (str, int, bytes, bytes),
    Result: (str, bytes, bool, str),
    State: (str, int, bytes),
}


def sign(said: Request | Result | State, key: SigningKey) -> bytes:
    """The statement of `said` by `key`; ValueError when it is too large."""
    raw: bytes = statement.sign_statement(_type(type(said)), key_id(key.public), astuple(said), key.sign)
    return raw


def open_statement(raw: bytes, kind: type[_Kind], verify: Verify) -> tuple[bytes, _Kind]:
    """(key id, statement) of a kind that `verify` accepts; EvidenceError otherwise."""

    def check(kid: bytes, fields: Sequence[object], message: bytes, signature: bytes) -> bool:
        return verify(kid, message, signature)

    forms = _FORMS[kind]
    try:
        kid, fields = statement.open_statement(raw, _type(kind), len(forms), check)
    except WireError as error:
        raise EvidenceError(str(error)) from None
    if not all(type(value) is form for value, form in zip(fields, forms, strict=True)):
        raise EvidenceError(f"{_type(kind)}: a field is of the wrong type")
    return kid, kind(*fields)


def by(public: bytes) -> Verify:
    """Accepts statements by this key alone."""
    return lambda kid, message, signature: kid == key_id(public) and verifies(public, message, signature)


def pack_request(raw: bytes, file: bytes) -> bytes:
    """The message that carries the statement `raw` of a request and the new site file."""
    data: bytes = cbor.encode([raw, file])
    return data


def unpack_request(message: bytes) -> tuple[bytes, bytes]:
    """(statement, file); EvidenceError when it is not such a message."""
    if len(message) > MAX_MESSAGE:
        raise EvidenceError(f"a request of {len(message)} bytes is over {MAX_MESSAGE}")
    try:
        parts: Any = cbor.decode(message)
    except WireError as error:
        raise EvidenceError(str(error)) from None
    if not (isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, bytes) for part in parts)):
        raise EvidenceError("not an array of statement and file")
    return parts[0], parts[1]


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return sha256(data).digest()


def topic(site: str, what: str) -> str:
    """`what`: "request", "result" or "state"."""
    return f"wayside/{site}/configuration/{what}"


def _type(kind: type) -> str:
    return _PREFIX + kind.__name__.lower()
