"""The wire formats once more, under the real MicroPython VM."""

from collections.abc import Callable
from pathlib import Path


def test_wire_formats(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "test_wire_formats.py")


def test_hostile_input(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "test_wire_hostile.py")


def test_enrolment(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "test_wire_enrol.py")


def test_commands(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "test_wire_command.py")


def test_signals(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "test_wire_signals.py")


def test_judge(run_in_micropython: Callable[[Path], None]) -> None:
    run_in_micropython(Path(__file__).parent / "test_wire_judge.py")
