"""What is at the other end of a UART: it hears everything and says what a test has it say."""

from collections.abc import Callable

from .board import Board
from .events import Event, UartByte
from .registry import plant


class UartPeer:
    """`heard`: all bytes since power-up; `bytes`: the same with times, baud and parity.

    reply(heard): what it answers to all that it has heard since its last answer; nothing while it is not complete.
    """

    def __init__(self, board: Board, uart: int, baud: int = 115200, parity: str = "N"):
        self.bytes: list[UartByte] = []
        self.reply: Callable[[bytes], bytes] = lambda heard: b""
        self._board = board
        self._uart = uart
        self._baud = baud
        self._parity = parity
        self._unanswered = b""

    @property
    def heard(self) -> bytes:
        return bytes(each.value for each in self.bytes)

    def send(self, data: bytes, at_ns: int | None = None) -> int:
        """To the board, from now on or then; returns when it is over."""
        return self._board.send_uart(self._uart, data, self._baud, at_ns, self._parity)

    def see(self, event: Event) -> None:
        if isinstance(event, UartByte) and event.uart == self._uart:
            self.bytes.append(event)
            self._unanswered += bytes((event.value,))

    def settle(self, now_ns: int) -> None:
        if self._unanswered and (answer := self.reply(self._unanswered)):
            self._unanswered = b""
            self.send(answer)


@plant("uart", needs={"uart"})
def uart(board: Board, uart: int, baud: int = 115200, parity: str = "N") -> UartPeer:
    return UartPeer(board, uart, baud, parity)
