"""What the receiver shows: table, lines and summary, as text."""

import asyncio
import io
import os
import pty

import pytest
from evidence.site_log import START_MS as NOW_MS
from receiver.evidence import KEY, ORIGIN, account_of, batch, feed, good
from wayside.receiver.account import SiteAccount, VerifiedPack
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.screen import Screen
from wayside.receiver.view import LiveTable, Verdict, report_line, screen, summary, verdict
from wayside.values.reading import Pack, Reading
from wayside_wire.pack import BAD, NO_PREVIOUS, SYNCED, UNCERTAIN, UNSYNCED

LOG = good(9)
EMPTY = SiteAccount(KEY, DeviceKeys())


def report(
    *readings: Reading, device: str = "m", sequence: int = 0, quality: int = SYNCED, signed: bool = True
) -> VerifiedPack:
    return VerifiedPack(Pack(device, 0, sequence, quality, NO_PREVIOUS, readings), "device", sequence, signed)


def voltage(mantissa: int, channel: str = "voltage_l1", time_ms: int = NOW_MS) -> Reading:
    return Reading(channel, "V", mantissa, -2, 0, "", time_ms)


def table_of(*reports: VerifiedPack) -> LiveTable:
    table = LiveTable()
    for each in reports:
        table.take(each)
    return table


def test_a_row_tells_all_in_80_columns() -> None:
    bad = Reading("frequency", "Hz", None, 0, BAD, "timeout", NOW_MS)
    poor = Reading("power_active", "W", -5, -1, UNCERTAIN, "", NOW_MS)
    table = table_of(report(voltage(23168), bad), report(poor, device="n", signed=False))
    rows = table.rows(NOW_MS + 1500, 80)
    assert rows[0].split() == ["device", "channel", "value", "unit", "quality", "age", "verified"]
    assert [row.split() for row in rows[1:]] == [
        ["m", "frequency", "–", "Hz", "timeout", "1.5", "s", "yes"],
        ["m", "voltage_l1", "231.68", "V", "good", "1.5", "s", "yes"],
        ["n", "power_active", "-0.5", "W", "uncertain", "1.5", "s", "log", "only"],
    ]
    assert len({row.index(" s ") for row in rows[1:]}) == 1, "columns stand under each other"


def test_a_late_report_does_not_replace_a_newer_one() -> None:
    table = table_of(report(voltage(2), sequence=5), report(voltage(1), sequence=4))
    assert "0.02" in table.rows(NOW_MS, 80)[1]


def test_aggregates_stand_behind_their_channel_where_there_is_room() -> None:
    parts = [voltage(200), voltage(100, "voltage_l1.min"), voltage(300, "voltage_l1.max")]
    table = table_of(report(*parts, voltage(7, "lonely.mean")))
    assert table.rows(NOW_MS, 120)[2].endswith("min 1.00  max 3.00")
    assert [row.split()[1] for row in table.rows(NOW_MS, 80)] == ["channel", "lonely.mean", "voltage_l1"]


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(0, "0.0 s"), (99_900, "99.9 s"), (100_000, "2 min"), (6_000_000, "2 h"), (-2500, "-2.5 s"), (-(10**11), "ahead")],
)
def test_ages(age_ms: int, text: str) -> None:
    assert f" {text} " in table_of(report(voltage(1))).rows(NOW_MS + age_ms, 80)[1]


def test_a_device_without_a_clock_has_no_age() -> None:
    assert " ? " in table_of(report(voltage(1), quality=UNSYNCED)).rows(NOW_MS, 80)[1]


def test_words_of_strangers_move_no_cursor() -> None:
    hostile = report(voltage(1, "a\x1b[2J\n\u202e")._replace(unit="\x07"), device="m\x1b]0;x\x07")
    table = table_of(hostile)
    account = account_of(good())
    account.refuse("a batch of \x1b[31m" + "x" * 100_000)
    shown = [report_line(hostile), *table.rows(NOW_MS, 150), *summary(account, "t\x1b"), *account.not_verified]
    shown += screen(account, table, "t\x9b", "s\x1b", NOW_MS, (100, 20))
    assert all(line.isprintable() and len(line) <= 500 for line in shown)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (20, 5), (1, 1), (200, 100)])
def test_the_screen_has_exactly_its_size(size: tuple[int, int]) -> None:
    table = table_of(report(*(voltage(n, f"channel_with_a_long_name_{n}") for n in range(30)), device="d" * 40))
    lines = screen(EMPTY, table, "site", "connected", NOW_MS, size)
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]


def test_rows_that_do_not_fit_take_turns() -> None:
    table = table_of(report(*(voltage(n, f"v{n:02}") for n in range(50))))
    seen: set[str] = set()
    for turn in range(3):
        lines = screen(EMPTY, table, "site", "connected", turn * 4000, (80, 24))
        seen |= {line.split()[1] for line in lines if line.startswith("m ")}
        assert lines[-1].startswith("page ")
    assert seen == {f"v{n:02}" for n in range(50)}


