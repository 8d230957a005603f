"""Build the boards' images into dist/: image, manifest, software bill of materials (CycloneDX), hashes.

    python tools/images.py [BOARD...]

Without names it builds every board that this machine can build and says for the others what is missing. All sources
come from registries (tools/sources.py) or from an upstream checkout in MICROPY_DIR. The same sources and compiler give
the same bytes: build paths and dates are kept out of the image.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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


def build(board: str) -> Path:
    """Build the image of `board` into dist/; returns its path. MissingError, SourceError."""
    if not board.startswith("RP2040_"):
        raise MissingError(_esp32_lack())
    lacking = [package for package, program in _RP2_NEEDS.items() if shutil.which(program) is None]
    if lacking:
        raise MissingError(f"{', '.join(lacking)} missing; type: sudo apt-get install -y {_RP2_PACKAGES}")
    sources.CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sources.CACHE, prefix=".image-") as room:
        return _write(board, _build_rp2(board, Path(room)))


def _esp32_lack() -> str:
    if "IDF_PATH" not in os.environ:
        return "ESP-IDF is not here: it is in no package registry. Install it and run its export script first"
    return "the build with ESP-IDF is not written yet"


def _build_rp2(board: str, scratch: Path) -> bytes:
    """The UF2 file, built in `scratch`."""
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
    return (folder / "image.uf2").read_bytes()


def _version(top: Path) -> str:
    text = (top / "py" / "mpconfig.h").read_text()
    return ".".join(re.findall(r"^#define MICROPY_VERSION_(?:MAJOR|MINOR|MICRO) (\d+)", text, re.MULTILINE))


def _write(board: str, image: bytes) -> Path:
    """Image, manifest, bill of materials and hashes, in dist/."""
    DIST.mkdir(exist_ok=True)
    files = {
        f"{board}.uf2": image,
        f"{board}.manifest.json": _json(_manifest(board, image)),
        f"{board}.cdx.json": _json(_materials(board, image)),
    }
    for name, content in files.items():
        (DIST / name).write_bytes(content)
    sums = "".join(f"{_sha256(content)}  {name}\n" for name, content in files.items())
    (DIST / f"{board}.sha256").write_text(sums)
    return DIST / f"{board}.uf2"


def _manifest(board: str, image: bytes) -> dict[str, object]:
    """What the image is, and every file of ours that went into it."""
    ours = [*(BOARDS / board).iterdir(), *virtual_board.NATIVE.iterdir()]
    ours += [*(virtual_board.ROOT / "firmware").glob("wayside_*/*.py")]
    return {
        "board": board,
        "image": {"file": f"{board}.uf2", "bytes": len(image), "sha256": _sha256(image)},
        "compiler": _compiler(),
        "files": {
            str(path.relative_to(virtual_board.ROOT)): _sha256(path.read_bytes())
            for path in sorted(ours)
            if path.is_file()
        },
    }


def _materials(board: str, image: bytes) -> dict[str, object]:
    """CycloneDX 1.5: the sources of others that are in the image."""
    components = []
    if upstream := os.environ.get("MICROPY_DIR"):
        components.append({"type": "firmware", "name": "micropython", "version": _version(Path(upstream))})
    else:
        for source in (sources.MICROPYTHON, sources.MBEDTLS, sources.PICO_SDK, sources.TINYUSB):
            version = source.version or _mbedtls_version()
            components.append(
                _component(source.name, version, f"pkg:deb/debian/{source.name}@{version}", source.sha256)
            )
    monocypher = sources.MONOCYPHER
    url = f"pkg:pypi/{monocypher.name}@{monocypher.version}"
    components.append(_component(monocypher.name, monocypher.version, url, monocypher.sha256))
    hashes = [{"alg": "SHA-256", "content": _sha256(image)}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "firmware", "name": board, "hashes": hashes}},
        "components": components,
    }


def _component(name: str, version: str, url: str, sha256: str) -> dict[str, object]:
    component: dict[str, object] = {"type": "library", "name": name, "version": version, "purl": url}
    if sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return component


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


def main(names: list[str]) -> int:
    """Exit status 1 when a board that was named, or any that could be built, was not built."""
    boards = names or sorted(path.parent.name for path in BOARDS.glob("*/board.json"))
    status = 0
    for board in boards:
        if not (BOARDS / board / "board.json").is_file():
            print(f"{board}: no such board in boards/", file=sys.stderr)
            return 2
        try:
            image = build(board)
            print(f"{board}: {image.relative_to(virtual_board.ROOT)} {_sha256(image.read_bytes())}")
        except MissingError as lack:
            print(f"{board}: not built: {lack}")
            status = status or int(bool(names))
        except sources.SourceError as error:
            print(f"{board}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
