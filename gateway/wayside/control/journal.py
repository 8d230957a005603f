"""Files that grow, written by a thread of their own: a slow disk delays no tick, a full one is told to who writes.

A journal holds entries as the log does (wayside.evidence.entry), each behind its length and CRC-32. Its files are
numbered in the order in which they are written, for a clock may go back: no-00000007-2026-11-29.journal is the seventh,
of this UTC day. Behind a torn end, as a power cut leaves it, nothing is written: a file is begun anew.
"""

import os
import re
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from wayside.evidence import EvidenceError
from wayside.evidence.entry import MAX_ENTRY, Entry, decode_unplaced, encode_unplaced
from wayside.evidence.kinds import Body, DecisionBody
from wayside.runtime.clock import Clock

_HEAD = struct.Struct(">II")
_MOST_WAITING = 4096
_RETRY_S = 1.0
KEEP_DAYS = 30
WRITER = "journal"
"""Who says what a journal says of itself."""


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

    def append_bytes(self, path: Path, data: bytes) -> bool:
        """Have `data` written at the end of `path`; returns at once. False, and a failure: the queue has no room."""
        with self._wake:
            if len(self._waiting) >= _MOST_WAITING:
                self.failure = "the disk is too slow for the journal"
                return False
            self._waiting.append((path, data))
            self._wake.notify()
            return True

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
        self._lost = 0

    def add(self, body: Body) -> None:
        """One entry, with the time of now. What the appender has no room for is named by the next one that it takes."""
        if self._lost and self._append(DecisionBody(WRITER, f"{self._lost} entries are lost", self._appender.failure)):
            self._lost = 0
        if not self._append(body):
            self._lost += 1

    def _append(self, body: Body) -> bool:
        now_ms = self._clock.utc_ms()
        entry = encode_unplaced(now_ms, self._clock.time_quality(), body)
        day = str(datetime.fromtimestamp(now_ms // 1000, UTC).date())
        if day != self._day:
            self._number, self._day = self._number + 1, day
            self._remove_old()
        path = self._folder / f"no-{self._number:08}-{day}{_ENDING}"
        return self._appender.append_bytes(path, _HEAD.pack(len(entry), zlib.crc32(entry)) + entry)

    def _remove_old(self) -> None:
        paths = files(self._folder)
        newest_first = dict.fromkeys(_day(path) for path in reversed(paths))
        kept = list(newest_first)[: self._keep_days]
        for path in paths:
            if _day(path) not in kept:
                _remove(path)


def remove_old(days: Sequence[Path], keep: int) -> None:
    """All but the last `keep` of these files, which are named by their days."""
    for path in sorted(days)[:-keep]:
        _remove(path)


def _remove(path: Path) -> None:
    """What cannot be removed stays, and is tried again with the next day: no tick ends for it."""
    with suppress(OSError):
        path.unlink()


_ENDING = ".journal"
# Files of versions that named them by the day alone have no number. All others in the folder are somebody else's.
_NAME = re.compile(r"(?:no-([0-9]{8,})-)?([0-9]{4}-[0-9]{2}-[0-9]{2})\.journal", re.ASCII)
_BEGINNING = b"\xa4\x00"  # of each entry that waits for its place, see wayside.evidence.entry


def files(folder: Path) -> list[Path]:
    """In the order in which they were written; those of versions that named them by the day alone came first."""
    return sorted((path for path in folder.glob(f"*{_ENDING}") if _NAME.fullmatch(path.name)), key=_order)


def number_of(name: str) -> int:
    """The number of the file of this name, 0 where it has none."""
    match = _NAME.fullmatch(name)
    return int(match[1] or 0) if match else 0


def _order(path: Path) -> tuple[int, str]:
    return number_of(path.name), path.name


def comes_before(name: str, other: str) -> bool:
    """Whether the file `name` was written before the file `other`."""
    return (number_of(name), name) < (number_of(other), other)


def _day(path: Path) -> str:
    return path.name.removesuffix(_ENDING)[-10:]


def _last_written(folder: Path) -> tuple[int, str]:
    """(number, day) of the file that can be written on; the day is empty where the next one has to be begun."""
    paths = files(folder)
    if not paths or not paths[-1].name.startswith("no-"):
        return 0, ""
    number = number_of(paths[-1].name)
    try:
        is_whole = all(isinstance(piece, WrittenEntry) for piece in pieces(paths[-1]))
    except OSError:
        return number, ""
    return number, _day(paths[-1]) if is_whole else ""


class WrittenEntry(NamedTuple):
    """An entry as it stands in a journal: its file's name, the byte behind it, its encoding, and length and CRC."""

    file: str
    end: int
    raw: bytes
    head: bytes


class SpoiltBytes(NamedTuple):
    """Bytes of a file that are no entry; `end`: where the next entry begins, or the file's end where there is none.

    is_torn: it may be the beginning of an entry that is being written.
    """

    file: str
    begin: int
    end: int
    is_last: bool
    is_torn: bool


def pieces(path: Path, at: int = 0) -> Iterator[WrittenEntry | SpoiltBytes]:
    """What the file holds from byte `at` on, where an entry begins, to its end."""
    with path.open("rb") as stream:
        stream.seek(at)
        data = stream.read()
    place = 0
    while place < len(data):
        entry = _entry_at(data, place)
        begin = place
        if entry is not None:
            place += _HEAD.size + len(entry)
            yield WrittenEntry(path.name, at + place, entry, data[begin : begin + _HEAD.size])
        else:
            # A length that is spoilt looks like a torn end, but for the entries behind it.
            place = _next_entry(data, place + 1)
            is_last = place == len(data)
            yield SpoiltBytes(path.name, at + begin, at + place, is_last, is_last and _is_cut_off(data[begin:]))


def _entry_at(data: bytes, at: int) -> bytes | None:
    if at + _HEAD.size > len(data):
        return None
    length, crc = _HEAD.unpack_from(data, at)
    entry = data[at + _HEAD.size : at + _HEAD.size + length] if 0 < length <= MAX_ENTRY else b""
    return entry if entry and len(entry) == length and zlib.crc32(entry) == crc else None


def _next_entry(data: bytes, at: int) -> int:
    """Where an entry begins, at `at` or behind; the end where none does."""
    found = data.find(_BEGINNING, at + _HEAD.size)
    while found >= 0:
        if _entry_at(data, found - _HEAD.size) is not None:
            return found - _HEAD.size
        found = data.find(_BEGINNING, found + 1)
    return len(data)


def _is_cut_off(data: bytes) -> bool:
    if len(data) < _HEAD.size:
        return True
    length: int = _HEAD.unpack_from(data)[0]
    return len(data) - _HEAD.size < length <= MAX_ENTRY


def entries_after(folder: Path, file: str = "", at: int = 0) -> Iterator[WrittenEntry]:
    """Entries behind byte `at` of `file`, in the order in which they were written; all of them by default.

    A file's torn end is left out; EvidenceError for what is spoilt.
    """
    for path in files(folder):
        if file and comes_before(path.name, file):
            continue
        for piece in pieces(path, at if path.name == file else 0):
            if isinstance(piece, WrittenEntry):
                yield piece
            elif not piece.is_torn:
                raise EvidenceError(f"{path}: the entry at byte {piece.begin} is spoilt")


def file_since(folder: Path, day: date) -> str:
    """The file from which on all are of this day or later, the newest where it is of an earlier one; "" without any."""
    found = ""
    for path in reversed(files(folder)):
        if found and _day(path) < str(day):
            break
        found = path.name
    return found


def read(folder: Path) -> Iterator[Entry]:
    """All entries decoded; see entries_after."""
    for written in entries_after(folder):
        yield decode_unplaced(written.raw)
