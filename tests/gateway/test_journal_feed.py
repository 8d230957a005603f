"""What controllers decide becomes entries of the log: once, in order, over crashes, full disks and new epochs."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from waiting import until
from wayside.control import journal as control_journal
from wayside.control.follow import follow
from wayside.control.journal import Appender, Journal
from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import Body, ClockBody, DecisionBody, RetentionBody
from wayside.evidence.stream import journal_stream
from wayside.intake.commit import Committer
from wayside.kinds.journal_feed import JournalFeed, note_of
from wayside.log import Log, LogError, LogReader
from wayside.runtime.clock import SystemClock
from wayside.runtime.supervise import background
from wayside.site.log import latest_note
from wayside.trust.keys import SoftwareKey

KEY = SoftwareKey(bytes(32))
DAY_MS = 86_400_000
LOST = "entries of this journal are lost"


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
        journal.add(DecisionBody("signals", f"stage {number}", "a car"))
    appender.close()


def taken(folder: Path, epoch: int | None = None) -> list[str]:
    log = LogReader(folder / "log", epoch=epoch)
    found = [decode_entry(record.entry) for record in log.records(0, log.size)]
    log.close()
    return [entry.body.what for entry in found if isinstance(entry.body, DecisionBody)]


def feed(folder: Path, wanted: int, begin: bytes = b"", log: Log | None = None) -> JournalFeed:
    """Run a feed until it has taken so many."""

    async def whole() -> JournalFeed:
        committer = Committer(log or open_log(folder), 0.001)
        made = JournalFeed("junction-7", folder / "journal", committer, SystemClock(), lambda log: begin, every_s=0.01)
        async with asyncio.timeout(60), background(committer.run), background(made.run):
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
        async with asyncio.timeout(60), background(committer.run), background(made.run):
            await until(lambda: "is spoilt" in made.problem)

    asyncio.run(scenario())
    assert taken(tmp_path) == stages(0, 4), "what stands before it is taken"
    decide(tmp_path, 5, 7)
    feed(tmp_path, 3)
    assert taken(tmp_path) == [*stages(0, 4), LOST, *stages(5, 7)]


def test_nothing_is_written_behind_a_torn_end(tmp_path: Path):
    """A power cut of the controller; what it decides when it is back must not be spoilt by that."""
    decide(tmp_path, 0, 3)
    (path,) = (tmp_path / "journal").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    decide(tmp_path, 3, 5)
    feed(tmp_path, 5)
    assert taken(tmp_path) == [*stages(0, 2), LOST, *stages(3, 5)]


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


# --- what is not as it was left: each is a named entry, and the feed goes on with what is there ---


def journal_of(folder: Path) -> list[Path]:
    return sorted((folder / "journal").iterdir())


def causes(folder: Path) -> list[str]:
    log = LogReader(folder / "log")
    bodies = [decode_entry(record.entry).body for record in log.records(0, log.size)]
    log.close()
    return [body.cause for body in bodies if isinstance(body, DecisionBody) and body.what == LOST]


@pytest.mark.parametrize("days", [[], [20_004]], ids=["of the same name", "of another name and a lower number"])
@pytest.mark.parametrize("count", [5, 20, 60])
def test_a_folder_that_is_begun_anew(tmp_path: Path, days: Sequence[int], count: int):
    """Another memory card: numbers begin at 1 again, and the name is the same on the same day."""
    decide(tmp_path, 10, 30, days and [20_000, 20_001, 20_002, 20_003, 20_004])
    feed(tmp_path, 20)
    shutil.rmtree(tmp_path / "journal")
    decide(tmp_path, 30, 30 + count, days)
    feed(tmp_path, count + 1)
    assert taken(tmp_path) == [*stages(10, 30), LOST, *stages(30, 30 + count)]
    decide(tmp_path, 90, 92, days)
    feed(tmp_path, 2)
    assert taken(tmp_path)[-2:] == stages(90, 92) and len(causes(tmp_path)) == 1


@pytest.mark.parametrize("at", [0, 3, 19])
def test_a_length_that_is_spoilt_costs_its_own_entry(tmp_path: Path, at: int):
    """It looks like a torn end: what stands behind it was left out, and not named."""
    decide(tmp_path, 10, 30, [20_000])
    (path,) = journal_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[at * len(data) // 20 + 2] ^= 8  # 2048 more
    path.write_bytes(data)
    decide(tmp_path, 30, 32, [20_001])
    feed(tmp_path, 22)
    assert taken(tmp_path) == [*stages(10, 10 + at), LOST, *stages(11 + at, 32)]


def test_a_spoilt_entry_in_the_middle_costs_nothing_but_itself(tmp_path: Path):
    decide(tmp_path, 10, 15)
    (path,) = journal_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    feed(tmp_path, 5)
    assert taken(tmp_path) == [*stages(10, 12), LOST, *stages(13, 15)]


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2 + 3], lambda data: data + bytes(4096)])
def test_an_end_that_is_torn_or_zero_and_has_a_file_behind_it(tmp_path: Path, spoil: Callable[[bytes], bytes]):
    decide(tmp_path, 0, 4)
    (path,) = journal_of(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    kept = len(path.read_bytes()) > 4096
    decide(tmp_path, 4, 6)
    feed(tmp_path, 7 if kept else 5)
    assert taken(tmp_path) == [*stages(0, 4 if kept else 2), LOST, *stages(4, 6)]


def test_files_that_are_missing_are_named(tmp_path: Path):
    """In the middle, and because the gateway was away longer than the journal keeps."""
    decide(tmp_path, 0, 1, [20_000])
    feed(tmp_path, 1)
    for day in range(1, 6):
        decide(tmp_path, day, day + 1, [20_000 + day], keep_days=3)
    journal_of(tmp_path)[1].unlink()
    feed(tmp_path, 5)
    assert taken(tmp_path) == ["stage 0", LOST, "stage 2", LOST, *stages(4, 6)]
    assert "is gone" in causes(tmp_path)[0] and "1 file before no-00000005" in causes(tmp_path)[1]


def test_the_file_that_was_followed_is_gone_and_the_one_before_is_not_taken_again(tmp_path: Path):
    for day in range(3):
        decide(tmp_path, day, day + 1, [20_000 + day])
        feed(tmp_path, 1)
    journal_of(tmp_path)[-1].unlink()
    decide(tmp_path, 3, 4, [20_001])  # the controller goes on with the newest that it finds
    feed(tmp_path, 2)
    assert taken(tmp_path) == [*stages(0, 3), LOST, "stage 3"]


def test_a_file_that_is_cut_is_taken_again_rather_than_passed_over(tmp_path: Path):
    decide(tmp_path, 0, 2, [20_000])
    decide(tmp_path, 2, 6, [20_001])
    feed(tmp_path, 6)
    path = journal_of(tmp_path)[-1]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    decide(tmp_path, 6, 9, [20_001])
    feed(tmp_path, 6)
    assert taken(tmp_path) == [*stages(0, 6), LOST, *stages(2, 4), *stages(6, 9)]


def test_an_empty_folder_is_a_problem_until_the_controller_is_back(tmp_path: Path):
    decide(tmp_path, 0, 2)
    feed(tmp_path, 2)
    journal_of(tmp_path)[0].unlink()

    async def scenario() -> None:
        committer = Committer(open_log(tmp_path), 0.001)
        made = JournalFeed("junction-7", tmp_path / "journal", committer, SystemClock(), every_s=0.01)
        async with asyncio.timeout(60), background(committer.run), background(made.run):
            await until(lambda: "nothing of the journal" in made.problem)
            await asyncio.to_thread(decide, tmp_path, 2, 4)
            await until(lambda: made.taken == 3)
            await until(lambda: not made.problem)

    asyncio.run(scenario())
    assert taken(tmp_path) == [*stages(0, 2), LOST, *stages(2, 4)]


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path):
    """A mistyped name, or a folder of another user: it said "0 entries taken" and no word more."""
    with pytest.raises(EvidenceError, match="nowhere: No such file or directory"):
        next(follow(tmp_path / "nowhere", ()))
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="file: Not a directory"):
        next(follow(tmp_path / "file", ()))


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path):
    (tmp_path / "journal").mkdir()
    for name in ("copy of no-00000001-2026-01-01.journal", "no-x-2026-01-01.journal", "2026-01-01.journal~"):
        (tmp_path / "journal" / name).write_bytes(b"0")
    decide(tmp_path, 0, 2)
    feed(tmp_path, 2)
    assert taken(tmp_path) == stages(0, 2)


def test_what_a_version_without_marks_noted_is_gone_on_with(tmp_path: Path):
    decide(tmp_path, 0, 4)
    (path,) = journal_of(tmp_path)
    feed(tmp_path, 2, f"{path.name} {path.stat().st_size // 2}".encode())
    assert taken(tmp_path) == stages(2, 4)


@pytest.mark.parametrize("body", [ClockBody(1), RetentionBody(0, 5, "age")])
def test_what_no_controller_writes_is_no_entry(tmp_path: Path, body: Body):
    (tmp_path / "journal").mkdir()
    appender = Appender(print)
    journal = Journal(tmp_path / "journal", appender, SystemClock())
    journal.add(body)
    journal.add(DecisionBody("signals", "stage 1", "a car"))
    appender.close()
    feed(tmp_path, 2)
    assert taken(tmp_path) == [LOST, "stage 1"]


def test_what_the_queue_had_no_room_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    appender = Appender(print)
    monkeypatch.setattr(control_journal, "_MOST_WAITING", 0)
    journal = Journal(tmp_path, appender, SystemClock())
    journal.add(DecisionBody("signals", "stage 0", "a car"))
    journal.add(DecisionBody("signals", "stage 1", "a car"))
    monkeypatch.undo()
    journal.add(DecisionBody("signals", "stage 2", "a car"))
    appender.close()
    said = [entry.body for entry in control_journal.read(tmp_path)]
    assert [body.what for body in said if isinstance(body, DecisionBody)] == ["2 entries are lost", "stage 2"]


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
    append, refusals = log.append_entries, iter(range(3))

    def refuse(entries: object) -> int:
        if next(refusals, None) is not None:
            raise LogError("no space left on device")
        return append(entries)  # type: ignore[arg-type]

    monkeypatch.setattr(log, "append_entries", refuse)
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
