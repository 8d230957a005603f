"""Files that grow, written by a thread of their own: a slow disk delays no tick, a full one is told to who writes.

A journal holds entries as the log does (wayside.evidence.entry), each behind its length and CRC-32; a file per UTC day.
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
    """Entries in `folder`, kept for `keep_days`."""

    def __init__(self, folder: Path, appender: Appender, clock: Clock, keep_days: int = KEEP_DAYS):
        self._folder = folder
        self._appender = appender
        self._clock = clock
        self._keep_days = keep_days
        self._day: date | None = None

    def add(self, body: Body) -> None:
        """One entry, with the time of now."""
        now_ms = self._clock.utc_ms()
        entry = encode_unplaced(now_ms, self._clock.time_quality(), body)
        day = datetime.fromtimestamp(now_ms // 1000, UTC).date()
        if day != self._day:
            self._day = day
            remove_old(_files(self._folder), self._keep_days)
        self._appender.append(self._folder / f"{day}.journal", _HEAD.pack(len(entry), zlib.crc32(entry)) + entry)


def remove_old(days: Sequence[Path], keep: int) -> None:
    """All but the last `keep` of these files, which are named by their days."""
    for path in sorted(days)[:-keep]:
        path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("????-??-??.journal"))


class Written(NamedTuple):
    """An entry as it stands in a journal: its file's name, the byte behind it, and its encoding."""

    file: str
    end: int
    raw: bytes


def entries_after(folder: Path, file: str = "", at: int = 0) -> Iterator[Written]:
    """Entries behind byte `at` of `file`, oldest first; all of them by default.

    A file's torn end is left out; EvidenceError for what is spoilt before it.
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
            raise EvidenceError(f"{path}: the entry at byte {start + at} is spoilt")
        at += _HEAD.size + length
        yield Written(path.name, start + at, entry)


def read(folder: Path) -> Iterator[Entry]:
    """All entries decoded, oldest first; see entries_after."""
    for written in entries_after(folder):
        yield decode_unplaced(written.raw)
