"""A node's Bluetooth service for the bench: a characteristic for each channel, and one that takes commands.

docs/node.md has the table. A value is quality, number of the reason (lora_report.REASONS), exponent and mantissa; a bad
one ends after the reason. Commands and answers are the messages of `link`, in its frames.
"""

import struct

from . import WireError
from .lora_report import REASONS
from .senml import BAD, GOOD, UNCERTAIN

# Random, as Bluetooth Core 5.4 (volume 3 part B section 2.5.1) wants UUIDs of one's own.
SERVICE = "9a440001-1204-4beb-837e-52e996f18ed9"
VALUE = "9a440002-1204-4beb-837e-52e996f18ed9"
COMMAND = "9a440003-1204-4beb-837e-52e996f18ed9"
ANSWER = "9a440004-1204-4beb-837e-52e996f18ed9"

_FORMAT = "<BBbq"
_SIZE = 11  # what one notification carries whatever the peers agree on: 20


def encode_value(reading) -> bytes:
    """A reading without its name. What 64 bits do not hold is bad."""
    mantissa = reading.mantissa
    if mantissa is None or not -(1 << 63) <= mantissa < 1 << 63:
        reason = reading.reason if mantissa is None else "out of range"
        return bytes([BAD, REASONS.index(reason) if reason in REASONS else 0])
    return struct.pack(_FORMAT, reading.quality, 0, reading.exponent, mantissa)


def decode_value(data: bytes):
    """(quality, mantissa or None, exponent, reason); WireError for what encode_value() does not write."""
    if len(data) == 2 and data[0] == BAD and data[1] < len(REASONS):
        return BAD, None, 0, REASONS[data[1]]
    if len(data) != _SIZE or data[0] not in (GOOD, UNCERTAIN) or data[1]:
        raise WireError("bench: not a value")
    quality, _, exponent, mantissa = struct.unpack(_FORMAT, data)
    return quality, mantissa, exponent, ""


def described(channel) -> str:
    """What a characteristic's user description says: name, and unit where there is one."""
    return channel.name + " " + channel.unit if channel.unit else channel.name
