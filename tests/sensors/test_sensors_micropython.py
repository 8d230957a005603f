"""The sensors once more, under the real MicroPython VM."""

from collections.abc import Callable
from pathlib import Path

import pytest

MODULES = sorted(path.name for path in Path(__file__).parent.glob("test_node_*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_in_micropython(run_in_micropython: Callable[[Path], None], module: str) -> None:
    run_in_micropython(Path(__file__).parent / module)
