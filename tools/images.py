"""Build the boards' images into dist/: image, manifest, software bill of materials (CycloneDX), hashes.

    python tools/images.py [--twice] [BOARD...]

Without names it builds every board that this machine can build and says for the others what is missing. All sources
come from registries (tools/sources.py) or from an upstream checkout in MICROPY_DIR. The same sources and compiler give
the same bytes: build paths and dates are kept out of the image; --twice builds again elsewhere and compares. What was
built from the same sources before is taken from the cache.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import mpylib
import sources
import virtual_board

BOARDS = virtual_board.ROOT / "boards"
DIST = virtual_board.ROOT / "dist"
# A build's date is a property of its sources: the release day of MicroPython 1.25.0, in seconds since 1970.
_DATE = "1744675200"
_RP2_NEEDS = {
    "gcc-arm-none-eabi": "arm-none-eabi-gcc",
    "cmake": "cmake",
    "make": "make",
    "gcc": "gcc",
}
_RP2_PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib cmake make gcc dpkg-dev"


class MissingError(Exception):
    """What this machine lacks for a board's image; the text says what to install."""


class Build(NamedTuple):
    """image: the UF2 file; frozen: bytes and SHA-256 of each frozen module's bytecode, by its path in the image."""

    image: bytes
    frozen: dict[str, dict[str, int | str]]


def build(board: str, twice: bool = False) -> Path:
    """The image of `board` in dist/, built when no build of the same sources is cached; returns its path.

    twice: build it again and compare. MissingError, SourceError.
    """
    if not board.startswith("RP2040_"):
        raise MissingError(_esp32_lack())
    lacking = [package for package, program in _RP2_NEEDS.items() if shutil.which(program) is None]
    if lacking:
        raise MissingError(f"{', '.join(lacking)} missing; type: sudo apt-get install -y {_RP2_PACKAGES}")
    if mpylib.is_needed(BOARDS / board):
        try:
            mpylib.checkout()
        except mpylib.LibraryError as error:
            raise MissingError(str(error)) from None
    with sources.locked(sources.CACHE / "images.lock"):
        made = _cached(board)
        if twice:
            again = _build_rp2(board)
            if again != made:
                raise sources.SourceError(f"two builds differ: {_sha256(made.image)} and {_sha256(again.image)}")
        return _write(board, made)


def _cached(board: str) -> Build:
    if "MICROPY_DIR" in os.environ:  # a checkout may change under us
        return _build_rp2(board)
    folder = sources.CACHE / "images" / f"{board}-{_key(board)}"

    def fill(new: Path) -> None:
        made = _build_rp2(board)
        (new / "image.uf2").write_bytes(made.image)
        (new / "frozen.json").write_text(json.dumps(made.frozen))

    sources.kept(folder, fill)
    return Build((folder / "image.uf2").read_bytes(), json.loads((folder / "frozen.json").read_text()))


def _key(board: str) -> str:
    """Of everything that decides on the image's bytes."""
    pins = (sources.MICROPYTHON, sources.archive_sha256(sources.MBEDTLS), sources.PICO_SDK, sources.TINYUSB)
    digest = hashlib.sha256(repr((*pins, sources.MONOCYPHER, _compiler())).encode())
    names = ("images.py", "mpylib.py", "sources.py", "virtual_board.py")
    tools = [virtual_board.ROOT / "tools" / name for name in names]
    for name, content_hash in _files([*_ours(board), *tools]).items():
        digest.update(f"{name} {content_hash}\n".encode())
    return digest.hexdigest()[:16]


def _ours(board: str) -> list[Path]:
    """Every file of ours that goes into the image."""
    places = [*(BOARDS / board).iterdir(), *BOARDS.glob("*.py"), *virtual_board.NATIVE.iterdir()]
    return [*places, *(virtual_board.ROOT / "firmware").glob("wayside_*/**/*.py")]


