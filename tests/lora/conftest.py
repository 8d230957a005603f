"""Helpers of this folder, and node code on CPython with the shims of tests/node/cpython."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "node" / "cpython"), str(ROOT / "firmware")]
sys.path.insert(0, str(ROOT / "tests" / "node"))


@pytest.fixture(autouse=True)
def scratch_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_SCRATCH", str(tmp_path))
