"""What the world does to a part, a port that is taken or a store that is damaged, is a sentence, once, and costs the
others nothing; what is not stored stands in the status and ends the gateway with a failure."""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from site_daemon import running
from waiting import free_port, until, wait_until
from wayside.cli.status import lines
from wayside.daemon.sd_notify import NOBODY
from wayside.daemon.service import keep_running
from wayside.daemon.status import SOCKET, ask, snapshot
from wayside.log import Log, LogError
from wayside.runtime.clock import SystemClock
from wayside.runtime.supervise import Supervisor
from wayside.south.lora.store import LoraStore

GOOD = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
NUMBER = "28-3c01d607ed5c"
# One part that works, which every test looks at, and what a test adds.
SITE = f"""
[site]
name = "test.example"
state = "state"
[[adapter]]
device = "cabinet-air"
kind = "w1_thermometer"
options = {{folder = "FOLDER", every_s = 0.1, thermometers = {{top = "{NUMBER}"}}}}
"""
BLE = '[[ble]]\n[[ble.sensor]]\ndevice = "room"\naddress = "54:48:E6:8F:80:A5"\n'
LORA = """
[[radio]]
name = "mast"
port = "/nowhere"
network = 1
[[radio.sensor]]
name = "air-node"
device = "air-1"
number = 12
key_file = "air"
channels = [{name = "t", unit = "Cel", exponent = -2}]
"""
NO_DATABASE = b"no database, whatever was here " * 300


def site(folder: Path, more: str) -> str:
    (folder / NUMBER).mkdir()
    (folder / NUMBER / "w1_slave").write_text(GOOD)
    (folder / "secrets" / "radio").mkdir(parents=True)
    (folder / "secrets" / "radio" / "air").write_text("00" * 16)
    (folder / "state").mkdir()
    for path in (folder / "secrets", folder / "secrets" / "radio"):
        path.chmod(0o700)
    return SITE.replace("FOLDER", str(folder)) + more


def errors(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    """What was told of a part, at the level of an error; never with a trace."""
    told = [each for each in caplog.records if each.levelno >= logging.ERROR and each.getMessage().startswith(part)]
    assert not any(each.exc_info for each in told)
    return [each.getMessage() for each in told]


def test_a_port_that_is_taken_is_told_once_and_had_when_it_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    ports = {name: free_port() for name in ("web", "tiles", "proxy")}
    taken = [create_server(("127.0.0.1", port)) for port in ports.values()]
    text = site(tmp_path, f'[web]\nlisten = "127.0.0.1:{ports["web"]}"\n[log]\nhttp = "127.0.0.1:{ports["tiles"]}"\n')
    text += f'[[bus]]\nname = "b"\nendpoint = "tcp://127.0.0.1:1"\nproxy_port = {ports["proxy"]}\n'
    text += '[[bus.device]]\nname = "m"\nunit = 1\nprofile = "eastron-sdm630"\n'
    tasks = ["web", "tiles", f"proxy {ports['proxy']}"]

    async def scenario() -> None:
        async with running(tmp_path, text) as daemon:
            await until(lambda: all(daemon.parts.restarts[task] > 3 for task in tasks), "tries")
            for task in tasks:
                [told] = errors(caplog, task)
                assert "address already in use" in told.lower() and "choose another port" in told
            told = snapshot(daemon.parts)
            assert sorted(told["failing"]) == sorted(tasks)
            assert sum("DOES NOT RUN: " in line for line in lines(told)) == 3
            packs = daemon.intake.counters["packs"]
            await until(lambda: daemon.intake.counters["packs"] > packs + 3, "packs of the neighbour")
            for each in taken:
                each.close()
            await until(lambda: not daemon.parts.failing, "all run again")

    asyncio.run(scenario())
    assert {each.getMessage() for each in caplog.records if "runs again" in each.getMessage()} == {
        f"{task} runs again" for task in tasks
    }


@pytest.mark.parametrize(("name", "more"), [("ble-hci0.db", BLE), ("lora-mast.db", LORA)])
def test_a_store_that_is_damaged_costs_the_others_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, more: str
):
    text = site(tmp_path, more)
    path = tmp_path / "state" / name
    path.write_bytes(NO_DATABASE)

    async def scenario() -> None:
        async with running(tmp_path, text) as daemon:
            await until(lambda: daemon.intake.counters["packs"] > 3, "packs of the neighbour")
            [task] = [each for each in daemon.parts.failing if each.startswith("making of ")]
            await until(lambda: daemon.parts.restarts[task] > 2, "tries")
            [told] = errors(caplog, task)
            assert f"{name}: is damaged (file is not a database); put it back from a backup, or move it away" in told
            assert any(told in f"{line}; it is tried" or name in line for line in lines(snapshot(daemon.parts)))
            assert name in daemon.lost
            assert path.read_bytes() == NO_DATABASE, "nobody has touched it"
            path.unlink()
            await until(lambda: task not in daemon.parts.failing and not daemon.lost, "it is made")
            assert snapshot(daemon.parts)["radios" if more == LORA else "bluetooth"]

    asyncio.run(scenario())


