"""Node code on CPython, with the shims and fakes of tests/node."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "node"), str(ROOT / "tests" / "node" / "cpython"), str(ROOT / "firmware")]


@pytest.fixture(autouse=True)
def scratch_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_SCRATCH", str(tmp_path))
