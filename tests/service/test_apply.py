"""A new site file in the running gateway: it comes up, or the one before is back, by itself."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from waiting import PATIENCE_S, wait_until
from wayside.cli import main
from wayside.daemon.sd_notify import NOBODY
from wayside.daemon.service import Probation, keep_running
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import ConfigurationBody
from wayside.lab.embedded import embedded_broker
from wayside.log import LogReader
from wayside.runtime.clock import SystemClock
from wayside.site.history import SiteHistory

SITE = """
[site]
name = "test.example"
"""
SINK = """
[[sink]]
name = "city"
kind = "mqtt"
url = "mqtt://127.0.0.1:{port}"
"""


def configurations(folder: Path) -> list[bytes]:
    log = LogReader(folder / "state" / "log")
    bodies = [decode_entry(record.entry).body for record in log.records(0, log.size)]
    log.close()
    return [body.digest for body in bodies if isinstance(body, ConfigurationBody)]


@asynccontextmanager
async def gateway(site: Path, within_s: float = 20.0) -> AsyncIterator[None]:
    running = asyncio.create_task(keep_running(site, SystemClock(), NOBODY, Probation(within_s, settle_s=0.3)))
    try:
        async with asyncio.timeout(60):
            while not (site.parent / "state" / "manage.sock").exists():
                await asyncio.sleep(0.02)
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def wayside(*words: object) -> int:
    return await asyncio.to_thread(main, [str(word) for word in words])


def test_a_good_file_is_in_force_and_logged_and_rolled_back(tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    site, new = tmp_path / "site.toml", tmp_path / "new.toml"
    site.write_text(SITE)
    new.write_text(SITE + "# another\n")

    async def scenario() -> None:
        async with gateway(site):
            assert await wayside("config", "apply", site, new) == 0
            assert "version 2 is in force" in capsys.readouterr().out
            assert await wayside("config", "apply", site, new) == 0
            assert capsys.readouterr().out == "nothing changes\n"
            assert await wayside("config", "rollback", site) == 0
            assert "version 3 is in force" in capsys.readouterr().out

    asyncio.run(scenario())
    hashes = [sha256(text.encode()).digest() for text in (SITE, SITE + "# another\n", SITE)]
    assert configurations(tmp_path) == hashes
    assert site.read_text() == SITE


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('[log]\nhttp = "127.0.0.1:{taken}"\n', "these tasks failed: tiles"),
        ('[web]\nlisten = "127.0.0.1:{taken}"\n', "these tasks failed: web"),
    ],
    ids=["a port that is taken", "the status site's port is taken"],
)
def test_a_file_that_does_not_come_up_is_taken_back(tmp_path: Path, capsys, more: str, why: str):  # type: ignore[no-untyped-def]
    site, new = tmp_path / "site.toml", tmp_path / "new.toml"
    site.write_text(SITE)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            new.write_text(SITE + more.format(taken=taken.getsockname()[1]))
            async with gateway(site):
                assert await wayside("config", "apply", site, new) == 1
                assert why in capsys.readouterr().err
                # The gateway of the version before runs, and takes the next one.
                new.write_text(SITE + "# harmless\n")
                assert await wayside("config", "apply", site, new) == 0

    asyncio.run(scenario())
    assert [bool(version.failed) for version in SiteHistory(site).versions()] == [False, True, False]
    assert site.read_text() == SITE + "# harmless\n"


def test_a_part_that_holds_everything_up_while_it_loads_has_not_come_up_by_that(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):  # type: ignore[no-untyped-def]
    """As the status site does on a small machine: its library takes seconds."""
    site, new = tmp_path / "site.toml", tmp_path / "new.toml"
    site.write_text(SITE)
    monkeypatch.setattr("wayside.net.http.require", lambda _: time.sleep(1.0))

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            new.write_text(SITE + f'[web]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n')
            async with gateway(site):
                assert await wayside("config", "apply", site, new) == 1
                assert "these tasks failed: web" in capsys.readouterr().err

    asyncio.run(scenario())


def test_a_file_whose_secrets_are_not_there_is_not_tried(tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    site, new = tmp_path / "site.toml", tmp_path / "new.toml"
    site.write_text(SITE)
    new.write_text(SITE + SINK.format(port=1) + 'password_file = "not-there"\n')
    assert main(["config", "apply", str(site), str(new)]) == 2
    assert "sink[1].password_file" in capsys.readouterr().err
    assert site.read_text() == SITE and SiteHistory(site).versions() == []


def test_a_file_that_cuts_the_site_off_from_its_broker_is_taken_back(tmp_path: Path, capsys):  # type: ignore[no-untyped-def]
    site, new = tmp_path / "site.toml", tmp_path / "new.toml"

    async def connected() -> bool:
        await wayside("status", site)
        return "city: connected" in capsys.readouterr().out

    async def scenario() -> None:
        async with embedded_broker() as reached:
            site.write_text(SITE + SINK.format(port=reached.port))
            new.write_text(SITE + SINK.format(port=1))
            async with gateway(site, within_s=2):
                async with asyncio.timeout(60):
                    while not await connected():
                        await asyncio.sleep(0.05)
                assert await wayside("config", "apply", site, new) == 1
                assert "a sink was connected before, and now none is" in capsys.readouterr().err
                assert site.read_text() == SITE + SINK.format(port=reached.port)

    asyncio.run(scenario())


def test_a_gateway_that_is_killed_on_trial_goes_back_by_itself(tmp_path: Path):
    """Killed twice before it was up, by whatever: the third start is that of the version before."""
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    SiteHistory(site).put_on_trial((SITE + "# deadly\n").encode(), needs_sink=False)
    words = [sys.executable, "-m", "wayside", "run", str(site)]
    socket_path = tmp_path / "state" / "manage.sock"
    for _ in range(2):
        with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=os.environ) as service:
            wait_until(socket_path.exists, "a start")
            service.kill()
            socket_path.unlink()
        assert site.read_text().endswith("# deadly\n")
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=os.environ) as service:
        wait_until(lambda: site.read_text() == SITE, "the site file of before")
        wait_until(socket_path.exists, "a start")
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_S) == 0
    assert site.read_text() == SITE
