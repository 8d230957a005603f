"""Checkpoints that witnesses co-signed, beside the log: `epoch-<n>.cosigned-<k>` is the newest with at least k of them.

A file for each k, because a policy may ask for several: a newer checkpoint that one witness co-signed while the others
were away must not put an older one out of the way that all of them had.
"""

from contextlib import suppress
from itertools import count
from pathlib import Path

from wayside.evidence import EvidenceError
from wayside.evidence.files import replace_file
from wayside.evidence.note import Note, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin

from .reader import epoch_path, newest_epoch


def keep_cosigned(folder: Path, note: Note) -> int:
    """Put a co-signed checkpoint on disk where it is newer than what is there; how many cosignatures it has now.

    Those that were kept of the same checkpoint are added to it. A newer one is never replaced by an older one.
    """
    epoch = parse_origin(parse_checkpoint(note).origin).epoch
    for number in count(1):
        path = epoch_path(folder, epoch, f"cosigned-{number}")
        before = _read(path)
        if before and before.text == note.text:
            new = {(each.name, each.key_id) for each in note.signatures}
            note = note.with_signatures(each for each in before.signatures if (each.name, each.key_id) not in new)
        if len(note.signatures) - 1 < number:
            return number - 1
        if not before or parse_checkpoint(before).size <= parse_checkpoint(note).size:
            replace_file(path, note.encode())
    raise AssertionError("unreachable")


def read_cosigned(folder: Path, cosignatures: int = 1, epoch: int | None = None) -> bytes:
    """The newest checkpoint of an epoch (the newest) with so many cosignatures or more; empty when there is none."""
    number = newest_epoch(folder) if epoch is None else epoch
    note = _read(epoch_path(folder, number, f"cosigned-{cosignatures}"))
    return note.encode() if note else b""


def _read(path: Path) -> Note | None:
    with suppress(FileNotFoundError, EvidenceError):  # a spoiled file is simply replaced
        note = parse_note(path.read_bytes())
        parse_checkpoint(note)
        return note
    return None
