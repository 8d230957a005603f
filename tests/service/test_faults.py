"""What happens when the machine fails the gateway: no name server, a disk that cannot be written, the OOM killer.

The real thing each time, in namespaces and control groups of Linux where this machine lets us have them.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from north.mosquitto import PROGRAM
from waiting import PATIENCE_S, until, wait_until
from wayside.daemon.daemon import Daemon
from wayside.evidence import kinds
from wayside.evidence.entry import decode_entry
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.log import Log, LogReader
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.south.modbus import ModbusBus
from wayside_wire.pack import Pack, open_pack

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
TESTS = Path(__file__).resolve().parents[1]


def in_namespaces(folder: Path, before: str, *words: object, limit_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `words` in new mount and network namespaces, after the shell commands `before`; skip where it cannot be."""
    unshare = ["unshare", "--map-root-user", "--mount", "--net"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("unprivileged namespaces are not allowed here")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    command = [*unshare, "sh", "-ec", f'{before}\nexec "$@"', "sh", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=limit_s, cwd=folder, env=environment, check=False
    )


def packs(folder: Path) -> list[Pack]:
    log = LogReader(folder / "state" / "log")
    bodies = [decode_entry(record.entry).body for record in log.records(0, log.size)]
    log.close()
    return [open_pack(body.raw, lambda *_: True)[0] for body in bodies if isinstance(body, kinds.PackBody)]


def test_without_a_name_server_others_deliver_and_all_is_delivered_when_it_is_back(tmp_path: Path):
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    before = "mount --bind resolv.conf /etc/resolv.conf"
    done = in_namespaces(tmp_path, before, sys.executable, TESTS / "service" / "name_server.py", tmp_path)
    assert done.returncode == 0 and "everything was delivered" in done.stdout, done.stdout + done.stderr


def test_a_disk_that_is_read_only_at_the_start_is_said_in_one_line(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    before = f"""
mount -t tmpfs none disk
printf '[site]\\nname = "test.example"\\n' > disk/site.toml
{sys.executable} -m wayside run disk/site.toml & pid=$!
for _ in $(seq 900); do test -S disk/state/manage.sock && break; sleep 0.1; done
kill $pid
wait $pid || true
test -d disk/state/log
mount -o remount,ro disk
"""
    done = in_namespaces(tmp_path, before, sys.executable, "-m", "wayside", "run", "disk/site.toml")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert any(word in done.stderr.lower() for word in ("read-only", "readonly", "unable to open")), done.stderr


@pytest.mark.parametrize("is_new", [True, False])
def test_a_disk_that_is_full_at_the_start_is_said_to_be_full(tmp_path: Path, is_new: bool):
    """SQLite calls it a disk I/O error."""
    (tmp_path / "disk").mkdir()
    first = f"""
{sys.executable} -m wayside run disk/site.toml & pid=$!
for _ in $(seq 900); do test -S disk/state/manage.sock && break; sleep 0.1; done
kill $pid
wait $pid || true
"""
    before = f"""
mount -t tmpfs -o size=8m none disk
printf '[site]\\nname = "test.example"\\n' > disk/site.toml
{"" if is_new else first}
dd if=/dev/zero of=disk/fill bs=1k count=9000 2> /dev/null || true
"""
    for command in ("run",) if is_new else ("run", "log"):
        done = in_namespaces(tmp_path, before, sys.executable, "-m", "wayside", command, "disk/site.toml")
        assert done.returncode in ((1,) if command == "run" else (0, 1, 2)), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if command == "run":
            assert any(each in done.stderr for each in ("No space left", "MB at least; make room on it")), done.stderr


def test_a_disk_that_becomes_read_only_stops_the_log_and_nothing_else(tmp_path: Path):
    """As SQLite sees it: every write is refused. What waited is there once, in order, when it can be written again."""

    def read_only(yes: bool, log: Log) -> None:
        log._store._db.execute(f"PRAGMA query_only = {int(yes)}")

    async def scenario() -> None:
        path = tmp_path / "site.toml"
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            path.write_text(SITE.format(port=port))
            daemon = Daemon(config.load(path), path, SystemClock())
            running = asyncio.create_task(daemon.run())
            try:
                await until(lambda: daemon.committer.size > 10)
                await daemon.committer.call(lambda log: read_only(True, log))
                await until(lambda: daemon.committer.failures > 1)
                size, polls = (
                    daemon.committer.size,
                    daemon.parts.of(ModbusBus)[0].devices["meter-1"].statistics.good_polls,
                )
                await until(lambda: daemon.parts.of(ModbusBus)[0].devices["meter-1"].statistics.good_polls > polls + 5)
                assert daemon.committer.size == size and not daemon.parts.restarts and not running.done()
                await daemon.committer.call(lambda log: read_only(False, log))
                await until(lambda: daemon.committer.size > size + 20)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
    found = packs(tmp_path)
    assert [pack.sequence for pack in found] == list(range(len(found)))


@contextmanager
def memory_group(megabytes: int) -> Iterator[Path]:
    """A control group with this much memory, of either version; skip where none can be made."""
    group = next(filter(None, map(_made, _GROUPS.items(), [megabytes] * len(_GROUPS))), None)
    if group is None:
        pytest.skip("no memory control group can be made here")
    try:
        yield group
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


_GROUPS = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}


def _made(place: tuple[str, str], megabytes: int) -> Path | None:
    group = Path(place[0]) / f"wayside-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / place[1]).write_text(str(megabytes * 1_000_000))
    except OSError:
        with suppress(OSError):
            group.rmdir()
        return None
    return group


HOG = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(b'x' * 4_000_000))\n    time.sleep(0.002)\n"


def test_the_out_of_memory_killer_takes_nothing_that_was_logged(tmp_path: Path):
    path = tmp_path / "site.toml"
    words = [sys.executable, "-m", "wayside", "run", str(path)]

    def size() -> int:
        try:
            log = LogReader(tmp_path / "state" / "log")
        except Exception:
            return 0
        found = log.size
        log.close()
        return found

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            path.write_text(SITE.format(port=port))
            await asyncio.to_thread(kill_and_start_again)

    def kill_and_start_again() -> None:
        with memory_group(300) as group, subprocess.Popen(words, stderr=subprocess.DEVNULL) as gateway:
            try:
                (group / "cgroup.procs").write_text(str(gateway.pid))
                Path(f"/proc/{gateway.pid}/oom_score_adj").write_text("1000")  # the kernel's first choice
                wait_until(lambda: size() > 20)
                with subprocess.Popen([sys.executable, "-c", HOG]) as hog:
                    (group / "cgroup.procs").write_text(str(hog.pid))
                    try:
                        assert gateway.wait(PATIENCE_S) == -signal.SIGKILL
                    finally:
                        hog.kill()
            finally:
                gateway.kill()
        logged = packs(tmp_path)
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as gateway:
            wait_until(lambda: len(packs(tmp_path)) > len(logged) + 5)
            gateway.send_signal(signal.SIGTERM)
            assert gateway.wait(PATIENCE_S) == 0
        after = packs(tmp_path)
        assert after[: len(logged)] == logged
        boots = sorted({pack.boot for pack in after})
        assert len(boots) == 2
        for boot in boots:
            sequences = [pack.sequence for pack in after if pack.boot == boot]
            assert sequences == list(range(len(sequences)))

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    assert log.origin == "test.example/log/0"
    log.check(0, log.size)
    log.close()
