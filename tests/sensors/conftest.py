"""Node code on CPython, with the shims and fakes of tests/node."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = ROOT / "tests" / "node"
sys.path[:0] = [str(HERE), str(NODE), str(NODE / "cpython"), str(ROOT / "firmware")]


@pytest.fixture(autouse=True)
def scratch_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_SCRATCH", str(tmp_path))
