"""What is inside frames on the air: reports in a few bytes, the signed head of a run of them, the gateway's answer.

A report has no names and no units: both ends have the device's profile. Several reports make one pack (pack.py), which
the node signs but does not send: the gateway makes the same bytes of the reports that it has heard, and the head brings
the signature. What came over the air is so attested by the device, in the one format that every verifier knows.
"""

import hashlib
import struct
from collections import namedtuple

from . import WireError, cbor
from .leb128 import read_unsigned, write_signed, write_unsigned
from .pack import BAD, Pack, Reading
from .senml import LAST_TIME_MS

REASONS = (
    "other fault", "no answer", "warming up", "checksum wrong", "out of range", "sensor fault", "saturated",
    "no value yet", "not calibrated", "supply low", "ageing", "moving", "broken wire",
)  # fmt: skip
"""What a bad reading may say on the air; any other reason becomes the first. Only ever appended to."""

MAX_REPORTS = 31  # of one pack
ABSENT = 3

TAKEN, MISSING, REFUSED, OUT_OF_ORDER, BUSY, TIME = 0, 1, 2, 3, 4, 5
"""Status of an answer. TAKEN: the pack is in the log; MISSING: send these reports and the head again; OUT_OF_ORDER:
older packs have to come first; BUSY: later; TIME: no pack was asked about."""

_CONFIG = 32  # in an answer's first byte: a configuration follows

ReportChannel = namedtuple("ReportChannel", ("name", "unit", "exponent"))

AirReport = namedtuple("AirReport", ("boot", "time_quality", "time_s", "readings"))
"""boot: its low six bits. All readings are of the second time_s, as pack.Pack counts time."""

AirHead = namedtuple("AirHead", ("boot", "sequence", "time_quality", "older_held", "previous", "times_s", "signature"))
"""times_s: of the reports in the pack, growing. older_held: the node still holds packs before this one."""

AirAnswer = namedtuple("AirAnswer", ("status", "time_quality", "utc_ms", "boot", "sequence", "detail", "config"))
"""utc_ms: when the uplink that it answers ended. detail: TAKEN: 8 bytes of the pack's hash; MISSING: bits of the
reports wanted, least significant first; otherwise 0. config: what lora_config.encode_config() made, empty for none."""


class AirProfile:
    """The channels of a device on the air, in their order. `digest` (8 bytes) stands for all of it."""

    def __init__(self, channels):
        self.channels = tuple(channels)
        rows = [list(channel) for channel in self.channels]
        self.digest = hashlib.sha256(cbor.encode(rows)).digest()[:8]
        self._bits = 2 * len(self.channels)


def encode_report(profile, boot: int, time_quality: int, time_s: int, readings) -> bytes:
    """The payload of one report; ValueError for a channel or exponent that the profile does not have."""
    if not 0 <= time_s <= 0xFFFFFFFF:
        raise ValueError("the time does not fit in 32 bits of seconds")
    given = {reading.channel: reading for reading in readings}
    qualities = 0
    values = bytearray()
    for place, channel in enumerate(profile.channels):
        reading = given.pop(channel.name, None)
        if reading is None:
            qualities |= ABSENT << 2 * place
            continue
        qualities |= reading.quality << 2 * place
        if reading.quality == BAD:
            values.append(REASONS.index(reading.reason) if reading.reason in REASONS else 0)
        elif (reading.unit, reading.exponent) == (channel.unit, channel.exponent):
            write_signed(values, reading.mantissa)
        else:
            raise ValueError("%s: unit and exponent are not those of the profile" % channel.name)
    if given or not values:
        raise ValueError("a report has one reading or more, of the profile's channels")
    size = (len(profile.channels) + 3) // 4
    head = struct.pack(">BI", time_quality << 6 | boot & 63, time_s)
    return head + qualities.to_bytes(size, "little") + bytes(values)


def decode_report(profile, payload: bytes):
    """The AirReport in a payload; WireError for every other byte string than encode_report() writes."""
    size = (len(profile.channels) + 3) // 4
    if len(payload) < 5 + size:
        raise WireError("LoRa report: ends early")
    first, time_s = struct.unpack(">BI", payload[:5])
    _check_time_quality(first >> 6)
    qualities = int.from_bytes(payload[5 : 5 + size], "little")
    if qualities >> 2 * len(profile.channels):
        raise WireError("LoRa report: bits beyond the last channel")
    at = 5 + size
    readings = []
    for channel in profile.channels:
        quality = qualities & 3
        qualities >>= 2
        if quality == ABSENT:
            continue
        number, at = read_unsigned(payload, at)
        if quality == BAD:
            if number >= len(REASONS):
                raise WireError("LoRa report: unknown reason %d" % number)
            value = (None, 0, BAD, REASONS[number])
        else:
            value = ((number >> 1) ^ -(number & 1), channel.exponent, quality, "")
        readings.append(_reading(channel, value, 1000 * time_s))
    if at != len(payload) or not readings:
        raise WireError("LoRa report: no reading, or bytes after the last")
    return AirReport(first & 63, first >> 6, time_s, readings)


