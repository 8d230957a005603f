"""A board in the vendor's cloud (wokwi.com): the image of the board on its diagram, its serial monitor as the console.

Time is the simulation's. Python package wokwi-client; a token of the vendor's dashboard in WOKWI_CLI_TOKEN.
"""

import os
import queue
from pathlib import Path
from typing import Any

from ..board import Board
from ..events import Event, UsbOutput

_TOKEN = "WOKWI_CLI_TOKEN"
LEAST_NS = 20_000_000  # of a step: each is a journey over the network


def lack() -> str | None:
    """Why nothing runs there from here; None where it can be tried."""
    if not os.environ.get(_TOKEN):
        return f"Wokwi runs in the vendor's cloud and needs a token of its dashboard in {_TOKEN}"
    try:
        import wokwi_client  # noqa: F401
    except ImportError:
        return "the package wokwi-client is not here: pip install wokwi-client"
    return None


class WokwiBoard(Board):
    """The simulated board with its console; parts of the diagram by control()."""

    has = frozenset({"console"})
    place = "a board in Wokwi"

    def __init__(self, diagram: Path, image: Path, client: Any = None):
        """diagram: the board's diagram.json. client: for tests."""
        if client is None:
            from wokwi_client import WokwiClientSync

            client = WokwiClientSync(os.environ[_TOKEN])
        self._client = client
        self._now = 0
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        client.connect()
        client.upload_file("diagram.json", diagram)
        firmware = client.upload_file(image.name, image)
        client.start_simulation(firmware=firmware, pause=True)
        client.serial_monitor(self._said.put)

    @property
    def now(self) -> int:
        return self._now

    def run_for(self, span_ns: int) -> list[Event]:
        self._now += max(span_ns, LEAST_NS)
        self._client.wait_until_simulation_time(self._now / 1e9)
        said: list[Event] = []
        while not self._said.empty():
            said.append(UsbOutput(self._now, self._said.get()))
        return said

    def send_usb(self, data: bytes, at_ns: int | None = None) -> None:
        self._client.serial_write(data)

    def control(self, part: str, control: str, value: float) -> None:
        """Move something of the diagram: a button's "pressed", a potentiometer's "position"."""
        self._client.set_control(part, control, value)

    def close(self) -> None:
        self._client.disconnect()
