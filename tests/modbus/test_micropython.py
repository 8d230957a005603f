"""Guard, fields and planner under the real MicroPython VM."""

from collections.abc import Callable
from pathlib import Path


def test_guard_fields_and_plan(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "guard_on_vm.py")


def test_sums_factors_and_digits(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "fields_on_vm.py")
