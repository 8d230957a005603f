"""A serial cable from an emulated board to a real program: a pty's end on a UART, and the board held to real time."""

import os
import time
from contextlib import suppress

from .board import Board
from .events import Event, UartByte

_PIECE = 4096


class Cable:
    """What the board sends on a UART goes to the pty whose master is `handle`, which does not block, and back.

    Simulated time goes no faster than real time: the program at the other end has its time-outs in that.
    """

    def __init__(self, board: Board, uart: int, handle: int, baud: int = 115200):
        self._board = board
        self._uart = uart
        self._handle = handle
        self._baud = baud
        self._free_at = 0  # the line to the board
        self._begun: float | None = None

    def see(self, event: Event) -> None:
        if isinstance(event, UartByte) and event.uart == self._uart:
            with suppress(BlockingIOError):  # nobody reads: lost, as on a wire
                os.write(self._handle, bytes((event.value,)))

    def settle(self, now_ns: int) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._handle, _PIECE)
            self._free_at = self._board.send_uart(self._uart, data, self._baud, max(now_ns, self._free_at))
        if self._begun is None:
            self._begun = time.monotonic() - now_ns / 1e9
        ahead_s = now_ns / 1e9 - (time.monotonic() - self._begun)
        if ahead_s > 0:
            time.sleep(ahead_s)
