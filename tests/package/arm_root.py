"""Debian's arm64 programs and the arm64 package, run by QEMU's user emulation: the next best to a Raspberry Pi.

The files of a Debian are unpacked, not installed: no foreign maintainer script has to run. Making it takes some 40 s;
`PYTHONPATH=tests python -m package.arm_root` does, and from then on tests/package/test_arm64.py runs.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from package.clean_root import sources

QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
SUITE, PYTHON = "bookworm", "python3.11"
_FOLDER = sources.CACHE / "roots" / f"{SUITE}_arm64-1"


def why_not() -> str:
    """Why the package cannot be run here; empty when it can."""
    if QEMU is None:
        return "qemu-aarch64-static is not here (apt-get install qemu-user-static)"
    return "" if _FOLDER.is_dir() else "no arm64 root in the cache: PYTHONPATH=tests python -m package.arm_root"


def with_package(deb: Path, room: Path) -> list[str | Path]:
    """The package unpacked over a copy of the root in `room`; the words that `wayside` is then started with."""
    root = room / "arm64"
    subprocess.run(["cp", "--archive", "--reflink=auto", _FOLDER, root], check=True)
    subprocess.run(["dpkg-deb", "--extract", deb, root], check=True)
    assert QEMU
    return [QEMU, "-L", root, root / "usr" / "bin" / PYTHON, "-I", root / "usr" / "bin" / "wayside"]


def _unpack(folder: Path) -> None:
    words: list[str | Path] = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", "--include=python3"]
    sources.command([*words, SUITE, folder, sources.mirror()], folder.parent)
    archives = folder / "var" / "cache" / "apt" / "archives"
    for archive in sorted(archives.glob("*.deb")):
        sources.command(["dpkg-deb", "--extract", archive, folder], folder)
    shutil.rmtree(archives)


def main() -> None:
    with sources.locked(sources.CACHE / "roots.lock"):
        print(sources.kept(_FOLDER, _unpack))


if __name__ == "__main__":
    sys.exit(main())
