"""The node's tests run here under CPython, and by test_micropython.py under the real MicroPython once more."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware"
sys.path[:0] = [str(HERE), str(HERE / "cpython"), str(FIRMWARE)]


@pytest.fixture(autouse=True)
def scratch_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("WAYSIDE_SCRATCH", str(tmp_path))
    assert os.getenv("WAYSIDE_SCRATCH")
