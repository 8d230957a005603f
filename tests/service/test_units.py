"""The units: systemd's own tools find nothing wrong with them and rate them hardened."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from wayside.cli import main
from wayside.cli.config import drop_in
from wayside.site import config

UNITS = sorted((Path(__file__).resolve().parents[2] / "gateway" / "systemd").glob("*.service"))
_WORST_EXPOSURE = 2.0

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_hardened(unit: Path):
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(words, capture_output=True, text=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) <= _WORST_EXPOSURE, said


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_verifies(unit: Path, tmp_path: Path):
    """With the command and the manual page, which the package installs, put in their place."""
    text = unit.read_text().replace("/usr/bin/wayside", sys.executable)
    text = re.sub("^Documentation=.*\n", "", text, flags=re.M)
    copy = tmp_path / unit.name.replace("@", "@junction-1")
    copy.write_text(text)
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_units_bounds_are_those_of_a_site_file_without_limits():
    lines = (UNITS[0].parent / "wayside.service").read_text().splitlines()
    assert set(drop_in(config.LimitsTable())) <= set(lines)


def test_limits_become_a_drop_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "a.example"\n[limits]\nmemory_megabytes = 200\ncpu_percent = 50\n')
    assert main(["config", "limits", str(site)]) == 0
    assert capsys.readouterr().out == "[Service]\nMemoryHigh=180M\nMemoryMax=200M\nCPUQuota=50%\n"


def test_the_units_commands_are_there():
    """Each unit's command line is one that the program takes: its words, with --help at the end."""
    for unit in UNITS:
        command = re.search(r"^ExecStart=/usr/bin/wayside (.*)$", unit.read_text(), re.M)
        assert command, unit
        ran = subprocess.run([sys.executable, "-m", "wayside", *command[1].split(), "--help"], capture_output=True)
        assert ran.returncode == 0, (unit, ran.stderr)
