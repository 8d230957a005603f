"""The node's test modules once more, under the real MicroPython VM: one process per module."""

from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULES = sorted(path.name for path in HERE.glob("test_node_*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_module(module: str, run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(HERE / module)
