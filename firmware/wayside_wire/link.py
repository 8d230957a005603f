"""Messages between a node and the gateway, one per frame.

Each is a CBOR array that begins with its number. Decoded messages are named tuples; `decode` refuses whatever is not
exactly one of them. The node always offers its oldest unacknowledged pack first, so `oldest` tells the gateway which
sequences it will never see again.
"""

from collections import namedtuple

from .messages import Messages
from .pack import SYNCED
from .text import is_printable, printable

VERSION = 1

HELLO, PACK, ACK, TIME, ERROR, COMMAND, ANSWER, COUNTERS = 1, 2, 3, 4, 5, 6, 7, 8

Hello = namedtuple("Hello", ("version", "kid", "boot", "board", "firmware"))
"""node -> gateway, on start and until a Time comes back. kid: 8 bytes; board, firmware: text."""

PackMessage = namedtuple("PackMessage", ("oldest_boot", "oldest_sequence", "raw"))
"""node -> gateway. Oldest boot and sequence of this device that the node still holds; raw: the signed pack."""

Ack = namedtuple("Ack", ("device", "boot", "sequence", "hash"))
"""gateway -> node: this pack is in the log and its checkpoint on disk. hash: pack_hash(raw), 16 bytes, so that an
acknowledgement of one pack can never release another."""

Time = namedtuple("Time", ("utc_ms", "time_quality"))
"""gateway -> node: the gateway's clock and what it is worth (pack.UNSYNCED, HOLDOVER, SYNCED)."""

Error = namedtuple("Error", ("code", "text"))
"""either way: what was refused and why. The sender keeps its data and tries again with back-off."""

CommandMessage = namedtuple("CommandMessage", ("raw",))
"""gateway -> node. raw: a signed command (command.py)."""

Answer = namedtuple("Answer", ("number", "status", "data"))
"""node -> gateway, to the command of this number (0: to one that could not be read). status: command.OK ...; data: the
CBOR of the result, or a text that says what was wrong."""

Counters = namedtuple("Counters", ("counts",))
"""node -> gateway, unasked, every minute or so: {text: count} of what came and what went wrong since the start."""

UNKNOWN_DEVICE, REFUSED, OUT_OF_ORDER, BUSY, BAD_MESSAGE = 1, 2, 3, 4, 5

_MAX_TEXT = 128
_MAX_NAME = 64  # of a counter
MAX_DATA = 900  # of an answer
_MAX_TIME_MS = 253402300799999  # the end of the year 9999

_SHAPES = {
    HELLO: (Hello, ("uint32", "kid", "uint32", "text", "text")),
    PACK: (PackMessage, ("uint32", "uint32", "bytes")),
    ACK: (Ack, ("text", "uint32", "uint32", "hash")),
    TIME: (Time, ("ms", "time quality")),
    ERROR: (Error, ("uint32", "text")),
    COMMAND: (CommandMessage, ("bytes",)),
    ANSWER: (Answer, ("uint64", "uint32", "data")),
    COUNTERS: (Counters, ("counts",)),
}


def error(code: int, text: str):
    """An Error whose text is cut to what a message may hold, in printable ASCII."""
    return Error(code, printable(text, _MAX_TEXT))


def encode(message) -> bytes:
    """The bytes of one of this module's named tuples; ValueError for one that `decode` would refuse."""
    return _messages.encode(message)


def decode(data: bytes):
    """The named tuple of a message; WireError for anything else."""
    return _messages.decode(data)


def _fits(value, field: str) -> bool:
    if field == "uint32":
        return _is_uint(value, 0xFFFFFFFF)
    if field == "bytes":
        return isinstance(value, bytes)
    if field == "text":
        return is_printable(value, _MAX_TEXT)
    if field == "kid":
        return isinstance(value, bytes) and len(value) == 8
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
