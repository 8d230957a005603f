"""Images of ESP32 boards, where ESP-IDF is installed: boot loader, partition table and application in one file.

ESP-IDF (IDF_PATH, its export script run) and an upstream checkout of MicroPython (MICROPY_DIR) are in no package
registry: Debian's source package of MicroPython leaves out a library that this port is linked with.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import sources
import virtual_board
from board_image import (
    Build,
    MissingError,
    check_library,
    collect,
    definitions,
    environment,
    scratch,
    upstream,
)

ENDING = ".bin"
TOOLS = ("board_image.py", "esp32_image.py", "mpylib.py", "sources.py", "virtual_board.py")
# Those that ports/esp32/README.md of MicroPython 1.25 names.
_VERSIONS = ("5.2", "5.3", "5.4")
_LIBRARY = Path("lib") / "berkeley-db-1.xx"


def check(board: str) -> None:
    place = os.environ.get("IDF_PATH")
    wanted = f"{', '.join(_VERSIONS[:-1])} or {_VERSIONS[-1]}"
    if not place:
        raise MissingError(f"ESP-IDF is not here: it is in no package registry. Install {wanted}, run its export.sh")
    if shutil.which("idf.py") is None:
        raise MissingError(f"IDF_PATH is set, but there is no idf.py: type `. {place}/export.sh` first")
    found = _idf_version()
    if ".".join(found.split(".")[:2]) not in _VERSIONS:
        raise MissingError(f"this ESP-IDF is {found or 'of no known version'}; MicroPython 1.25 builds with {wanted}")
    upstream_tree = os.environ.get("MICROPY_DIR")
    if not upstream_tree or not any((Path(upstream_tree) / _LIBRARY).glob("*")):
        raise MissingError(f"name an upstream checkout of MicroPython with its submodules ({_LIBRARY}) in MICROPY_DIR")
    check_library(board)


def compiler() -> str:
    return f"ESP-IDF {_idf_version()}"


def pins() -> tuple[object, ...]:
    return ()


def components(board: str) -> list[dict[str, object]]:
    version = _idf_version()
    idf = {"type": "library", "name": "esp-idf", "version": version, "purl": f"pkg:github/espressif/esp-idf@v{version}"}
    return [upstream(), idf]


def build(board: str, elsewhere: bool = False) -> Build:
    with scratch(elsewhere) as room:
        return _build_in(room, board)


def _build_in(room: Path, board: str) -> Build:
    top = virtual_board.tree().resolve()
    port, folder = top / "ports" / "esp32", room / "build"
    sources.say(f"building the image of {board}")
    words: list[str | Path] = ["idf.py", "-C", port, "-B", folder, *definitions(board, room), "build"]
    sources.command(words, port, environment(top))
    parts = ("sdkconfig", "bootloader/bootloader.bin", "partition_table/partition-table.bin", "micropython.bin")
    made = [folder / name for name in (*parts, "firmware.bin", "micropython.uf2")]
    sources.command([sys.executable, port / "makeimg.py", *made], port, environment(top))
    return collect(folder / "firmware.bin", folder)


def _idf_version() -> str:
    """Such as 5.2.2; empty when idf.py does not say."""
    said = subprocess.run(["idf.py", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"ESP-IDF v(\d+\.\d+(?:\.\d+)?)", said)
    return found[1] if found else ""
