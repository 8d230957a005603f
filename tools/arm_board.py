"""Build MicroPython for QEMU's mps2-an385 (Cortex-M3), with our pure modules frozen; print the path of the ELF file.

Kept in the cache as tools/virtual_board.py keeps its own. There is no file system and no radio: it is for what differs
between a 64-bit host and a board, which is numbers and memory.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import sources
import virtual_board

BOARD = virtual_board.ROOT / "boards" / "MPS2_AN385"
WIRE = virtual_board.ROOT / "firmware" / "wayside_wire"
HEAP = 128 * 1024  # bytes, about what an RP2040 has left for the application


def firmware() -> Path:
    """The built ELF file; made first when nothing built from the same sources is in the cache. SourceError."""
    for program in ("arm-none-eabi-gcc", "make", "gcc"):
        if shutil.which(program) is None:
            raise sources.SourceError(f"{program} is missing; type: make setup")
    folder = sources.CACHE / "arm" / f"MPS2_AN385-{_key()}"
    with sources.locked(sources.CACHE / "arm.lock"):
        return sources.kept(folder, _build) / "firmware.elf"


def _key() -> str:
    digest = hashlib.sha256()
    pins = (os.environ.get("MICROPY_DIR", ""), sources.MICROPYTHON, HEAP)
    digest.update(repr(pins).encode())
    for path in sorted([*WIRE.glob("*.py"), *BOARD.iterdir(), Path(__file__)]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(target: Path) -> None:
    with sources.scratch(".arm") as room:
        top = virtual_board.tree()
        sources.say("building MicroPython for the emulated Cortex-M3")
        variables = {
            "BOARD": "MPS2_AN385",
            "FROZEN_MANIFEST": BOARD / "manifest.py",
            "MICROPY_HEAP_SIZE": HEAP,
            "BUILD": room / "build",
            "CC": " ".join([*sources.ccache(), "arm-none-eabi-gcc"]),
        }
        words = [f"{key}={value}" for key, value in variables.items()]
        sources.command([*virtual_board.MAKE, "-C", "ports/qemu", *words], top, os.environ | sources.CCACHE)
        shutil.copy2(room / "build" / "firmware.elf", target / "firmware.elf")


def main() -> int:
    try:
        print(firmware())
    except sources.SourceError as error:
        print(f"arm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
