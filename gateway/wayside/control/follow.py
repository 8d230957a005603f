"""Follows a journal from where it was left, over restarts of both sides, and names what cannot be had.

Files are numbered, and what was taken of a file is known by the last entry taken: so a folder that was begun anew, a
file that was removed, cut or put in the place of another, and numbers that are missing can all be told. What is not as
it was left is read again from the beginning rather than passed over: an entry may then be there twice, and none is lost
without a word.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wayside.control.journal import SpoiltBytes, WrittenEntry, comes_before, files, number_of, pieces
from wayside.evidence import EvidenceError

_PLACES = 3


class JournalPosition(NamedTuple):
    """How far a file was taken. mark: length and CRC of the last entry before `end`, in hexadecimal; "": not known."""

    file: str
    end: int = 0
    mark: str = ""


Trail = tuple[JournalPosition, ...]
"""How far the last files were taken, the newest first: where one is gone, the one before it says where to go on."""


class FollowedEntry(NamedTuple):
    """An entry, or in words what is lost; `trail`: how far the journal is taken with it."""

    trail: Trail
    raw: bytes
    lost: str = ""


def encode(trail: Trail) -> bytes:
    return "\n".join(f"{place.file} {place.end} {place.mark}".strip() for place in trail).encode()


def decode(noted: bytes) -> Trail:
    """Also what earlier versions noted, a name and a byte; what is in no such form counts as nothing."""
    lines = [line.split(" ") for line in noted.decode(errors="replace").splitlines()]
    return tuple(JournalPosition(words[0], int(words[1]), *words[2:]) for words in lines if len(words) in (2, 3))


def follow(folder: Path, trail: Trail) -> Iterator[FollowedEntry]:
    """What stands behind `trail`, in the order in which it was written.

    A torn end of the newest file is waited for. EvidenceError: the folder cannot be read; the newest file is spoilt, or
    there is none any more, and the controller has to begin another one.
    """
    try:
        next(folder.iterdir(), None)  # for glob takes a folder that is not there, or not ours, for an empty one
    except OSError as error:
        raise EvidenceError(f"{folder}: {error.strerror}; a controller's journal should be there, to be read") from None
    paths = files(folder)
    if trail and not paths:
        raise EvidenceError(f"{folder}: nothing of the journal is there any more")
    held = next((count for count, place in enumerate(trail) if _holds(folder, place)), len(trail))
    if held:
        left, trail = trail[0], _where_to_go_on(folder, paths, trail[held:])
        what = "another or shorter" if (folder / left.file).exists() else "gone"
        text = f"{left.file} was taken to byte {left.end} and is {what}; what stood behind that is not known"
        yield FollowedEntry(trail, b"", f"{text}, and {trail[0].file} is next")
    before = number_of(trail[0].file) if trail else None
    for path in paths:
        if trail and comes_before(path.name, trail[0].file):
            continue
        number = number_of(path.name)
        if before is not None and number > before + 1:
            trail = _go_on(trail, JournalPosition(path.name))
            yield FollowedEntry(trail, b"", _missing(number - before - 1, path.name))
        before = number
        start = trail[0].end if trail and path.name == trail[0].file else 0
        for piece in pieces(path, start):
            if isinstance(piece, WrittenEntry):
                trail = _go_on(trail, JournalPosition(piece.file, piece.end, piece.head.hex()))
                yield FollowedEntry(trail, piece.raw)
                continue
            if piece.is_last and path == paths[-1]:
                if piece.is_torn:
                    return
                raise EvidenceError(f"{path}: the entry at byte {piece.begin} is spoilt")
            trail = _go_on(trail, JournalPosition(piece.file, piece.end))
            yield FollowedEntry(trail, b"", _spoilt(piece))


def _missing(count: int, name: str) -> str:
    return f"{count} file{'s' if count > 1 else ''} before {name} missing"


def _spoilt(piece: SpoiltBytes) -> str:
    why = "the end of the file is torn off" if piece.is_torn else "spoilt"
    return f"{piece.file}, bytes {piece.begin} to {piece.end}: {why}"


def _go_on(trail: Trail, place: JournalPosition) -> Trail:
    return (place, *(each for each in trail if each.file != place.file))[:_PLACES]


def _where_to_go_on(folder: Path, paths: list[Path], held: Trail) -> Trail:
    """Behind the newest place that is as it was left; without one, with the first file that there is."""
    if not held:
        return (JournalPosition(paths[0].name),)
    following = next((path.name for path in paths if comes_before(held[0].file, path.name)), "")
    is_at_end = (folder / held[0].file).stat().st_size == held[0].end
    return (JournalPosition(following), *held) if following and is_at_end else held


def _holds(folder: Path, place: JournalPosition) -> bool:
    """Whether the file still is as it was left, but for what was added."""
    try:
        with (folder / place.file).open("rb") as stream:
            if stream.seek(0, 2) < place.end:
                return False
            if not place.mark:
                return True
            head = bytes.fromhex(place.mark)
            stream.seek(place.end - len(head) - struct.unpack_from(">I", head)[0])
            return stream.read(len(head)) == head
    except FileNotFoundError:
        return False
