"""The service manager's watchdog: fed from progress, not from a timer; a notify socket of our own hears it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from service.everything import everything
from service.notify_socket import Manager, manager
from waiting import PATIENCE_S, until, wait_until
from wayside.daemon.daemon import Daemon
from wayside.daemon.parts import PartPlan, Running
from wayside.daemon.sd_notify import Notifier
from wayside.daemon.watchdog import Watchdog
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.log import Log
from wayside.parts.part import Part
from wayside.runtime.clock import SystemClock
from wayside.runtime.pulse import LOOP_S, Pulse
from wayside.runtime.supervise import Supervisor
from wayside.site import config
from wayside.south.modbus import ModbusBus

SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 20
report_ms = 20
channels = ["voltage_l1"]
"""


class Hurried:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(folder: Path, port: int) -> AsyncIterator[Daemon]:
    path = folder / "site.toml"
    path.write_text(SITE.format(port=port))
    daemon = Daemon(config.load(path), path, SystemClock())
    task = asyncio.create_task(daemon.run())
    try:
        await until(lambda: daemon.committer.size > 5)
        yield daemon
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_service_says_ready_alive_and_stopping(tmp_path: Path):
    (tmp_path / "site.toml").write_text('[site]\nname = "test.example"\n')
    with manager(tmp_path) as systemd:
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        words = [sys.executable, "-m", "wayside", "run", str(tmp_path / "site.toml")]
        with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE) as service:
            try:
                wait_until(lambda: bool(systemd.listen()) and systemd.heard.count("WATCHDOG=1") > 2)
                service.send_signal(signal.SIGTERM)
                assert service.wait(PATIENCE_S) == 0
            finally:
                service.kill()
        systemd.listen()
        assert systemd.heard.count("READY=1") == 1 and "STOPPING=1" in systemd.heard
        assert any(told.startswith("STATUS=") and "entries" in told for told in systemd.heard)


def test_an_abstract_socket_is_told_too():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        name = f"wayside-test-{os.getpid()}"
        end.bind(f"\0{name}")
        end.settimeout(PATIENCE_S)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert end.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_whom_it_names(environment: dict[str, str], watchdog_s: float | None):
    assert Notifier(environment).watchdog_s == watchdog_s


def test_a_manager_that_is_gone_harms_nothing(tmp_path: Path):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).alive()
    Notifier({}).alive()


def test_only_a_task_that_owes_work_can_be_stuck(tmp_path: Path):
    clock, done, owed = Hurried(), [0], [False]
    with manager(tmp_path) as systemd:
        task = Pulse("task", lambda: done[0], lambda: owed[0], 60)
        dog = Watchdog(Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}), lambda: [task], lambda: "well", clock)

        def fed(seconds: float) -> bool:
            clock.now += seconds
            dog.look()
            return "WATCHDOG=1" in systemd.listen()

        assert fed(0) and fed(1000), "it owes nothing"
        owed[0] = True
        assert fed(30) and fed(20), "it has some time"
        assert not fed(40), "no more"
        assert systemd.heard[-1] == "STATUS=stuck: task"
        done[0] += 1
        assert fed(100), "it moved"


async def all_move(daemon: Daemon) -> None:
    """Wait until each task that a minute is enough for, and that owes something, has moved."""
    before = {each.name: each.moved() for each in daemon.pulses()}

    def standing() -> list[str]:
        owing = [each for each in daemon.pulses() if each.within_s <= LOOP_S and each.owes()]
        return [each.name for each in owing if each.moved() == before[each.name]]

    await until(lambda: not standing(), "every task moves")


