"""The radio roles on micropython-lib's own drivers, where a checkout of it is at hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import mpylib  # noqa: E402  (tools/ are scripts, no package)


def test_on_the_real_driver(micropython: Path, tmp_path: Path) -> None:
    drivers = tmp_path / "drivers"
    try:
        mpylib.merge_into(drivers)
    except mpylib.LibraryError as error:
        pytest.skip(str(error))
    path = [".frozen", HERE, ROOT / "firmware", ROOT / "boards" / "UNIX"]
    environment = os.environ | {
        "MICROPYPATH": ":".join(map(str, path)), "WAYSIDE_SCRATCH": str(tmp_path), "WAYSIDE_LORA_DRIVERS": str(drivers),
    }  # fmt: skip
    words = [micropython, "-X", "heapsize=1m", ROOT / "tests" / "mp_runner.py", HERE / "driver_checks.py"]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok test_both_roles_on_the_driver" in ran.stdout
