"""Messages between a node and the gateway, one per frame.

Each is a CBOR array that begins with its number. Decoded messages are named tuples; `decode` refuses whatever is not
exactly one of them. The node always offers its oldest unacknowledged pack first, so `oldest` tells the gateway which
sequences it will never see again.

Only UNSEALED messages go over the line as they are; every other one is inside of a Sealed (session.py), so that nobody
else can say it.
"""

from collections import namedtuple

from . import WireError, cbor
from .messages import Messages
from .pack import SYNCED
from .text import is_printable, printable

VERSION = 2

HELLO, PACK, ACK, TIME, ERROR, COMMAND, ANSWER, COUNTERS, SEALED, WELCOME, CONFIRM, ASK, GIVEN_UP = range(1, 14)


class OtherVersion(WireError):
    """A hello of another version of this link; the text says which."""


Hello = namedtuple("Hello", ("version", "kid", "share"))
"""node -> gateway, until a session stands. kid: 8 bytes; share: 32 bytes, X25519, fresh for each session."""

Welcome = namedtuple("Welcome", ("raw",))
"""gateway -> node, to a hello. raw: a statement that the gateway signed (session.py)."""

Confirm = namedtuple("Confirm", ("raw",))
"""node -> gateway, to a welcome: with it the session stands. raw: a statement that the node signed (session.py)."""

Sealed = namedtuple("Sealed", ("session", "number", "message", "tag"))
"""either way. session: 8 bytes; number: above every one before in this session and direction; message: the bytes of
one that is not UNSEALED; tag: 8 bytes over the three."""

PackMessage = namedtuple("PackMessage", ("oldest_boot", "oldest_sequence", "raw"))
"""node -> gateway. Oldest boot and sequence of this device that the node still holds; raw: the signed pack."""

Ack = namedtuple("Ack", ("device", "boot", "sequence", "hash"))
"""gateway -> node: this pack is in the log and its checkpoint on disk. hash: pack_hash(raw), 16 bytes, so that an
acknowledgement of one pack can never release another."""

AskTime = namedtuple("AskTime", ())
"""node -> gateway: what time is it? A confirmation asks that too."""

TimeMessage = namedtuple("TimeMessage", ("utc_ms", "time_quality", "asked"))
"""gateway -> node: the gateway's clock and what it is worth (pack.UNSYNCED, HOLDOVER, SYNCED). asked: the number of the
Sealed with the AskTime that this answers, 0 for the Confirm; so the node knows how old the answer may be."""

Error = namedtuple("Error", ("code", "text"))
"""either way: what was refused and why. The sender keeps its data and tries again with back-off. Unsealed it is a hint
to people, and with NO_SESSION to the node that it should say hello."""

CommandMessage = namedtuple("CommandMessage", ("raw",))
"""gateway -> node. raw: a signed command (command.py)."""

CommandAnswer = namedtuple("CommandAnswer", ("number", "status", "data"))
"""node -> gateway, to the command of this number (0: to one that could not be read). status: command.OK ...; data: the
CBOR of the result, or a text that says what was wrong."""

CountersMessage = namedtuple("CountersMessage", ("counts",))
"""node -> gateway, unasked, every minute or so: {text: count} of what came and what went wrong since the start."""

GivenUp = namedtuple("GivenUp", ("device", "boot", "sequence", "hash", "held"))
"""node -> gateway: this device is not the node's any more, and nothing more of it will come. boot, sequence, hash: what
the node knows of its last pack; held: packs that it has still, 0 when there are none. An Ack of the same answers it."""

UNKNOWN_DEVICE, REFUSED, OUT_OF_ORDER, BUSY, BAD_MESSAGE, NO_SESSION = 1, 2, 3, 4, 5, 6

UNSEALED = (Hello, Welcome, Confirm, Sealed)
"""What is never inside of a Sealed. An Error may be either."""

_MAX_TEXT = 128
_MAX_NAME = 64  # of a counter
MAX_DATA = 900  # of an answer
_MAX_TIME_MS = 253402300799999  # the end of the year 9999

