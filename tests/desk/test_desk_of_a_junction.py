"""A junction under the desk: its real controller, ticked as time passes, asked from the command line and the page."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from desk.test_desk_of_a_site import log_in, typed, words
from signals.test_signals_record import EXAMPLE, SITE, Bench, TestClock, request
from site_daemon import running
from waiting import free_port, until
from wayside.control.signals import core, feed, remote
from wayside.control.signals.program import Program
from wayside.daemon.daemon import Daemon
from wayside.daemon.status import snapshot
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.values.carrier import CarrierError, NotKeptError
from wayside.web import users
from web.browser import browser

PICTURES = os.environ.get("WAYSIDE_PICTURES")
TEXT = """
[site]
name = "test.example"
[[journal]]
name = "junction-7"
folder = "junction-7"
junction_file = "junction-7.toml"
desk = true
"""
NAME = "junction-7 program"


class RealClock(TestClock):
    """Of the bench, which believes that it moves it."""

    __test__ = False

    def __init__(self) -> None:
        pass

    @property
    def ms(self) -> int:
        return time.time_ns() // 1_000_000

    @ms.setter
    def ms(self, value: int) -> None:
        pass

    def utc_ms(self) -> int:
        return self.ms


@asynccontextmanager
async def controlled(folder: Path) -> AsyncIterator[Bench]:
    """A junction in service, and its controller's notes of requests."""
    (folder / "junction-7").mkdir()
    (folder / "junction-7.toml").write_text(EXAMPLE.read_text())
    bench = Bench(folder / "junction-7", clock=RealClock())

    async def tick() -> None:
        while True:
            bench.ticks(1)
            await asyncio.sleep(0.1)

    ticking = asyncio.create_task(tick())
    try:
        yield bench
    finally:
        ticking.cancel()
        bench.appender.close()


def runs(bench: Bench) -> str:
    """What it was asked for and runs, "calendar" where it was asked for nothing; "" while it does not run that.

    Which level the calendar comes to is another matter: after a late tick it climbs for a minute.
    """
    picture = feed.read(bench.folder)
    if not picture:
        return ""
    is_other = picture["request"] and picture["request"].split()[0].replace("stage", "plan") != picture["level"]
    return "" if is_other else picture["request"] or "calendar"


def test_from_the_command_line_to_the_controller_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = str(tmp_path / "site.toml")

    async def scenario() -> None:
        async with controlled(tmp_path) as bench:
            async with running(tmp_path, TEXT):
                assert await typed("desk", "ask", site, NAME, "plan evening", "--for", "15min") == 0
                await until(lambda: runs(bench) == "plan evening")
                await until(lambda: f"{NAME}: desk: plan evening: reads as written" in words(tmp_path))
                assert await typed("desk", "ask", site, NAME, "plan evenin", "--for", "15min") == 1
                assert await typed("desk", "ask", site, NAME, "5", "--for", "15min") == 1
                assert await typed("desk", "show", site) == 0
                assert await typed("desk", "withdraw", site, NAME) == 0
                await until(lambda: runs(bench) == "calendar")
                assert await typed("desk", "ask", site, NAME, "stage 3", "--for", "1d", "--priority", "3") == 0
                await until(lambda: runs(bench) == "stage 3")
                picture = feed.read(bench.folder)
                assert picture and [each["name"] for each in picture["groups"] if each["wanted"]] == ["side"]
            await until(lambda: runs(bench) == "calendar")  # no request outlives the gateway
        taken = [(what, how.partition(" for ")[0]) for what, how, _ in bench.notes]
        assert taken == [
            ("plan evening", "taken"), ("plan evening", "withdrawn"), ("stage 3", "taken"), ("stage 3", "withdrawn")
        ]  # fmt: skip
        assert bench.notes[0][2].endswith('for "the gateway\'s desk"')

    asyncio.run(scenario())
    shown = capsys.readouterr()
    assert f"{NAME}: plan evening (user " in shown.out and "may be: calendar, flash, plan day" in shown.out
    assert "request 1: plan evening for 900 s" in shown.out
    assert "nothing that it does; write one of calendar, flash, plan day, plan evening" in shown.err
    told = words(tmp_path)
    assert told[0] == f"{NAME}: calendar: nobody asks: the fail-safe value"
    assert f"{NAME}: stage 3: request 2 of user" in "\n".join(told)
    assert told[-2:] == [f"{NAME}: calendar: the desk stops", f"{NAME}: desk: calendar: reads as written"]


def test_a_broken_junction_file_is_a_problem_and_is_taken_up_when_it_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, file = str(tmp_path / "site.toml"), tmp_path / "junction-7.toml"

    async def scenario() -> None:
        async with controlled(tmp_path) as bench:
            file.write_text("[[[")
            async with running(tmp_path, TEXT) as daemon:
                await until(lambda: any("its junction file cannot be used" in each for each in told(daemon)))
                assert await typed("desk", "show", site) == 0
                assert await typed("desk", "ask", site, NAME, "flash", "--for", "1min") == 1
                file.write_text(EXAMPLE.read_text())
                await until(lambda: not any("its junction file" in each for each in told(daemon)))
                assert await typed("desk", "ask", site, NAME, "flash", "--for", "1min") == 0
                await until(lambda: runs(bench) == "flash")

    def told(daemon: Daemon) -> list[str]:
        return [each["text"] for each in snapshot(daemon.parts)["problems"]]

    asyncio.run(scenario())
    assert f"its junction file cannot be used: {file}" in capsys.readouterr().out


