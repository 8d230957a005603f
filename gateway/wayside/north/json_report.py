"""A report as one JSON object (RFC 8259), for people and dashboards: the numbers are the exact decimals of the pack.

    {"device": "meter-1", "boot": 4, "sequence": 17, "time": "2026-11-20T22:30:00.250Z",
     "time_quality": "synced", "attested": "device", "log": "site-7.example.org/log/0", "index": 1234,
     "readings": {"voltage_l1": {"value": 231.68, "unit": "V", "quality": "good"},
                  "frequency": {"value": null, "unit": "Hz", "quality": "bad", "reason": "timeout"}}}

`time` is the first reading's; a reading measured at another time has its own. Before a device's clock is set there is
no time but `since_boot_ms`, which counts from the start of boot number `boot`. (log, index) tells a repetition.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from wayside_wire.pack import Reading

from wayside.values.reading import Quality, TimeQuality, format_value

from .report import Report

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUALITIES = {quality.value: quality.name.lower() for quality in Quality}

_text = lru_cache(1024)(json.dumps)
"""A string of JSON. Devices say the same few names, units and reasons again and again."""


def as_json(report: Report) -> str:
    # json.dumps cannot write a decimal without passing it through a float, so objects are put together here.
    first_ms, quality = report.readings[0].time_ms, report.time_quality
    readings = ", ".join([_reading(each, first_ms, quality) for each in report.readings])
    return (
        f'{{"device": {_text(report.device)}, "boot": {report.boot}, "sequence": {report.sequence}, '
        f'{_time(first_ms, quality)}, "time_quality": "{quality.name.lower()}", "attested": {_text(report.attested)}, '
        f'"log": {_text(report.origin)}, "index": {report.entry_index}, "readings": {{{readings}}}}}'
    )


def _reading(reading: Reading, first_ms: int, time_quality: TimeQuality) -> str:
    channel, unit, mantissa, exponent, quality, reason, time_ms = reading
    value = "null" if mantissa is None else format_value(mantissa, exponent)
    more = f', "reason": {_text(reason)}' if reason else ""
    if time_ms != first_ms:
        more += f", {_time(time_ms, time_quality)}"
    return f'{_text(channel)}: {{"value": {value}, "unit": {_text(unit)}, "quality": "{_QUALITIES[quality]}"{more}}}'


def _time(time_ms: int, quality: TimeQuality) -> str:
    """The member of an object that says when."""
    if quality is TimeQuality.UNSYNCED:
        return f'"since_boot_ms": {time_ms}'
    try:
        time = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        return '"time": null'
    return f'"time": "{time.isoformat(timespec="milliseconds").replace("+00:00", "Z")}"'
