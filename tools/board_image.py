"""What the builds of all families of boards have in common. A family is a module: rp2040_image, esp32_image.

It has ENDING (of the image's name), TOOLS (names of the files in tools/ that decide on its bytes), check(board)
(MissingError), compiler() (its name and version), pins() (of the others' sources), components(board) (of the bill of
materials) and build(board, elsewhere) -> Build.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import mpylib
import sources
import virtual_board

BOARDS = virtual_board.ROOT / "boards"
# A build's date is a property of its sources: the release day of MicroPython 1.25.0, in seconds since 1970.
_DATE = "1744675200"
_LANGUAGES = ("C", "CXX", "ASM")


class MissingError(Exception):
    """What this machine lacks for a board's image; the text says what to install."""


class Build(NamedTuple):
    """image: the file; frozen: bytes and SHA-256 of each frozen module's bytecode, by its path in the image."""

    image: bytes
    frozen: dict[str, dict[str, int | str]]


def check_library(board: str) -> None:
    """MissingError when the board's manifest takes from micropython-lib what is not here."""
    if mpylib.is_needed(BOARDS / board):
        try:
            mpylib.checkout()
        except mpylib.LibraryError as error:
            raise MissingError(str(error)) from None


@contextmanager
def scratch(elsewhere: bool = False) -> Iterator[Path]:
    """A folder to build in that is gone afterwards. elsewhere: another one each time. Under the lock of the images."""
    if not elsewhere:
        with sources.scratch(".image") as folder:
            yield folder
        return
    sources.CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sources.CACHE, prefix=".image-") as room:
        yield Path(room)


def with_ccache() -> list[str]:
    """CMake's definitions for compilers that remember what they compiled, where ccache is installed.

    Of a board's image and its next one nearly all objects are the same, of two boards' those of the SDK: the names of
    its pins are in every other one.
    """
    return [f"-DCMAKE_{language}_COMPILER_LAUNCHER={name}" for name in sources.ccache() for language in _LANGUAGES]


def environment(top: Path) -> dict[str, str]:
    """For a build that depends on its sources alone; `top`: MicroPython's."""
    return os.environ | sources.CCACHE | {
        "SOURCE_DATE_EPOCH": _DATE,
        "PYTHONHASHSEED": "0",
        "MICROPY_GIT_TAG": f"v{version(top)}",
        "MICROPY_GIT_HASH": "wayside",
    }


def definitions(board: str, scratch: Path) -> list[str]:
    """CMake's, of every port: the board's folder, our C module, and micropython-lib where it is needed."""
    variables: dict[str, object] = {
        "MICROPY_BOARD": board,
        "MICROPY_BOARD_DIR": BOARDS / board,
        "USER_C_MODULES": virtual_board.NATIVE / "micropython.cmake",
        "MONOCYPHER_DIR": sources.get(sources.MONOCYPHER),
    }
    if mpylib.is_needed(BOARDS / board):
        variables["MICROPY_LIB_DIR"] = mpylib.copy_into(scratch / "micropython-lib")
    return [f"-D{key}={value}" for key, value in variables.items()]


def collect(image: Path, build_folder: Path) -> Build:
    """The image and what is frozen in it."""
    modules = build_folder / "frozen_mpy"
    frozen: dict[str, dict[str, int | str]] = {
        str(path.relative_to(modules)): {"bytes": path.stat().st_size, "sha256": sha256(path.read_bytes())}
        for path in sorted(modules.rglob("*.mpy"))
    }
    return Build(image.read_bytes(), frozen)


def version(top: Path) -> str:
    """Of the MicroPython in this tree."""
    text = (top / "py" / "mpconfig.h").read_text()
    return ".".join(re.findall(r"^#define MICROPY_VERSION_(?:MAJOR|MINOR|MICRO) (\d+)", text, re.MULTILINE))


def upstream() -> dict[str, object]:
    """The checkout that MICROPY_DIR names, in the bill of materials."""
    return {"type": "firmware", "name": "micropython", "version": version(Path(os.environ["MICROPY_DIR"]))}


def component(name: str, its_version: str, url: str, digest: str) -> dict[str, object]:
    """A source with a hash, in the bill of materials."""
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "library", "name": name, "version": its_version, "purl": url, "hashes": hashes}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
