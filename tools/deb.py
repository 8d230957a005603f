"""Build the Debian package of the gateway: `python tools/deb.py [--arch amd64|arm64] [--out FOLDER]`; prints its path.

The Python packages come along as published wheels, by the hashes of requirements/deb.txt, for each Python that Debian
has (docs/decisions/0082). Equal sources give an equal file: all times in it are that of the changelog's newest entry,
or SOURCE_DATE_EPOCH. Nothing of the architecture runs, so either can be built on either.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import man_pages
import shtab
import sources
from wayside import cli

ROOT = Path(__file__).resolve().parent.parent
DEBIAN = ROOT / "gateway" / "debian"
LOCK = ROOT / "requirements" / "deb.txt"
PYTHONS = ("3.11", "3.13")
"""Of Debian 12 and 13, and of the Raspberry Pi OS made from each."""
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBCS = ("2_17", "2_24", "2_26", "2_27", "2_28")  # what `control` asks for, and before
_ROOM = "usr/lib/wayside"
_MAINTAINER_SCRIPTS = ("postinst", "prerm", "postrm")
# What wheel and installer note about one wheel: what was installed here is dpkg's to say, for all of them together.
_NOTES = frozenset({"RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "sboms"})


def build(architecture: str, out: Path) -> Path:
    """The package, made in folder `out`. SourceError says what is missing."""
    version, seconds = _changelog()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        _fill(tree, architecture, seconds)
        _describe(tree, architecture, version)
        _even_out(tree, seconds)
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"wayside_{version}_{architecture}.deb"
        # By one thread: how many there are shows in what xz writes.
        pack: list[str | Path] = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--threads-max=1"]
        sources.command([*pack, "--build", tree, path], ROOT, os.environ | {"SOURCE_DATE_EPOCH": str(seconds)})
    return path


def wheels(architecture: str, python: str) -> Path:
    """The folder with the locked wheels of an architecture and a Python, fetched when it is not in the cache."""
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    with sources.locked(sources.CACHE / "wheels.lock"):
        return sources.kept(
            sources.CACHE / "wheels" / f"{architecture}_{python}-{key}",
            lambda folder: _fetch_wheels(architecture, python, folder),
        )


def _fetch_wheels(architecture: str, python: str, folder: Path) -> None:
    sources.say(f"fetching the wheels for Python {python} on {architecture}")
    words: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    words += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", LOCK, "--dest", folder]
    words += ["--implementation", "cp", "--python-version", python]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        words += ["--abi", abi]
    for glibc in _GLIBCS:
        words += ["--platform", f"manylinux_{glibc}_{_MACHINES[architecture]}"]
    words += ["--platform", f"manylinux2014_{_MACHINES[architecture]}"]
    sources.command(words, ROOT)


def _changelog() -> tuple[str, int]:
    """Version and time, seconds since 1970, of the newest entry."""

    def field(name: str) -> str:
        return sources.command(["dpkg-parsechangelog", "-l", DEBIAN / "changelog", "-S", name], ROOT).strip()

    version = field("Version")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if version != project:
        raise sources.SourceError(
            f"gateway/debian/changelog is at {version}, pyproject.toml at {project}: write an entry"
        )
    return version, int(os.environ.get("SOURCE_DATE_EPOCH") or field("Timestamp"))


def _fill(tree: Path, architecture: str, seconds: int) -> None:
    for python in PYTHONS:
        for wheel in sorted(wheels(architecture, python).glob("*.whl")):
            unpack(wheel, tree / _ROOM)
    with tempfile.TemporaryDirectory() as scratch:
        unpack(_own_wheel(Path(scratch)), tree / _ROOM)
    _put(tree, "usr/bin/wayside", (DEBIAN / "wayside").read_bytes(), 0o755)
    for unit in sorted((ROOT / "gateway" / "systemd").glob("*.service")):
        _put(tree, f"usr/lib/systemd/system/{unit.name}", unit.read_bytes())
    _put(tree, "usr/lib/sysusers.d/wayside.conf", (ROOT / "gateway" / "systemd" / "wayside.sysusers").read_bytes())
    _put(tree, "etc/wayside/site.example.toml", (ROOT / "docs" / "site.example.toml").read_bytes())
    (tree / "etc/wayside/junctions").mkdir()
    _put(tree, "usr/share/bash-completion/completions/wayside", completion().encode())
    for name, page in man_pages.pages(seconds).items():
        _put(tree, f"usr/share/man/man{name[-1]}/{name}.gz", _gzip(page))
    share = "usr/share/doc/wayside"
    _put(tree, f"{share}/copyright", (DEBIAN / "copyright").read_bytes())
    _put(tree, f"{share}/changelog.gz", _gzip((DEBIAN / "changelog").read_text()))
    _put(tree, f"{share}/examples/junction.toml", (ROOT / "docs" / "junction.example.toml").read_bytes())
    _put(tree, "usr/share/lintian/overrides/wayside", (DEBIAN / "lintian-overrides").read_bytes())


def unpack(wheel: Path, room: Path) -> None:
    """Add a wheel's files to the folder `room`; SourceError when another Python's wheel says something else."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            name = Path(info.filename)
            if info.is_dir() or name.parts[0].endswith(".data"):  # scripts, headers, manual pages: not for us
                continue
            if name.parts[0].endswith(".dist-info") and name.parts[1] in _NOTES:
                continue
            target = room / name
            if not target.resolve().is_relative_to(room.resolve()):
                raise sources.SourceError(f"{wheel.name} has a file outside of itself: {name}; do not use it")
            data = archive.read(info)
            if target.exists() and target.read_bytes() != data:
                raise sources.SourceError(f"{name} differs between the wheels of {' and '.join(PYTHONS)}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def _own_wheel(scratch: Path) -> Path:
    """Wayside's own wheel, built in a copy: setuptools leaves folders behind."""
    copy = scratch / "project"
    for name in ("gateway/wayside", "firmware/wayside_wire"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    words: list[str | Path] = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    sources.command([*words, "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, copy], scratch)
    (wheel,) = scratch.glob("*.whl")
    return wheel


def completion() -> str:
    """Bash's completion of the whole command line; arguments that are paths complete as files do."""
    parser = cli.parser()
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, "bash"))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


def _describe(tree: Path, architecture: str, version: str) -> None:
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]
    conffiles = [f"/{path.relative_to(tree)}\n" for path in files if path.relative_to(tree).parts[0] == "etc"]
    words = {
        "version": version,
        "architecture": architecture,
        "kibibytes": str(sum(-(-path.stat().st_size // 1024) for path in files)),
        "pythons": _pythons(),
    }
    control = (DEBIAN / "control").read_text()
    for word, value in words.items():
        control = control.replace(f"@{word}@", value)
    _put(tree, "DEBIAN/control", control.encode())
    _put(tree, "DEBIAN/md5sums", "".join(sums).encode())
    _put(tree, "DEBIAN/conffiles", "".join(conffiles).encode())
    for name in _MAINTAINER_SCRIPTS:
        _put(tree, f"DEBIAN/{name}", (DEBIAN / name).read_bytes(), 0o755)


def _pythons() -> str:
    """The relation to python3: the wheels hold compiled modules for PYTHONS and for no other."""
    minors = [int(python.removeprefix("3.")) for python in PYTHONS]
    holes = [(low + 1, high) for low, high in pairwise(minors) if high > low + 1]
    between = [f"python3 (<< 3.{low}~) | python3 (>= 3.{high}~)" for low, high in holes]
    return ", ".join([f"python3 (>= 3.{minors[0]}~)", *between, f"python3 (<< 3.{minors[-1] + 1}~)"])


def _put(tree: Path, name: str, data: bytes, mode: int = 0o644) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _gzip(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def _even_out(tree: Path, seconds: int) -> None:
    """The same times and modes whoever builds."""
    for path in [*tree.rglob("*"), tree]:
        if path.is_dir():
            path.chmod(0o755)
        elif path.relative_to(tree).parts[:3] == Path(_ROOM).parts:
            path.chmod(0o644)
        os.utime(path, (seconds, seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    here = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    parser.add_argument("--arch", choices=sorted(_MACHINES), default=here, help="default: this machine's")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    args = parser.parse_args()
    try:
        print(build(args.arch, args.out))
    except sources.SourceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
