"""The desk of a real gateway: a battery behind Modbus/TCP, commanded from the command line and from the page."""

import asyncio
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from desk.test_controlled import PROFILE, Battery
from site_daemon import entries, running
from waiting import free_port, until
from wayside.cli import main, run
from wayside.control.desk.controlled import STREAM
from wayside.daemon import manage
from wayside.daemon.sd_notify import NOBODY
from wayside.daemon.status import snapshot
from wayside.evidence.kinds import CommandBody, DecisionBody
from wayside.lab.plant import answer_for, serve_tcp
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.web import users
from web.browser import Page, browser

PICTURES = os.environ.get("WAYSIDE_PICTURES")
SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "battery"
unit = 1
profile = "battery"
timeout_ms = 2000
[[actuator]]
device = "battery"
control = "power_limit"
fail_safe = {fail_safe}
timer = {{control = "reversion", seconds = 90}}
{more}
"""


def words(folder: Path) -> list[str]:
    """What stands in the desk's stream of the log."""
    found = []
    for each in entries(folder):
        if each.stream == STREAM and isinstance(each.body, CommandBody):
            found.append(f"{each.body.target}: {each.body.origin}: {each.body.what}: {each.body.outcome}")
        elif each.stream == STREAM and isinstance(each.body, DecisionBody):
            found.append(f"{each.body.what}: {each.body.cause}")
    return found


async def typed(*line: str) -> int:
    """The exit status of a command, once the gateway listens."""
    await until((Path(line[2]).parent / "state" / manage.SOCKET).exists)
    return await asyncio.to_thread(main, list(line))


async def log_in(page: Page, port: int, name: str) -> None:
    await page.open(f"http://127.0.0.1:{port}/login")
    await page.until("document.querySelector('form') !== null")
    fill = f"""(() => {{ const form = document.querySelector('form');
        form.elements.name.value = '{name}'; form.elements.password.value = '{name} has a password';
        form.submit(); }})()"""
    await page.ask(fill)
    await page.until("document.querySelector('[data-actuator]') !== null")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "battery.toml").write_text(PROFILE)
    return tmp_path


def test_from_the_command_line_to_the_register_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    battery, site = Battery(), str(folder / "site.toml")

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery})) as port:
            async with running(folder, SITE.format(port=port, fail_safe=-100, more="")):
                await until(lambda: battery.limit == -10)
                assert await typed("desk", "ask", site, "battery power_limit", "1500", "--for", "15min") == 0
                await until(lambda: battery.limit == 150)
                assert await typed("desk", "show", site) == 0
                assert await typed("desk", "ask", site, "battery power_limit", "1505", "--for", "15min") == 1
                assert await typed("desk", "ask", site, "battery power", "1500", "--for", "15min") == 1
                assert await typed("desk", "withdraw", site, "battery power_limit") == 0
                await until(lambda: battery.limit == -10)
                assert await typed("desk", "withdraw", site, "battery power_limit") == 1
                assert await typed("desk", "ask", site, "battery power_limit", "2000", "--for", "1d") == 0
                await until(lambda: battery.limit == 200)
            assert battery.limit == -10, "the gateway has stopped"
        assert battery.writes[:3] == [(3, -10), (4, 90), (3, 150)], "the device's own timer comes first"

    asyncio.run(scenario())
    shown = capsys.readouterr()
    assert "request 1: 1500 W for 900 s" in shown.out
    assert "battery power_limit: 1500 W (user " in shown.out
    for text in ("lies between two steps", 'did you mean "battery power_limit"', "asks nothing of battery power_limit"):
        assert text in shown.err
    told = words(folder)
    assert told[0] == "battery power_limit: -100 W: nobody asks: the fail-safe value"
    assert told[1] == "battery power_limit: desk: -100 W: reads as written"
    assert told[-2:] == [
        "battery power_limit: -100 W: the desk stops",
        "battery power_limit: desk: -100 W: reads as written",
    ]
    assert sum("withdrawn" in each for each in told) == 1
    assert main(["desk", "show", site]) == 1, "no gateway runs"


