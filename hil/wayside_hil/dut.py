"""A node as pytest-embedded's device under test, the same on each tier: virtual board, emulated image, real board."""

from pathlib import Path
from typing import Any, Protocol

import pexpect
from pytest_embedded.app import App
from pytest_embedded.dut import Dut
from pytest_embedded.log import PexpectProcess

from .emulator import Event, UsbOutput
from .wayside.gateway import LinkGateway
from .wayside.meter_node import configuration

_STEP_NS = 50_000_000


class Node(Protocol):
    """What a tier offers; MeterNode and UnixNode do."""

    gateway: LinkGateway
    line: Any
    world: Any

    def provision(self, config: dict[str, Any]) -> None: ...

    def start(self) -> int: ...

    def cut_power(self) -> None: ...

    def packs(self, count: int) -> int: ...

    def close(self) -> None: ...


class ConsoleFile:
    """Writes what an emulated board says on USB to a file, as a terminal program does."""

    def __init__(self, path: Path):
        self._file = path.open("wb", buffering=0)

    def see(self, event: Event) -> None:
        if isinstance(event, UsbOutput):
            self._file.write(event.data)

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""


class TargetError(Exception):
    """--board and --target name nothing that the bench has; the text says what to write."""


TIERS = (("UNIX", "process"), ("RP2040_METER", "emulated"))
_ON_A_PORT = ("RP2040_METER", "ESP32_METER")
_IN_WOKWI = ("RP2040_METER",)


def tiers(board: str | None, target: str | None) -> list[tuple[str, str]]:
    """(board, target) pairs to run on: all that this machine has, or what the two options name."""
    if target is None:
        found = [tier for tier in TIERS if board in (None, tier[0])]
        if not found:
            raise TargetError(f"--board {board}: without --target it is one of {', '.join(name for name, _ in TIERS)}")
        return found
    if target in ("process", "emulated"):
        made = next(name for name, place in TIERS if place == target)
        if board not in (None, made):
            raise TargetError(f"--target {target} is a {made}, not a {board}")
        return [(made, target)]
    if target != "wokwi" and not target.startswith("/"):
        raise TargetError(f"--target {target}: write process, emulated, wokwi or a serial port such as /dev/ttyACM0")
    boards = _IN_WOKWI if target == "wokwi" else _ON_A_PORT
    if board not in boards:
        raise TargetError(f"--target {target} needs --board, one of {', '.join(boards)}")
    return [(board, target)]


class NodeDut(Dut):
    """`expect` waits in the time of the tier: simulated where the board is."""

    def __init__(self, board: str, node: Node, console: Path, name: str):
        self.board = board
        self.node = node
        self._stream = console.open("rb")
        process = PexpectProcess(self._stream)
        super().__init__(process, None, App(build_dir=None), str(console), name)

    def expect(self, pattern: Any, timeout: float = 60, **more: Any) -> Any:
        end = self.node.world.now + timeout * 1e9
        while True:
            try:
                return super().expect(pattern, timeout=0, **more)
            except (pexpect.TIMEOUT, pexpect.EOF):
                if self.node.world.now >= end:
                    raise
                self.node.world.run_for(_STEP_NS)

    def provision(self, **changes: Any) -> None:
        self.node.provision(configuration(**changes))

    def close(self) -> None:
        self._stream.close()
        self.node.close()
