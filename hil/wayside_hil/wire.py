"""Wires between the UARTs of two boards: TX to RX and back."""

from .board import Board
from .events import Event, UartByte
from .world import World, join


class _End:
    """Carries what one board sends to the other."""

    def __init__(self, uart: int, other: Board, other_uart: int, baud: int):
        self._uart = uart
        self._other = other
        self._other_uart = other_uart
        self._baud = baud
        self._sent = b""

    def see(self, event: Event) -> None:
        if isinstance(event, UartByte) and event.uart == self._uart:
            self._sent += bytes((event.value,))

    def settle(self, now_ns: int) -> None:
        sent, self._sent = self._sent, b""
        if sent:
            self._other.send_uart(self._other_uart, sent, self._baud)


def connect(one: World, uart: int, other: World, other_uart: int, baud: int = 115200) -> None:
    """From now on; the worlds' time is one then. A byte is on its way for a millisecond. TypeError."""
    for each in (one, other):
        if not isinstance(each, World):
            raise TypeError(f"wire.connect ties worlds, and this is a {type(each).__name__}: write dut[0].world")
    join(one, other)
    one.plugs.append(_End(uart, other.emulator, other_uart, baud))
    other.plugs.append(_End(other_uart, one.emulator, uart, baud))
