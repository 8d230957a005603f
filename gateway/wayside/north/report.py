"""A pack as one JSON object (RFC 8259), for people and dashboards: the numbers are the exact decimals of the pack.

    {"device": "meter-1", "boot": 4, "sequence": 17, "time": "2026-11-20T22:30:00.250Z",
     "time_quality": "synced", "attested": "device", "log": "site-7.example.org/log/0", "index": 1234,
     "readings": {"voltage_l1": {"value": 231.68, "unit": "V", "quality": "good"},
                  "frequency": {"value": null, "unit": "Hz", "quality": "bad", "reason": "timeout"}}}

`time` is the first reading's; a reading measured at another time has its own. Before a device's clock is set there is
no time but `since_boot_ms`, which counts from the start of boot number `boot`. (log, index) tells a repetition.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from wayside_wire import WireError, pack

from wayside.evidence import EvidenceError
from wayside.evidence.entry import Entry, decode_entry
from wayside.evidence.kinds import Pack
from wayside.reading import Quality, Reading, TimeQuality, format_value

from .sink import Record, Rejected

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Report(NamedTuple):
    """text: JSON; delay_s: how long after its newest reading it came into the log, 0 where nobody knows."""

    device: str
    text: str
    delay_s: float


def report(origin: str, record: Record) -> Report | None:
    """The report in an entry that holds a pack; None for any other kind of entry.

    Rejected when it cannot be read: a later version may have written it.
    """
    try:
        entry = decode_entry(record.entry)
        body = entry.body
        if not isinstance(body, Pack):
            return None
        # The log holds only packs whose signature was checked on the way in, and gives out only what it holds.
        opened, _ = pack.open_pack(body.raw, lambda kid, message, signature: True)
    except (EvidenceError, WireError) as error:
        raise Rejected(f"an entry that this version cannot read: {error}") from None
    first_ms = opened.readings[0].time_ms
    quality = TimeQuality(opened.time_quality)
    members = [
        ("device", json.dumps(opened.device)),
        ("boot", str(opened.boot)),
        ("sequence", str(opened.sequence)),
        _time(first_ms, quality),
        ("time_quality", json.dumps(quality.name.lower())),
        ("attested", json.dumps(body.attested)),
        ("log", json.dumps(origin)),
        ("index", str(record.index)),
        ("readings", _object([(reading.channel, _reading(reading, first_ms, quality)) for reading in opened.readings])),
    ]
    return Report(opened.device, _object(members), _delay_s(entry, opened))


def _delay_s(entry: Entry, opened: pack.Pack) -> float:
    """Both times are the gateway's, or come from it (decision 0012)."""
    if TimeQuality.UNSYNCED in (entry.time_quality, opened.time_quality):
        return 0.0
    newest_ms = max(reading.time_ms for reading in opened.readings)
    return max(0, entry.logged_at_ms - int(newest_ms)) / 1000


def _reading(reading: Reading, first_ms: int, quality: TimeQuality) -> str:
    value = "null" if reading.mantissa is None else format_value(reading.mantissa, reading.exponent)
    members = [
        ("value", value),
        ("unit", json.dumps(reading.unit)),
        ("quality", json.dumps(Quality(reading.quality).name.lower())),
    ]
    if reading.reason:
        members.append(("reason", json.dumps(reading.reason)))
    if reading.time_ms != first_ms:
        members.append(_time(reading.time_ms, quality))
    return _object(members)


def _time(time_ms: int, quality: TimeQuality) -> tuple[str, str]:
    if quality is TimeQuality.UNSYNCED:
        return "since_boot_ms", str(time_ms)
    try:
        time = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        return "time", "null"
    return "time", json.dumps(time.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def _object(members: list[tuple[str, str]]) -> str:
    # json.dumps cannot write a decimal without passing it through a float, so objects are put together here.
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in members) + "}"
