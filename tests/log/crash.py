"""A model of power cuts: the disk as it may be found after one, at every byte of every write.

A real log runs; after each of its steps (entries committed, checkpoint slot written) all files are copied. Between
two such copies lies what one step wrote. From each pair those disks are made that a cut in between may leave:

* `cut`: the step's writes reached the disk in order and stop at one byte: one disk per byte.
* `reordered`: some 512-byte sectors of the step are there and others are not: nothing orders them before the sync.
* `lied`: the disk acknowledged syncs that it had not done: sectors of the last steps are missing although later ones
  are there. No software can keep entries then; what it can do is not to sign a second history.

What it does not cover: bytes that change long after they were written (that is what the check at start and `wayside log
--check` are for), sectors with content that was never written to them, and file systems that lose a file's name.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wayside.evidence.entry import Kind, encode_entry
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, open_checkpoint
from wayside.log import Append, Log, LogReader, PackPlace
from wayside.trust.keys import SoftwareKey

KEY = SoftwareKey(bytes(range(32)))
SITE = "test.example"
SECTOR = 512

Disk = dict[str, bytes]


class Step(NamedTuple):
    """What a step wrote, and how much of the log had been acknowledged before it, and would have been after it."""

    before: Disk
    after: Disk
    acknowledged: int
    written: int


class Run(NamedTuple):
    steps: list[Step]
    entries: list[bytes]
    signed: dict[int, bytes]  # root by size of every checkpoint that became durable


def open_log(folder: Path) -> Log:
    return Log(folder, SITE, KEY.public, KEY.sign, lambda: (1_700_000_000_000, 2))


def an_entry(number: int) -> Append:
    data = encode_entry(Kind.PACK, number, 2, {0: "m", 1: "device", 2: b"%d" % number * 20})
    return Append("m", data, PackPlace("m", 1, number, b"%16d" % number))


def read_disk(folder: Path) -> Disk:
    # The shared-memory file of SQLite is rebuilt after a crash and never synced.
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if not each.name.endswith("-shm")}


def write_disk(folder: Path, disk: Disk) -> None:
    folder.mkdir(exist_ok=True)
    for each in folder.iterdir():
        each.unlink()
    for name, content in disk.items():
        (folder / name).write_bytes(content)


def record(folder: Path, batches: list[int]) -> Run:
    """Run a log over batches of so many entries and note what each step leaves on the disk."""
    steps: list[Step] = []
    entries: list[bytes] = []
    signed: dict[int, bytes] = {}
    folder.mkdir()
    disk: Disk = {}

    def step(acknowledged: int, written: int) -> None:
        nonlocal disk
        now = read_disk(folder)
        steps.append(Step(disk, now, acknowledged, written))
        disk = now

    log = open_log(folder)
    step(0, 0)
    for count in batches:
        batch = [an_entry(len(entries) + i) for i in range(count)]
        size = log.size
        store_entries = log._store_entries

        def and_note(items, tree, store_entries=store_entries, size=size, count=count):
            store_entries(items, tree)
            step(size, size + count)

        log._store_entries = and_note  # type: ignore[method-assign]
        log.append(batch)
        log._store_entries = store_entries  # type: ignore[method-assign]
        step(size, size + count)
        entries += [item.data for item in batch]
        signed[log.size] = log.root
    log.close()
    return Run(steps, entries, signed)


# --- disks after a cut ---


def cuts(step: Step) -> Iterator[Disk]:
    """One disk per byte that the step changed, files in the order of their names."""
    disk = dict(step.before)
    for name, new in step.after.items():
        old = step.before.get(name, b"")
        for at in range(len(new)):
            if at >= len(old) or new[at] != old[at]:
                yield disk | {name: new[: at + 1] + old[at + 1 :]}
        disk[name] = new
    for name in step.before.keys() - step.after.keys():
        yield disk | {name: step.before[name]}


def mixed(before: Disk, after: Disk, chance: random.Random) -> Disk:
    """Each sector as it was before or as it is after."""
    disk: Disk = {}
    for name, new in after.items():
        old = before.get(name, b"")
        share = chance.choice((0.05, 0.5, 0.95))
        sectors = [
            new[at : at + SECTOR] if chance.random() < share else (old[at : at + SECTOR] or bytes(SECTOR))
            for at in range(0, len(new), SECTOR)
        ]
        disk[name] = b"".join(sectors)[: len(new)]
    return disk


# --- what must hold then ---


def check(folder: Path, disk: Disk, run: Run, acknowledged: int, written: int, lied: bool = False) -> str:
    """Open a log on `disk`; what it did wrong, in a few words, or nothing."""
    write_disk(folder, disk)
    try:
        log = open_log(folder)
    except Exception as error:
        return f"does not start: {type(error).__name__}: {error}"
    try:
        return _judge(log, run, acknowledged, written, lied)
    finally:
        log.close()


def _judge(log: Log, run: Run, acknowledged: int, written: int, lied: bool) -> str:
    size = log.size
    if log.origin == f"{SITE}/log/0":
        if size < acknowledged and not (lied and size in {0, *run.signed}):
            return f"{acknowledged} entries were acknowledged, {size} are left"
        if size > written:
            return f"{size} entries came out of {written}"
        if [each.entry for each in log.records(0, size)] != run.entries[:size]:
            return "an entry has changed"
        if size and run.signed[size] != log.root:
            return f"two roots for size {size}"
    elif not lied:
        return f"a new epoch without need: {log.found}"
    elif size != 1:
        return "a new epoch that does not begin with one entry"
    log.append([an_entry(10**6)])
    again = LogReader(log._folder)
    kept = (again.origin, again.size, again.root, again.records(size, 1)[0].entry)
    again.close()
    if kept != (log.origin, size + 1, log.root, an_entry(10**6).data):
        return "what was appended then is not on disk"
    key = NoteKey(log.origin, ED25519, KEY.public)
    if open_checkpoint(log.checkpoint, key)[0] != Checkpoint(log.origin, size + 1, log.root):
        return "the next checkpoint is not that of its entries"
    return ""
