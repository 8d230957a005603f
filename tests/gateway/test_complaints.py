"""What strangers send is written about in few lines, and what they chose is shown so that it can do nothing."""

import asyncio
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until
from wayside.cli import main
from wayside.text.complaints import Complaints
from wayside.text.printable import controlled, printable, printable_lines

_logger = logging.getLogger("strangers")


class Watch:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_flood_is_told_when_it_begins_now_and_then_and_when_it_ends(caplog: pytest.LogCaptureFixture):
    watch = Watch()
    complaints = Complaints(_logger, 60, watch)
    for number in range(600):
        watch.now_s = number / 5
        complaints.say("node a", f"pack {number} is bad")
    watch.now_s = 300
    complaints.say("node b", "another")
    watch.now_s = 400
    complaints.say("node b", "another")
    assert lines(caplog) == [
        "node a: pack 0 is bad",
        "node a: 299 more like this; the last: pack 299 is bad",
        "node a: 300 more like this; the last: pack 599 is bad",
        "node b: another",
        "node a: no more of this; it was 600 in all",
        "node b: another",
    ]


def test_the_end_is_told_without_a_further_message(caplog: pytest.LogCaptureFixture):
    async def scenario() -> None:
        complaints = Complaints(_logger, 0.05)
        for _ in range(3):
            complaints.say("a", "bad")
        await until(lambda: len(caplog.records) == 3)

    asyncio.run(scenario())
    assert lines(caplog) == ["a: bad", "a: 2 more like this; the last: bad", "a: no more of this; it was 3 in all"]


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 100)), max_size=300))
def test_lines_are_bounded_and_every_message_is_counted(said: list[tuple[int, float]]):
    watch, told = Watch(), []
    logger = logging.Logger("counted")
    logger.addFilter(lambda record: bool(told.append(record.args)))
    complaints = Complaints(logger, 60, watch)
    for source, after_s in said:
        watch.now_s += after_s
        complaints.say(f"source {source}", "bad")
    for _ in range(3):
        watch.now_s += 61
        complaints._look()
    begun = [args for args in told if len(args) == 2 and args[1] == "bad"]
    more = sum(args[1] for args in told if len(args) == 3)
    assert len(begun) + more == len(said)
    assert len({args[0] for args in told}) <= 65 * (2 + watch.now_s / 60)
    assert not complaints._episodes


def test_sources_beyond_the_bound_count_as_one(caplog: pytest.LogCaptureFixture):
    complaints = Complaints(_logger, 60, Watch())
    for number in range(10_000):
        complaints.say(f"topic {number}", "bad")
    assert len(caplog.records) == 65 and lines(caplog)[-1] == "others: bad"


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str):
    shown = printable(text, 40)
    assert shown.isprintable() and len(shown) <= 40
    if text.isprintable() and len(text) <= 40:
        assert shown == text
    assert all(each in "\n\t" or each.isprintable() for each in printable_lines(text))


def test_control_characters_are_shown_as_escapes():
    assert printable("a\x1b[2J\n\u202eb\udc80") == "a\\x1b[2J\\n\\u202eb\\udc80"
    assert printable_lines("a\n\tb\x07") == "a\n\tb\\x07"


def test_every_command_prints_nothing_but_printable_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def run(_args: object) -> int:
        print("a\x1b[2J\n\rb")
        print("c\x9b", file=sys.stderr)
        controlled(sys.stdout).write("\x1b[K")
        return 0

    monkeypatch.setattr("wayside.cli.check.run", run)
    before = sys.stdout, sys.stderr
    assert main(["check", "x"]) == 0
    assert (sys.stdout, sys.stderr) == before
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("a\\x1b[2J\n\\rb\n\x1b[K", "c\\x9b\n")
