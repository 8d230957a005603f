"""The log's tree as C2SP tlog-tiles lays it out: paths to bytes. `tile_service` serves them.

Entries are commitments, so an entry bundle holds 32-byte hashes and tells nothing of a reading.
"""

import re

from wayside.evidence.entry import commitment

from .errors import LogError
from .reader import LogReader
from .tree import WIDTH

_PATH = re.compile(r"tile/(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Pruned(Exception):
    """Retention has erased what is asked for; it will not come back. The hashes of its tree are still there."""


def resource(log: LogReader, path: str) -> bytes | None:
    """What is at `path` below the log's prefix; None when there is nothing, or nothing yet. Pruned when it is gone.

    LogError when the disk does not give it any more.
    """
    if path == "checkpoint":
        return log.checkpoint or None
    match = _PATH.fullmatch(path)
    if not match:
        return None
    level, number, width = match[1], int(re.sub(r"[x/]", "", match[2])), int(match[3] or WIDTH)
    if width > WIDTH - 1 and match[3]:
        return None
    if path != tile_path(level, number, width):
        return None
    if level == "entries":
        return _entries(log, number * WIDTH, width)
    row = int(level)
    # The hashes of this row that the tree has: one per full subtree of 256**row leaves.
    if row > 7 or number * WIDTH + width > log.size >> 8 * row:
        return None
    return b"".join(log.subtree(8 * row, number * WIDTH + at) for at in range(width))


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """`tile/<level>/<number>[.p/<width>]`, the number in groups of three digits."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def _entries(log: LogReader, first: int, width: int) -> bytes | None:
    """Commitments, each after its length in two bytes; None when one of them is not there yet."""
    records = log.records(first, width)
    if len(records) < width:
        return None
    if damaged := [record.index for record in records if record.damaged]:
        raise LogError(f"entry {damaged[0]} is damaged in the log")
    if not all(record.salt for record in records):
        raise Pruned
    return b"".join(b"\x00\x20" + commitment(record.salt, record.entry) for record in records)
