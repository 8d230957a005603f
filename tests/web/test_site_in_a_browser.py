"""The status site as people see it: a real gateway on simulated meters, in a real browser."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from waiting import free_port, until
from wayside.daemon.daemon import Daemon
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.runtime.clock import SystemClock
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.south.modbus import ModbusBus
from wayside.web import users
from web.browser import browser

PICTURES = os.environ.get("WAYSIDE_PICTURES")
SITE = """
[site]
name = "test.example"
[web]
listen = "127.0.0.1:{web}"
{more}
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 100
report_ms = 200
channels = ["voltage_l1", "power_active", "energy_active_import"]
[[bus.device]]
name = "meter-2"
unit = 2
profile = "eastron-sdm630"
poll_ms = 100
report_ms = 200
timeout_ms = 50
channels = ["voltage_l1"]
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
"""


@asynccontextmanager
async def gateway(folder: Path, more: str = "") -> AsyncIterator[str]:
    """The address of the status site of a gateway with one meter that answers and one that does not."""
    path = folder / "site.toml"
    web = free_port()
    async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
        path.write_text(SITE.format(port=port, web=web, more=more))
        daemon = Daemon(config.load(path), path, SystemClock())
        running = asyncio.create_task(daemon.run())
        try:
            dead = daemon.parts.of(ModbusBus)[0].devices["meter-2"]
            await until(lambda: daemon.intake.counters["packs"] > 5 and dead.unreachable)
            yield f"http://127.0.0.1:{web}"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def test_the_page_shows_the_site_and_says_when_it_shows_old_values(tmp_path: Path):
    pictures = Path(PICTURES) if PICTURES else tmp_path

    async def scenario() -> None:
        async with browser(tmp_path / "profile") as page:
            async with gateway(tmp_path) as address:
                await page.size(1200, 900, phone=False)
                await page.open(f"{address}/")
                await page.until("document.querySelector('[data-device=\"meter-1\"] svg path') !== null")
                shown = await page.ask("document.body.innerText")
                for text in ("test.example", "live", "Trouble", "voltage_l1", "meter-2 on cabinet does not answer"):
                    assert text in shown, (text, shown)
                assert "sink city is not connected" in shown and "test.example/log/0" in shown
                value = await page.ask("document.querySelector('[data-device=\"meter-1\"] .number').innerText")
                assert value.endswith(" kWh") and value[0].isdigit()
                bad = await page.ask("document.querySelector('[data-device=\"meter-2\"]').innerText")
                assert "no value" in bad and "bad:" in bad
                first = await page.ask("document.querySelector('#glance').innerText")
                await page.until(f"document.querySelector('#glance').innerText !== {first!r}")
                (pictures / "site.png").write_bytes(await page.picture())
                await page.size(390, 844, phone=True)
                # On a phone nothing is wider than the screen: only tables scroll, within their own frame.
                assert await page.ask("document.documentElement.scrollWidth") <= 390
                (pictures / "phone.png").write_bytes(await page.picture())
                assert {url.split("/")[2] for url in page.requested} == {address.removeprefix("http://")}
                assert page.errors == []
            # The gateway has gone; the page must not go on as if it had not.
            await page.until("document.getElementById('main').className === 'lost'")
            assert "these values are old" in await page.ask("document.getElementById('link').innerText")
            (pictures / "lost.png").write_bytes(await page.picture())

    asyncio.run(scenario())


def test_a_user_logs_in_and_out_and_sees_what_the_role_may(tmp_path: Path):
    file = secret_files.make_folder(tmp_path / "site.toml", Role.USERS) / "users"
    users.save(file, "ada", "technician", "a long password")

    async def scenario() -> None:
        async with browser(tmp_path / "profile") as page, gateway(tmp_path, 'users_file = "users"') as address:
            await page.open(f"{address}/")
            for password in ("a wrong password", "a long password"):
                await page.until("document.querySelector('input[name=password]') !== null")
                await page.ask("document.querySelector('input[name=name]').value = 'ada'")
                await page.ask(f"document.querySelector('input[name=password]').value = {password!r}")
                wrong = await page.ask("location.search")
                await page.ask("document.querySelector('form').submit()")
                if not wrong:
                    await page.until("location.search === '?wrong' && document.querySelector('form') !== null")
            await page.until("document.getElementById('who')?.innerText.includes('ada, technician')")
            assert "take up" not in await page.ask("document.getElementById('who').innerText")
            assert await page.ask("document.cookie") == "", "no script can read the session"
            assert await page.ask("fetch('/support-bundle').then((answer) => answer.status)") == 200
            assert await page.ask("fetch('/reload', { method: 'POST' }).then((answer) => answer.status)") == 403
            await page.ask("document.querySelector('#who form[action=\"/logout\"] button').click()")
            await page.until("location.pathname === '/login'")
            assert await page.ask("fetch('/events').then((answer) => answer.status)") == 401

    asyncio.run(scenario())


def test_energy_flows_are_drawn_and_what_is_not_known_is_said(tmp_path: Path):
    pictures = Path(PICTURES) if PICTURES else tmp_path
    flow = '[[web.flow]]\nkind = "{}"\ndevice = "{}"\nchannel = "{}"\n'
    more = flow.format("grid", "meter-1", "power_active") + flow.format("solar", "meter-2", "voltage_l1")

    async def scenario() -> None:
        async with browser(tmp_path / "profile") as page, gateway(tmp_path, more) as address:
            await page.size(1200, 900, phone=False)
            await page.open(f"{address}/")
            await page.until("document.querySelector('.flows .tip') !== null")
            rows = "[...document.querySelectorAll('.flows li')].map((each) => each.innerText)"
            grid, solar, rest = await page.ask(rows)
            assert "meter-1" in grid and " W into the grid" in grid
            assert "meter-2" in solar and "not known" in solar and "rest of the site" in rest
            assert "not known: meter-2" in rest
            (pictures / "flows.png").write_bytes(await page.picture())
            await page.size(390, 844, phone=True)
            assert await page.ask("document.documentElement.scrollWidth") <= 390
            (pictures / "flows-phone.png").write_bytes(await page.picture())
            assert page.errors == []

    asyncio.run(scenario())
