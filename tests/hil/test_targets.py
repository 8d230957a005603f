"""Targets of the bench: what the options mean, and a board on serial ports, played by the application in a real VM."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from board_on_a_cable import BoardOnACable
from wayside_hil.scenario import load, play
from wayside_hil.targets.wokwi import lack
from wayside_hil.wayside.dut import NodeDut, TargetError, tiers
from wayside_hil.wayside.serial_node import SerialNode

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "hil" / "wayside_hil" / "wayside" / "scenarios"


@pytest.mark.parametrize(
    ("board", "target", "found"),
    [
        (None, None, [("UNIX", "process"), ("RP2040_METER", "emulated")]),
        ("UNIX", None, [("UNIX", "process")]),
        (None, "emulated", [("RP2040_METER", "emulated")]),
        ("RP2040_METER", "wokwi", [("RP2040_METER", "wokwi")]),
        ("ESP32_METER", "/dev/ttyACM0", [("ESP32_METER", "/dev/ttyACM0")]),
    ],
)
def test_what_the_options_name(board: str | None, target: str | None, found: list[tuple[str, str]]) -> None:
    assert tiers(board, target) == found


@pytest.mark.parametrize(
    ("board", "target", "why"),
    [
        ("ESP32_METER", None, "UNIX, RP2040_METER"),
        ("UNIX", "emulated", "is a RP2040_METER, not a UNIX"),
        ("UNIX", "wokwi", "needs --board, one of RP2040_METER"),
        (None, "/dev/ttyACM0", "RP2040_METER, ESP32_METER"),
        ("RP2040_METER", "ttyACM0", "a serial port such as /dev/ttyACM0"),
    ],
)
def test_options_that_name_nothing_are_explained(board: str | None, target: str | None, why: str) -> None:
    with pytest.raises(TargetError, match=why):
        tiers(board, target)


def test_wokwi_without_its_token_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WOKWI_CLI_TOKEN", raising=False)
    assert "WOKWI_CLI_TOKEN" in (lack() or "")
    monkeypatch.setenv("WOKWI_CLI_TOKEN", "token")
    monkeypatch.setitem(sys.modules, "wokwi_client", None)
    assert "pip install wokwi-client" in (lack() or "")


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--board", "RP2040_METER", "--target", "wokwi"], 0, "needs a token of its dashboard"),
        (["--board", "RP2040_METER", "--target", "/dev/wayside-none"], 1, "there is no such port; plug it in"),
        (["--board", "RP2040_METER", "--target", "nowhere"], 2, "write process, emulated, wokwi or a serial port"),
    ],
)
def test_the_command_line_says_what_is_missing(options: list[str], status: int, said: str) -> None:
    words = [sys.executable, "-m", "pytest", "tests/hil/test_scenarios.py", "-k", "boot", *options]
    environment = {name: value for name, value in os.environ.items() if name != "WOKWI_CLI_TOKEN"}
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert said in ran.stdout + ran.stderr
    assert ran.returncode == status, ran.stdout


@pytest.fixture
def cabled(micropython: Path, tmp_path: Path) -> Iterator[BoardOnACable]:
    board = BoardOnACable(micropython, tmp_path)
    yield board
    board.close()


def bench(cabled: BoardOnACable, folder: Path, *adapters: str) -> NodeDut:
    node = SerialNode(str(cabled.console), *adapters)
    return NodeDut("UNIX", node, folder / "console.log", "cabled")


def test_a_board_with_adapters_on_link_and_bus_plays_a_whole_scenario(cabled: BoardOnACable, tmp_path: Path) -> None:
    dut = bench(cabled, tmp_path, cabled.link, cabled.bus)
    play(load(SCENARIOS / "first-pack.toml"), dut)
    assert dut.node.gateway.abouts[0].board == "UNIX"
    before = len(dut.node.gateway.packs)
    dut.node.start()  # interrupts the application
    dut.node.packs(before + 2)
    dut.node.gateway.check_chain()
    assert {boot for boot, _ in dut.node.gateway.packs} == {1, 2}
    with pytest.raises(pytest.skip.Exception, match="supply"):
        dut.node.cut_power()
    dut.close()


def test_a_console_that_goes_away_in_a_reset_is_opened_again(cabled: BoardOnACable, tmp_path: Path) -> None:
    node = SerialNode(str(cabled.console))
    node.repl.enter()
    node.repl.restart()
    node.world.until(lambda: not node.board.reachable, "the console goes away")
    node.world.until(lambda: node.board.reachable, "the console comes back")
    node.repl.enter()
    assert node.repl.run("print(6 * 7)") == "42\n"
    node.close()


def test_a_board_with_its_console_only_goes_as_far_as_that(cabled: BoardOnACable, tmp_path: Path) -> None:
    dut = bench(cabled, tmp_path)
    play(load(SCENARIOS / "boot.toml"), dut)
    with pytest.raises(pytest.skip.Exception, match="--link PORT"):
        dut.node.packs(1)
    with pytest.raises(pytest.skip.Exception, match="--bus PORT"):
        dut.node.line.mute = True
    with pytest.raises(pexpect.TIMEOUT):
        dut.expect("no such words", timeout=0.2)
    dut.close()
