"""Build the virtual board's MicroPython (the unix port as boards/UNIX defines it) and print the path of the executable.

The build is kept in the cache under a key of everything that went into it. MICROPY_DIR names an upstream checkout to
use instead of Debian's source package. With a folder of NimBLE's sources (mynewt-nimble, at the commit that this
MicroPython pins) the board has Bluetooth too, by the HCI line that MICROPYBTUART names.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import sources

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "boards" / "UNIX"
NATIVE = ROOT / "firmware" / "native"
# By this Python: the one that PATH has may be a shim, a shell of its own for each of a thousand calls.
MAKE: tuple[str | Path, ...] = ("make", f"-j{os.cpu_count() or 1}", f"PYTHON={sys.executable}")
_BUILT_FROM = ("mpconfigvariant.h", "mpconfigvariant.mk", "manifest.py")
_NIMBLE = ("nimble", "porting", "ext")  # what the port compiles of it
NIMBLE_COMMIT = "42849560ba7906f023f61e5f7ff3709ba2c1dfca"
_NIMBLE_SHA256 = "e46d8776adbfbc366a97827359690d17fe383b83d8c683bc8d39fc9dc3381688"


def executable(nimble: Path | None = None) -> Path:
    """The built interpreter; made first when nothing built from the same sources is in the cache. SourceError."""
    if nimble is not None and (found := _sha256(nimble)) != _NIMBLE_SHA256:
        raise sources.SourceError(
            f"{nimble}: its folders {', '.join(_NIMBLE)} have SHA-256 {found}, pinned is {_NIMBLE_SHA256}, of"
            f" mynewt-nimble's commit {NIMBLE_COMMIT[:12]}"
        )
    folder = sources.CACHE / "vm" / (f"UNIX-{_key(None)}" if nimble is None else f"UNIX_BLE-{_key(nimble)}")
    with sources.locked(sources.CACHE / "vm.lock"):
        return sources.kept(folder, lambda target: _build(target, nimble)) / "micropython"


def mpy_cross() -> Path:
    """The compiler to bytecode that was built beside the interpreter."""
    return executable().with_name("mpy-cross")


def _key(nimble: Path | None) -> str:
    digest = hashlib.sha256()
    upstream = os.environ.get("MICROPY_DIR", "")
    pins = (upstream, sources.MICROPYTHON, sources.MBEDTLS, sources.MONOCYPHER)
    digest.update(repr(("micropython mpy-cross", *pins)).encode())
    for path in sorted([*NATIVE.iterdir(), *(BOARD / name for name in _BUILT_FROM)]):
        if path.is_file() and path.suffix != ".cmake":  # the unix port builds with Makefiles
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    if nimble is not None:
        digest.update(_NIMBLE_SHA256.encode())
    return digest.hexdigest()[:16]


def _sha256(nimble: Path) -> str:
    """Of the names and contents of what is compiled."""
    digest = hashlib.sha256()
    for path in sorted(each for part in _NIMBLE for each in (nimble / part).rglob("*") if each.is_file()):
        content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(nimble).as_posix()} {content_hash}\n".encode())
    return digest.hexdigest()


def tree() -> Path:
    """A MicroPython source tree with mpy-cross built in it, and the libraries that Debian's tarball leaves out.

    One for all boards, kept in the cache: build beside it, and write nothing into it.
    """
    if upstream := os.environ.get("MICROPY_DIR"):
        with sources.locked(sources.CACHE / "trees.lock"):
            _build_mpy_cross(Path(upstream))
        return Path(upstream)
    pins = (sources.MICROPYTHON, sources.archive_sha256(sources.MBEDTLS))
    folder = sources.CACHE / "trees" / f"plain-{hashlib.sha256(repr(pins).encode()).hexdigest()[:16]}"
    with sources.locked(sources.CACHE / "trees.lock"):
        return sources.kept(folder, _fill_tree) / "micropython"


def _fill_tree(folder: Path) -> None:
    top = folder / "micropython"
    shutil.copytree(sources.get(sources.MICROPYTHON), top, symlinks=True)
    shutil.copytree(sources.get(sources.MBEDTLS), top / "lib" / "mbedtls", symlinks=True, dirs_exist_ok=True)
    # The make rules ask whether this submodule is there; our manifests take nothing from it.
    (top / "lib" / "micropython-lib" / "README.md").touch()
    _build_mpy_cross(top)


def _build_mpy_cross(top: Path) -> None:
    """The compiler to bytecode; does nothing where it is there."""
    sources.say("building mpy-cross")
    sources.command([*MAKE, "-C", "mpy-cross"], top)


def _build(target: Path, nimble: Path | None) -> None:
    with sources.scratch(".vm") as scratch:
        top = tree()
        # The port looks for user modules one level below the folder that it is given.
        (scratch / "modules").mkdir()
        (scratch / "modules" / "native").symlink_to(NATIVE)
        bluetooth = {}
        if nimble is not None:
            top = Path(shutil.copytree(top, scratch / "micropython", symlinks=True))
            for part in _NIMBLE:
                shutil.copytree(nimble / part, top / "lib" / "mynewt-nimble" / part, dirs_exist_ok=True)
            # The port reads its HCI line in a thread of its own.
            bluetooth = dict.fromkeys(("MICROPY_PY_BLUETOOTH", "MICROPY_BLUETOOTH_NIMBLE", "MICROPY_PY_THREAD"), 1)
        sources.say("building MicroPython for the board UNIX")
        variables = {
            "VARIANT": "UNIX",
            "VARIANT_DIR": BOARD,
            "USER_C_MODULES": scratch / "modules",
            "MONOCYPHER_DIR": sources.get(sources.MONOCYPHER),
            "BUILD": scratch / "build",
            "CC": " ".join([*sources.ccache(), "gcc"]),
            **bluetooth,
        }
        words = [f"{key}={value}" for key, value in variables.items()]
        sources.command([*MAKE, "-C", "ports/unix", *words], top, os.environ | sources.CCACHE)
        shutil.copy2(scratch / "build" / "micropython", target / "micropython")
        shutil.copy2(top / "mpy-cross" / "build" / "mpy-cross", target / "mpy-cross")


def main() -> int:
    try:
        print(executable())
    except sources.SourceError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
