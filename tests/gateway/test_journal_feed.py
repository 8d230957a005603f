"""What controllers decide becomes entries of the log: once, in order, over crashes, full disks and new epochs."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from waiting import until
from wayside.clock import SystemClock
from wayside.control.journal import Appender, Journal
from wayside.daemon.journal_feed import JournalFeed, note_of
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import Decision
from wayside.evidence.stream import journal_stream
from wayside.intake.commit import Committer
from wayside.log import Log, LogError, LogReader
from wayside.site.log import latest_note
from wayside.supervise import background
from wayside.trust.keys import SoftwareKey

KEY = SoftwareKey(bytes(32))
DAY_MS = 86_400_000


def open_log(folder: Path) -> Log:
    return Log(folder / "log", "test.example", KEY.public, KEY.sign, lambda: (1, 2))


class SetClock(SystemClock):
    """Its day is what a test says."""

    day = 20_000

    def utc_ms(self) -> int:
        return self.day * DAY_MS + 1


def decide(folder: Path, first: int, end: int, days: Sequence[int] = (), keep_days: int = 30) -> None:
    """A controller, until it stops; before each decision its clock is set to the next of `days`."""
    (folder / "journal").mkdir(exist_ok=True)
    appender, clock = Appender(print), SetClock() if days else SystemClock()
    journal = Journal(folder / "journal", appender, clock, keep_days)
    for number in range(first, end):
        if isinstance(clock, SetClock):
            clock.day = days[(number - first) % len(days)]
        journal.add(Decision("signals", f"stage {number}", "a car"))
    appender.close()


def taken(folder: Path, epoch: int | None = None) -> list[str]:
    log = LogReader(folder / "log", epoch=epoch)
    found = [decode_entry(record.entry) for record in log.records(0, log.size)]
    log.close()
    return [entry.body.what for entry in found if isinstance(entry.body, Decision)]


def feed(folder: Path, wanted: int, begin: bytes = b"", log: Log | None = None) -> JournalFeed:
    """Run a feed until it has taken so many."""

    async def whole() -> JournalFeed:
        committer = Committer(log or open_log(folder), 0.001)
        made = JournalFeed("junction-7", folder / "journal", committer, SystemClock(), lambda log: begin, every_s=0.01)
        async with asyncio.timeout(30), background(committer.run), background(made.run):
            await until(lambda: made.taken >= wanted)
        return made

    return asyncio.run(whole())


def stages(first: int, end: int) -> list[str]:
    return [f"stage {number}" for number in range(first, end)]


def test_each_decision_is_taken_once_over_restarts_of_both(tmp_path: Path):
    decide(tmp_path, 0, 250)
    feed(tmp_path, 250)
    assert taken(tmp_path) == stages(0, 250)
    decide(tmp_path, 250, 260)
    feed(tmp_path, 10)
    feed(tmp_path, 0)
    assert taken(tmp_path) == stages(0, 260)


def test_entries_keep_the_time_at_which_they_were_decided(tmp_path: Path):
    decide(tmp_path, 0, 1)
    feed(tmp_path, 1)
    log = LogReader(tmp_path / "log")
    assert decode_entry(log.records(0, 1)[0].entry).logged_at_ms > 1_700_000_000_000
    assert log.indexes_of(journal_stream("junction-7"), 0, 9) == [0]


def test_a_torn_end_waits_and_a_spoilt_entry_is_said(tmp_path: Path):
    decide(tmp_path, 0, 3)
    (path,) = (tmp_path / "journal").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    feed(tmp_path, 2)
    path.write_bytes(whole)
    feed(tmp_path, 1)
    assert taken(tmp_path) == stages(0, 3)
    decide(tmp_path, 3, 5)
    spoilt = bytearray(path.read_bytes())
    spoilt[-1] ^= 1
    path.write_bytes(spoilt)

    async def scenario() -> None:
        committer = Committer(open_log(tmp_path), 0.001)
        made = JournalFeed("junction-7", tmp_path / "journal", committer, SystemClock(), every_s=0.01)
        async with asyncio.timeout(30), background(committer.run), background(made.run):
            await until(lambda: "is spoilt" in made.problem)

    asyncio.run(scenario())
    assert taken(tmp_path) == stages(0, 4), "what stands before it is taken"
    decide(tmp_path, 5, 7)
    feed(tmp_path, 3)
    assert taken(tmp_path) == [*stages(0, 4), "entries of this journal are lost", *stages(5, 7)]


def test_nothing_is_written_behind_a_torn_end(tmp_path: Path):
    """A power cut of the controller; what it decides when it is back must not be spoilt by that."""
    decide(tmp_path, 0, 3)
    (path,) = (tmp_path / "journal").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    decide(tmp_path, 3, 5)
    feed(tmp_path, 4)
    assert taken(tmp_path) == [*stages(0, 2), *stages(3, 5)]


@pytest.mark.parametrize("days", [(20_000, 19_999), (20_000, 0, 20_000), (20_001, 20_000, 20_000), (0, 20_000, 1)])
@pytest.mark.parametrize("at_once", [True, False], ids=["taken at once", "taken in the end"])
def test_a_clock_that_goes_back_loses_no_decision(tmp_path: Path, days: Sequence[int], at_once: bool):
    """Files were followed by their names, which are days: 10 to 30 of 50 decisions were lost."""
    for first in range(0, 50, 10):
        decide(tmp_path, first, first + 10, days, keep_days=3)
        if at_once:
            feed(tmp_path, 10)
    if not at_once:
        feed(tmp_path, 50)
    assert taken(tmp_path) == stages(0, 50)


def test_the_file_that_is_written_is_none_of_the_old_ones(tmp_path: Path):
    """Removed are those of other days, by their sequence: the file of a clock that is back in 1970 is the newest."""
    decide(tmp_path, 0, 12, [20_000, 20_001, 20_002, 20_003, 0, 1], keep_days=3)
    names = sorted(path.name for path in (tmp_path / "journal").iterdir())
    assert [name[12:22] for name in names][-3:] == ["2024-10-07", "1970-01-01", "1970-01-02"]
    feed(tmp_path, len(names))
    assert taken(tmp_path)[-3:] == stages(9, 12)


def test_files_of_a_version_that_named_them_by_the_day_come_first(tmp_path: Path):
    decide(tmp_path, 0, 4)
    (path,) = (tmp_path / "journal").iterdir()
    path.rename(path.with_name(path.name[12:]))
    feed(tmp_path, 4)
    decide(tmp_path, 4, 8, [0])
    feed(tmp_path, 4)
    assert taken(tmp_path) == stages(0, 8)


def test_a_log_that_refuses_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    decide(tmp_path, 0, 5)
    log = open_log(tmp_path)
    append, refusals = log.append, iter(range(3))

    def refuse(entries: object) -> int:
        if next(refusals, None) is not None:
            raise LogError("no space left on device")
        return append(entries)  # type: ignore[arg-type]

    monkeypatch.setattr(log, "append", refuse)
    feed(tmp_path, 5, log=log)
    assert taken(tmp_path) == stages(0, 5)


def test_a_new_epoch_goes_on_where_the_one_before_ended(tmp_path: Path):
    decide(tmp_path, 0, 4)
    feed(tmp_path, 4)
    log = open_log(tmp_path)
    other = SoftwareKey(bytes(range(32)))
    log.rotate(other.public, other.sign, lambda: (1, 2))
    begin = latest_note(tmp_path / "log", log, note_of("junction-7"))
    decide(tmp_path, 4, 6)
    feed(tmp_path, 2, begin, log)
    assert taken(tmp_path, 0) == stages(0, 4) and taken(tmp_path, 1) == stages(4, 6)
