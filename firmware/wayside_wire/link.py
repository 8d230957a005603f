"""Messages between a node and the gateway, one per frame.

Each is a CBOR array that begins with its number. Decoded messages are named tuples; `decode` refuses whatever is not
exactly one of them. The node always offers its oldest unacknowledged pack first, so `oldest` tells the gateway which
sequences it will never see again.
"""

from collections import namedtuple

from . import WireError, cbor

VERSION = 1

HELLO, PACK, ACK, TIME, ERROR = 1, 2, 3, 4, 5

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

UNKNOWN_DEVICE, REFUSED, OUT_OF_ORDER, BUSY, BAD_MESSAGE = 1, 2, 3, 4, 5

_SHAPES = {
    HELLO: (Hello, ("uint", "kid", "uint", "text", "text")),
    PACK: (PackMessage, ("uint", "uint", "bytes")),
    ACK: (Ack, ("text", "uint", "uint", "hash")),
    TIME: (Time, ("uint", "uint")),
    ERROR: (Error, ("uint", "text")),
}
_NUMBERS = {Hello: HELLO, PackMessage: PACK, Ack: ACK, Time: TIME, Error: ERROR}


def encode(message) -> bytes:
    """The bytes of one of this module's named tuples."""
    return cbor.encode([_NUMBERS[type(message)]] + list(message))


def decode(data: bytes):
    """The named tuple of a message; WireError for anything else."""
    items = cbor.decode(data, 2)
    if not (isinstance(items, list) and items and cbor.is_int(items[0]) and items[0] in _SHAPES):
        raise WireError("link: unknown message")
    kind, fields = _SHAPES[items[0]]
    if len(items) != len(fields) + 1:
        raise WireError("link: message %d has %d fields" % (items[0], len(items) - 1))
    for value, field in zip(items[1:], fields):
        if not _fits(value, field):
            raise WireError("link: message %d has a field that is not %s" % (items[0], field))
    return kind(*items[1:])


def _fits(value, field: str) -> bool:
    if field == "uint":
        return cbor.is_int(value) and value >= 0
    if field == "text":
        return isinstance(value, str) and len(value) <= 128
    if field == "kid":
        return isinstance(value, bytes) and len(value) == 8
    if field == "hash":
        return isinstance(value, bytes) and len(value) == 16
    return isinstance(value, bytes)
