"""Messages between a `radio` board and the gateway, one per frame of the serial link (frame.py).

Each is a CBOR array that begins with its number, as in link.py; the numbers are others, so that neither passes for the
other. The board knows no keys: it hands on what it hears and sends what it is given, within the law.
"""

from collections import namedtuple

from . import cbor
from .lora import MAX_FRAME
from .messages import Messages
from .text import is_printable

HEARD, SEND, SENT, RADIO = 32, 33, 34, 35

HeardFrame = namedtuple("HeardFrame", ("age_ms", "rssi_dbm", "snr_quarter_db", "raw"))
"""radio -> gateway: a packet whose CRC was right, and how long ago it ended."""

Send = namedtuple("Send", ("number", "within_ms", "raw"))
"""gateway -> radio: send this, if that can begin so soon."""

Sent = namedtuple("Sent", ("number", "status", "airtime_us"))
"""radio -> gateway: what became of it."""

RadioStatus = namedtuple("RadioStatus", ("boot", "board", "firmware", "used_us", "limit_us", "counts"))
"""radio -> gateway, on start and every minute: airtime of the last hour and its limit; {text: count}."""

DONE, NO_BUDGET, CHANNEL_BUSY, TOO_LONG, FAILED = 0, 1, 2, 3, 4
"""Status of Sent. NO_BUDGET: the hour's airtime is used; TOO_LONG: over the region's longest transmission."""

_SHAPES = {
    HEARD: (HeardFrame, ("uint", "int", "int", "raw")),
    SEND: (Send, ("uint", "uint", "raw")),
    SENT: (Sent, ("uint", "status", "uint")),
    RADIO: (RadioStatus, ("uint", "text", "text", "uint", "uint", "counts")),
}


def encode(message) -> bytes:
    """The bytes of one of this module's named tuples; ValueError for one that decode() would refuse."""
    return _messages.encode(message)


def decode(data: bytes):
    """The named tuple of a message; WireError for anything else."""
    return _messages.decode(data)


def _fits(value, field: str) -> bool:
    if field == "raw":
        return isinstance(value, bytes) and 0 < len(value) <= MAX_FRAME
    if field == "text":
        return is_printable(value, 128)
    if field == "counts":
        return isinstance(value, dict) and all([is_printable(key, 64) and _fits(value[key], "uint") for key in value])
    if not cbor.is_int(value):
        return False
    if field == "int":
        return -32768 <= value <= 32767
    if field == "status":
        return DONE <= value <= FAILED
    return 0 <= value <= 0xFFFFFFFF


_messages = Messages("radio link", _SHAPES, _fits)
