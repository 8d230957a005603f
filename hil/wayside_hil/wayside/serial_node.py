"""A real board on serial ports of this machine; to a test the same as MeterNode, in real time.

Its console is a USB or UART port. What else hangs on the board is named by options: an adapter on its link, where this
side plays the gateway, and one on its bus, where it plays the meter. Whatever has no plug on the bench skips the test.
"""

from typing import Any, NoReturn

import pytest
from wayside.lab.plant import Sdm630

from ..rs485 import Rs485Line
from ..targets.serial import SerialBoard, SupplySwitch
from ..world import World
from .console import NodeRepl
from .gateway import LinkGateway
from .meter_node import BUS_UART, LINK_UART, provision
from .modbus_line import meters

_LINK_BAUD, _BUS_BAUD = 115_200, 9600
_TO_FRIENDLY, _SOFT_RESET = b"\x02", b"\x04"  # keys of MicroPython's REPL


class Unplugged:
    """In place of something that this bench has no plug for: a test that touches it is skipped with the reason."""

    def __init__(self, reason: str):
        object.__setattr__(self, "_reason", reason)

    def __getattr__(self, name: str) -> NoReturn:
        pytest.skip(object.__getattribute__(self, "_reason"))

    def __setattr__(self, name: str, value: object) -> None:
        pytest.skip(object.__getattribute__(self, "_reason"))


class SerialNode:
    """The bench with one real board on it."""

    def __init__(
        self, console: str, link: str | None = None, bus: str | None = None, switch: SupplySwitch | None = None
    ):
        """Ports of the board's console and of the adapters on its link and its bus. OSError says what to do."""
        named = {LINK_UART: (link, _LINK_BAUD), BUS_UART: (bus, _BUS_BAUD)}
        uarts = {number: (name, baud) for number, (name, baud) in named.items() if name is not None}
        self.board = SerialBoard(console, uarts, switch)
        self.gateway: Any = Unplugged("the bench has no plug on the board's link: name its adapter with --link PORT")
        self.line: Any = Unplugged("the bench has no meter on the board's bus: name its adapter with --bus PORT")
        if link is not None:
            self.gateway = LinkGateway(self.board, LINK_UART)
        if bus is not None:
            self.line = Rs485Line(self.board, BUS_UART, None, meters({1: Sdm630(1)}))
        plugs = [plug for plug in (self.line, self.gateway) if not isinstance(plug, Unplugged)]
        self.world = World(self.board, *plugs)
        self.repl = NodeRepl(self.world)
        self._in_repl = self._is_off = False

    def provision(self, config: dict[str, Any]) -> None:
        self._enter()
        public = provision(self.repl, config)
        if not isinstance(self.gateway, Unplugged):
            self.gateway.enrol(public, config)

    def start(self) -> int:
        """Soft reset, whatever the board does: any other takes the console away from the node's first words."""
        if self._is_off:
            self.board.restore_power()
            self._is_off = self._in_repl = False
            return self.world.now
        self._enter()
        self.repl.send(_TO_FRIENDLY)
        self.repl.wait(b">>> ")
        self.repl.send(_SOFT_RESET)
        self.repl.wait(b"soft reboot")
        self._in_repl = False
        return self.world.now

    def _enter(self) -> None:
        if not self._in_repl:
            self.repl.enter()
            self._in_repl = True

    def cut_power(self) -> None:
        """By the switch, until start()."""
        self.board.cut_power()
        self._is_off = True

    def packs(self, count: int, patience_ns: int | None = None) -> int:
        return self.world.until(lambda: len(self.gateway.packs) >= count, f"{count} packs", patience_ns)

    def close(self) -> None:
        self.board.close()
