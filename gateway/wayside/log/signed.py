"""The last signed checkpoint, in a file apart from the entries.

What was signed must be known even when the database was lost or restored from a copy, so it lives in its own file: two
slots of one disk block, written in turn, each with a checksum. A cut in the middle of a write spoils one slot; the
other still holds what was signed before, and nothing had been said on the strength of the new one.

Beside the checkpoint a slot holds the number of starts, so that a boot number is used once.
"""

import fcntl
import os
from hashlib import sha256
from pathlib import Path
from struct import calcsize, pack, unpack_from
from typing import NamedTuple

_SLOT = 4096
_MAGIC = b"wayside1"
_HEAD = ">8sQQH"  # magic, write counter, starts, length of the note
_HEAD_SIZE = calcsize(_HEAD)
_DIGEST = 32
MAX_NOTE = _SLOT - _HEAD_SIZE - _DIGEST


class Signed(NamedTuple):
    """What the file says: the bytes of the last signed checkpoint (empty before the first) and the number of starts."""

    note: bytes
    starts: int


class SignedFile:
    """The open file, locked against a second writer. OSError from any method means: not on disk."""

    def __init__(self, path: Path):
        """BlockingIOError when another process has it.

        `spoiled`: a slot holds something, but not what was written: a write was cut, or the disk forgets. `lost`: there
        is no good slot, as in a new file.
        """
        if path.is_dir():
            raise IsADirectoryError(f"{path.name} is a folder, and the log keeps a file there; move the folder away")
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = os.pread(self._handle, 2 * _SLOT, 0)
            self._writes, self.signed = newest(content)
            self.spoiled = any(_is_spoiled(content[start : start + _SLOT]) for start in (0, _SLOT))
            self.lost = not self._writes
            if self.lost:
                # Room for both slots is taken now, so that a full disk cannot refuse a later signature.
                os.pwrite(self._handle, bytes(2 * _SLOT), 0)
                os.fsync(self._handle)
                _sync_folder(path.parent)
        except OSError:
            os.close(self._handle)
            raise

    def write(self, signed: Signed) -> None:
        """Put `signed` on disk; when this returns, it is there."""
        if len(signed.note) > MAX_NOTE:
            raise OSError(f"a checkpoint of {len(signed.note)} bytes does not fit a slot of {MAX_NOTE}")
        count = self._writes + 1
        content = pack(_HEAD, _MAGIC, count, signed.starts, len(signed.note)) + signed.note
        os.pwrite(self._handle, content + sha256(content).digest(), (count & 1) * _SLOT)
        os.fdatasync(self._handle)
        self._writes = count
        self.signed = signed

    def close(self) -> None:
        os.close(self._handle)


def _is_spoiled(slot: bytes) -> bool:
    return any(slot) and not newest(slot)[0]


def newest(content: bytes) -> tuple[int, Signed]:
    """(write counter, what was written last) of a file's content; (0, nothing) when no slot is valid."""
    best = (0, Signed(b"", 0))
    for start in (0, _SLOT):
        slot = content[start : start + _SLOT]
        if len(slot) < _HEAD_SIZE + _DIGEST:
            continue
        magic, count, starts, length = unpack_from(_HEAD, slot)
        end = _HEAD_SIZE + length
        if magic != _MAGIC or end + _DIGEST > len(slot):
            continue
        if sha256(slot[:end]).digest() == slot[end : end + _DIGEST] and count > best[0]:
            best = (count, Signed(slot[_HEAD_SIZE:end], starts))
    return best


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
