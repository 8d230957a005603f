"""Helpers of this folder, and node code on CPython with the shims of tests/node/cpython."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "node" / "cpython"), str(ROOT / "firmware")]