@pytest.mark.parametrize("spoil", ["a page", "the end", "all but the head"])
def test_damage_in_the_middle_is_found_when_it_is_opened(tmp_path: Path, spoil: str):
    path = tmp_path / "ble.db"
    store = LoraStore(path)
    with store._db:
        store._db.execute("BEGIN")
        store._db.executemany("INSERT INTO status VALUES (?, ?)", [(node, bytes(400)) for node in range(600)])
    store.close()
    data = bytearray(path.read_bytes())
    page, size = 4096, len(data)
    data[{"a page": 9 * page, "the end": size - page, "all but the head": page}[spoil] :] = os.urandom(page)
    path.write_bytes(data[:size])
    with pytest.raises(Exception, match=r"ble\.db: is damaged .*move it away"):
        LoraStore(path)


def test_a_gateway_with_a_damaged_store_ends_with_a_failure(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text(site(tmp_path, BLE))
    (tmp_path / "state" / "ble-hci0.db").write_bytes(NO_DATABASE)
    command = [sys.executable, "-m", "wayside", "run", path]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as gateway:
        socket = tmp_path / "state" / SOCKET

        def told() -> dict[str, Any]:
            try:
                return ask(socket)
            except (OSError, ValueError):
                return {}

        wait_until(lambda: bool(told().get("failing")), "the status tells it")
        gateway.send_signal(signal.SIGTERM)
        _, error = gateway.communicate(timeout=60)
    assert gateway.returncode == 1 and "Traceback" not in error
    assert sum("ble-hci0.db: is damaged" in line for line in error.splitlines()) == 2, "when it begins, and at the end"


def test_a_log_folder_of_another_user_ends_the_start_with_one_line(tmp_path: Path):
    """It polled, said that all was good, stored nothing and ended with 0: SQLite opens such a log to read it."""
    path, log = tmp_path / "site.toml", tmp_path / "state" / "log"
    path.write_text(site(tmp_path, ""))

    async def begin() -> None:
        async with running(tmp_path, path.read_text()) as daemon:
            await until(lambda: daemon.intake.counters["packs"] > 0)

    asyncio.run(begin())
    as_user = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    if as_user and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed (Debian package util-linux)")
    for what, mode in ((log, 0o555), (tmp_path / "state" / "keys.lock", 0o400)):
        before = what.stat().st_mode
        what.chmod(mode)
        try:
            command = [*as_user, sys.executable, "-m", "wayside", "run", path]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        finally:
            what.chmod(before)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        assert str(what) in done.stderr and "have to belong to the user that runs Wayside" in done.stderr


def test_a_log_that_refuses_is_told_once_stands_in_the_status_and_ends_with_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    refuses, append = True, Log.append_entries

    def refuse(log: Log, entries: Any) -> int:
        if refuses and any(each.pack for each in entries):
            raise LogError("log: attempt to write a readonly database")
        return append(log, entries)

    monkeypatch.setattr(Log, "append_entries", refuse)

    async def scenario() -> None:
        nonlocal refuses
        async with running(tmp_path, site(tmp_path, "")) as daemon:
            await until(lambda: daemon.committer.failures > 1, "refusals")
            told = snapshot(daemon.parts)
            assert any("NOTHING IS STORED: log: attempt to write" in line for line in lines(told))
            assert any(each["text"].startswith("nothing is stored") for each in told["problems"])
            refuses = False
            await until(lambda: not daemon.committer.problem, "the log takes entries again")
        assert not daemon.lost
        refuses = True
        task = asyncio.create_task(keep_running(tmp_path / "site.toml", SystemClock(), NOBODY))
        await until(lambda: sum("readonly" in each.getMessage() for each in caplog.records) > 1, "it is told")
        task.cancel()
        with pytest.raises(LogError, match=r"[1-9]\d* reports are not in the log: log: attempt to write a readonly"):
            await task

    asyncio.run(scenario())
    told = [each.getMessage() for each in caplog.records if "readonly" in each.getMessage()]
    assert len(told) == 2, "once in each of the two runs"
    assert any(each.getMessage() == "the log takes entries again" for each in caplog.records)


def test_a_fault_of_ours_is_told_with_its_trace_and_once(caplog: pytest.LogCaptureFixture):
    async def scenario() -> None:
        supervisor = Supervisor(settled_s=0.05)
        broken = True

        async def work() -> None:
            if broken:
                raise ZeroDivisionError("division by zero")
            await asyncio.Event().wait()

        supervisor.start("bus x", work)
        await until(lambda: supervisor.restarts["bus x"] > 3)
        assert supervisor.problems == {"bus x": "ZeroDivisionError: division by zero"}
        broken = False
        await until(lambda: not supervisor.problems, "it runs again")
        await supervisor.stop(["bus x"])

    asyncio.run(scenario())
    assert [bool(each.exc_info) for each in caplog.records if each.levelno >= logging.ERROR] == [True]