def test_what_a_killed_gateway_left_is_told_where_the_site_file_has_it_no_more(folder: Path) -> None:
    """As it was killed: its log is copied while a request stands."""
    battery, later = Battery(), folder / "later"

    async def problems(text: str) -> list[str]:
        async with running(later, text) as daemon:
            await until(lambda: snapshot(daemon.parts)["left"] != {})
            return [each["text"] for each in snapshot(daemon.parts)["problems"] if "may still have" in each["text"]]

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery, 2: Battery()})) as port:
            text = SITE.replace("timer =", "# timer =").format(port=port, fail_safe=-100, more="")
            async with running(folder, text):
                await until(lambda: battery.limit == -10)
                asked = ("battery power_limit", "1500", "--for", "15min")
                assert await typed("desk", "ask", str(folder / "site.toml"), *asked) == 0
                await until(lambda: "1500 W: reads as written" in str(words(folder)[-1:]))
                shutil.copytree(folder, later, ignore=shutil.ignore_patterns("*.sock"))
            without = text.partition("[[actuator]]")[0]
            (told,) = await problems(without)
            assert "battery power_limit may still have what the gateway wrote last: 1500 W (request 1 of user" in told
            assert len(await problems(text.replace("unit = 1", "unit = 2"))) == 1, "its device is another one"
            async with running(later, text) as daemon:
                await until(lambda: battery.limit == -10)
            async with running(later, without) as daemon:
                await until(lambda: len(daemon.parts.running.works("actuators left behind")) == 1)
                await asyncio.wait_for(daemon.committer.commit([]), 60)
                assert snapshot(daemon.parts)["left"] == {}, "it was put right"

    asyncio.run(scenario())


def test_a_site_file_that_drops_the_actuator_leaves_the_fail_safe_value(folder: Path) -> None:
    battery = Battery()

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery})) as port:
            text = SITE.format(port=port, fail_safe=-100, more="")
            async with running(folder, text) as daemon:
                site = str(folder / "site.toml")
                await until(lambda: battery.limit == -10)
                assert await typed("desk", "ask", site, "battery power_limit", "1500", "--for", "15min") == 0
                await until(lambda: battery.limit == 150)
                # The bus changes with it: the value is written before the bus is stopped.
                without = text.partition("[[actuator]]")[0].replace("timeout_ms = 2000", "timeout_ms = 1900")
                (folder / "site.toml").write_text(without)
                await daemon.apply(config.load(folder / "site.toml"), without.encode())
                assert battery.limit == -10
                await until(lambda: "reads as written" in str(words(folder)[-1:]))
                assert snapshot(daemon.parts)["left"] == {}

    asyncio.run(scenario())


def test_a_second_signal_does_not_give_up_the_fail_safe_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    battery, path = Battery(), folder / "site.toml"
    answer, lag_s = answer_for({1: battery}), [0.0]

    def slowly(body: bytes) -> bytes | None:
        time.sleep(lag_s[0])
        return answer(body)

    async def scenario() -> None:
        async with serve_tcp(slowly) as port:
            path.write_text(SITE.format(port=port, fail_safe=-100, more=""))
            gateway = asyncio.create_task(run._until_signal(path, SystemClock(), NOBODY))
            await until(lambda: battery.limit == -10)
            assert await typed("desk", "ask", str(path), "battery power_limit", "1500", "--for", "15min") == 0
            await until(lambda: battery.limit == 150)
            lag_s[0] = 0.2
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.02)
            await asyncio.wait([gateway])
            assert battery.limit == -10

    asyncio.run(scenario())
    assert words(folder)[-1] == "battery power_limit: desk: -100 W: reads as written"
    assert capsys.readouterr().err.count("it stops already") == 2


def test_an_operator_commands_on_the_page_and_a_viewer_only_looks(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    battery, web, pictures = Battery(), free_port(), Path(PICTURES) if PICTURES else tmp_path
    path = folder / "site.toml"
    more = f'[web]\nlisten = "127.0.0.1:{web}"\nusers_file = "users"'

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery})) as port, browser(tmp_path / "profile") as page:
            path.write_text(SITE.format(port=port, fail_safe=-100, more=more))
            for name, role in (("olga", "operator"), ("vera", "viewer")):
                file = secret_files.make_folder(path, Role.USERS) / "users"
                users.save(file, name, role, f"{name} has a password")
            async with running(folder, path.read_text()) as daemon:
                await until(lambda: battery.limit == -10)
                await log_in(page, web, "olga")
                card = "document.querySelector('[data-actuator=\"battery power_limit\"]')"
                await page.until(f"{card}.innerText.includes('-100 W') && !{card}.querySelector('form').hidden")
                await page.ask(
                    f"(() => {{ {card}.querySelector('[name=value]').value = '2000';"
                    f" {card}.querySelector('form').requestSubmit(); }})()"
                )
                await until(lambda: battery.limit == 200)
                await page.until(f"{card}.innerText.includes('operator olga: 2000 W for 15 min')")
                (pictures / "desk.png").write_bytes(await page.picture())
                await page.ask(f"{card}.querySelector('button[type=button]').click()")
                await until(lambda: battery.limit == -10)
                wrote = len(battery.writes)
                # The control is in kW from here on: the page that stayed open says so, and asks for nothing else.
                in_kw = PROFILE.replace('= 3, unit = "W", exponent = 1', '= 3, unit = "kW", exponent = 0')
                (folder / "profiles" / "battery.toml").write_text(in_kw)
                await daemon.apply(config.load(path), path.read_bytes())
                await page.until(f"{card}.querySelector('form').innerText.includes('value in kW')")
                assert page.errors == []
                old = {"do": "ask", "target": "battery power_limit", "value": "200", "unit": "W", "seconds": 60}
                sent = f"fetch('/desk', {{method: 'POST', body: '{json.dumps(old)}'}}).then((each) => each.text())"
                assert "is in kW now, not in W" in await page.ask(sent)
                assert (3, 200) not in battery.writes[wrote:]
                await page.ask("fetch('/logout', {method: 'POST'})")
                await log_in(page, web, "vera")
                await page.until(f"{card}.querySelector('form').hidden && {card}.innerText.includes('-100 kW')")
                status = await page.ask("fetch('/desk', {method: 'POST', body: '{}'}).then((each) => each.status)")
                assert status == 403

    asyncio.run(scenario())


