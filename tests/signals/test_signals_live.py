"""The last two minutes of a running junction: what the page is told is what the controller's lamps did, and no more."""

from pathlib import Path

import pytest
from signals.test_signals_record import EXAMPLE, NOON_MS, SITE, Bench, TestClock
from waiting import wait_until
from wayside.control.journal import Appender, Journal
from wayside.control.signals import core
from wayside.control.signals.live import SPAN_MS, Live
from wayside.control.signals.loader import load
from wayside.evidence import EvidenceError
from wayside.evidence.kinds import DecisionBody


def written(bench: Bench) -> None:
    """Wait until what was decided is on the disk."""
    bench.appender.close()


def until_written(bench: Bench) -> None:
    """Wait until the appender's queue is empty."""
    wait_until(lambda: not bench.appender._waiting)


def lamps(bench: Bench, number: int) -> dict[int, str]:
    group = SITE.junction.groups[number]
    return {ms: core.lamp(group, s.mode, s.groups[number]).name.lower() for ms, s in bench.states.items()}


def check(bench: Bench, told: dict) -> None:
    """Every bar is what the controller showed then, and together they leave nothing out but the last second."""
    for number, group in enumerate(told["groups"]):
        shown = {ms: what for ms, what in lamps(bench, number).items() if told["from_ms"] <= ms < told["to_ms"] - 1000}
        drawn = {ms: what for what, begin, end in group["bars"] for ms in range(begin, end, 100)}
        assert drawn == shown


def test_bars_are_what_the_lamps_did(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(1000, bytes([1, 0, 1, 1, 0, 1]))
    written(bench)
    told = Live(SITE.junction, tmp_path, NOON_MS).follow()
    assert told
    check(bench, told)
    assert {bar[0] for group in told["groups"] for bar in group["bars"]} >= {
        "flash_amber",
        "flash_red",
        "red",
        "red_amber",
        "green",
        "amber",
    }
    assert told["junction"] == "high-street" and told["to_ms"] - told["from_ms"] == SPAN_MS
    assert NOON_MS <= told["last_entry_ms"] <= told["to_ms"]


def test_it_follows_a_running_controller_and_forgets_what_is_older(tmp_path: Path) -> None:
    bench, stages = Bench(tmp_path), set()
    live = Live(SITE.junction, tmp_path, NOON_MS)
    for _ in range(30):
        bench.ticks(20, bytes([1, 0, 1, 0, 0, 0]))
        bench.ticks(71)
        until_written(bench)
        told = live.follow()
        assert told
        check(bench, told)
        stages.add(told["stage"])
    assert {0, 1, 3} <= stages


def test_what_was_drawn_before_its_entry_came_is_drawn_again(tmp_path: Path) -> None:
    """The disk of the journal is slow: the feed's pictures come first."""
    bench = Bench(tmp_path)
    bench.ticks(601)
    until_written(bench)
    live = Live(SITE.junction, tmp_path, NOON_MS)
    live.follow()
    (path,) = tmp_path.glob("*.journal")
    before = path.read_bytes()
    bench.ticks(300, bytes([1, 0, 1, 0, 0, 0]))
    bench.ticks(1)
    written(bench)
    whole = path.read_bytes()
    assert len(whole) > len(before)
    path.write_bytes(before)
    early = live.follow()
    path.write_bytes(whole)
    late = live.follow()
    assert early and late and early != late
    check(bench, late)


def test_decisions_of_the_junction_file_before_are_left_out(tmp_path: Path) -> None:
    appender = Appender(print)
    body = DecisionBody("signals", "green for x", "y", {"state": [1], "green": [], "closed": [], "flash": False})
    Journal(tmp_path, appender, TestClock()).add(body)
    appender.close()
    bench = Bench(tmp_path)
    bench.clock.ms = 30_000
    bench.ticks(301)
    written(bench)
    told = Live(SITE.junction, tmp_path, NOON_MS).follow()
    assert told
    check(bench, told)


def test_what_lies_between_a_stop_and_the_next_start_stays_empty(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.ticks(400)
    written(first)
    again = Bench(tmp_path)
    again.clock.ms = 60_000
    again.ticks(301)
    written(again)
    told = Live(SITE.junction, tmp_path, NOON_MS).follow()
    assert told
    for number, group in enumerate(told["groups"]):
        known = lamps(first, number) | lamps(again, number)
        for what, begin, end in group["bars"]:
            assert {known.get(ms) for ms in range(begin, end, 100)} == {what}


def test_of_a_controller_that_stopped_nothing_is_drawn_behind_its_last_picture(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ticks(501)
    written(bench)
    live = Live(SITE.junction, tmp_path, NOON_MS)
    assert live.follow() == live.follow()
    told = live.follow()
    assert told and max(bar[2] for group in told["groups"] for bar in group["bars"]) <= told["to_ms"]


def test_nothing_another_junction_and_a_spoilt_feed(tmp_path: Path) -> None:
    live = Live(SITE.junction, tmp_path, NOON_MS)
    assert live.follow() is None
    bench = Bench(tmp_path)
    bench.ticks(5)
    written(bench)
    whole = (tmp_path / "feed.json").read_text()
    for text in (
        "{}",
        "[]",
        "5",
        whole[:-9],
        whole.replace('"age"', '"years"'),
        whole.replace('"groups": [', '"groups": [1, '),
    ):
        (tmp_path / "feed.json").write_text(text)
        assert live.follow() is None
    (tmp_path / "feed.json").write_text(whole.replace('"flash"', '"dance"'))
    with pytest.raises(EvidenceError, match="another version"):
        live.follow()
    (tmp_path / "feed.json").write_text(whole)
    text = EXAMPLE.read_text().replace("side", "lane")
    (tmp_path / "other.toml").write_text(text)
    with pytest.raises(EvidenceError, match="not of this junction"):
        Live(load(tmp_path / "other.toml").junction, tmp_path, NOON_MS).follow()
