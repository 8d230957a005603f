"""Images of ESP32 chips (ESP-IDF programming guide, "App Image Format", "Partition Tables"), written by esptool.

An image of ours is what MicroPython's makeimg.py makes: boot loader, partition table and application in one file, which
begins where the chip's boot loader lies. esptool is a process of its own: its command line is what its authors promise.
"""

import hashlib
import importlib.util
import re
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .image import ImageError, check_board

_BAUD = 460_800
_PATIENCE_S = 600.0
_TABLE = 0x8000
_TABLE_SIZE = 0xC00
_ENTRY = struct.Struct("<2sBBII16sI")
_HASH_MARK = b"\xeb\xeb".ljust(16, b"\xff")
_APP, _OTA_0, _DATA, _OTA_DATA = 0x00, 0x10, 0x01, 0x00
_HEADER, _SEGMENT, _HASH = 24, 8, 32
_AGAIN = "look at its cable, then type the same command again; the boot ROM cannot be damaged"


class EspChip(NamedTuple):
    """A chip as esptool and people call it, and where its boot loader lies."""

    name: str
    title: str
    start: int


_CHIPS = {0: EspChip("esp32", "ESP32", 0x1000), 9: EspChip("esp32s3", "ESP32-S3", 0)}


class Image(NamedTuple):
    """pieces: (offset in flash, content), in the order in which they are written."""

    board: str
    chip: EspChip
    pieces: list[tuple[int, bytes]]


def check_image(image: bytes, board: str) -> Image:
    """The pieces of flash that `image` makes; ImageError when it is none for this board, or not whole."""
    if len(image) <= _HEADER or image[0] != 0xE9:
        raise ImageError("this is no image of an ESP32 with its boot loader; take dist/BOARD.bin of `make images`")
    number = int.from_bytes(image[12:14], "little")
    if number not in _CHIPS:
        raise ImageError(f"the image is for a chip with number {number}, which no board of ours has: wrong board")
    chip = _CHIPS[number]
    check_board(image, board)
    table, places = _partitions(image[_TABLE - chip.start :][:_TABLE_SIZE])
    if not {(_APP, _OTA_0), (_DATA, _OTA_DATA)} <= places.keys():
        raise ImageError("the image's partition table has no slots; build it again with `make images`")
    app_place, app_size = places[_APP, _OTA_0]
    choice_place, choice_size = places[_DATA, _OTA_DATA]
    app = _whole(image[app_place - chip.start :], number)
    if len(app) > app_size:
        raise ImageError(f"the application has {len(app):,} bytes, its slot {app_size:,}")
    # The choice of the slot last: cut before it, the board starts what the other slot has, if anything.
    pieces = [
        (chip.start, _whole(image[: _TABLE - chip.start], number)),
        (_TABLE, table),
        (app_place, app),
        (choice_place, b"\xff" * choice_size),
    ]
    return Image(board, chip, pieces)


def write_image(image: Image, port: str, progress: Callable[[int, int], None]) -> None:
    """Write the pieces to the chip at `port`, which then starts. ImageError."""
    done, size = 0, sum(len(content) for _, content in image.pieces)

    def hear(line: str) -> None:
        nonlocal done
        if found := re.match(r"Wrote (\d+) bytes", line):
            done += int(found[1])
            progress(done, size)

    _esptool(image, port, "write-flash", hear)


def read_back(image: Image, port: str) -> None:
    """Have the chip hash what it has of each piece, and compare. ImageError."""
    _esptool(image, port, "verify-flash", lambda line: None)


def _partitions(table: bytes) -> tuple[bytes, dict[tuple[int, int], tuple[int, int]]]:
    """The table up to and with its hash, {(type, subtype): (offset, size)}; ImageError when the hash is another one."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for start in range(0, len(table) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, subtype, place, size, _, _ = _ENTRY.unpack_from(table, start)
        if table[start : start + 32] == _HASH_MARK + hashlib.md5(table[:start]).digest():
            return table[: start + _ENTRY.size], found
        if magic != b"\xaa\x50":
            break
        found[kind, subtype] = (place, size)
    raise ImageError("the image's partition table is cut or damaged")


def _whole(content: bytes, number: int) -> bytes:
    """The boot loader or application at the start of `content`, up to and with its hash."""
    end = _HEADER
    if len(content) < end or content[0] != 0xE9 or int.from_bytes(content[12:14], "little") != number:
        raise ImageError("the image is cut or damaged")
    for _ in range(content[1]):
        end += _SEGMENT + int.from_bytes(content[end + 4 : end + 8], "little")
    end = end // 16 * 16 + 16  # a checksum byte ends the block
    if hashlib.sha256(content[:end]).digest() != content[end : end + _HASH] or content[23] != 1:
        raise ImageError("the image is cut or damaged: its hash is another one")
    return content[: end + _HASH]


def _esptool(image: Image, port: str, action: str, hear: Callable[[str], None]) -> None:
    """Run it over all pieces; ImageError with what its complaint means. hear(): each line that it says."""
    if importlib.util.find_spec("esptool") is None:
        raise ImageError("boards with an ESP32 need the package esptool; type: pip install 'wayside[technician]'")
    words = [sys.executable, "-m", "esptool", "--chip", image.chip.name, "--port", port, "--baud", str(_BAUD), action]
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for place, content in image.pieces:
            file = Path(folder) / f"{place:x}.bin"
            file.write_bytes(content)
            words += [hex(place), str(file)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            limit = threading.Timer(_PATIENCE_S, process.kill)
            limit.start()
            assert process.stdout
            for line in process.stdout:
                lines.append(line.strip())
                hear(lines[-1])
            limit.cancel()
    if process.returncode:
        raise ImageError(_explain(image, port, [line for line in lines if line]))


def _explain(image: Image, port: str, lines: list[str]) -> str:
    said = " ".join(lines)
    if found := re.search(r"This chip is (\S+), not", said):
        return f"the chip at {port} is {found[1]}; {image.board} has {image.chip.title}: wrong board"
    if "Failed to connect" in said:
        return (
            f"no {image.chip.title} answers at {port}: hold its button BOOT, press EN (reset) for a moment, then type"
            " the same command again"
        )
    if "Could not open" in said:
        return f"{port} cannot be opened; is the board plugged in, and no other program using the port?"
    return f"{next((line for line in reversed(lines) if 'rror' in line), 'esptool ended')}; {_AGAIN}"
