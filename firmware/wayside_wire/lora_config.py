"""Configuration over the air, and what a node says of itself. Formats: docs/lora.md.

A configuration comes inside an answer (lora_report.py), whole: what it does not name is as the node's own file says. It
has a version that only grows. The node tries it, keeps it once it has heard the gateway under it, and says by a status
what it has: version and hash of what is in force, and what became of the one tried last.
"""

import hashlib
from collections import namedtuple

from . import WireError
from .leb128 import read_unsigned, write_unsigned

AirConfig = namedtuple("AirConfig", ("version", "trial", "report_s", "sign_every", "sf", "channels", "thresholds"))
"""trial: how many frames in a row may go unanswered before the one before counts again. report_s, sign_every, sf,
channels, thresholds: None for the file's. channels: names of those that are reported, in the profile's order.
thresholds: {channel: mantissa}: a report is due as soon as the value has moved by so much."""

NONE, TRYING, KEPT, ROLLED_BACK, REFUSED = 0, 1, 2, 3, 4
"""What became of a configuration. ROLLED_BACK: nobody was heard under it; REFUSED: it is not for this node."""

AirStatus = namedtuple("AirStatus", ("boot", "version", "digest", "tried", "outcome", "unsent", "busy", "lost"))
"""version, digest: of the configuration in force, 0 and empty bytes for the node's file. tried, outcome: the last that
came. Counted since the start: unsent: frames for which there was no airtime; busy: frames for which the channel was
never free; lost: reports that could not be kept."""

MAX_REPORT_S = 86400
DIGEST_SIZE = 8

_UINT32 = 0xFFFFFFFF
_REPORT_S, _SIGN_EVERY, _SF, _CHANNELS, _THRESHOLDS = 1, 2, 4, 8, 16


def digest_of(payload: bytes) -> bytes:
    """What stands for a configuration in a status."""
    return hashlib.sha256(payload).digest()[:DIGEST_SIZE]


def encode_config(profile, config) -> bytes:
    """The bytes of a configuration for a device with this profile; ValueError for what decode_config() would refuse."""
    wrong = _wrong(profile, config)
    if wrong:
        raise ValueError(wrong)
    named = 0
    out = bytearray()
    for bit, value in ((_REPORT_S, config.report_s), (_SIGN_EVERY, config.sign_every), (_SF, config.sf)):
        if value is not None:
            named |= bit
            write_unsigned(out, value)
    if config.channels is not None:
        named |= _CHANNELS
        bits = 0
        for place, channel in enumerate(profile.channels):
            bits |= (channel.name in config.channels) << place
        out.extend(bits.to_bytes(_mask_size(profile), "little"))
    if config.thresholds is not None:
        named |= _THRESHOLDS
        for channel in profile.channels:
            write_unsigned(out, config.thresholds.get(channel.name, 0))
    first = bytearray()
    write_unsigned(first, config.version)
    return bytes(first) + bytes([named, config.trial]) + bytes(out)


def decode_config(profile, payload: bytes):
    """The AirConfig in these bytes; WireError for every other byte string than encode_config() writes."""
    version, at = read_unsigned(payload, 0)
    if len(payload) < at + 2 or payload[at] > 31:
        raise WireError("LoRa configuration: ends early, or has fields that are not known")
    named, trial = payload[at], payload[at + 1]
    at += 2
    numbers = []
    for bit in (_REPORT_S, _SIGN_EVERY, _SF):
        number = None
        if named & bit:
            number, at = read_unsigned(payload, at)
        numbers.append(number)
    channels = thresholds = None
    if named & _CHANNELS:
        size = _mask_size(profile)
        bits = int.from_bytes(payload[at : at + size], "little")
        at += size
        if bits >> len(profile.channels):
            raise WireError("LoRa configuration: bits beyond the last channel")
        channels = [channel.name for place, channel in enumerate(profile.channels) if bits >> place & 1]
    if named & _THRESHOLDS:
        thresholds = {}
        for channel in profile.channels:
            number, at = read_unsigned(payload, at)
            if number:
                thresholds[channel.name] = number
    report_s, sign_every, sf = numbers
    config = AirConfig(version, trial, report_s, sign_every, sf, channels, thresholds)
    wrong = _wrong(profile, config)
    if at != len(payload) or wrong:
        raise WireError("LoRa configuration: " + (wrong or "bytes too many or too few"))
    return config


def _wrong(profile, config) -> str:
    """What is wrong with a configuration, empty when nothing is."""
    limits = (
        ("version", config.version, 1, _UINT32),
        ("trial", config.trial, 1, 255),
        ("report_s", config.report_s, 1, MAX_REPORT_S),
        ("sign_every", config.sign_every, 1, 31),
        ("sf", config.sf, 7, 12),
    )
    for name, value, least, most in limits:
        if value is not None and not least <= value <= most:
            return "%s is %d to %d" % (name, least, most)
    names = [channel.name for channel in profile.channels]
    channels = names if config.channels is None else config.channels
    if not channels or [name for name in names if name in channels] != list(channels):
        return "channels are one or more of the profile's, in its order"
    for name, step in (config.thresholds or {}).items():
        if name not in channels:
            return "a threshold is for a channel that is reported"
        if not 0 < step < 1 << 63:
            return "a threshold is above 0 and fits in 64 bits"
    return ""


def _mask_size(profile) -> int:
    return (len(profile.channels) + 7) // 8


def encode_status(status) -> bytes:
    """The payload of a status; ValueError for what decode_status() would refuse."""
    if len(status.digest) != (DIGEST_SIZE if status.version else 0) or bool(status.tried) != bool(status.outcome):
        raise ValueError("a version has a digest, and what was tried an outcome")
    out = bytearray([status.outcome])
    for number in (status.boot, status.version):
        write_unsigned(out, number)
    out.extend(status.digest)
    for number in (status.tried, status.unsent, status.busy, status.lost):
        write_unsigned(out, min(number, _UINT32))
    return bytes(out)


def decode_status(payload: bytes):
    """The AirStatus in a payload; WireError otherwise."""
    if not payload or payload[0] > REFUSED:
        raise WireError("LoRa status: no outcome that is known")
    boot, at = read_unsigned(payload, 1)
    version, at = read_unsigned(payload, at)
    digest = payload[at : at + DIGEST_SIZE] if version else b""
    at += DIGEST_SIZE if version else 0
    numbers = []
    for _ in range(4):
        number, at = read_unsigned(payload, at)
        numbers.append(number)
    if at != len(payload) or max(boot, version, *numbers) > _UINT32 or bool(numbers[0]) != bool(payload[0]):
        raise WireError("LoRa status: bytes too many, a number over 32 bits, or an outcome of nothing")
    tried, unsent, busy, lost = numbers
    return AirStatus(boot, version, digest, tried, payload[0], unsent, busy, lost)
