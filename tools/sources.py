"""Pinned sources from the registries, checked and unpacked once into the cache.

Debian's source packages come by apt with a list of our own (the suite that carries them, on the mirror that this system
already uses), so nothing of the system's own sources changes; apt checks the signature, tools/debian_chain.py each
link from there to the file. Monocypher comes as PyPI's source distribution, by its hash; nothing of it runs before.
What is pinned, and what is accepted: docs/decisions/0002.

Runs on any Python from 3.11 on, without the virtual environment.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import debian_chain
import simple_index

# The bench stands without tools/, and its cache needs nothing but Python.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "hil"))

from wayside_hil import cache
from wayside_hil.cache import CACHE, locked

SUITE = "trixie"
_KEEP_S = 24 * 3600
_ARCHIVE_NOTE = ".archive-sha256"
CCACHE = {"CCACHE_DIR": str(CACHE / "ccache"), "CCACHE_MAXSIZE": "500M"}
"""Environment of what compiles by ccache()."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class SourceError(Exception):
    """A source that cannot be had; the text says what to do."""


class DebianSource(NamedTuple):
    """A Debian source package: one version, or with `version` empty the suite's current one.

    sha256: of the upstream tarball of each version that was looked at and accepted.
    """

    name: str
    version: str
    sha256: dict[str, str]


class DebianPackage(NamedTuple):
    """A Debian binary package that carries sources for every architecture; `top` is the folder in it that we want."""

    name: str
    version: str
    sha256: str
    top: str


class PypiSource(NamedTuple):
    """A source distribution on PyPI."""

    name: str
    version: str
    sha256: str


MICROPYTHON = DebianSource(
    "micropython",
    "1.25.0+ds-1",
    {"1.25.0+ds-1": "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea"},
)
# Security updates replace the version in the suite. A version that is not here yet is taken by the archive's signature
# alone, which is said aloud with the line to add.
MBEDTLS = DebianSource(
    "mbedtls",
    "",
    {
        "3.6.6-0.1~deb13u1": "8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a",
    },
)
PICO_SDK = DebianPackage(
    "pico-sdk-source",
    "2.1.1-1",
    "507a3ca37636641bc90239d7c04dc9dc28c5008087a8162102ea94d2273153d3",
    "usr/src/pico-sdk",
)
TINYUSB = DebianPackage(
    "tinyusb-source",
    "0.18.0+dfsg-1",
    "01ce2c645df68f14a8a7dcfc8fb355713152543757955820479a87949a61154e",
    "usr/src/tinyusb",
)
MONOCYPHER = PypiSource("pymonocypher", "4.0.3.0", "93ca80b0bd4ef7ab30417fbc2abafe11aa7261125627ba2157c594cb0c8e0d1e")


Source = DebianSource | DebianPackage | PypiSource


def get(source: Source) -> Path:
    """The folder with the unpacked source, fetched when it is not in the cache. SourceError says what is missing."""
    target = CACHE / "sources" / f"{source.name}-{source.version or SUITE}"
    with locked(CACHE / "sources.lock"):
        if not target.exists():
            say(f"fetching {source.name} {source.version}")
            cache.kept(target, lambda folder: _fetch(source, folder))
    return target


def archive_sha256(source: Source) -> str:
    """SHA-256 of the archive that the source came in: the pinned one, or what was checked when it was fetched."""
    if not isinstance(source, DebianSource):
        return source.sha256
    if source.version:
        return source.sha256[source.version]
    note = get(source) / _ARCHIVE_NOTE
    if not note.exists():  # unpacked by an earlier version of this module
        shutil.rmtree(note.parent)
        note = get(source) / _ARCHIVE_NOTE
    return note.read_text().strip()


def say(text: str) -> None:
    """One line of progress, on stderr so that stdout stays for results."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def kept(folder: Path, build: Callable[[Path], None]) -> Path:
    """`folder` of the cache, filled by `build` when it is not there. Under a lock of the caller's."""
    is_there = folder.exists()
    cache.kept(folder, build)
    if not is_there:
        remove_siblings(folder)
    os.utime(folder)  # in use: not to be removed by another build
    return folder


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder of the cache to build in that is gone afterwards, always the same one: ccache knows a source again by
    its path too. Under a lock of the caller's."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / name
    shutil.rmtree(folder, ignore_errors=True)  # of a build that was killed
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def ccache() -> list[str]:
    """What stands before a compiler that remembers what it compiled: nothing where ccache is not installed."""
    return ["ccache"] if shutil.which("ccache") else []