def test_who_may_not_enter_the_state_folder_is_told_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (folder / "site.toml").write_text(SITE.format(port=1, fail_safe=0, more=""))
    monkeypatch.setattr(manage, "ask", refuse)
    assert main(["desk", "withdraw", str(folder / "site.toml"), "battery power_limit"]) == 2
    said = capsys.readouterr().err
    assert "site.toml: you may not ask its gateway; run this as the gateway's user" in said


def test_commands_have_a_journal_of_their_own(folder: Path) -> None:
    path = folder / "site.toml"
    good = SITE.format(port=1, fail_safe=0, more='[[retention]]\ndevices = ["desk"]\ndays = 30')
    second = '[[actuator]]\ndevice = "battery"\ncontrol = "{}"\nfail_safe = 0\n'
    path.write_text(good + "\n" + second.format("other_limit"))
    config.load(path)
    node = '[[node]]\nname = "n"\nport = "/dev/ttyACM0"\ndevices = ["desk"]'
    for other in ('[[journal]]\nname = "desk"\nfolder = "j"', node):
        path.write_text(good + "\n" + other)
        with pytest.raises(config.SiteFileError, match="all commands stand in a journal of this name"):
            config.load(path)
    path.write_text(good + "\n" + second.format("power_limit"))
    with pytest.raises(config.SiteFileError, match='control "battery power_limit" is used twice'):
        config.load(path)


def test_a_device_that_moves_while_a_request_stands_is_left_with_its_fail_safe_value(folder: Path) -> None:
    """Nothing else of the site file may have changed for the actuator: its device is another one now."""
    old, new = Battery(), Battery()

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: old, 2: new})) as port:
            text, site = SITE.format(port=port, fail_safe=-100, more=""), str(folder / "site.toml")
            async with running(folder, text) as daemon:
                await until(lambda: old.limit == -10)
                assert await typed("desk", "ask", site, "battery power_limit", "1500", "--for", "15min") == 0
                await until(lambda: old.limit == 150)
                moved = text.replace("unit = 1", "unit = 2")
                (folder / "site.toml").write_text(moved)
                await daemon.apply(config.load(folder / "site.toml"), moved.encode())
                assert old.limit == -10
                await until(lambda: new.limit == -10)

    asyncio.run(scenario())


def test_units_are_those_of_the_profile(folder: Path) -> None:
    """90 s of a timer in minutes, and 50 of a percentage: what is written is what was meant."""
    kept = [line for line in PROFILE.splitlines() if not line.startswith(("other_limit", "reversion"))]
    kept.append('hold = { address = 4, type = "u16", unit = "min", exponent = -1, min = 0, max = 600 }')
    kept.append('share = { address = 5, unit = "%", min = 0, max = 100 }')
    (folder / "profiles" / "battery.toml").write_text("\n".join(kept))
    battery, path = Battery(), folder / "site.toml"
    asks = """
[[actuator]]
device = "battery"
control = "share"
fail_safe = 10
timer = {{control = "hold", seconds = 90}}
"""
    text = SITE.partition("[[actuator]]")[0] + asks

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: battery})) as port, running(folder, text.format(port=port)):
            await until(lambda: (5, 10) in battery.writes)
            assert await typed("desk", "ask", str(path), "battery share", "50", "--for", "1min") == 0
            await until(lambda: battery.writes[-2:] == [(4, 15), (5, 50)])

    asyncio.run(scenario())
    good = text.format(port=1)
    for old, new, said in (
        ('"hold"', '"share"', "the control counts %, which is no time"),
        ("fail_safe = 10\ntimer", 'fail_safe = "device"\n# timer', "needs a timer"),
        ("fail_safe = 10", 'fail_safe = "left"', "write the value that it is to have while nobody asks"),
        ("fail_safe = 10", "fail_safe = 101", "101 % is outside what it may have, 0 % to 100 %"),
    ):
        path.write_text(good.replace(old, new))
        with pytest.raises(config.SiteFileError, match=said):
            config.load(path)
