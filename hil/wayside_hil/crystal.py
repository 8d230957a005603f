"""The board's crystal, which may be wrong."""

from collections.abc import Callable

from .board import Board
from .registry import plant


@plant("crystal", needs={"crystal"})
def crystal(board: Board) -> Callable[..., None]:
    """crystal(ppm): from now on the board's clock is too fast by this."""
    return board.set_crystal
