"""A Wayside node as the device under test, the same on each tier: virtual board, emulated image, real board."""

from pathlib import Path
from typing import Any, Protocol

from ..dut import BoardDut
from ..plugin import is_port
from .gateway import LinkGateway
from .meter_node import configuration

_PATIENCE_S = 60


class NodeTier(Protocol):
    """What a tier offers; MeterNode and UnixNode do."""

    gateway: LinkGateway
    line: Any
    world: Any

    def provision(self, config: dict[str, Any]) -> None: ...

    def start(self) -> int: ...

    def cut_power(self) -> None: ...

    def packs(self, count: int) -> int: ...

    def close(self) -> None: ...


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
    if target != "wokwi" and not is_port(target):
        raise TargetError(
            f"--target {target}: write process, emulated, wokwi or a serial port such as /dev/ttyACM0 or rfc2217://HOST:PORT"
        )
    boards = _IN_WOKWI if target == "wokwi" else _ON_A_PORT
    if board not in boards:
        raise TargetError(f"--target {target} needs --board, one of {', '.join(boards)}")
    return [(str(board), target)]


class NodePlants:
    """What surrounds a node, by the names of its attributes."""

    def __init__(self, node: NodeTier):
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def __contains__(self, name: str) -> bool:
        return hasattr(self._node, name)


class NodeDut(BoardDut):
    """`node` has the plants too; `kind` is the name of its board."""

    def __init__(self, kind: str, node: NodeTier, console: Path, name: str):
        self.kind = kind
        self.node = node
        super().__init__(node.world, NodePlants(node), console, name, _PATIENCE_S)

    def provision(self, config: dict[str, Any] | None = None, **changes: Any) -> None:
        """As a technician does. config: the whole of node.json; without it that of meter_node.configuration(), with
        these changes."""
        self.node.provision(configuration(**changes) if config is None else config | changes)

    def start(self) -> int:
        return self.node.start()

    def cut_power(self) -> None:
        self.node.cut_power()

    def clear_bench(self) -> None:
        self.node.close()
