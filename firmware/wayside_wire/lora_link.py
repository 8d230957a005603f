"""Messages between a `radio` board and the gateway, one per frame of the serial link (frame.py).

Each is a CBOR array that begins with its number, as in link.py; the numbers are others, so that neither passes for the
other. The board knows no keys: it hands on what it hears and sends what it is given, within the law.
"""

from collections import namedtuple

from . import WireError, cbor
from .lora import MAX_FRAME
from .text import is_printable

HEARD, SEND, SENT, RADIO = 32, 33, 34, 35

Heard = namedtuple("Heard", ("age_ms", "rssi_dbm", "snr_quarter_db", "raw"))
"""radio -> gateway: a packet whose CRC was right, and how long ago it ended."""

Send = namedtuple("Send", ("number", "within_ms", "raw"))
"""gateway -> radio: send this, if that can begin so soon."""

Sent = namedtuple("Sent", ("number", "status", "airtime_us"))
"""radio -> gateway: what became of it."""

Radio = namedtuple("Radio", ("boot", "board", "firmware", "used_us", "limit_us", "counts"))
"""radio -> gateway, on start and every minute: airtime of the last hour and its limit; {text: count}."""

DONE, NO_BUDGET, CHANNEL_BUSY, TOO_LONG, FAILED = 0, 1, 2, 3, 4
"""Status of Sent. NO_BUDGET: the hour's airtime is used; TOO_LONG: over the region's longest transmission."""

_SHAPES = {
    HEARD: (Heard, ("uint", "int", "int", "raw")),
    SEND: (Send, ("uint", "uint", "raw")),
    SENT: (Sent, ("uint", "status", "uint")),
    RADIO: (Radio, ("uint", "text", "text", "uint", "uint", "counts")),
}
_NUMBERS = {shape[0]: number for number, shape in _SHAPES.items()}


def encode(message) -> bytes:
    """The bytes of one of this module's named tuples; ValueError for one that decode() would refuse."""
    number = _NUMBERS[type(message)]
    wrong = _wrong(_SHAPES[number][1], message)
    if wrong:
        raise ValueError("radio link: message %d has a field that is not %s" % (number, wrong))
    return cbor.encode([number] + list(message))


def decode(data: bytes):
    """The named tuple of a message; WireError for anything else."""
    items = cbor.decode(data, 2)
    if not (isinstance(items, list) and items and cbor.is_int(items[0]) and items[0] in _SHAPES):
        raise WireError("radio link: unknown message")
    number = items.pop(0)
    kind, fields = _SHAPES[number]
    if len(items) != len(fields):
        raise WireError("radio link: message %d has %d fields" % (number, len(items)))
    wrong = _wrong(fields, items)
    if wrong:
        raise WireError("radio link: message %d has a field that is not %s" % (number, wrong))
    return kind(*items)


def _wrong(fields, values) -> str:
    for field, value in zip(fields, values):
        if not _fits(value, field):
            return field
    return ""


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
