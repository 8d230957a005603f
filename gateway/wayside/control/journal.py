"""Files that grow, written by a thread of their own: a slow disk delays no tick, a full one is told to who writes.

A journal holds entries as the log does (wayside.evidence.entry), each behind its length and CRC-32. Its files are
numbered in the order in which they are written, for a clock may go back: no-00000007-2026-11-29.journal is the seventh,
of this UTC day. Behind a torn end, as a power cut leaves it, nothing is written: a file is begun anew.
"""

import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from wayside.clock import Clock
from wayside.evidence import EvidenceError
from wayside.evidence.entry import MAX_ENTRY, Entry, decode_unplaced, encode_unplaced
from wayside.evidence.kinds import Body

_HEAD = struct.Struct(">II")
_MOST_WAITING = 4096
_RETRY_S = 1.0
KEEP_DAYS = 30


class Appender:
    """Appends to files, durably and in order. `failure` says why the disk does not take what waits, "" when it does."""

    def __init__(self, report: Callable[[str], None]):
        self.failure = ""
        self._report = report
        self._waiting: deque[tuple[Path, bytes]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="appender", daemon=True)
        self._thread.start()

    def append(self, path: Path, data: bytes) -> None:
        """Have `data` written at the end of `path`; returns at once. What is too much for the queue is a failure."""
        with self._wake:
            if len(self._waiting) >= _MOST_WAITING:
                self.failure = "the disk is too slow for the journal"
                return
            self._waiting.append((path, data))
            self._wake.notify()

    def close(self) -> None:
        """Write what can be written, and end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    return
                path, data = self._waiting[0]
                # One write and one sync for what waits for the same file.
                count = next((n for n, each in enumerate(self._waiting) if each[0] != path), len(self._waiting))
                data = b"".join(self._waiting[n][1] for n in range(count))
            try:
                _append(path, data)
            except OSError as error:
                known, self.failure = self.failure, f"the journal cannot be written: {error.strerror}"
                if not known:
                    self._report(f"{path}: cannot be written: {error.strerror}")
                if self._closing:
                    return
                with self._wake:
                    self._wake.wait_for(lambda: self._closing, _RETRY_S)
                continue
            with self._wake:
                for _ in range(count):
                    self._waiting.popleft()
                self.failure = ""


def _append(path: Path, data: bytes) -> None:
    """All of `data` or nothing of it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        size = os.fstat(handle).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(handle, data[written:])
            os.fdatasync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


class Journal:
    """Entries in `folder`, kept for `keep_days` different days."""

    def __init__(self, folder: Path, appender: Appender, clock: Clock, keep_days: int = KEEP_DAYS):
        self._folder = folder
        self._appender = appender
        self._clock = clock
        self._keep_days = keep_days
        self._number, self._day = _last_written(folder)

    def add(self, body: Body) -> None:
        """One entry, with the time of now."""
        now_ms = self._clock.utc_ms()
        entry = encode_unplaced(now_ms, self._clock.time_quality(), body)
        day = str(datetime.fromtimestamp(now_ms // 1000, UTC).date())
        if day != self._day:
            self._number, self._day = self._number + 1, day
            self._remove_old()
        path = self._folder / f"no-{self._number:08}-{day}{_ENDING}"
        self._appender.append(path, _HEAD.pack(len(entry), zlib.crc32(entry)) + entry)

    def _remove_old(self) -> None:
        files = _files(self._folder)
        newest_first = dict.fromkeys(_day(path) for path in reversed(files))
        kept = list(newest_first)[: self._keep_days]
        for path in files:
            if _day(path) not in kept:
                path.unlink(missing_ok=True)


def remove_old(days: Sequence[Path], keep: int) -> None:
    """All but the last `keep` of these files, which are named by their days."""
    for path in sorted(days)[:-keep]:
        path.unlink(missing_ok=True)


_ENDING = ".journal"


def _files(folder: Path) -> list[Path]:
    """In the order in which they were written; those of versions that named them by the day alone came first."""
    return sorted(folder.glob(f"*????-??-??{_ENDING}"))


def _day(path: Path) -> str:
    return path.name.removesuffix(_ENDING)[-10:]


def _last_written(folder: Path) -> tuple[int, str]:
    """(number, day) of the file that can be written on; the day is empty where the next one has to be begun."""
    files = _files(folder)
    if not files or not files[-1].name.startswith("no-"):
        return 0, ""
    number = int(files[-1].name.split("-")[1])
    try:
        data = files[-1].read_bytes()
        end = max((written.end for written in _entries(files[-1], data, 0)), default=0)
        return number, _day(files[-1]) if end == len(data) else ""
    except (OSError, EvidenceError):
        return number, ""


class SpoiltError(EvidenceError):
    """What stands in `file` from some byte on cannot be read."""

    def __init__(self, file: str, text: str):
        super().__init__(text)
        self.file = file


class Written(NamedTuple):
    """An entry as it stands in a journal: its file's name, the byte behind it, and its encoding."""

    file: str
    end: int
    raw: bytes


def entries_after(folder: Path, file: str = "", at: int = 0) -> Iterator[Written]:
    """Entries behind byte `at` of `file`, in the order in which they were written; all of them by default.

    A file's torn end is left out; SpoiltError for what is spoilt before it.
    """
    for path in _files(folder):
        if path.name < file:
            continue
        start = at if path.name == file else 0
        with path.open("rb") as stream:
            stream.seek(start)
            data = stream.read()
        yield from _entries(path, data, start)


def _entries(path: Path, data: bytes, start: int) -> Iterator[Written]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        entry = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(entry) < length and length <= MAX_ENTRY:
            return
        if length > MAX_ENTRY or zlib.crc32(entry) != crc:
            raise SpoiltError(path.name, f"{path}: the entry at byte {start + at} is spoilt")
        at += _HEAD.size + length
        yield Written(path.name, start + at, entry)


def file_after(folder: Path, file: str) -> str:
    """The name of the file that was begun after `file`; empty where there is none."""
    return next((path.name for path in _files(folder) if path.name > file), "")


def file_since(folder: Path, day: date) -> str:
    """The file from which on all are of this day or later, the newest where it is of an earlier one; "" without any."""
    found = ""
    for path in reversed(_files(folder)):
        if found and _day(path) < str(day):
            break
        found = path.name
    return found


def read(folder: Path) -> Iterator[Entry]:
    """All entries decoded; see entries_after."""
    for written in entries_after(folder):
        yield decode_unplaced(written.raw)
