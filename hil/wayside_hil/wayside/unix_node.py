"""The node application in the virtual board's VM, on ptys, in real time; to a test the same as MeterNode."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from wayside.lab.plant import Sdm630

from ..rs485 import Rs485Line
from ..second_master import SecondMaster
from ..targets.unix import UnixBoard
from ..world import World
from .gateway import LinkGateway
from .meter_node import BUS_UART, LINK_UART
from .modbus_line import meters, request

ROOT = Path(__file__).resolve().parents[3]


Covered = Callable[[list[str], list[Path]], tuple[list[str], dict[str, str]]]


class UnixNode:
    """The bench with one node on it."""

    def __init__(self, machine: Path, folder: Path, covered: Covered = lambda words, folders: (words, {})):
        """covered: changes the command and its environment where the lines that run in these folders are wanted."""
        self._folder = folder
        self._words = [str(machine), "-m", "wayside_node", "--config", str(folder / "node.json")]
        words, more = covered(self._words, [ROOT / "firmware" / "wayside_node", ROOT / "firmware" / "wayside_wire"])
        places = f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
        self.board = UnixBoard(words, more | {"MICROPYPATH": places}, folder, (LINK_UART, BUS_UART))
        self.meter = Sdm630(1)
        self.line = Rs485Line(self.board, BUS_UART, None, meters({1: self.meter}))
        self.second_master = SecondMaster(self.line, Random(1), request())
        self.gateway = LinkGateway(self.board, LINK_UART)
        self.world = World(self.board, self.line, self.gateway, self.second_master)

    def provision(self, config: dict[str, Any]) -> None:
        """The file as the technician writes it, with the paths of this machine."""
        meters_here = [meter | {"port": self.board.paths[BUS_UART]} for meter in config["meters"]]
        link_here = {"port": self.board.paths[LINK_UART]}
        here = {"state": str(self._folder / "state"), "link": link_here, "meters": meters_here}
        (self._folder / "node.json").write_text(json.dumps(config | here))
        words = [*self._words, "--public-key"]
        environment = os.environ | self.board.environment
        told = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        self.gateway.enrol(bytes.fromhex(told.stdout.strip()), config)

    def start(self) -> int:
        """Switch the board off and on."""
        self.board.cut_power()
        self.board.restore_power()
        return self.world.now

    def cut_power(self) -> None:
        self.board.cut_power()

    def packs(self, count: int, patience_ns: int | None = None) -> int:
        return self.world.until(lambda: len(self.gateway.packs) >= count, f"{count} packs", patience_ns)

    def close(self) -> None:
        self.board.close()
