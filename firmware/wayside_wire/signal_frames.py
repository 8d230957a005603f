"""What a signal head hears and says: lamps ordered, permits of the monitor, lamps shown. COSE_Mac0, ten a second.

Every message begins with the same head: which junction it is of, and which version of it (`place`), whom it answers
(`to`, the nonce that the other end drew at its start, and `answers`, the number of the last message from there), and
who says it (the own `nonce` and a `number` that only grows). `signal_line` judges it. Controller and monitor have a key
each. docs/signals.md.
"""

from collections import namedtuple

from . import WireError, cbor, cose
from .cbor import is_int
from .text import is_printable

CONTENT_TYPE = "application/wayside-signal"
NONCE_SIZE = 8
NO_FAULT = bytes(NONCE_SIZE)
REASON_SIZE = 96
MAX_CHANNELS = 32

# A channel's lamps: bits that are lit; FLASH makes them flash.
RED, AMBER, GREEN, FLASH = 1, 2, 4, 8
DARK = 0

# What the node does.
FLASHING, RUNNING, FAULT = 0, 1, 2

# What the monitor says: go to flash and stay there, carry on, forget the fault, nothing yet.
STOP, FINE, RESET, WAIT = 0, 1, 2, 3

Order = namedtuple("Order", ("place", "to", "answers", "nonce", "number", "lamps"))
"""From the controller: what each channel shall show, one byte of lamp bits per channel."""

Permit = namedtuple("Permit", ("place", "to", "answers", "nonce", "number", "verdict", "fault", "watched"))
"""From the monitor: STOP, FINE, RESET or WAIT; the fault that RESET means, NO_FAULT otherwise; and for how many minutes
it has watched, all its starts together."""

Shown = namedtuple(
    "Shown",
    (
        "place", "to", "answers", "nonce", "number", "mode", "fault", "reason", "matrix", "switched", "lamps", "inputs",
    ),
)  # fmt: skip
"""From the node: what it switches, and what its lamps draw, read back; its inputs, one byte 0 or 1 each.

mode: FLASHING, RUNNING or FAULT; reason: why not RUNNING; fault: another one for each fault; matrix: the digest of its
matrix.
"""

_KINDS = (Order, Permit, Shown)


def seal(message, key) -> bytes:
    """The bytes of an Order, Permit or Shown; `key`: mac.Hmac."""
    protected = {cose.ALG: cose.HMAC_256_64, cose.CONTENT_TYPE: CONTENT_TYPE}
    fields = [_KINDS.index(type(message))]
    fields.extend(message)
    return cose.mac0(protected, cbor.encode(fields), key.tag)


def unseal(raw: bytes, key):
    """The message in `raw`; WireError for anything that is not exactly one, sealed by `key`."""

    def verify(protected, unprotected, message, tag):
        fits = protected == {cose.ALG: cose.HMAC_256_64, cose.CONTENT_TYPE: CONTENT_TYPE} and not unprotected
        return fits and key.fits(tag, message)

    fields = cbor.decode(cose.open_mac0(raw, verify)[2])
    if not (isinstance(fields, list) and fields and is_int(fields[0]) and 0 <= fields[0] < len(_KINDS)):
        raise WireError("signal: not an order, a permit or a picture")
    kind, values = _KINDS[fields[0]], fields[1:]
    checks = _CHECKS[fields[0]]
    if len(values) != len(checks):
        raise WireError("signal: wrong number of fields")
    for value, fits in zip(values, checks):
        if not fits(value):
            raise WireError("signal: a field is of the wrong type or size")
    return kind(*values)


def _is_nonce(value) -> bool:
    return isinstance(value, bytes) and len(value) == NONCE_SIZE


def _is_number(value) -> bool:
    return is_int(value) and 0 <= value < 1 << 48


def _is_lamps(value) -> bool:
    return isinstance(value, bytes) and 0 < len(value) <= MAX_CHANNELS and max(value) < 16


def _is_inputs(value) -> bool:
    return isinstance(value, bytes) and len(value) <= 64 and (not value or max(value) < 2)


def _is_mode(value) -> bool:
    return is_int(value) and FLASHING <= value <= FAULT


def _is_verdict(value) -> bool:
    return is_int(value) and STOP <= value <= WAIT


def _is_reason(value) -> bool:
    return is_printable(value, REASON_SIZE)


_CHECKED_HEAD = (_is_nonce, _is_nonce, _is_number, _is_nonce, _is_number)
_CHECKS = (
    _CHECKED_HEAD + (_is_lamps,),
    _CHECKED_HEAD + (_is_verdict, _is_nonce, _is_number),
    _CHECKED_HEAD + (_is_mode, _is_nonce, _is_reason, _is_nonce, _is_lamps, _is_lamps, _is_inputs),
)


def lamps_text(lamps: bytes) -> str:
    """Lamps for people, a letter per channel: R, A, G, X for red with amber, r, a, g flashing, - dark, ? nonsense."""
    return "".join([_LETTERS.get(byte, "?") for byte in lamps])


_LETTERS = {
    DARK: "-", RED: "R", AMBER: "A", GREEN: "G", RED | AMBER: "X", RED | FLASH: "r", AMBER | FLASH: "a",
    GREEN | FLASH: "g",
}  # fmt: skip
