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

CHECKS = {
    "driver_checks": "ok test_both_roles_on_the_driver",
    "driver_checks_sx1262": "ok test_an_sx1276_and_an_sx1262_understand_each_other",
    "driver_checks_sense": "ok test_the_threshold_is_the_regions",
}


@pytest.mark.parametrize("checks", CHECKS)
def test_on_the_real_driver(micropython: Path, tmp_path: Path, checks: str) -> None:
    drivers = tmp_path / "drivers"
    try:
        mpylib.merge_into(drivers)
    except mpylib.LibraryError as error:
        pytest.skip(str(error))
    path = [".frozen", HERE, ROOT / "firmware", ROOT / "boards" / "UNIX"]
    environment = os.environ | {
        "MICROPYPATH": ":".join(map(str, path)), "WAYSIDE_SCRATCH": str(tmp_path), "WAYSIDE_LORA_DRIVERS": str(drivers),
    }  # fmt: skip
    words = [micropython, "-X", "heapsize=1m", ROOT / "tests" / "mp_runner.py", HERE / f"{checks}.py"]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert CHECKS[checks] in ran.stdout