def test_a_node_that_names_channels_without_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayside.receiver.view._MAX_CELLS", 20)
    table = table_of(report(*(voltage(n, f"v{n:02}") for n in range(30))))
    table.take(report(voltage(777, "v03"), sequence=1))
    rows = table.rows(NOW_MS, 80)
    assert len(rows) == 21 and any("7.77" in row for row in rows)
    assert "only the first 20 channels are shown" in screen(EMPTY, table, "site", "connected", NOW_MS, (80, 24))[-1]


def test_a_report_in_one_line() -> None:
    assert (
        report_line(report(voltage(23168), *(voltage(n, f"v{n}") for n in range(9)), sequence=7))
        == "14:13:20.000Z m 0/7 [yes] voltage_l1 231.68 V, v0 0.00 V, v1 0.01 V, v2 0.02 V, and 6 more"
    )
    assert report_line(report(voltage(1, time_ms=1234), quality=UNSYNCED)).startswith("+1.234s m 0/0 ")
    assert report_line(report(voltage(1, time_ms=10**17))).startswith("? m 0/0 "), "a clock that is far off"


def test_the_summary_is_one_screen_with_the_verdict_last() -> None:
    lines = summary(account_of(LOG), "site")
    assert lines[-1] == "Verdict: everything verified, nothing missing."
    assert any("tree size     10" in line for line in lines)

    bad = account_of(LOG, (0, 2), (5, 10))
    for number in range(40):
        bad.take(ORIGIN, b"%d" % number)
    assert verdict(bad) is Verdict.WRONG
    lines = summary(bad, "site")
    assert lines[-1] == "Verdict: NOT all right, see above."
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert f"  gaps          {len(bad.gaps())}" in lines and bad.gaps() == [f"{ORIGIN}: entries 2 to 4"]

    assert summary(EMPTY, "site")[-1] == "Verdict: nothing arrived."


def test_who_joined_later_is_told_from_where_and_what_he_does_not_know() -> None:
    lines = summary(account_of(LOG, (4, 10)), "site")
    assert any(line.endswith(f"{ORIGIN}, from entry 4 on") for line in lines)
    assert "  ? 6 packs by keys not known here: the keys' stream is not whole" in lines
    assert lines[-1].startswith("Verdict: nothing wrong, but not everything could be verified")


def test_fraud_is_the_first_thing_that_is_said() -> None:
    account = account_of(LOG)
    account.take(ORIGIN, batch(LOG, 0, 10, 10, LOG.heads(3)))
    lines = summary(feed(account, good(11)), "site")
    assert next(line for line in lines if "!" in line).startswith("  ! FRAUD: ")
    assert lines[-1].startswith("Verdict: FRAUD")


@pytest.mark.parametrize("text", ["\x1b[2Jpower", "a\rb", "x\u202ey", "\x9b31m"])
def test_what_a_stranger_chose_cannot_reach_the_terminal(text: str) -> None:
    reading = Reading(text, text, None, 0, BAD, text, NOW_MS)
    strange = report(reading, device=text)
    account = SiteAccount(KEY, DeviceKeys())
    account.take(text, batch(LOG))
    account.take(ORIGIN, text.encode())
    shown = [report_line(strange), *table_of(strange).rows(NOW_MS, 120), *summary(account, text)]
    shown += screen(account, table_of(strange), text, text, NOW_MS, (80, 24))
    assert all(line.isprintable() for line in shown), shown


def test_no_terminal_means_a_line_per_report_and_no_control_sequence() -> None:
    out = io.StringIO()
    Screen(out, "site").take(report(voltage(23168)))
    assert out.getvalue() == report_line(report(voltage(23168))) + "\n"


def test_a_terminal_is_redrawn_in_place_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(out: io.TextIOWrapper, reader: int) -> str:
        shown = Screen(out, "site", lambda: NOW_MS)
        shown.take(report(voltage(23168)))
        drawing = asyncio.create_task(shown.run(EMPTY, lambda: "connected"))
        text = ""
        async with asyncio.timeout(60):
            while text.count("231.68") < 2:
                text += (await asyncio.to_thread(os.read, reader, 65536)).decode()
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)
        return text + os.read(reader, 65536).decode()

    monkeypatch.setenv("TERM", "xterm")
    reader, writer = pty.openpty()
    try:
        with open(writer, "w", closefd=False) as out:
            text = asyncio.run(scenario(out, reader))
    finally:
        os.close(reader)
        os.close(writer)
    assert text.startswith("\x1b[?1049h")
    assert text.endswith("\x1b[?1049l")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "\x1b[2J" not in text, "clearing first would flicker"