def _reading(channel, value, time_ms: int):
    mantissa, exponent, quality, reason = value
    return Reading(channel.name, channel.unit, mantissa, exponent, quality, reason, time_ms)


def encode_head(head) -> bytes:
    """The payload of a head; ValueError for what decode_head() would refuse."""
    times = head.times_s
    if not 0 < len(times) <= MAX_REPORTS or len(head.previous) != 16 or len(head.signature) != 64:
        raise ValueError("a head has 1 to %d times, a hash of 16 bytes and a signature of 64" % MAX_REPORTS)
    out = bytearray([head.time_quality << 6 | bool(head.older_held) << 5 | len(times)])
    write_unsigned(out, head.boot)
    write_unsigned(out, head.sequence)
    out.extend(times[0].to_bytes(4, "big"))
    for place in range(1, len(times)):
        step = times[place] - times[place - 1]
        if step <= 0:
            raise ValueError("times of a head do not grow")
        write_unsigned(out, step)
    return bytes(out) + head.previous + head.signature


def decode_head(payload: bytes):
    """The AirHead in a payload; WireError otherwise."""
    if not payload or not payload[0] & 31:
        raise WireError("LoRa head: no reports")
    _check_time_quality(payload[0] >> 6)
    boot, at = read_unsigned(payload, 1)
    sequence, at = read_unsigned(payload, at)
    if boot > 0xFFFFFFFF or sequence > 0xFFFFFFFF or len(payload) < at + 4:
        raise WireError("LoRa head: boot or sequence is no 32-bit number")
    times = [int.from_bytes(payload[at : at + 4], "big")]
    at += 4
    for _ in range((payload[0] & 31) - 1):
        step, at = read_unsigned(payload, at)
        times.append(times[-1] + step)
        if step == 0 or times[-1] > 0xFFFFFFFF:
            raise WireError("LoRa head: times do not grow")
    if len(payload) != at + 80:
        raise WireError("LoRa head: not a hash and a signature at the end")
    older_held = bool(payload[0] & 32)
    return AirHead(boot, sequence, payload[0] >> 6, older_held, payload[at : at + 16], times, payload[at + 16 :])


def pack_of(device: str, head, reports: dict):
    """The Pack that the head is about; `reports`: its Reports by time. KeyError when one is not there."""
    readings = []
    for time_s in head.times_s:
        readings.extend(reports[time_s].readings)
    return Pack(device, head.boot, head.sequence, head.time_quality, head.previous, readings)


def encode_answer(answer) -> bytes:
    """The payload of an answer; ValueError for what decode_answer() would refuse."""
    if answer.status == TAKEN and len(answer.detail) != 8:
        raise ValueError("an answer that a pack is taken names it by 8 bytes of its hash")
    if not 0 <= answer.utc_ms <= LAST_TIME_MS:
        raise ValueError("an answer's time is from 1970 to the year 9999")
    out = bytearray([answer.time_quality << 6 | (_CONFIG if answer.config else 0) | answer.status])
    out.extend(answer.utc_ms.to_bytes(6, "big"))
    if answer.status != TIME:
        write_unsigned(out, answer.boot)
        write_unsigned(out, answer.sequence)
    if answer.status == TAKEN:
        out.extend(answer.detail)
    elif answer.status == MISSING:
        write_unsigned(out, answer.detail)
    return bytes(out) + answer.config


def decode_answer(payload: bytes):
    """The AirAnswer in a payload; WireError otherwise."""
    status = payload[0] & 31 if len(payload) >= 7 else TIME + 1
    if status > TIME:
        raise WireError("LoRa answer: short, or an unknown status")
    _check_time_quality(payload[0] >> 6)
    utc_ms = int.from_bytes(payload[1:7], "big")
    if utc_ms > LAST_TIME_MS:
        raise WireError("LoRa answer: a time after the year 9999")
    boot = sequence = detail = 0
    at = 7
    if status != TIME:
        boot, at = read_unsigned(payload, at)
        sequence, at = read_unsigned(payload, at)
    if status == TAKEN:
        detail = payload[at : at + 8]
        at += 8
    elif status == MISSING:
        detail, at = read_unsigned(payload, at)
        if detail == 0 or detail >> MAX_REPORTS:
            raise WireError("LoRa answer: none missing, or more than a head may have")
    config = payload[at:]
    if at > len(payload) or bool(config) != bool(payload[0] & _CONFIG) or boot > 0xFFFFFFFF or sequence > 0xFFFFFFFF:
        raise WireError("LoRa answer: bytes too many or too few")
    return AirAnswer(status, payload[0] >> 6, utc_ms, boot, sequence, detail, config)


def _check_time_quality(value: int) -> None:
    if value == 3:
        raise WireError("LoRa: unknown time quality")
