"""What is fetched once and kept: a lock for one process at a time, folders that are complete or not there."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("WAYSIDE_CACHE") or Path.home() / ".cache" / "wayside")
_SHOWN_LINES = 15


class CacheError(Exception):
    """Something that cannot be had; the text says what to do."""


def say(text: str) -> None:
    """One line of progress, on stderr so that stdout stays for results."""
    print(f"wayside-hil: {text}", file=sys.stderr, flush=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(target: Path, fill: Callable[[Path], None]) -> Path:
    """The folder `target`; when it is not there, `fill` makes it elsewhere and it comes in one step. Under a lock."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as scratch:
            folder = Path(scratch) / "folder"
            folder.mkdir()
            fill(folder)
            folder.rename(target)
    return target


def command(words: list[str | Path], folder: Path) -> None:
    """Run a command quietly; CacheError with the end of its output when it fails."""
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise CacheError(f"{' '.join(map(str, words[:3]))} ... failed:\n{tail}")
