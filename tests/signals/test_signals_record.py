"""What a junction leaves behind: journal, replay, why, events, diagram, feed; the disk that holds them may fail."""

import contextlib
import csv
import io
import os
import xml.etree.ElementTree as ElementTree
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import four_arms, junctions
from signals.test_signals_core import wishes
from waiting import wait_until
from wayside.cli import main
from wayside.cli.signals import say
from wayside.control import journal
from wayside.control.head_line import HeadLine
from wayside.control.journal import Appender, Journal
from wayside.control.signals import core, feed, remote
from wayside.control.signals.adaptive import Adaptive
from wayside.control.signals.controller import Controller
from wayside.control.signals.events import Events
from wayside.control.signals.loader import load
from wayside.control.signals.remote import CALENDAR, PlanRequestDesk
from wayside.control.signals.replay import Moment, replay
from wayside.control.signals.site import Site
from wayside.control.signals.why import explain
from wayside.evidence import EvidenceError
from wayside.evidence.kinds import DecisionBody
from wayside.runtime.clock import Clock
from wayside.runtime.machine_user import user_name
from wayside.text import json_text
from wayside.values.reading import TimeQuality
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import FLASHING, NO_FAULT, RUNNING, Order, Shown
from wayside_wire.signal_line import End
from wayside_wire.signal_matrix import place

EXAMPLE = Path(__file__).parents[2] / "docs" / "junction.example.toml"
SITE = load(EXAMPLE)
NOON_MS = 1_795_431_600_000  # Monday 2026-11-23 12:00 in Berlin
KEY = bytes(32)
WHO = f'{user_name(os.getuid())}, for "alice"'
PLACE = place(SITE.name, SITE.version)


class TestClock(Clock):
    __test__ = False

    def __init__(self) -> None:
        self.ms = 0

    def utc_ms(self) -> int:
        return NOON_MS + self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED


class Node:
    """The other end of the line: does what it is told at once."""

    def __init__(self, clock: "TestClock") -> None:
        self._clock = clock
        self._decoder = frame.FrameDecoder()
        self.end = End(Hmac(KEY), PLACE, b"node....", Order)
        self.lamps = b""
        self.inputs = bytes(6)

    def fileno(self) -> int:
        raise AssertionError

    def write(self, data: bytes) -> int:
        (raw,) = self._decoder.feed(data)
        if order := self.end.hear(self._clock.ms, raw):
            self.lamps = order.lamps
        return len(data)

    def read(self, size: int) -> bytes:
        return self.picture(self.inputs)

    def picture(self, inputs: bytes) -> bytes:
        flash = self.lamps in (b"", LAMPS_FLASH)
        mode, reason = (FLASHING, "ordered") if flash else (RUNNING, "")
        lamps = self.lamps or LAMPS_FLASH
        values = mode, NO_FAULT, reason, bytes(8), lamps, lamps, inputs
        return frame.encode(self.end.say(self._clock.ms, Shown, *values))


LAMPS_FLASH = bytes([10, 9, 9, 0, 1])


class Bench:
    """A controller with everything it writes, ticked by hand."""

    def __init__(self, folder: Path, site: Site = SITE, clock: "TestClock | None" = None):
        self.folder = folder
        self.clock = clock or TestClock()
        self.node = Node(self.clock)
        self.said: list[str] = []
        self.appender = Appender(self.said.append)
        events = Events(site, folder, self.appender, SITE.calendar.zone)
        self.journal = Journal(folder, self.appender, self.clock)
        line = HeadLine(self.node, KEY, PLACE)
        self.notes: list[tuple[str, str, str]] = []
        desk = PlanRequestDesk(site, folder, lambda *note: self.notes.append(note))
        adviser = Adaptive(SITE.junction, SITE.approaches)
        self.controller = Controller(
            site, line, self.clock, self.appender, self.journal, events, self.said.append, adviser, desk
        )
        self.feed = feed.Feed(SITE, folder)
        self.meet()
        self.states: dict[int, core.State] = {}

    def meet(self) -> None:
        """A picture that the controller cannot know to be fresh, its answer, and one that it knows."""
        for _ in range(2):
            self.controller.hear(self.clock.monotonic())

    def ticks(self, count: int, inputs: bytes = bytes(6)) -> None:
        self.node.inputs = inputs
        for _ in range(count):
            picture = self.controller.tick(self.clock.monotonic())
            self.feed.show(picture)
            self.states[picture.utc_ms] = picture.state
            self.clock.ms += 100


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.ticks(600)
    made.ticks(300, bytes([1, 0, 1, 0, 0, 0]))
    made.ticks(300, bytes([1, 0, 1, 1, 0, 1]))
    made.ticks(50)
    made.appender.close()
    return made


