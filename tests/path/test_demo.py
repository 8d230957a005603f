"""`wayside demo` as a newcomer meets it: what it prints, what it leaves, how it ends."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S, wait_until

WAYSIDE = [sys.executable, "-m", "wayside"]


@pytest.fixture
def environment(micropython: Path) -> dict[str, str]:
    return os.environ | {"WAYSIDE_MICROPYTHON": str(micropython)}


def wayside(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*WAYSIDE, *words], capture_output=True, text=True, timeout=PATIENCE_S)


def test_the_demo_runs_accounts_and_leaves_evidence(tmp_path: Path, environment: dict[str, str]):
    words = [*WAYSIDE, "demo", "--seconds", "20", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20 + PATIENCE_S, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from 2 devices" in done.stdout
    assert re.search(r"gaps +0\n +duplicates +0\n +not verified +0\n", done.stdout), done.stdout
    assert "everything verified, nothing missing" in done.stdout

    command = shlex.split(done.stdout.strip().splitlines()[-1])
    assert command[1] == "verify"
    judged = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)  # as it was printed
    assert judged.returncode == 0 and "everything holds" in judged.stdout, judged.stdout + judged.stderr
    assert "device-attested" in judged.stdout and "gateway-attested" in judged.stdout

    # One device's part of the log, exported and judged on its own.
    part = tmp_path / "meter-1.wayside"
    site = tmp_path / "demo" / "site.toml"
    exported = wayside(["export", str(site), str(part), "--device", "meter-1", "--from", "2020-01-01"])
    assert exported.returncode == 0, exported.stderr
    judged = wayside(["verify", str(part), *command[3:]])
    assert judged.returncode == 0 and "COMPLETE: packs from 1/0 to" in judged.stdout, judged.stdout
    assert "entries 0 to" in judged.stdout and "OPEN" not in judged.stdout and "meter-2" not in judged.stdout
    long_ago = ["--from", "2020-01-01", "--to", "2020-01-02"]
    nothing = wayside(["export", str(site), str(part), "--device", "meter-1", *long_ago])
    assert nothing.returncode == 1 and "nothing of meter-1 was logged in this time" in nothing.stderr
    assert wayside(["export", str(site), str(part), "--device", "meter-1", "--from", "yesterday"]).returncode == 2
    assert wayside(["log", str(site), "--check", "--entries", "3"]).returncode == 0

    evidence = Path(command[2])
    content = bytearray(evidence.read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "changed.wayside"
    changed.write_bytes(content)
    assert wayside(["verify", str(changed), *command[3:]]).returncode in (1, 2)
    changed.write_bytes(b"not evidence")
    unreadable = wayside(["verify", str(changed), *command[3:]])
    assert unreadable.returncode == 2 and "Traceback" not in unreadable.stderr


def test_ctrl_c_ends_the_demo_with_its_account(tmp_path: Path, environment: dict[str, str]):
    folder = tmp_path / "demo"
    words = [*WAYSIDE, "demo", "--folder", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        line = process.stdout.readline()  # the first report has arrived
        assert "meter-" in line, line
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out + error
    assert "Verdict: everything verified" in out
    assert (folder / "evidence.wayside").exists()


def test_a_gateway_that_dies_is_told_and_fails_the_run(tmp_path: Path, environment: dict[str, str]):
    folder = tmp_path / "demo"
    words = [*WAYSIDE, "demo", "--folder", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        process.stdout.readline()
        gateways = [int(pid) for pid in _children(process.pid) if b"site.toml" in _command_line(pid)]
        assert len(gateways) == 1
        os.kill(gateways[0], signal.SIGKILL)
        out, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, out + error
    assert "the gateway ended by itself" in error


def _children(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_until(lambda: bool(children.read_text()), "processes of the demo")
    return children.read_text().split()


def _command_line(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
