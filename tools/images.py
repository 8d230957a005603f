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
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType

import esp32_image
import mpylib
import rp2040_image
import sources
import virtual_board
from board_image import BOARDS, Build, MissingError, component, sha256

DIST = virtual_board.ROOT / "dist"


def build(board: str, twice: bool = False) -> Path:
    """The image of `board` in dist/, built when no build of the same sources is cached; returns its path.

    twice: build it again and compare. MissingError, SourceError.
    """
    family = _family(board)
    family.check(board)
    made = _cached(board)
    if twice:
        with _lock():
            again = family.build(board, elsewhere=True)
        if again != made:
            raise sources.SourceError(f"two builds differ: {sha256(made.image)} and {sha256(again.image)}")
    return _write(board, made)


def _family(board: str) -> ModuleType:
    return rp2040_image if board.startswith("RP2040_") else esp32_image


def _cached(board: str) -> Build:
    family = _family(board)
    if "MICROPY_DIR" in os.environ:  # a checkout may change under us
        with _lock():
            return family.build(board)
    folder = sources.CACHE / "images" / f"{board}-{_key(board)}"

    def fill(new: Path) -> None:
        made = family.build(board)
        (new / "image").write_bytes(made.image)
        (new / "frozen.json").write_text(json.dumps(made.frozen))

    # What is there does not wait for the builds of other boards.
    with nullcontext() if folder.exists() else _lock():
        sources.kept(folder, fill)
    return Build((folder / "image").read_bytes(), json.loads((folder / "frozen.json").read_text()))


def _lock() -> AbstractContextManager[None]:
    return sources.locked(sources.CACHE / "images.lock")


def _key(board: str) -> str:
    """Of everything that decides on the image's bytes."""
    family = _family(board)
    digest = hashlib.sha256(repr((*family.pins(), sources.MONOCYPHER, family.compiler())).encode())
    tools = [virtual_board.ROOT / "tools" / name for name in family.TOOLS]
    for name, content_hash in _files([*_ours(board), *tools]).items():
        digest.update(f"{name} {content_hash}\n".encode())
    return digest.hexdigest()[:16]


def _ours(board: str) -> list[Path]:
    """Every file of ours that goes into the image."""
    shared = re.findall(r'^module\("(\w+\.py)", base_path="\.\."\)', (BOARDS / board / "manifest.py").read_text(), re.M)
    places = [*(BOARDS / board).iterdir(), *(BOARDS / name for name in shared), *virtual_board.NATIVE.iterdir()]
    return [*places, *(virtual_board.ROOT / "firmware").glob("wayside_*/**/*.py")]


def _files(paths: list[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path in the project."""
    return {
        str(path.relative_to(virtual_board.ROOT)): sha256(path.read_bytes()) for path in sorted(paths) if path.is_file()
    }


def _write(board: str, made: Build) -> Path:
    """Image, manifest, bill of materials and hashes, in dist/."""
    DIST.mkdir(exist_ok=True)
    image = f"{board}{_family(board).ENDING}"
    files = {
        image: made.image,
        f"{board}.manifest.json": _json(_manifest(board, made)),
        f"{board}.cdx.json": _json(_materials(board, made.image)),
    }
    sums = "".join(f"{sha256(content)}  {name}\n" for name, content in files.items())
    for name, content in {**files, f"{board}.sha256": sums.encode()}.items():
        new = DIST / f"{name}.{os.getpid()}"  # several tests ask for one image
        new.write_bytes(content)
        new.replace(DIST / name)  # at once: somebody may be flashing the file of before
    return DIST / image


def _manifest(board: str, made: Build) -> dict[str, object]:
    """What the image is, every file of ours that went into it, and every module frozen in it (MicroPython's too)."""
    return {
        "board": board,
        "image": {"file": f"{board}{_family(board).ENDING}", "bytes": len(made.image), "sha256": sha256(made.image)},
        "compiler": _family(board).compiler(),
        "files": _files(_ours(board)),
        "frozen": made.frozen,
    }


def _materials(board: str, image: bytes) -> dict[str, object]:
    """CycloneDX 1.5: the sources of others that are in the image."""
    components = _family(board).components(board)
    monocypher = sources.MONOCYPHER
    url = f"pkg:pypi/{monocypher.name}@{monocypher.version}"
    components.append(component(monocypher.name, monocypher.version, url, monocypher.sha256))
    if mpylib.is_needed(BOARDS / board):
        url = f"pkg:github/micropython/micropython-lib@{mpylib.COMMIT}"
        components.append(component("micropython-lib", mpylib.COMMIT, url, mpylib.SHA256))
    hashes = [{"alg": "SHA-256", "content": sha256(image)}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "firmware", "name": board, "hashes": hashes}},
        "components": components,
    }


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


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
            print(f"{board}: dist/{image.name} {sha256(image.read_bytes())}{same}")
        except MissingError as lack:
            print(f"{board}: not built: {lack}")
            status = status or int(bool(options.board))
        except sources.SourceError as error:
            print(f"{board}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
