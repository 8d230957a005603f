"""The USB volume that an RP2040 in its boot ROM shows (RP2040 datasheet section 2.8.4)."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from . import uf2
from .image import ImageError, check_board

_INFO = "INFO_UF2.TXT"
_PIECE = 64 * 1024
_AGAIN = "hold BOOTSEL while you plug the board in, then type the same command again; the boot ROM cannot be damaged"


def find_volumes(mounts: Path = Path("/proc/mounts")) -> list[Path]:
    """Mounted volumes of boards that wait for an image."""
    places = [Path(_unescape(line.split()[1])) for line in mounts.read_text().splitlines()]
    return [place for place in places if is_board(place)]


def is_board(place: Path) -> bool:
    """Whether a board that waits for an image is mounted here."""
    return (place / _INFO).is_file()


def _unescape(text: str) -> str:
    """Spaces and the like in /proc/mounts are octal: proc(5)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def check_image(image: bytes, board: str) -> bytes:
    """The flash content that `image` makes; ImageError when it is none for this board."""
    try:
        content = uf2.content(image)
    except uf2.Uf2Error as error:
        raise ImageError(str(error)) from None
    check_board(content, board)
    return content


def write_image(image: bytes, volume: Path, progress: Callable[[int, int], None]) -> None:
    """Copy an image onto the volume; the board then starts it by itself. ImageError."""
    info = volume / _INFO
    try:
        text = info.read_text(errors="replace")
    except OSError:
        raise ImageError(f"{volume} is no board that waits for an image; {_AGAIN}") from None
    if "RPI-RP2" not in text:
        what = next((line for line in text.splitlines() if "Board-ID" in line), "another board")
        raise ImageError(f"{volume} is no RP2040 ({what.strip()}): wrong board")
    done = 0
    try:
        with (volume / "image.uf2").open("wb") as file:
            for done in range(0, len(image), _PIECE):
                file.write(image[done : done + _PIECE])
                file.flush()
                os.fsync(file.fileno())
                progress(min(done + _PIECE, len(image)), len(image))
    except OSError as error:
        # The board starts with the last block, and the volume is gone before the file is closed.
        if done + _PIECE < len(image) or info.exists():
            raise ImageError(f"after {done:,} of {len(image):,} bytes: {error.strerror}; {_AGAIN}") from None
