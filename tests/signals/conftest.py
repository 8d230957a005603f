"""The signal node's pure parts run here under CPython too: the firmware and its shims are on the path."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "node" / "cpython"), str(ROOT / "firmware")]
