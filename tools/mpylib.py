"""micropython-lib's radio drivers, which no package registry has: from the checkout that MPY_LIB_DIR names.

What is built into an image is pinned by content: these packages as they are at the commit below. That one mends the
SX126x driver, which called damaged packets good; an older checkout is refused by its hash, as is a changed one.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

VARIABLE = "MPY_LIB_DIR"
COMMIT = "9f7f99b066f9cb0912a397063b5a4b8586bb0a2d"
SHA256 = "a0d1065143be90ae3906a2262b59f24bd91ccbc3c8f0e479284e9fc1ee8d66a7"
_LORA = tuple(Path("micropython", "lora", name) for name in ("lora", "lora-async", "lora-sx126x", "lora-sx127x"))
_BLUETOOTH = tuple(
    Path("micropython", "bluetooth", name) for name in ("aioble", "aioble-core", "aioble-peripheral", "aioble-server")
)
PACKAGES = (*_LORA, *_BLUETOOTH)


class LibraryError(Exception):
    """The checkout is not there or not the pinned one; the text says what to do."""


def is_needed(board: Path) -> bool:
    """Whether the manifest of the board in this folder takes something from micropython-lib."""
    return re.search(r"^require\(", (board / "manifest.py").read_text(), re.MULTILINE) is not None


def checkout() -> Path:
    """The checkout, whose pinned packages are the pinned ones. LibraryError."""
    place = os.environ.get(VARIABLE)
    if not place:
        raise LibraryError(
            f"the radios' drivers are in micropython-lib, which is in no package registry: name a checkout of commit"
            f" {COMMIT[:12]} in {VARIABLE}"
        )
    top = Path(place)
    missing = [package for package in PACKAGES if not (top / package / "manifest.py").is_file()]
    if missing:
        raise LibraryError(f"{VARIABLE}: {missing[0]} is not in that folder: it is no checkout of micropython-lib")
    if (found := _sha256(top)) != SHA256:
        raise LibraryError(
            f"{VARIABLE}: the radios' packages have SHA-256 {found}, pinned is {SHA256}, of commit {COMMIT[:12]}"
        )
    return top


def copy_into(folder: Path) -> Path:
    """A micropython-lib of the pinned packages alone, for the build. Returns `folder`. LibraryError."""
    for package in PACKAGES:
        shutil.copytree(checkout() / package, folder / package)
    (folder / "README.md").touch()  # the make rules ask for it
    return folder


def merge_into(folder: Path) -> None:
    """The LoRa drivers' modules as the one package `lora`, to be imported from `folder`. LibraryError."""
    for package in _LORA:
        shutil.copytree(checkout() / package / "lora", folder / "lora", dirs_exist_ok=True)


def _sha256(top: Path) -> str:
    """Of the packages' names and contents."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((top / package).rglob("*.py")):
            content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(top).as_posix()} {content_hash}\n".encode())
    return digest.hexdigest()
