"""The node's test modules once more, under the real MicroPython VM: one process per module."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent
ROOT = TESTS.parent
MODULES = sorted(path.name for path in HERE.glob("test_node_*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_module(module: str, micropython: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "MICROPYPATH": f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}",
        "WAYSIDE_SCRATCH": str(tmp_path),
    }
    ran = subprocess.run(
        [micropython, "-X", "heapsize=1m", TESTS / "mp_runner.py", HERE / module],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok test_" in ran.stdout