def test_every_tick_can_be_computed_again_from_the_journal(bench: Bench) -> None:
    moments = list(replay(SITE, journal.read(bench.folder), NOON_MS, NOON_MS + bench.clock.ms))
    assert {moment.utc_ms: moment.state for moment in moments} == bench.states
    assert len(list(journal.read(bench.folder))) < 40  # and not by writing every tick


def test_why(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signals", "why", str(bench.folder), str(EXAMPLE), "2026-11-23 12:00:03"]) == 0
    assert "main          flashes: " in capsys.readouterr().out
    assert main(["signals", "why", str(bench.folder), str(EXAMPLE), "2026-11-23T12:00:10+01:00"]) == 0
    assert "red: all red at the start, " in capsys.readouterr().out
    assert main(["signals", "why", str(bench.folder), str(EXAMPLE), "2026-11-23 12:00:55"]) == 0
    text = capsys.readouterr().out
    assert "asked: green for side" in text and "cause: actuated: calendar" in text
    assert "main          red for " in text
    assert main(["signals", "why", str(bench.folder), str(EXAMPLE), "2026-11-24 12:00:00"]) == 1
    assert "nothing is known" in capsys.readouterr().err
    assert main(["signals", "why", str(bench.folder), str(EXAMPLE), "noon"]) == 1
    assert "is no time" in capsys.readouterr().err


def test_every_red_has_a_reason(bench: Bench) -> None:
    reasons = set()
    for moment in replay(SITE, journal.read(bench.folder), NOON_MS, NOON_MS + bench.clock.ms):
        for _, text in explain(SITE.junction, moment):
            kind, _, reason = text.partition(": ")
            assert reason or "more" in kind
            reasons.add(reason.split(",")[0].split(" (")[0].split(" from ")[0])
    assert {
        "wanted",
        "not called; green for main",
        "not called when that was decided",
        "called when that was decided",
    } <= reasons


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_who_waits_for_the_next_tick_begins_in_it(data: st.DataObject) -> None:
    """It was said of who waited for his minimum red, for his parent, or for whom he yields to."""
    junction = data.draw(junctions())
    state = core.begin(junction)
    for requests, ticks in data.draw(wishes(len(junction.groups))):
        for _ in range(ticks):
            before, state = state, core.step(junction, state, requests)
            following = core.step(junction, state, requests)
            moment = Moment(0, before, state, requests, "", "", frozenset(), 0)
            at_red = [n for n, shown in enumerate(state.groups) if shown.indication == core.RED]
            begun = {n for n in at_red if following.groups[n].indication != core.RED}
            if state.mode != core.Mode.RUN or requests.flash or begun:
                continue
            said = dict(explain(junction, moment))
            assert not any(said[junction.groups[n].name].endswith("the next tick") for n in at_red)


def test_who_ends_with_another_is_told_with_whom() -> None:
    junction = four_arms()
    state = core.begin(junction)
    for stage, ticks in (({0, 1}, 300), ({0}, 1)):
        requests = core.Requests(frozenset(stage), closed=frozenset({1}) if ticks == 1 else frozenset())
        for _ in range(ticks):
            before, state = state, core.step(junction, state, requests)
    said = dict(explain(junction, Moment(0, before, state, requests, "", "", frozenset(), 0)))
    assert said["ns"] == "yellow, 2.9 s more: it ended with ns_left, which yields to it"


def test_events_are_what_the_lamps_did(bench: Bench) -> None:
    rows = list(csv.DictReader((bench.folder / "2026-11-23.csv").open()))
    assert set(rows[0]) == {"TimeStamp", "DeviceId", "EventId", "Parameter"}
    zone = ZoneInfo("Europe/Berlin")
    greens: dict[int, set[int]] = {}
    for row in rows:
        stamp = datetime.fromisoformat(row["TimeStamp"]).replace(tzinfo=zone)
        if row["EventId"] in ("1", "21"):
            greens.setdefault(int(row["Parameter"]), set()).add(round(stamp.timestamp() * 1000))
    expected: dict[int, set[int]] = {}
    before = core.begin(SITE.junction)
    for utc_ms, state in bench.states.items():
        for number in core.greens(state) - core.greens(before):
            expected.setdefault(number + 1, set()).add(utc_ms)
        before = state
    assert greens == expected and {1, 3, 4} <= set(greens)
    codes = {row["EventId"] for row in rows}
    assert {"7", "8", "9", "10", "22", "23", "43", "81", "82", "112", "115", "131", "173"} <= codes


def test_a_diagram(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["signals", "diagram", str(bench.folder), str(EXAMPLE), "2026-11-23 12:00:00", "2026-11-23 12:02:00"]
    assert main(words) == 0
    drawn = ElementTree.fromstring(capsys.readouterr().out)
    texts = {each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"main", "side", "12:00:10"} <= texts
    greens = [each for each in drawn.iter("{http://www.w3.org/2000/svg}rect") if each.get("fill") == "#27ae60"]
    assert len(greens) >= 3
    assert main([*words[:4], words[5], words[4]]) == 1


def test_watch(bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["signals", "watch", str(bench.folder), "--once"]) == 0
    text = capsys.readouterr().out
    assert "high-street  run" in text and "NOT RUNNING" in text and "main_left" in text
    assert main(["signals", "watch", str(tmp_path / "none"), "--once"]) == 1


def test_the_journal_of_another_junction_is_refused(tmp_path: Path) -> None:
    appender = Appender(print)
    Journal(tmp_path, appender, TestClock()).add(DecisionBody("signals", "x", "y", {"state": [1]}))
    appender.close()
    with pytest.raises(EvidenceError, match="not of this junction"):
        list(replay(SITE, journal.read(tmp_path), 0, NOON_MS + 1000))


def test_the_journal_of_another_junction_file_is_refused_where_it_was_in_force(bench: Bench, tmp_path: Path) -> None:
    """Longer limits, the same groups: it would have been replayed as if they had been in force."""
    changed = tmp_path / "changed.toml"
    changed.write_text(EXAMPLE.read_text().replace("min_green_s = 7", "min_green_s = 9", 1))
    other = load(changed)
    assert other.junction != SITE.junction
    with pytest.raises(EvidenceError, match=f"of SHA-256 {SITE.file_hash}; name it"):
        list(replay(other, journal.read(bench.folder), NOON_MS + 60_000, NOON_MS + 61_000))
    # From one o'clock on the other one is in force: what was before does not refuse what is now.
    again = Bench(bench.folder, other)
    again.clock.ms = 3_600_000
    again.meet()
    again.ticks(300)
    again.appender.close()
    moments = list(replay(other, journal.read(bench.folder), NOON_MS + 3_600_000, NOON_MS + 3_630_000))
    assert {moment.utc_ms: moment.state for moment in moments} == again.states
    assert list(replay(SITE, journal.read(bench.folder), NOON_MS, NOON_MS + 100_000))
    with pytest.raises(EvidenceError, match=other.file_hash):
        list(replay(SITE, journal.read(bench.folder), NOON_MS, NOON_MS + 3_610_000))


def test_what_cannot_be_computed_again_is_refused(tmp_path: Path) -> None:
    """An entry in between is lost: what it asked for was shown, and nobody knows what that was."""
    bench = Bench(tmp_path)
    bench.ticks(600)
    bench.ticks(300, bytes([1, 0, 1, 0, 0, 0]))
    bench.appender.close()
    entries = [entry for entry in journal.read(tmp_path) if entry.logged_at_ms > NOON_MS + 30_000]
    wanted = [entry.body.inputs["green"] for entry in entries]
    lost = next(n for n in range(1, len(entries) - 1) if wanted[n - 1] != wanted[n])
    with pytest.raises(EvidenceError, match="cannot be computed again"):
        list(replay(SITE, entries[:lost] + entries[lost + 1 :], NOON_MS, NOON_MS + 90_000))


def test_ticks_that_were_late_are_told_when_they_were(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for count in range(900):
        bench.ticks(1, bytes([count // 50 % 2, 0, 1, 0, 0, 0]))
        bench.clock.ms += count % 4
    bench.appender.close()
    moments = list(replay(SITE, journal.read(tmp_path), NOON_MS, NOON_MS + bench.clock.ms))
    assert [moment.state for moment in moments if moment.is_sure] == list(bench.states.values())[
        : sum(moment.is_sure for moment in moments)
    ]
    for moment, (utc_ms, _) in zip(moments, bench.states.items(), strict=False):
        assert not moment.is_sure or abs(moment.utc_ms - utc_ms) <= 100


def test_a_controller_that_ended_is_not_said_to_have_gone_on(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def why(time_of_day: str) -> str:
        assert main(["signals", "why", str(bench.folder), str(EXAMPLE), f"2026-11-23 {time_of_day}"]) == 0
        return capsys.readouterr().out

    assert "not sure" not in why("12:00:55")
    assert "not sure: no entry follows" in why("12:02:20")
    assert main(["signals", "why", str(bench.folder), str(EXAMPLE), "2026-11-23 12:10:00"]) == 1
    assert "nothing is known" in capsys.readouterr().err


def test_what_is_asked_for_long_is_noted_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(300)
    request(bench, "plan evening")
    remote.ask(bench.folder, "flash", 600, bench.clock.utc_ms(), "alice")
    bench.ticks(3000)
    bench.appender.close()
    times = [entry.logged_at_ms for entry in journal.read(tmp_path)]
    assert max(b - a for a, b in pairwise(times)) <= 60_000 and times[-1] > NOON_MS + bench.clock.ms - 60_100


# --- requests ---


@pytest.fixture
def asked(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.ticks(300)
    return made


def request(bench: Bench, what: str, seconds: int = 60) -> None:
    remote.ask(bench.folder, what, seconds, bench.clock.utc_ms(), "alice")
    bench.ticks(10)


def in_force(bench: Bench) -> str:
    bench.ticks(5)
    picture = feed.read(bench.folder)
    assert picture
    return f"{picture['level']} {picture['by']}"


def test_a_request_counts_and_lapses_when_it_is_not_renewed(asked: Bench) -> None:
    assert in_force(asked) == "actuated actuated"
    request(asked, "plan evening")
    assert in_force(asked) == "plan evening"
    asked.ticks(500)
    request(asked, "plan evening")  # renewed
    asked.ticks(500)
    assert in_force(asked) == "plan evening"
    asked.ticks(200)
    assert in_force(asked) == "actuated actuated"
    assert asked.notes == [("plan evening", "taken for 60 s", WHO), ("plan evening", "lapsed", WHO)]


def test_the_adviser_counts_when_it_is_asked_for(asked: Bench) -> None:
    request(asked, "adaptive day")
    assert in_force(asked) == "adaptive adaptive"
    for _ in range(30):
        asked.ticks(15, bytes([1, 0, 1, 0, 0, 0]))
        asked.ticks(5)
    asked.appender.close()
    shown = {name for state in asked.states.values() for name in core.greens(state)}
    assert {SITE.junction.index["main"], SITE.junction.index["side"]} <= shown
    moments = list(replay(SITE, journal.read(asked.folder), NOON_MS, NOON_MS + asked.clock.ms))
    assert {moment.utc_ms: moment.state for moment in moments} == asked.states


def test_flash_by_request_and_its_withdrawal(asked: Bench) -> None:
    request(asked, "flash")
    asked.ticks(400)  # every green ends in its order first
    assert asked.node.lamps == LAMPS_FLASH
    request(asked, CALENDAR, seconds=0)
    asked.ticks(200)
    assert asked.node.lamps != LAMPS_FLASH


def test_requests_that_are_refused(asked: Bench) -> None:
    request(asked, "plan evenin")
    assert asked.notes[-1][1] == 'refused: unknown request "plan evenin"; did you mean "plan evening"?'
    request(asked, "dance day")
    assert asked.notes[-1][1].startswith('refused: unknown request "dance day"')
    for content in (
        "",
        "[]",
        "{}",
        '{"id": 5}',
        "\xff",
        '{"id": 1, "what": 1, "origin": 3, "asked_at_ms": []}',
    ):
        (asked.folder / "request.json").write_text(content)
        asked.ticks(10)
    assert in_force(asked) == "actuated actuated"


def test_what_is_refused_leaves_what_is_in_force_and_its_name(asked: Bench) -> None:
    request(asked, "plan evening")
    request(asked, "dance day")
    (asked.folder / "request.json").write_text("{")
    asked.ticks(10)
    assert in_force(asked) == "plan evening"
    assert asked.notes[-1][:2] == ("request", "refused: it cannot be read")
    asked.ticks(700)
    assert asked.notes[-1] == ("plan evening", "lapsed", WHO)


def test_what_another_user_has_put_in_the_folder_is_not_written_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    for put in (lambda path: path.symlink_to(other), lambda path: os.mkfifo(path), lambda path: path.write_text("")):
        put(tmp_path / "request.json.new")
        remote.ask(tmp_path, "flash", 60, NOON_MS, "alice")
        assert json_text.read((tmp_path / "request.json").read_bytes())["what"] == "flash"
        assert (tmp_path / "request.json").stat().st_mode & 0o777 == 0o640
    assert other.read_text() == "kept"


def test_a_picture_that_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "feed.json")
    assert feed.read(tmp_path) is None


@pytest.mark.parametrize("kind", ["a pipe that nobody writes to", "a file without end", "a folder"])
def test_what_is_no_file_keeps_no_tick_waiting(asked: Bench, kind: str) -> None:
    path = asked.folder / "request.json"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a file without end":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    asked.ticks(10)
    assert [note[:2] for note in asked.notes] == [("request", "refused: it cannot be read")]
    assert in_force(asked) == "actuated actuated"


def test_a_request_from_before_a_restart_is_taken_for_what_is_left(asked: Bench) -> None:
    request(asked, "plan evening")
    asked.appender.close()
    again = Bench(asked.folder)
    again.clock.ms = asked.clock.ms + 50_000
    again.meet()
    again.ticks(60)
    assert in_force(again) == "plan evening"
    again.ticks(100)
    assert in_force(again) == "actuated actuated"


def test_who_asks_is_who_wrote_the_file(asked: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "the-mayor")
    request(asked, "plan evening")
    assert asked.notes[-1][2] == WHO
    assert user_name(4_000_000_000) == "user 4000000000"


def test_ticks_that_are_late_one_after_the_other_are_flash(asked: Bench) -> None:
    """Each of them in time as a single one; a yellow of 3 s would last 7.2 s."""
    assert asked.node.lamps != LAMPS_FLASH
    began = asked.clock.ms
    while asked.node.lamps != LAMPS_FLASH:
        asked.ticks(1)
        asked.clock.ms += 140
    assert asked.clock.ms - began < 5000
    assert asked.said[-1] == "flash: ticks come late, one after the other"
    asked.ticks(300)
    assert asked.node.lamps != LAMPS_FLASH


# --- the disk ---


def entries(folder: Path, count: int) -> Path:
    appender = Appender(print)
    written = Journal(folder, appender, TestClock())
    for number in range(count):
        written.add(DecisionBody("signals", str(number), "cause"))
    appender.close()
    (path,) = folder.glob("*.journal")
    return path


def test_a_torn_end_is_left_out_and_a_spoilt_middle_is_told(tmp_path: Path) -> None:
    path = entries(tmp_path, 3)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert len(list(journal.read(tmp_path))) == end * 3 // len(whole)
    spoilt = bytearray(whole)
    spoilt[20] ^= 1
    path.write_bytes(spoilt)
    with pytest.raises(EvidenceError, match="entry at byte 0 is spoilt"):
        list(journal.read(tmp_path))


def test_a_disk_that_refuses_is_a_failure_until_it_takes_everything(tmp_path: Path) -> None:
    said: list[str] = []
    appender = Appender(said.append)
    (tmp_path / "file").write_text("")
    appender.append_bytes(tmp_path / "file" / "x", b"1")
    wait_until(lambda: bool(appender.failure))
    assert "cannot be written" in appender.failure and said
    (tmp_path / "file").unlink()
    (tmp_path / "file").mkdir()
    wait_until(lambda: not appender.failure)
    appender.close()
    assert (tmp_path / "file" / "x").read_bytes() == b"1"


def test_old_days_are_removed(tmp_path: Path) -> None:
    appender, clock = Appender(print), TestClock()
    kept = Journal(tmp_path, appender, clock, keep_days=3)
    for day in range(23, 29):
        kept.add(DecisionBody("signals", "x", "y"))
        wait_until((tmp_path / f"no-{day - 22:08}-2026-11-{day}.journal").exists)
        clock.ms += 86_400_000
    appender.close()
    assert len(list(tmp_path.glob("*.journal"))) == 4


def test_what_cannot_be_removed_ends_no_tick(tmp_path: Path) -> None:
    """It ended the controller at midnight, and at each start after that."""
    (tmp_path / "no-00000001-2026-11-01.journal").mkdir()
    (tmp_path / "2026-11-01.csv").mkdir()
    appender = Appender(print)
    kept = Journal(tmp_path, appender, TestClock(), keep_days=1)
    kept.add(DecisionBody("signals", "x", "y"))
    appender.close()
    journal.remove_old([tmp_path / "2026-11-01.csv", tmp_path / "2026-11-02.csv"], 1)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_disk_that_holds_the_service_log_too() -> None:
    full = io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True)
    with contextlib.redirect_stderr(full):
        say("nobody hears this")
    full.detach()


def test_a_service_log_that_nobody_reads_keeps_nobody_waiting() -> None:
    """A hung journal daemon: its pipe is full, and the tick that wrote the next line never came back."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w") as hung, contextlib.redirect_stderr(hung):
        say("nobody hears this")
        os.read(reader, 1 << 20)
        say("somebody hears this")
    with os.fdopen(reader, "rb") as stream:
        assert stream.read().strip(b"\0") == b"somebody hears this\n"