def command(words: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command quietly; SourceError with the end of its output when it fails."""
    try:
        done = subprocess.run(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError:
        raise SourceError(f"{words[0]} is not on this system; install the package that has it") from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise SourceError(f"{' '.join(map(str, words[:3]))} ... failed:\n{tail}")
    return done.stdout


def _fetch(source: Source, folder: Path) -> None:
    if isinstance(source, PypiSource):
        _pypi(source, folder)
    elif isinstance(source, DebianPackage):
        _debian_package(source, folder)
    else:
        _debian(source, folder)


def _check(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SourceError(f"{path.name} has SHA-256 {found}, pinned is {sha256}: do not use it, tell the maintainers")


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        # Debian 12's own Python, 3.11.2, has no filters yet; what is in the archive is known by its hash.
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (top,) = list(folder.iterdir())
    for item in top.iterdir():
        item.rename(folder / item.name)
    top.rmdir()


def _pypi(source: PypiSource, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            archive = simple_index.fetch(
                source.name, f"{source.name}-{source.version}.tar.gz", source.sha256, Path(scratch)
            )
        except simple_index.NotHadError as error:
            raise SourceError(str(error)) from None
        _unpack(archive, folder)


def _debian(source: DebianSource, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, _chained():
        room = Path(scratch)
        apt = _apt(room)
        listed = debian_chain.sources_of(room / "lists", source.name)
        version = source.version or (listed[-1].version if listed else "")
        command([*apt, "source", "--download-only", f"{source.name}={version}"], room)
        (archive,) = room.glob("*.orig.tar.*[z2]")
        debian_chain.check(archive, listed, version)
        _check_accepted(source, version, archive)
        _unpack(archive, folder)
        (folder / _ARCHIVE_NOTE).write_text(hashlib.sha256(archive.read_bytes()).hexdigest() + "\n")


def _check_accepted(source: DebianSource, version: str, archive: Path) -> None:
    """A version that was accepted has to be the one that was; another one is told."""
    if version in source.sha256:
        _check(archive, source.sha256[version])
        return
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if source.version:
        raise SourceError(f"{source.name} {version} has no accepted hash in tools/sources.py")
    say(
        f"{source.name} {version} is new: signed by the archive, its hash not among those in tools/sources.py. When its"
        f' changelog is what you expect, add there:\n        "{version}": "{found}",'
    )


@contextmanager
def _chained() -> Iterator[None]:
    try:
        yield
    except debian_chain.ChainError as error:
        raise SourceError(f"{error}: do not use it, look which mirror this is") from None


def _debian_package(source: DebianPackage, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, _chained():
        room = Path(scratch)
        command([*_apt(room), "download", f"{source.name}={source.version}"], room)
        (archive,) = room.glob("*.deb")
        listed = debian_chain.packages_of(
            room / "lists", source.name, command(["dpkg", "--print-architecture"], room).strip()
        )
        # apt writes an epoch's colon as %3a into the name, and the index has none.
        debian_chain.check(archive, listed, source.version)
        _check(archive, source.sha256)
        command(["dpkg-deb", "-x", archive, room / "whole"], room)
        for item in (room / "whole" / source.top).iterdir():
            item.rename(folder / item.name)


def _apt(room: Path) -> list[str | Path]:
    """An apt-get that knows only the suite we need, with its lists in `room`."""
    for part in ("lists/partial", "cache/archives/partial"):
        (room / part).mkdir(parents=True)
    if not Path(_KEYRING).exists():
        raise SourceError(f"{_KEYRING} is not here: apt-get install debian-archive-keyring")
    place = f"[signed-by={_KEYRING}] {mirror()} {SUITE} main\n"
    (room / "sources.list").write_text(f"deb {place}deb-src {place}")
    options = {
        "Dir::Etc::sourcelist": room / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::Lists": room / "lists",
        "Dir::Cache": room / "cache",
        "APT::Sandbox::User": "root" if os.getuid() == 0 else "",
        # Whatever this system allows: what is not signed is not taken, and the indexes stay as they were signed.
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::GzipIndexes": "false",
        "Acquire::PDiffs": "false",
    }
    apt: list[str | Path] = ["apt-get", "--quiet"]
    for key, value in options.items():
        apt += ["-o", f"{key}={value}"]
    command([*apt, "update"], room)
    return apt


def mirror() -> str:
    """The Debian mirror of this system, from its deb822 or one-line lists."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(place.read_text() for place in places if place.is_file())
    for pattern in (r"^URIs:\s*(\S+/debian)/?\s*$", r"^deb(?:-src)?\s+(?:\[.*?\]\s+)?(\S+/debian)/?\s"):
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return found[1]
    raise SourceError(
        "no Debian mirror in /etc/apt: the sources come from Debian's archive. Elsewhere, name a MicroPython checkout"
        " with its submodules: MICROPY_DIR=/path/to/micropython"
    )


def remove_siblings(folder: Path) -> None:
    """Delete older builds beside `folder`, so that the cache stays bounded; not those used within a day: a test run
    that began before this build still starts them."""
    for other in folder.parent.iterdir():
        same_kind = other != folder and other.is_dir() and other.name.split("-")[0] == folder.name.split("-")[0]
        if same_kind and time.time() - other.stat().st_mtime > _KEEP_S:
            shutil.rmtree(other, ignore_errors=True)
