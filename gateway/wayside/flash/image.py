"""What every board's image has: the name of the board that it is for."""

import re


class ImageError(Exception):
    """An image that is not written, or not whole; the text says what to do."""


def check_board(content: bytes, board: str) -> None:
    """ImageError when `content` is not of this board: MicroPython's `sys.implementation` has the board's name in it."""
    found = re.search(rb"Wayside ([A-Z0-9]+_[A-Z0-9_]+)(?: with |\0)", content)
    if not found or found[1].decode() != board:
        what = f"the image of {found[1].decode()}" if found else "no image of Wayside"
        raise ImageError(f"this is {what}, not of {board}")
