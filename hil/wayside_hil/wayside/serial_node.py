"""A real board on serial ports of this machine; to a test the same as MeterNode, in real time.

Its console is a USB or UART port. What else hangs on the board is named by options: an adapter on its link, where this
side plays the gateway, and one on its bus, where it plays the meter. Whatever has no plug on the bench skips the test.
"""

import contextlib
from typing import Any, NoReturn

import pytest
import serial
from wayside.plant import Sdm630, answer_for
from wayside.serial_port import open_port

from ..emulator import UartByte, UsbOutput
from ..repl import Repl
from .gateway import LinkGateway
from .meter_node import BUS_UART, LINK_UART, provision
from .unix_node import PtyBoard, PtyMeters, RealWorld

_CONSOLE = -1
_CONSOLE_BAUD, _LINK_BAUD, _BUS_BAUD = 115_200, 115_200, 9600
_TO_FRIENDLY, _SOFT_RESET = b"\x02", b"\x04"  # keys of MicroPython's REPL


class Unplugged:
    """In place of something that this bench has no plug for: a test that touches it is skipped with the reason."""

    def __init__(self, reason: str):
        object.__setattr__(self, "_reason", reason)

    def __getattr__(self, name: str) -> NoReturn:
        pytest.skip(object.__getattribute__(self, "_reason"))

    def __setattr__(self, name: str, value: object) -> None:
        pytest.skip(object.__getattribute__(self, "_reason"))


class SerialBoard(PtyBoard):
    """Ports of this machine that lead to a board. The console may go away and come back, as USB does in a reset."""

    def __init__(self, console: str, link: str | None, bus: str | None):
        """OSError says which port cannot be opened, and what to do."""
        self._path = console
        named = ((_CONSOLE, console, _CONSOLE_BAUD), (LINK_UART, link, _LINK_BAUD), (BUS_UART, bus, _BUS_BAUD))
        self._ports: dict[int, serial.Serial] = {}
        try:
            for number, path, baud in named:
                if path is not None:
                    self._ports[number] = open_port(path, baud)
        except OSError:
            self.close()
            raise
        super().__init__({number: port.fileno() for number, port in self._ports.items()})

    @property
    def reachable(self) -> bool:
        """Whether the console is there."""
        return _CONSOLE in self._handles

    def hear(self, wait_s: float) -> list[Any]:
        if not self.reachable:
            self._reopen()
        try:
            heard = super().hear(wait_s)
        except OSError:
            self._lose()
            return []
        said = bytes(byte.value for byte in heard if byte.uart == _CONSOLE)
        rest: list[UartByte | UsbOutput] = [byte for byte in heard if byte.uart != _CONSOLE]
        return [UsbOutput(self.now, said), *rest] if said else rest

    def send_usb(self, data: bytes) -> None:
        """Type this at the console; what is typed while it is away is lost."""
        if not self.reachable:
            return
        try:
            self._ports[_CONSOLE].write(data)
        except OSError:
            self._lose()

    def close(self) -> None:
        for port in self._ports.values():
            port.close()

    def _lose(self) -> None:
        self._handles.pop(_CONSOLE, None)
        with contextlib.suppress(OSError):
            self._ports.pop(_CONSOLE).close()

    def _reopen(self) -> None:
        with contextlib.suppress(OSError):
            self._ports[_CONSOLE] = port = open_port(self._path, _CONSOLE_BAUD)
            self._handles[_CONSOLE] = port.fileno()


class SerialNode:
    """The bench with one real board on it."""

    def __init__(self, console: str, link: str | None = None, bus: str | None = None):
        """Paths of the board's console and of the adapters on its link and its bus. OSError as open_port()."""
        self.board = SerialBoard(console, link, bus)
        self.gateway: Any = Unplugged("the bench has no plug on the board's link: name its adapter with --link PORT")
        self.line: Any = Unplugged("the bench has no meter on the board's bus: name its adapter with --bus PORT")
        if link is not None:
            self.gateway = LinkGateway(self.board, LINK_UART)  # type: ignore[arg-type]
        if bus is not None:
            self.line = PtyMeters(self.board, answer_for({1: Sdm630(1)}))
        plugs = [plug for plug in (self.line, self.gateway) if not isinstance(plug, Unplugged)]
        self.world = RealWorld(self.board, *plugs)
        self.repl = Repl(self.world)  # type: ignore[arg-type]
        self._in_repl = False

    def provision(self, config: dict[str, Any]) -> None:
        self._enter()
        public = provision(self.repl, config)
        if not isinstance(self.gateway, Unplugged):
            self.gateway.public = public

    def start(self) -> int:
        """Soft reset, whatever the board does: any other takes the console away from the node's first words."""
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
        pytest.skip("the bench has no plug that switches the board's supply")

    def packs(self, count: int, patience_ns: int = 60_000_000_000) -> int:
        return self.world.until(lambda: len(self.gateway.packs) >= count, f"{count} packs", patience_ns)

    def close(self) -> None:
        self.board.close()
