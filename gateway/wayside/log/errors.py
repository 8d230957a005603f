"""What the disk of a log says, as one kind of error with what to do."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_MEGABYTE = 1_000_000
_LEAST_FREE = 4 * _MEGABYTE  # SQLite's log of a large commit, and what its index of that takes
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}


class _InFolder(Protocol):
    folder: Path


S = TypeVar("S", bound=_InFolder)
P = ParamSpec("P")
T = TypeVar("T")


class LogError(Exception):
    """The log cannot do what was asked; nothing of it was acknowledged. The text says what to do."""


@contextmanager
def as_log_error(folder: Path, text: str) -> Iterator[None]:
    """What the disk says becomes a LogError; `text` with {} in the place of what it said."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise LogError(f"{folder}: {text.format(f'{error}{hint(folder, error)}')}") from None


def told(read: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """A method that asks the log's disk: LogError when that refuses."""

    @wraps(read)
    def reading(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with as_log_error(self.folder, "the log cannot be read: {}"):
            return read(self, *args, **kwargs)

    return reading


def passing(error: BaseException) -> bool:
    """Whether the disk refused for now (full, busy, no rights, I/O error) rather than holding something wrong."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, (OSError, sqlite3.NotSupportedError)):  # the latter: tables of another version
        return True
    return code is not None and code & 0xFF in _PASSING


def hint(folder: Path, error: BaseException) -> str:
    """What to look at when the disk refuses to write; empty where the error says all."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    has_no_room = code & 0xFF in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
    if (has_no_room or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)) and (why := _full(folder)):
        return f"; {why}"
    if isinstance(error, PermissionError) or code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return "; folder and files have to belong to the user that runs Wayside, on a disk that can be written"
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "; its file is damaged: a restart begins the next epoch where this one cannot go on"
    return ""


def _full(folder: Path) -> str:
    """Whether it is the disk that is full: SQLite says "disk I/O error" of one."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return ""
    free, needed = disk.f_bavail * disk.f_frsize, f"Wayside needs {_LEAST_FREE // _MEGABYTE} MB at least"
    if free < _LEAST_FREE:
        return f"the disk is full: {free / _MEGABYTE:.1f} MB are free, {needed}; make room on it"
    if disk.f_files and not disk.f_favail:
        return f"the disk is full: it can hold no more files, and {free // _MEGABYTE} MB are free; remove some files"
    return ""
