"""The radio roles on micropython-lib's own driver, where its folder `micropython/lora` is at hand."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_on_the_real_driver(micropython: Path, tmp_path: Path) -> None:
    given = os.environ.get("WAYSIDE_LORA_DRIVERS")
    if not given:
        pytest.skip("WAYSIDE_LORA_DRIVERS does not name a folder with the packages lora, lora-async and lora-sx127x")
    path = [".frozen", HERE, ROOT / "firmware", ROOT / "boards" / "UNIX"]
    environment = os.environ | {"MICROPYPATH": ":".join(map(str, path)), "WAYSIDE_SCRATCH": str(tmp_path)}
    words = [micropython, "-X", "heapsize=1m", ROOT / "tests" / "mp_runner.py", HERE / "driver_checks.py"]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok test_both_roles_on_the_driver" in ran.stdout