_SHAPES = {
    HELLO: (Hello, ("uint32", "eight", "share")),
    PACK: (PackMessage, ("uint32", "uint32", "bytes")),
    ACK: (Ack, ("text", "uint32", "uint32", "hash")),
    TIME: (TimeMessage, ("ms", "time quality", "uint64")),
    ERROR: (Error, ("uint32", "text")),
    COMMAND: (CommandMessage, ("bytes",)),
    ANSWER: (CommandAnswer, ("uint64", "uint32", "data")),
    COUNTERS: (CountersMessage, ("counts",)),
    SEALED: (Sealed, ("eight", "uint64", "bytes", "eight")),
    WELCOME: (Welcome, ("bytes",)),
    CONFIRM: (Confirm, ("bytes",)),
    ASK: (AskTime, ()),
    GIVEN_UP: (GivenUp, ("text", "uint32", "uint32", "hash", "uint32")),
}


def error(code: int, text: str):
    """An Error whose text is cut to what a message may hold, in printable ASCII."""
    return Error(code, printable(text, _MAX_TEXT))


def encode(message) -> bytes:
    """The bytes of one of this module's named tuples; ValueError for one that `decode` would refuse."""
    return _messages.encode(message)


def encode_sealed(session: bytes, number: int, inner: bytes, tag: bytes) -> bytes:
    """As encode() of a Sealed in form: each message goes in one, and a board took longer for it than for the MAC."""
    out = bytearray(b"\x85\x09\x48")  # an array of five, SEALED, eight bytes
    out.extend(session)
    cbor.write_int(out, number)
    cbor.write_bytes(out, inner)
    out.append(0x48)
    out.extend(tag)
    return bytes(out)


def decode(data: bytes):
    """The named tuple of a message; OtherVersion for a hello of one, WireError for anything else."""
    try:
        message = _messages.decode(data)
    except WireError as error:
        _refuse_other_version(_version(data))
        raise error
    if isinstance(message, Hello):
        _refuse_other_version(message.version)
    return message


def _is_hello(number) -> bool:
    return cbor.is_int(number) and number == HELLO


def _refuse_other_version(version) -> None:
    if version is not None and version != VERSION:
        raise OtherVersion("link version %d, this end speaks %d: update one" % (version, VERSION))


def _version(data: bytes):
    """The version in a hello, which may be of another form in another version; None in anything else."""
    try:
        items = cbor.decode(data, 2)
    except WireError:
        return None
    if isinstance(items, list) and len(items) > 1 and _is_hello(items[0]) and _is_uint(items[1], 0xFFFFFFFF):
        return items[1]
    return None


def _fits(value, field: str) -> bool:
    if field == "uint32":
        return _is_uint(value, 0xFFFFFFFF)
    if field == "bytes":
        return isinstance(value, bytes)
    if field == "text":
        return is_printable(value, _MAX_TEXT)
    if field == "eight":
        return isinstance(value, bytes) and len(value) == 8
    if field == "share":
        return isinstance(value, bytes) and len(value) == 32
    if field == "hash":
        return isinstance(value, bytes) and len(value) == 16
    if field == "ms":
        return _is_uint(value, _MAX_TIME_MS)
    if field == "time quality":
        return _is_uint(value, SYNCED)
    if field == "uint64":
        return _is_uint(value, 0xFFFFFFFFFFFFFFFF)
    if field == "counts":
        return isinstance(value, dict) and all([_is_count(name, value[name]) for name in value])
    return isinstance(value, bytes) and len(value) <= MAX_DATA  # "data"


def _is_count(name, count) -> bool:
    return is_printable(name, _MAX_NAME) and _is_uint(count, 0xFFFFFFFF)


def _is_uint(value, limit: int) -> bool:
    return isinstance(value, int) and value is not True and value is not False and 0 <= value <= limit


_messages = Messages("link", _SHAPES, _fits)
