"""The node's pure code on an emulated Cortex-M3: 32-bit floats, 31-bit small integers, 128 KiB of heap."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from arm.arm import ROOT, console, run_module

TESTS = ROOT / "tests"


@pytest.fixture(scope="session")
def firmware() -> Path:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not here; install the Debian package of this name")
    made = subprocess.run([sys.executable, ROOT / "tools" / "arm_board.py"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"MicroPython for the Cortex-M3 cannot be built here: {made.stderr.strip().splitlines()[-1]}")
    return Path(made.stdout.strip())


@pytest.mark.parametrize(
    ("module", "helpers"),
    [
        ("wire/test_wire_formats.py", ("vectors.json",)),
        ("wire/test_wire_hostile.py", ("vectors.json",)),
        ("wire/test_wire_signals.py", ()),
        ("wire/test_wire_judge.py", ()),
        ("lora/test_wire_airtime.py", ()),
    ],
)
def test_the_same_tests_pass_on_the_board_as_on_the_host(firmware: Path, module: str, helpers: tuple[str, ...]):
    with console(firmware) as repl:
        lines = run_module(repl, TESTS / module, helpers)
    passed = [line for line in lines if line.startswith("ok test_")]
    assert passed and not [line for line in lines if line.startswith("FAIL")], "\n".join(lines)


def test_this_is_a_board_of_32_bits(firmware: Path):
    """Else the tests above would show nothing that the virtual board does not."""
    with console(firmware) as repl:
        told = repl.run("import sys; print(sys.maxsize, 16777217.0 == 16777216.0)").split()
    assert told == [str(2**31 - 1), "True"]


def test_a_test_that_fails_is_seen(firmware: Path, tmp_path: Path):
    path = tmp_path / "test_wrong.py"
    path.write_text("def test_wrong():\n    assert 1 == 2, 'one is not two'\n\ndef test_right():\n    pass\n")
    with console(firmware) as repl:
        lines = run_module(repl, path)
    assert "ok test_right" in lines and "FAIL test_wrong AssertionError one is not two" in lines
