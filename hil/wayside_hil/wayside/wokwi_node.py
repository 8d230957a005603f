"""A board in the vendor's cloud (wokwi.com): the image of the board on its diagram, its serial monitor as the console.

It has no meter and no gateway: scenarios go as far as the console tells. Time is the simulation's.
"""

import os
import queue
from pathlib import Path
from typing import Any

import pytest

from ..emulator import Event, UsbOutput
from ..repl import Repl
from ..world import World
from .meter_node import provision
from .serial_node import Unplugged

ROOT = Path(__file__).resolve().parents[3]
_TOKEN = "WOKWI_CLI_TOKEN"
_WHY = "Wokwi simulates the board alone: it has no "


def lack() -> str | None:
    """Why nothing runs there from here; None where it can be tried."""
    if not os.environ.get(_TOKEN):
        return f"Wokwi runs in the vendor's cloud and needs a token of its dashboard in {_TOKEN}"
    try:
        import wokwi_client  # noqa: F401
    except ImportError:
        return "the package wokwi-client is not here: pip install wokwi-client"
    return None


class WokwiBoard:
    """What a world asks of an emulator, of the simulation over there."""

    def __init__(self, client: Any):
        self.now = 0
        self._client = client
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        client.serial_monitor(self._said.put)

    def send_usb(self, data: bytes) -> None:
        """Type this at the console."""
        self._client.serial_write(data)

    def run_for(self, span_ns: int) -> list[Event]:
        self.now += span_ns
        self._client.wait_until_simulation_time(self.now / 1e9)
        said: list[Event] = []
        while not self._said.empty():
            said.append(UsbOutput(self.now, self._said.get()))
        return said


class WokwiWorld(World):
    """In longer steps: each is a journey over the network."""

    STEP_NS = 20_000_000


class WokwiNode:
    """The simulated board with its console."""

    def __init__(self, board: str, image: Path):
        """board: a folder of boards/, whose diagram is simulated with the UF2 file `image`."""
        from wokwi_client import WokwiClientSync

        self._client = WokwiClientSync(os.environ[_TOKEN])
        self._client.connect()
        self._client.upload_file("diagram.json", ROOT / "boards" / board / "diagram.json")
        firmware = self._client.upload_file(image.name, image)
        self._client.start_simulation(firmware=firmware, pause=True)
        self.gateway: Any = Unplugged(_WHY + "gateway on its link")
        self.line: Any = Unplugged(_WHY + "meter on its bus")
        self.world = WokwiWorld(WokwiBoard(self._client))  # type: ignore[arg-type]
        self.repl = Repl(self.world)

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

    def packs(self, count: int, patience_ns: int = 60_000_000_000) -> int:
        return len(self.gateway.packs)

    def close(self) -> None:
        self._client.disconnect()