def _files(paths: list[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path in the project."""
    return {
        str(path.relative_to(virtual_board.ROOT)): _sha256(path.read_bytes())
        for path in sorted(paths)
        if path.is_file()
    }


def _esp32_lack() -> str:
    if not os.environ.get("IDF_PATH"):
        return "ESP-IDF is not here: it is in no package registry. Install it and run its export script first"
    return "the build with ESP-IDF is not written yet"


def _build_rp2(board: str) -> Build:
    sources.CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sources.CACHE, prefix=".image-") as room:
        return _build_rp2_in(Path(room), board)


def _build_rp2_in(scratch: Path, board: str) -> Build:
    top = virtual_board.tree(scratch)
    if "MICROPY_DIR" not in os.environ:
        for source, place in ((sources.PICO_SDK, "pico-sdk"), (sources.TINYUSB, "tinyusb")):
            shutil.copytree(sources.get(source), top / "lib" / place, symlinks=True, dirs_exist_ok=True)
    monocypher = sources.get(sources.MONOCYPHER)
    folder = scratch / "build"
    names = {scratch: "build", top: "micropython", monocypher: "monocypher", virtual_board.ROOT: "wayside"}
    flags = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in names.items())
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": _DATE,
        "PYTHONHASHSEED": "0",
        "MICROPY_GIT_TAG": f"v{_version(top)}",
        "MICROPY_GIT_HASH": "wayside",
        **dict.fromkeys(("CFLAGS", "CXXFLAGS", "ASMFLAGS"), flags),
    }
    variables = {
        "MICROPY_BOARD": board,
        "MICROPY_BOARD_DIR": BOARDS / board,
        "USER_C_MODULES": virtual_board.NATIVE / "micropython.cmake",
        "MONOCYPHER_DIR": monocypher,
        "PICO_NO_PICOTOOL": 1,
    }
    if mpylib.is_needed(BOARDS / board):
        variables["MICROPY_LIB_DIR"] = mpylib.copy_into(scratch / "micropython-lib")
    definitions = [f"-D{key}={value}" for key, value in variables.items()]
    sources.say(f"building mpy-cross for {board}")
    jobs = f"-j{os.cpu_count() or 1}"
    sources.command(["make", jobs, "-C", "mpy-cross"], top)
    sources.say(f"building the image of {board}")
    sources.command(["cmake", "-S", top / "ports" / "rp2", "-B", folder, *definitions], top, environment)
    sources.command(["make", jobs, "-C", folder], top, environment)
    uf2conv = top / "tools" / "uf2conv.py"
    words = [sys.executable, uf2conv, "--family", "0xe48bff56", "--base", "0x10000000", "--convert"]
    sources.command([*words, "--output", folder / "image.uf2", folder / "firmware.bin"], top)
    modules = folder / "frozen_mpy"
    frozen: dict[str, dict[str, int | str]] = {
        str(path.relative_to(modules)): {"bytes": path.stat().st_size, "sha256": _sha256(path.read_bytes())}
        for path in sorted(modules.rglob("*.mpy"))
    }
    return Build((folder / "image.uf2").read_bytes(), frozen)


def _version(top: Path) -> str:
    text = (top / "py" / "mpconfig.h").read_text()
    return ".".join(re.findall(r"^#define MICROPY_VERSION_(?:MAJOR|MINOR|MICRO) (\d+)", text, re.MULTILINE))


def _write(board: str, made: Build) -> Path:
    """Image, manifest, bill of materials and hashes, in dist/."""
    DIST.mkdir(exist_ok=True)
    files = {
        f"{board}.uf2": made.image,
        f"{board}.manifest.json": _json(_manifest(board, made)),
        f"{board}.cdx.json": _json(_materials(board, made.image)),
    }
    for name, content in files.items():
        (DIST / name).write_bytes(content)
    sums = "".join(f"{_sha256(content)}  {name}\n" for name, content in files.items())
    (DIST / f"{board}.sha256").write_text(sums)
    return DIST / f"{board}.uf2"


def _manifest(board: str, made: Build) -> dict[str, object]:
    """What the image is, every file of ours that went into it, and every module frozen in it (MicroPython's too)."""
    return {
        "board": board,
        "image": {"file": f"{board}.uf2", "bytes": len(made.image), "sha256": _sha256(made.image)},
        "compiler": _compiler(),
        "files": _files(_ours(board)),
        "frozen": made.frozen,
    }


def _materials(board: str, image: bytes) -> dict[str, object]:
    """CycloneDX 1.5: the sources of others that are in the image."""
    components = []
    if upstream := os.environ.get("MICROPY_DIR"):
        components.append({"type": "firmware", "name": "micropython", "version": _version(Path(upstream))})
    else:
        for source in (sources.MICROPYTHON, sources.MBEDTLS, sources.PICO_SDK, sources.TINYUSB):
            version = source.version or _mbedtls_version()
            url = f"pkg:deb/debian/{source.name}@{version}"
            components.append(_component(source.name, version, url, sources.archive_sha256(source)))
    monocypher = sources.MONOCYPHER
    url = f"pkg:pypi/{monocypher.name}@{monocypher.version}"
    components.append(_component(monocypher.name, monocypher.version, url, monocypher.sha256))
    if mpylib.is_needed(BOARDS / board):
        url = f"pkg:github/micropython/micropython-lib@{mpylib.COMMIT}"
        components.append(_component("micropython-lib", mpylib.COMMIT, url, mpylib.SHA256))
    hashes = [{"alg": "SHA-256", "content": _sha256(image)}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "firmware", "name": board, "hashes": hashes}},
        "components": components,
    }


def _component(name: str, version: str, url: str, sha256: str) -> dict[str, object]:
    hashes = [{"alg": "SHA-256", "content": sha256}]
    return {"type": "library", "name": name, "version": version, "purl": url, "hashes": hashes}


def _mbedtls_version() -> str:
    text = (sources.get(sources.MBEDTLS) / "include" / "mbedtls" / "build_info.h").read_text()
    found = re.search(r'MBEDTLS_VERSION_STRING\s+"([^"]+)"', text)
    return found[1] if found else "unknown"


def _compiler() -> str:
    return subprocess.run(["arm-none-eabi-gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(arguments: list[str]) -> int:
    """Exit status 1 when a board that was named, or any that could be built, was not built."""
    parser = argparse.ArgumentParser(description="Build the boards' images into dist/.")
    parser.add_argument("--twice", action="store_true", help="build again elsewhere and compare every byte")
    parser.add_argument("board", nargs="*", help="without one: all that this machine can build")
    options = parser.parse_args(arguments)
    status = 0
    for board in options.board or sorted(path.parent.name for path in BOARDS.glob("*/board.json")):
        if not (BOARDS / board / "board.json").is_file():
            print(f"{board}: no such board in boards/", file=sys.stderr)
            return 2
        try:
            image = build(board, options.twice)
            same = ", the same twice" if options.twice else ""
            print(f"{board}: dist/{image.name} {_sha256(image.read_bytes())}{same}")
        except MissingError as lack:
            print(f"{board}: not built: {lack}")
            status = status or int(bool(options.board))
        except sources.SourceError as error:
            print(f"{board}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
