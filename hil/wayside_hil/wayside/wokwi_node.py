"""A board in the vendor's cloud (wokwi.com): the image of the board on its diagram, its serial monitor as the console.

It has no meter and no gateway: scenarios go as far as the console tells. Time is the simulation's.
"""

from pathlib import Path
from typing import Any

import pytest

from ..targets.wokwi import LEAST_NS, WokwiBoard
from ..world import World
from .console import NodeRepl
from .meter_node import provision
from .serial_node import Unplugged

ROOT = Path(__file__).resolve().parents[3]
_WHY = "Wokwi simulates the board alone: it has no "


class WokwiWorld(World):
    """In longer steps: each is a journey over the network."""

    STEP_NS = LEAST_NS


class WokwiNode:
    """The simulated board with its console."""

    def __init__(self, board: str, image: Path):
        """board: a folder of boards/, whose diagram is simulated with the UF2 file `image`."""
        self.gateway: Any = Unplugged(_WHY + "gateway on its link")
        self.line: Any = Unplugged(_WHY + "meter on its bus")
        self.world = WokwiWorld(WokwiBoard(ROOT / "boards" / board / "diagram.json", image))
        self.repl = NodeRepl(self.world)

    def provision(self, config: dict[str, Any]) -> None:
        self.repl.wait(b">>> ")
        self.repl.enter()
        provision(self.repl, config)

    def start(self) -> int:
        """Reset the board from its prompt: a simulation that is restarted would have lost its flash."""
        self.repl.restart()
        return self.world.now

    def cut_power(self) -> None:
        pytest.skip(_WHY + "switch for its supply")

    def packs(self, count: int, patience_ns: int | None = None) -> int:
        return len(self.gateway.packs)

    def close(self) -> None:
        self.world.emulator.close()
