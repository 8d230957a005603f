"""Files that hold what was written last or what they held before, whatever happens; for all who keep small state.

Stands here because the verifier package imports nothing of the gateway.
"""

import os
from collections.abc import Callable
from pathlib import Path


def replace_file(path: Path, data: bytes, mode: int = 0o666, prepare: Callable[[Path], None] | None = None) -> None:
    """`path` holds `data`, on disk, when this returns; OSError, which names it, leaves what was there.

    mode: of a new file, less the umask; prepare: is given the file before anything is written to it.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        _write(fresh, data, mode, prepare)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    _sync_folder(path)


def new_file(path: Path, data: bytes, mode: int) -> None:
    """A new file of this mode, on disk when this returns; FileExistsError when there is one. OSError leaves none."""
    _write(path, data, mode)
    _sync_folder(path)


def _write(path: Path, data: bytes, mode: int, prepare: Callable[[Path], None] | None = None) -> None:
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
    try:
        with file:
            if prepare:
                prepare(path)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
