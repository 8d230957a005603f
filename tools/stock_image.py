"""Build upstream's own image of the Raspberry Pi Pico, with nothing of ours in it, and print its path: for the bench's
tests as somebody else's firmware.

Upstream's board RPI_PICO of the pinned sources. Four drivers that it freezes (onewire, ds18x20, dht, neopixel) are in
micropython-lib, which is in no package registry: they are left out. Kept in the cache by what it is made of.
"""

import hashlib
import os
import sys
from pathlib import Path

import rp2040_image
import sources
from board_image import MissingError, environment, scratch, with_ccache

_BOARD = "RPI_PICO"
_MANIFEST = 'freeze("$(PORT_DIR)/modules")\ninclude("$(MPY_DIR)/extmod/asyncio")\n'


def image() -> Path:
    """The UF2 file. MissingError, SourceError."""
    rp2040_image.check_tools()
    digest = hashlib.sha256(repr((*rp2040_image.pins(), rp2040_image.compiler(), _MANIFEST)).encode())
    digest.update(os.environ.get("MICROPY_DIR", "").encode())
    folder = sources.CACHE / "images" / f"{_BOARD}-{digest.hexdigest()[:16]}"
    if not folder.exists():  # else nobody has to wait for the builds of other boards
        with sources.locked(sources.CACHE / "images.lock"):
            sources.kept(folder, _build)
    return folder / f"{_BOARD}.uf2"


def _build(target: Path) -> None:
    with scratch() as room:
        top = rp2040_image.tree()
        manifest = room / "manifest.py"
        manifest.write_text(_MANIFEST)
        words = [f"-DMICROPY_BOARD={_BOARD}", f"-DMICROPY_FROZEN_MANIFEST={manifest}", *with_ccache()]
        made = rp2040_image.compile_board(top, room / "build", _BOARD, words, environment(top))
        made.rename(target / f"{_BOARD}.uf2")


def main() -> int:
    try:
        print(image())
    except (MissingError, sources.SourceError) as error:
        print(f"{_BOARD}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
