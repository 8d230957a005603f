"""A profile of the site's own that is spoilt or gone stops what needs it, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from wayside.cli import main

SITE = """
[site]
name = "test.example"
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:1"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "mine"
ct_ratio = "250/5"
channels = ["current_l1"]
report_ms = 1000
"""
PROFILE = """
[profile]
name = "mine"
title = "t"
source = "s"
verified = "document"
[requests]
max_registers = 9
[registers]
area = "holding"
type = "u32"
[[probe]]
address = 0
min = 0
max = 1
[channels]
current_l1 = { address = 0, unit = "A", exponent = -2, ratio = "ct" }
"""


def told(command: list[str]) -> str:
    with subprocess.Popen([sys.executable, "-m", "wayside", *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        process.terminate()
    return line


@pytest.mark.parametrize("spoilt", ["[profile", None])
def test_what_needs_no_profile_works(tmp_path: Path, capsys: pytest.CaptureFixture[str], spoilt: str | None):
    path, profile = tmp_path / "site.toml", tmp_path / "profiles" / "mine.toml"
    path.write_text(SITE)
    profile.parent.mkdir()
    profile.write_text(PROFILE)
    assert main(["check", str(path)]) == 0, capsys.readouterr()
    line = told(["run", str(path)])
    assert line == f"test.example runs: 1 devices (meter-1); how it is: wayside status {path}\n"
    if spoilt is None:
        profile.unlink()
    else:
        profile.write_text(spoilt)
    capsys.readouterr()
    log, evidence = ["log", str(path)], ["export", str(path), str(tmp_path / "evidence")]
    for command in (["keys", "list", str(path)], log, evidence, ["keys", "request", str(path), str(tmp_path / "r")]):
        assert main(command) == 0, capsys.readouterr()
    assert main(["status", str(path)]) == 1 and "no gateway answers" in capsys.readouterr().err
    for command in ("check", "run"):
        words = [sys.executable, "-m", "wayside", command, path]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        where = f"{profile}:" if spoilt else "mine"
        assert done.returncode == 1
        assert f"{path}:10: bus[1].device[1].profile: " in done.stderr and where in done.stderr, done.stderr
    assert main(["keys", "rotate", str(path), "identity"]) == 2  # that writes into the log what the profiles are
