"""What tests/lora checks of the wire, once more under the real MicroPython VM."""

from collections.abc import Callable
from pathlib import Path

import pytest

MODULES = sorted(
    path.name
    for path in Path(__file__).parent.glob("test_[nw]*_*.py")
    if path.name.startswith(("test_wire_", "test_node_"))
)


@pytest.mark.parametrize("module", MODULES)
def test_in_micropython(run_in_micropython: Callable[[Path], None], module: str) -> None:
    run_in_micropython(Path(__file__).parent / module)
