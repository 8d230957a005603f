"""A disk that has damaged some of what was logged: no sink sends it, each names it, and goes on."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from north.site import Site
from north.test_forward import FAST, ScriptedSink
from waiting import running, until
from wayside.net.far_side import Rejected, Unreachable
from wayside.north.forward import Forwarder
from wayside.north.report import reports


def rot(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "epoch-0.sqlite")) as db, db:
        db.execute(statement)


def test_a_damaged_entry_is_a_named_dead_letter_and_the_rest_goes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One with a flipped bit, which would go out as a good value, and garbage."""

    async def scenario() -> None:
        site, sink = Site(tmp_path), ScriptedSink()
        site.packs(20)
        right = site.log.records(0, 21)
        rot(tmp_path, "UPDATE entry SET data = CAST(replace(data, x'59D9', x'79D9') AS BLOB) WHERE idx = 2")
        rot(tmp_path, "UPDATE entry SET data = zeroblob(40) WHERE idx IN (11, 12)")
        assert site.log.records(2, 1)[0].damaged, "23001 is in it"
        forwarder = Forwarder("s", sink, site, FAST)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(21) == 0 and forwarder.status.dead_letters == 3)
        assert sorted(sink.indices()) == [index for index in range(21) if index not in (2, 11, 12)]
        assert all(record == right[record.index] for batch in sink.taken for record in batch.records)
        assert forwarder.status.delivered == 18
        named = {"entry 2 is damaged in the log": 1, "2 entries from 11 to 12 are damaged in the log": 2}
        assert forwarder.status.refused == named
        assert site.log.dead_letters() == [("s", index, "damaged in the log") for index in (2, 11, 12)]
        assert sum("goes on without" in each.message for each in caplog.records) == 2
        site.log.close()

    asyncio.run(scenario())


def test_a_far_side_that_is_away_has_it_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        site, sink = Site(tmp_path), ScriptedSink()
        site.packs(5)
        rot(tmp_path, "UPDATE entry SET data = zeroblob(40) WHERE idx = 3")
        tries = 0

        def verdict(_: object) -> None:
            nonlocal tries
            tries += 1
            if tries < 6:
                raise Unreachable("away")

        sink._verdict = verdict
        forwarder = Forwarder("s", sink, site, FAST)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(6) == 0)
        assert tries > 6 and forwarder.status.dead_letters == 1
        site.log.close()

    asyncio.run(scenario())


def test_an_entry_of_a_later_version_is_a_dead_letter_too(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.append(site.pack_entry(b"\xff a pack that only a later version knows"))
    with pytest.raises(Rejected, match="this version cannot read"):
        reports(site.origin, site.log.records(1, 1))
    site.log.close()
