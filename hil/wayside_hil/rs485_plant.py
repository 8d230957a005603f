"""An RS-485 line on a UART as a plant: whoever answers on it is written by the test."""

from .board import Board
from .registry import plant
from .rs485 import Rs485Line


class AnsweringLine(Rs485Line):
    """`answers_to`: the frame that answers a request's frame, by the request; nobody answers any other."""

    def __init__(self, board: Board, uart: int, enable_pin: int | None, baud: int, parity: str):
        self.answers_to: dict[bytes, bytes] = {}
        super().__init__(board, uart, enable_pin, lambda frame: self.answers_to.get(frame), baud=baud, parity=parity)


@plant("rs485", needs={"uart"})
def rs485(board: Board, uart: int, enable_pin: int | None = None, baud: int = 9600, parity: str = "N") -> AnsweringLine:
    return AnsweringLine(board, uart, enable_pin if "pins" in board.has else None, baud, parity)
