"""Controller and monitor as services: ready with the first tick, alive while ticks come through, ended by SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service.notify_socket import Manager, manager
from waiting import PATIENCE_S, wait_until
from wayside.cli.signals.serve import telling
from wayside.daemon.sd_notify import Notifier
from wayside.lab.plant.cable import raw_pty

JUNCTION = Path(__file__).resolve().parents[1] / "signals" / "bench_site.toml"
WAYSIDE = [sys.executable, "-m", "wayside", "signals"]
WATCHDOG_S = 0.6


@pytest.fixture
def line() -> Iterator[str]:
    """A serial line on which no node speaks."""
    with raw_pty() as (_, path):
        yield path


def command(role: str, folder: Path, line: str) -> list[str]:
    key = folder / "line.key"
    key.write_text("11" * 32)
    key.chmod(0o600)
    ends = ["--port", line, "--key", str(key), "--state", str(folder / "state")]
    if role == "run":
        return [*WAYSIDE, "run", str(JUNCTION), *ends]
    signer = [*WAYSIDE, "matrix", str(JUNCTION), "--sign", str(folder / "signer.key")]
    signed = subprocess.run(signer, capture_output=True, text=True, check=True)
    matrix = folder / "junction.matrix"
    matrix.write_text(signed.stdout)
    vkey = next(word for word in signed.stderr.split() if word.startswith("traffic-engineer+"))
    return [*WAYSIDE, "monitor", str(matrix), "--signer", vkey, *ends]


@contextmanager
def service(words: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    told = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    with subprocess.Popen(words, env=os.environ | told, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def beats(systemd: Manager) -> int:
    systemd.listen()
    return systemd.heard.count("WATCHDOG=1")


@pytest.mark.parametrize("role", ["run", "monitor"])
def test_it_says_ready_alive_and_stopping(role: str, line: str, tmp_path: Path):
    words = command(role, tmp_path, line)
    with manager(tmp_path) as systemd, service(words, tmp_path) as process:
        wait_until(lambda: beats(systemd) > 2, "signs of life")
        # Nobody speaks on the line: that is told, and is no reason to start again.
        status = "STATUS=flash: the node is not heard" if role == "run" else "STATUS=waiting for the node to flash"
        assert status in systemd.heard
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        beats(systemd)
        assert systemd.heard.count("READY=1") == 1 and systemd.heard[-1] == "STOPPING=1"
    if role == "run":
        assert any((tmp_path / "state").glob("*.journal")), "what it decided is on disk when it has ended"


def test_one_that_stands_still_is_heard_no_more(line: str, tmp_path: Path):
    with manager(tmp_path) as systemd, service(command("run", tmp_path, line), tmp_path) as process:
        wait_until(lambda: beats(systemd) > 1, "signs of life")
        process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{process.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "it stands still")
        before = beats(systemd)
        time.sleep(2 * WATCHDOG_S)
        assert beats(systemd) == before


def test_a_tick_that_fails_says_nothing(tmp_path: Path):
    def fail(now: float) -> str:
        raise ValueError("no tick")

    with manager(tmp_path) as systemd:
        tick = telling(Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}), fail)
        with pytest.raises(ValueError):
            tick(0.0)
        assert systemd.listen() == []
