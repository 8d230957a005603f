"""Junctions on the status site as people see them: a real controller's journal and feed, a real gateway and browser."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from signals.test_signals_record import EXAMPLE, NOON_MS, SITE, Bench
from waiting import free_port
from wayside.daemon.daemon import Daemon
from wayside.runtime.clock import SystemClock
from wayside.site import config
from web.browser import browser

PICTURES = os.environ.get("WAYSIDE_PICTURES")
FILE = """
[site]
name = "test.example"
[web]
listen = "127.0.0.1:{web}"
[[journal]]
name = "junction-7"
folder = "junction"
junction_file = "junction.toml"
"""
TRAFFIC = bytes([1, 0, 1, 0, 0, 1])
CARD = "document.querySelector('[data-junction=\"junction-7\"]')"


class NoonClock(SystemClock):
    """The gateway's clock, set to noon at the junction: what its calendar asks must not depend on when tests run."""

    def __init__(self, ahead_ms: int):
        super().__init__()
        self._offset_ms = NOON_MS + ahead_ms - super().utc_ms()

    def utc_ms(self) -> int:
        return super().utc_ms() + self._offset_ms


@asynccontextmanager
async def controller(bench: Bench, clock: NoonClock) -> AsyncIterator[None]:
    """Ticks as time goes by; ticks that this machine delayed are made up for, they are no part of what is tested."""

    async def run() -> None:
        while True:
            while NOON_MS + bench.clock.ms <= clock.utc_ms():
                bench.ticks(1, TRAFFIC)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def gateway(folder: Path, clock: NoonClock) -> AsyncIterator[str]:
    (folder / "junction.toml").write_text(EXAMPLE.read_text())
    port = free_port()
    (folder / "site.toml").write_text(FILE.format(web=port))
    daemon = Daemon(config.load(folder / "site.toml"), folder / "site.toml", clock)
    running = asyncio.create_task(daemon.run())
    try:
        await asyncio.sleep(0)
        yield f"http://127.0.0.1:{port}/"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_junction_is_drawn_its_flash_is_said_and_its_silence_too(tmp_path: Path):
    pictures = Path(PICTURES) if PICTURES else tmp_path
    (tmp_path / "junction").mkdir()
    bench = Bench(tmp_path / "junction")
    for _ in range(10):
        bench.ticks(60, TRAFFIC)
        bench.ticks(40)
    clock = NoonClock(bench.clock.ms)

    async def scenario() -> None:
        async with browser(tmp_path / "profile") as page, gateway(tmp_path, clock) as address:
            await page.size(1200, 900, phone=False)
            async with controller(bench, clock):
                while not await answers(address):
                    await asyncio.sleep(0.1)
                await page.open(address)
                await page.until(f"{CARD} !== null && {CARD}.querySelector('rect[data-lamp=green]') !== null")
                names = await page.ask(f"[...{CARD}.querySelectorAll('.group .name')].map((each) => each.textContent)")
                assert names == list(SITE.junction.index)
                # Bars lie within their row, one behind the other, and nearly fill what the controller ran of it.
                rows = await page.ask(
                    f"[...{CARD}.querySelectorAll('.bars')].map((row) => [row.clientWidth,"
                    " [...row.querySelectorAll('rect')].map((bar) =>"
                    " [+bar.getAttribute('x'), +bar.getAttribute('width'), bar.dataset.lamp])])"
                )
                for width, bars in rows:
                    assert width > 300 and bars[0][0] >= 0
                    for (x, wide, lamp), (behind, _, following) in pairwise(bars):
                        assert abs(x + wide - behind) < 0.2 and lamp != following
                    assert sum(wide for _, wide, _ in bars) > 0.75 * width
                lamps = {bar[2] for _, bars in rows for bar in bars}
                assert {"flash_amber", "flash_red", "red", "red_amber", "green", "amber"} <= lamps
                shown = await page.ask(f"{CARD}.innerText")
                assert "high-street" in shown and "control: actuated" in shown and "last entry" in shown, shown
                # A busy machine holds the controller up for seconds; once it ticks again, nothing of this stays.
                await page.until(f"!/the controller is silent|flashes/.test({CARD}.innerText)")
                assert "red and amber" in await page.ask("document.querySelector('.lamps').innerText")
                (pictures / "junction.png").write_bytes(await page.picture())
                await page.size(390, 844, phone=True)
                await page.until(f"{CARD}.querySelector('.bars').clientWidth < 390")
                assert await page.ask("document.documentElement.scrollWidth") <= 390
                (pictures / "junction-phone.png").write_bytes(await page.picture())
                await page.size(1200, 900, phone=False)
                bench.node.read = lambda size: b""  # type: ignore[method-assign]  # the line is cut
                await page.until(f"{CARD}.innerText.includes('flashes: the node is not heard')")
                await page.until(f"{CARD}.querySelector('.now').textContent === 'flashing amber'")
                problems = await page.ask("document.getElementById('problems').innerText")
                assert "junction junction-7: flashes: the node is not heard" in problems
                (pictures / "junction-flash.png").write_bytes(await page.picture())
            # The controller is stopped; the gateway goes on.
            await page.until(f"{CARD}.innerText.includes('the controller is silent for')")
            assert await page.ask(f"{CARD}.classList.contains('old')")
            shown = await page.ask(f"{CARD}.innerText")
            assert "last picture" in shown and "last known: " in shown and "was flashing amber" in shown
            assert "this is an old picture" in await page.ask("document.getElementById('problems').innerText")
            (pictures / "junction-old.png").write_bytes(await page.picture())
            assert page.errors == []

    try:
        asyncio.run(scenario())
    finally:
        bench.appender.close()


async def answers(address: str) -> bool:
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True