def test_what_is_not_renewed_lapses_into_the_calendar(tmp_path: Path) -> None:
    """The gateway was killed: nobody takes anything back."""
    bench = Bench(tmp_path)
    bench.ticks(300)
    remote.ask(tmp_path, "stage 2", 60, bench.clock.utc_ms(), "alice")
    bench.ticks(50)
    assert runs(bench) == "stage 2"
    bench.ticks(600)
    assert runs(bench) == "calendar"


def test_a_stage_that_is_asked_for_keeps_nobody_at_red_longer_than_the_core_promises() -> None:
    junction = SITE.junction
    wished = core.Requests(SITE.stage_plans["stage 2"].wishes(junction, 0))
    state, longest = core.begin(junction), [0] * len(junction.groups)
    for _ in range(4000):
        state = core.step(junction, state, wished)
        longest = [max(pair) for pair in zip(longest, state.unserved, strict=True)]
    assert all(each <= group.max_red for each, group in zip(longest, junction.groups, strict=True))
    assert max(longest) > 1000, "the stage was held"


def test_what_the_controller_shows_is_read_and_what_it_does_not_show_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    program = Program("junction-7", tmp_path, lambda: SITE, bench.clock)

    def read() -> str:
        return program.what.text(program._look())

    with pytest.raises(CarrierError, match="no controller shows anything"):
        read()
    bench.ticks(300)
    assert read() == "calendar"
    request(bench, "flash")
    bench.ticks(10)
    assert read() == "flash"
    bench.clock.ms += 3000
    with pytest.raises(CarrierError, match="silent"):
        read()
    bench.ticks(10)
    other = Program("junction-7", tmp_path, lambda: replace(SITE, name="other"), bench.clock)
    with pytest.raises(CarrierError, match="another junction file"):
        other._look()


def test_a_plan_that_the_controller_does_not_have_and_a_folder_that_takes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with controlled(tmp_path) as bench:
            newer = replace(SITE, plans=SITE.plans | {"night": SITE.plans["day"]})
            program = Program("junction-7", bench.folder, lambda: newer, bench.clock)
            await until(lambda: feed.read(bench.folder) is not None)
            assert await program.write(0, is_guarded=True) == 0
            with pytest.raises(NotKeptError) as refused:
                await program.write(program.what.counts("plan night"), is_guarded=True)
            assert refused.value.found == 0
            assert bench.notes[-1][1].startswith('refused: unknown request "plan night"')
        nowhere = Program("junction-7", tmp_path / "junction-7.toml", lambda: SITE, bench.clock)
        with pytest.raises(CarrierError, match="gateway's user has to be allowed to write there"):
            await nowhere.write(1, is_guarded=True)

    asyncio.run(scenario())


def test_an_operator_chooses_on_the_page(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    web, pictures = free_port(), Path(PICTURES) if PICTURES else tmp_path
    text = f'{TEXT}[web]\nlisten = "127.0.0.1:{web}"\nusers_file = "users"'
    path = tmp_path / "site.toml"
    path.write_text(text)
    users.save(secret_files.make_folder(path, Role.USERS) / "users", "olga", "operator", "olga has a password")
    card = f"document.querySelector('[data-actuator=\"{NAME}\"]')"

    async def scenario() -> None:
        profile = tmp_path / "profile"
        async with browser(profile) as page, controlled(tmp_path) as bench, running(tmp_path, text) as daemon:
            await log_in(page, web, "olga")
            await page.until(f"{card}.querySelector('select[name=value]').options.length == 11")
            await page.ask(
                f"(() => {{ {card}.querySelector('[name=value]').value = 'flash';"
                f" {card}.querySelector('form').requestSubmit(); }})()"
            )
            await until(lambda: runs(bench) == "flash")
            await page.until(f"{card}.innerText.includes('operator olga: flash for 15 min')")
            await page.until(f"{card}.innerText.includes('it has flash')")
            (pictures / "desk-junction.png").write_bytes(await page.picture())
            await page.ask(f"{card}.querySelector('button[type=button]').click()")
            await until(lambda: runs(bench) == "calendar")
            (tmp_path / "junction-7.toml").write_text(EXAMPLE.read_text().replace('"evening"', '"night"'))
            await daemon.apply(config.load(path), text.encode())
            options = f"[...{card}.querySelector('select[name=value]').options].map((each) => each.value).join()"
            await page.until(f"{options}.includes('plan night') && !{options}.includes('plan evening')")
            assert page.errors == []

    asyncio.run(scenario())


def test_the_table_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(TEXT.replace("junction_file", "# junction_file"))
    with pytest.raises(config.SiteFileError, match="desk = true needs junction_file"):
        config.load(path)
    path.write_text(TEXT + '[[journal]]\nname = "desk"\nfolder = "j"')
    with pytest.raises(config.SiteFileError, match='device "desk" is used twice'):
        config.load(path)
    path.write_text(TEXT + '[[retention]]\ndevices = ["desk"]\ndays = 30')
    config.load(path)
