"""A gateway that ends without stopping: the next start says that what waited in memory is lost."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from site_daemon import entries, running
from waiting import until, wait_until
from wayside import cli
from wayside.daemon import manage
from wayside.daemon.daemon import Daemon
from wayside.evidence.entry import beginning
from wayside.evidence.finding import utc
from wayside.evidence.kinds import ClockBody, CommandBody
from wayside.evidence.stream import GATEWAY
from wayside.log import LogError
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.site.cut_off import CUT_OFF, note_running
from wayside.site.log import open_site_log

SITE = '[site]\nname = "test.example"\n'


def told(folder: Path) -> list[str]:
    bodies = [each.body for each in entries(folder)]
    return [each.outcome for each in bodies if isinstance(each, CommandBody) and each.what == CUT_OFF]


def test_a_kill_is_said_by_the_next_start_once_and_a_stop_is_not(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text(SITE)

    async def start_and_stop() -> None:
        async with running(tmp_path, SITE):
            pass

    asyncio.run(start_and_stop())
    asyncio.run(start_and_stop())
    assert not told(tmp_path)
    socket = tmp_path / "state" / manage.SOCKET
    socket.unlink(missing_ok=True)
    with subprocess.Popen([sys.executable, "-m", "wayside", "run", str(path)]) as process:
        try:
            wait_until(socket.exists, "the gateway")
        finally:
            os.kill(process.pid, signal.SIGKILL)
    for _ in range(2):
        asyncio.run(start_and_stop())
        assert len(told(tmp_path)) == 1 and "outcomes of commands" in told(tmp_path)[0]


def test_the_time_that_may_be_lost_begins_with_the_last_entry_of_who_was_cut_off(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    clock = SystemClock()

    async def run(site: str) -> None:
        async with running(tmp_path, site):
            pass

    asyncio.run(run(SITE))
    with closing(open_site_log(config.load(path), path, clock).log) as log:
        note_running(log, True)  # and then a kill
        last = log.records(log.size - 1, 1)[0]
    (at_ms,) = {beginning(last.entry)[1]}
    time.sleep(1.1)  # another second, in the texts
    assert cli.main(["keys", "rotate", str(path), "identity"]) == 0
    asyncio.run(run(SITE + "# changed\n"))
    assert f"from {utc(at_ms)} to " in told(tmp_path)[0]


def test_what_waits_for_a_disk_that_refuses_to_the_end_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "site.toml"
    path.write_text(SITE)

    async def scenario() -> None:
        daemon = Daemon(config.load(path), path, SystemClock())
        task = asyncio.create_task(daemon.run())
        await daemon.ready.wait()

        def refuse(entries: object) -> int:
            raise LogError("no space left on device")

        monkeypatch.setattr(daemon.committer._log, "append_entries", refuse)
        daemon.intake.keep(GATEWAY, ClockBody(1))
        await until(lambda: daemon.committer.failures > 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert "not in the log" in daemon.lost

    asyncio.run(scenario())
    assert not told(tmp_path)

    async def again() -> None:
        async with running(tmp_path, SITE):
            pass

    asyncio.run(again())
    assert len(told(tmp_path)) == 1
