"""Images of RP2040 boards, from registry packages alone: a UF2 file."""

import hashlib
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
    component,
    definitions,
    environment,
    scratch,
    upstream,
    with_ccache,
)

ENDING = ".uf2"
TOOLS = ("board_image.py", "mpylib.py", "rp2040_image.py", "sources.py", "virtual_board.py")
_NEEDS = {
    "gcc-arm-none-eabi": "arm-none-eabi-gcc",
    "cmake": "cmake",
    "make": "make",
    "gcc": "gcc",
}
_PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib cmake make gcc dpkg-dev"


def check(board: str) -> None:
    check_tools()
    check_library(board)


def check_tools() -> None:
    """MissingError when a program is not here that every image needs."""
    lacking = [package for package, program in _NEEDS.items() if shutil.which(program) is None]
    if lacking:
        raise MissingError(f"{', '.join(lacking)} missing; type: sudo apt-get install -y {_PACKAGES}")


def compiler() -> str:
    return subprocess.run(["arm-none-eabi-gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def pins() -> tuple[object, ...]:
    return (sources.MICROPYTHON, sources.archive_sha256(sources.MBEDTLS), sources.PICO_SDK, sources.TINYUSB)


def components(board: str) -> list[dict[str, object]]:
    if "MICROPY_DIR" in os.environ:
        return [upstream()]
    made = []
    for source in (sources.MICROPYTHON, sources.MBEDTLS, sources.PICO_SDK, sources.TINYUSB):
        version = source.version or _mbedtls_version()
        url = f"pkg:deb/debian/{source.name}@{version}"
        made.append(component(source.name, version, url, sources.archive_sha256(source)))
    return made


def build(board: str, elsewhere: bool = False) -> Build:
    """elsewhere: in other folders, of nothing that was compiled before."""
    with scratch(elsewhere) as room:
        top = Path(shutil.copytree(tree(), room / "micropython", symlinks=True)) if elsewhere else tree()
        return _build_in(room, top, board, [] if elsewhere else with_ccache())


def tree() -> Path:
    """MicroPython's sources with the Pico's SDK and USB stack; one for all boards. Under the lock of the images."""
    plain = virtual_board.tree()
    if "MICROPY_DIR" in os.environ:
        return plain
    digest = hashlib.sha256(repr((plain.parent.name, sources.PICO_SDK, sources.TINYUSB)).encode())

    def fill(folder: Path) -> None:
        top = Path(shutil.copytree(plain, folder / "micropython", symlinks=True))
        for source, place in ((sources.PICO_SDK, "pico-sdk"), (sources.TINYUSB, "tinyusb")):
            shutil.copytree(sources.get(source), top / "lib" / place, symlinks=True, dirs_exist_ok=True)

    return sources.kept(sources.CACHE / "trees" / f"rp2-{digest.hexdigest()[:16]}", fill) / "micropython"


def compile_board(top: Path, folder: Path, board: str, words: list[str], variables: dict[str, str]) -> Path:
    """The UF2 file of the port rp2, built in `folder` with these definitions and environment."""
    sources.say(f"building the image of {board}")
    cmake: list[str | Path] = ["cmake", "-S", top / "ports" / "rp2", "-B", folder, "-DPICO_NO_PICOTOOL=1"]
    cmake += [f"-DPython3_EXECUTABLE={sys.executable}", *words]
    sources.command(cmake, top, variables)
    sources.command(["make", f"-j{os.cpu_count() or 1}", "-C", folder], top, variables)
    uf2conv = top / "tools" / "uf2conv.py"
    convert = [sys.executable, uf2conv, "--family", "0xe48bff56", "--base", "0x10000000", "--convert"]
    sources.command([*convert, "--output", folder / "image.uf2", folder / "firmware.bin"], top)
    return folder / "image.uf2"


def _build_in(room: Path, top: Path, board: str, words: list[str]) -> Build:
    monocypher = sources.get(sources.MONOCYPHER)
    folder = room / "build"
    names = {room: "build", top: "micropython", monocypher: "monocypher", virtual_board.ROOT: "wayside"}
    flags = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in names.items())
    variables = environment(top) | dict.fromkeys(("CFLAGS", "CXXFLAGS", "ASMFLAGS"), flags)
    return collect(compile_board(top, folder, board, [*definitions(board, room), *words], variables), folder)


def _mbedtls_version() -> str:
    text = (sources.get(sources.MBEDTLS) / "include" / "mbedtls" / "build_info.h").read_text()
    found = re.search(r'MBEDTLS_VERSION_STRING\s+"([^"]+)"', text)
    return found[1] if found else "unknown"
