"""The newest checkpoint that witnesses co-signed, one small file for each epoch beside the log."""

import os
from contextlib import suppress
from pathlib import Path

from wayside.evidence import EvidenceError
from wayside.evidence.note import Note, parse_checkpoint, parse_note

from .reader import epoch_path, newest_epoch


def keep_cosigned(folder: Path, note: Note) -> Note:
    """Put a co-signed checkpoint on disk, whole or not at all; what was kept of the same checkpoint is added to it."""
    path = epoch_path(folder, int(parse_checkpoint(note).origin.rpartition("/")[2]), "cosigned")
    with suppress(FileNotFoundError, EvidenceError):  # a spoiled file is simply replaced
        before = parse_note(path.read_bytes())
        if before.text == note.text:
            new = {(each.name, each.key_id) for each in note.signatures}
            note = note.with_signatures(each for each in before.signatures if (each.name, each.key_id) not in new)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(note.encode())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return note


def read_cosigned(folder: Path) -> bytes:
    """The newest co-signed checkpoint of the newest epoch; empty when there is none."""
    path = epoch_path(folder, newest_epoch(folder), "cosigned")
    return path.read_bytes() if path.exists() else b""