@contextmanager
def held_disk(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The log's thread hangs in its next write for as long as the block lasts."""
    release = threading.Event()
    append = Log.append_entries

    def slow(log: Log, batch):  # type: ignore[no-untyped-def]
        release.wait(60)
        return append(log, batch)

    monkeypatch.setattr(Log, "append_entries", slow)
    try:
        yield
    finally:
        release.set()


def test_a_slow_disk_does_not_withhold_it_and_a_dead_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def scenario(systemd: Manager) -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port, running(tmp_path, port) as daemon:
            clock = Hurried()
            notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
            dog = Watchdog(notifier, daemon.pulses, lambda: "", clock)
            with held_disk(daemon, monkeypatch):
                await until(lambda: daemon.committer.in_call and daemon.committer.waiting)
                for minute in range(10):
                    dog.look()
                    assert "WATCHDOG=1" in systemd.listen(), f"minute {minute}: {dog.stuck}"
                    await all_move(daemon)
                    clock.now += 60
                clock.now += 60
                dog.look()
                assert dog.stuck == {"log thread"} and "WATCHDOG=1" not in systemd.listen()
            calls = daemon.committer.calls
            await until(lambda: daemon.committer.calls > calls)
            dog.look()
            assert "WATCHDOG=1" in systemd.listen(), "it wrote again"

    with manager(tmp_path) as systemd:
        asyncio.run(scenario(systemd))


def test_a_stuck_bus_withholds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def scenario(systemd: Manager) -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port, running(tmp_path, port) as daemon:
            clock, hung = Hurried(), asyncio.Event()
            notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
            dog = Watchdog(notifier, daemon.pulses, lambda: "", clock)
            dog.look()
            assert "WATCHDOG=1" in systemd.listen()

            async def hang(*_: object) -> bytes:
                hung.set()
                await asyncio.Event().wait()
                raise AssertionError

            monkeypatch.setattr(daemon.parts.of(ModbusBus)[0].link, "exchange", hang)
            await hung.wait()
            dog.look()
            clock.now += 200
            await all_move(daemon)
            dog.look()
            assert not dog.stuck, "other tasks moved, and a bus may wait long for an answer"
            await all_move(daemon)
            clock.now += 50
            systemd.listen()
            dog.look()
            # Retention's turn comes once a minute, which the hurried clock does not wait for.
            assert "bus cabinet" in dog.stuck <= {"bus cabinet", "retention"}
            assert "WATCHDOG=1" not in systemd.listen()

    with manager(tmp_path) as systemd:
        asyncio.run(scenario(systemd))


ANSWERS = {"status", "manager", "web", "tiles", "watchdog"}
"""Tasks that only answer those who come, and the one that watches; a bus's proxy is named by its port."""


def test_every_task_of_every_kind_is_watched_under_its_name(tmp_path: Path) -> None:
    path, ports = everything(tmp_path)

    async def scenario() -> None:
        daemon = Daemon(config.load(path), path, SystemClock())
        task = asyncio.create_task(daemon.run())
        try:
            await daemon.ready.wait()
            names = [each.name for each in daemon.pulses()]
            tasks = {each.get_name() for each in asyncio.all_tasks()} - {task.get_name()}
            unwatched = {name for name in tasks - set(names) if not name.startswith("Task-")}
            assert unwatched == ANSWERS | {f"proxy {ports['proxy']}"}
            assert len(names) == len(set(names)) and set(names) - tasks == {"log thread", "commits", "intake"}
            moved = {each.name: each.moved() for each in daemon.pulses() if each.owes()}
            slow = {"retention", "certificates", "radio roof unsigned", "bluetooth shade", "bus cabinet"}
            await until(lambda: not standing(daemon, moved, slow), "every task that owes work moves")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def standing(daemon: Daemon, before: dict[str, object], slow: set[str]) -> list[str]:
    now = {each.name: each.moved() for each in daemon.pulses()}
    return [name for name, moved in before.items() if name not in slow and now[name] == moved]


def test_a_part_that_hangs_withholds_it(tmp_path: Path) -> None:
    """Of any kind: a part says itself how it moves, and nothing else has to know it."""
    clock = Hurried()
    supervisor = Supervisor()
    running = Running(supervisor)

    async def hang() -> None:
        await asyncio.Event().wait()

    async def scenario(systemd: Manager) -> None:
        pulse = Pulse("new thing", lambda: 0, within_s=60)
        running.make({"new thing": PartPlan(lambda: Part({"new thing": hang}, pulses=(pulse,)))})
        dog = Watchdog(Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}), running.pulses, lambda: "", clock)
        dog.look()
        assert "WATCHDOG=1" in systemd.listen() and not running.pulses(), "nothing has been started"
        running.start()
        dog.look()
        clock.now += 61
        systemd.listen()
        dog.look()
        assert dog.stuck == {"new thing"} and "WATCHDOG=1" not in systemd.listen()
        await running.stop(["new thing"])
        dog.look()
        assert not dog.stuck and "WATCHDOG=1" in systemd.listen()

    with manager(tmp_path) as systemd:
        asyncio.run(scenario(systemd))
