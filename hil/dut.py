"""A node as pytest-embedded's device under test, the same on each tier: virtual board, emulated image, real board."""

from pathlib import Path
from typing import Any, Protocol

import pexpect
from pytest_embedded.app import App
from pytest_embedded.dut import Dut
from pytest_embedded.log import PexpectProcess

from .emulator import Event, UsbOutput
from .gateway import LinkGateway
from .meter_node import configuration

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

