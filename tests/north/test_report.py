"""A report: what the log says of it, and its JSON. Accounts: influxdb #3460, #6622, n8n-nodes-influxdb #3."""

import asyncio
import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from north.far_sides import SINKS, Kind
from north.site import NOW_MS, Site
from north.test_sinks import LIMITS
from waiting import running, until
from wayside.north.forward import Forwarder
from wayside.north.json_report import as_json
from wayside.north.report import Report, reports
from wayside.values.reading import Quality, Reading, TimeQuality, format_value
from wayside_wire.pack import HOLDOVER, SYNCED, UNCERTAIN, UNSYNCED

BEFORE = Path(__file__).with_name("queued_before")
TEXT = (
    '{"device": "meter-1", "boot": 0, "sequence": 2, "time": "2026-09-21T14:13:22.000Z", "time_quality": "synced", '
    '"attested": "device", "log": "test.example/site/log/0", "index": 3, '
    '"readings": {"voltage_l1": {"value": 230.02, "unit": "V", "quality": "good"}}}'
)
"""Entry 3 of that log, as the same version sent it."""

texts = st.text(min_size=1, max_size=12)
readings = st.builds(
    lambda channel, unit, number, quality, time_ms: Reading(
        channel, unit, *((None, 0) if quality == Quality.BAD else number), quality,
        "why" if quality == Quality.BAD else "", time_ms,
    ),
    texts, texts, st.tuples(st.integers(-(2**63), 2**63), st.integers(-24, 24)), st.sampled_from(Quality),
    st.integers(0, 253402300799999),
)  # fmt: skip


def report_of(*found: Reading, quality: TimeQuality = TimeQuality.SYNCED, logged_at_ms: int | None = None) -> Report:
    return Report("test.example/log/0", 7, "device", "meter-1", 4, 17, quality, found, logged_at_ms)


@settings(max_examples=40, deadline=None)
@given(st.lists(readings, min_size=1, max_size=5, unique_by=lambda each: each.channel), st.sampled_from(TimeQuality))
def test_its_json_says_what_it_says_to_the_last_digit(found: list[Reading], quality: TimeQuality):
    told = json.loads(as_json(report_of(*found, quality=quality)), parse_float=Decimal, parse_int=Decimal)
    assert ("since_boot_ms" in told) == (quality is TimeQuality.UNSYNCED) != ("time" in told)
    assert list(told["readings"]) == [each.channel for each in found]
    for each in found:
        one = told["readings"][each.channel]
        assert (one["unit"], one["quality"]) == (each.unit, Quality(each.quality).name.lower())
        assert one.get("reason", "") == each.reason and (one["value"] is None) == (each.mantissa is None)
        if each.mantissa is not None:
            assert one["value"] == Decimal(format_value(each.mantissa, each.exponent))
        assert ("time" in one or "since_boot_ms" in one) == (each.time_ms != found[0].time_ms)


def test_a_value_keeps_the_resolution_of_its_register_so_that_a_database_sees_one_type():
    """25 and then 24.6 are an integer and a float to a database that takes its type from the first value."""
    told = [as_json(report_of(Reading("t", "Cel", value, -1, 0, "", 1))) for value in (246, 250, 0, -5)]
    values = [text.partition('"value": ')[2].partition(",")[0] for text in told]
    assert values == ["24.6", "25.0", "0.0", "-0.5"]


@pytest.mark.parametrize(
    ("quality", "logged_at_ms", "delay_s"),
    [(SYNCED, NOW_MS, 2.0), (HOLDOVER, NOW_MS, 2.0), (UNSYNCED, NOW_MS, 0.0), (SYNCED, None, 0.0), (SYNCED, 0, 0.0)],
)
def test_how_long_it_was_on_its_way(quality: int, logged_at_ms: int | None, delay_s: float):
    older, newer = (Reading("x", "V", 1, 0, UNCERTAIN, "", NOW_MS - age_ms) for age_ms in (5000, 2000))
    found = report_of(older, newer, quality=TimeQuality(quality), logged_at_ms=logged_at_ms)
    assert found.delay_s == delay_s


def test_entries_without_a_pack_have_none(tmp_path: Path):
    site = Site(tmp_path)
    site.append(site.gap_entry(0, 0, 3), site.pack_entry(site.device.pack()))
    [found] = reports(site.origin, site.log.records(0, 3))
    assert found[:7] == (site.origin, 2, "device", "meter-1", 0, 0, TimeQuality.SYNCED)
    assert found.logged_at_ms == NOW_MS
    site.log.close()


def as_it_was(folder: Path) -> Site:
    """The log of a gateway that was stopped before it was upgraded, with three reports that wait for the sink `s`."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "epoch-0.sqlite")) as db:
        db.executescript((BEFORE / "epoch-0.sql").read_text())
    with (folder / "epoch-0.signed").open("wb") as file:
        for line in (BEFORE / "epoch-0.signed.txt").read_text().splitlines():
            at, data = line.split()
            file.seek(int(at))
            file.write(bytes.fromhex(data))
        file.truncate(8192)
    return Site(folder)


@pytest.mark.parametrize("kind", SINKS.values(), ids=list(SINKS))
def test_what_waited_on_disk_before_an_upgrade_is_sent_by_every_sink(kind: Kind, tmp_path: Path):
    async def scenario() -> None:
        site = as_it_was(tmp_path / "log")
        async with kind.far_side(site, tmp_path / "far", None, False) as far:
            forwarder = Forwarder("plain", far.sink(site), site, LIMITS)
            async with running(forwarder.run()):
                await until(lambda: forwarder.lag(site.log.size) == 0)
                assert forwarder.status.refused == {"too large": 1}, "what it had given up"
                await until(lambda: {2, 3, 4} <= set(far.indices))
                assert not {0, 1} & set(far.indices), "what it had delivered"
        assert [as_json(each) for each in reports(site.origin, site.log.records(3, 1))] == [TEXT]
        site.log.close()

    (tmp_path / "far").mkdir()
    asyncio.run(scenario())
