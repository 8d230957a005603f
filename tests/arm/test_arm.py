"""The node's pure code on an emulated Cortex-M3: 32-bit floats, 31-bit small integers, 128 KiB of heap."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from wayside_hil.qemu import ArmDut

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"


@pytest.fixture(scope="session")
def firmware() -> Path:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not here; install the Debian package of this name")
    made = subprocess.run([sys.executable, ROOT / "tools" / "arm_board.py"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"MicroPython for the Cortex-M3 cannot be built here: {made.stderr.strip().splitlines()[-1]}")
    return Path(made.stdout.strip())


@pytest.fixture
def board(firmware: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ArmDut]:
    dut = ArmDut(firmware, tmp_path / "console.log", request.node.name)
    yield dut
    dut.close()


@pytest.mark.parametrize(
    ("module", "helpers"),
    [
        ("wire/test_wire_formats.py", ("vectors.json",)),
        ("wire/test_wire_hostile.py", ("vectors.json",)),
        ("wire/test_wire_signals.py", ()),
        ("wire/test_wire_judge.py", ()),
        ("wire/test_wire_command.py", ()),
        ("wire/test_wire_enrol.py", ()),
        ("lora/test_wire_airtime.py", ()),
    ],
)
def test_the_same_tests_pass_on_the_board_as_on_the_host(board: ArmDut, module: str, helpers: tuple[str, ...]):
    results = board.run_module(TESTS / module, helpers)
    assert results and not [result for result in results if not result.good]


def test_this_is_a_board_of_32_bits(board: ArmDut):
    """Else the tests above would show nothing that the virtual board does not."""
    told = board.repl.run("import sys; print(sys.maxsize, 16777217.0 == 16777216.0)").split()
    assert told == [str(2**31 - 1), "True"]


def test_a_test_that_fails_is_seen(board: ArmDut, tmp_path: Path):
    path = tmp_path / "test_wrong.py"
    path.write_text("def test_right():\n    pass\n\ndef test_wrong():\n    assert 1 == 2, 'one is not two'\n")
    right, wrong = board.run_module(path)
    assert right == ("test_right", True, "") and (wrong.test, wrong.good) == ("test_wrong", False)
    assert wrong.text.startswith("AssertionError one is not two") and "line 5" in wrong.text
