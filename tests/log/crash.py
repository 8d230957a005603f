"""A model of power cuts: the disk as it may be found after one, at every byte of every write.

A real log runs: it begins, appends over a full tile, erases by retention (which writes SQLite's WAL back and truncates
it), is closed (written back again, the WAL removed), opened again and appended to. At each point where the code has
synced, all files are copied. Between two such copies lies what one step wrote. From each pair those disks are made that
a cut in between may leave:

* `cut`: the step's writes reached the disk in order and stop at one byte: one disk per byte that changed.
* `reordered`: some 512-byte sectors of the step are there and others are not: nothing orders them before the sync.
* `lied`: the disk acknowledged syncs that it had not done: sectors of the last steps of appending are missing although
  later ones are there. No software can keep entries then. It may not go on below a signature that is still there. Where
  entries and signatures are gone together, the disk is an older one in every byte that counts: the log goes on from
  there, and that is a second history (ROLLED_BACK). Nothing on the card can tell; a witness or a receiver can.

What it does not cover: bytes that a step writes twice (only the last is seen), or the order of its files when one step
writes several (they are taken by name; only the very first start and the next opening do); disks that lie while the WAL
is written back; a cut while an epoch begins (test_log.py has that case by case); bytes that change long after they were
written (the check at start and `wayside log --check` are for that); sectors with content that was never written to
them; file systems that lose a file's name.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from wayside.evidence.entry import place
from wayside.evidence.heads import Heads
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, open_checkpoint, parse_checkpoint, parse_note
from wayside.log import Append, Log, LogReader
from wayside.log.retention import RetentionPolicy, expire
from wayside.log.signed import newest
from wayside.log.tree import Tree
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import SYNCED

from .made import STREAM, a_pack

KEY = SoftwareKey(bytes(range(32)))
SITE = "test.example"
SECTOR = 512

ERASED = 100  # entries that retention erases in the run

ROLLED_BACK = "rolled back together with its checkpoints"

Disk = dict[str, bytes]


class Step(NamedTuple):
    """What a step wrote, and how much of the log had been acknowledged before it, and would have been after it.

    Of the first ERASED entries all may be erased (`erasing`), or all must be (`erased`), when the power goes in it.
    """

    before: Disk
    after: Disk
    acknowledged: int
    written: int
    erasing: bool = False
    erased: bool = False


class Run(NamedTuple):
    steps: list[Step]
    appending: int  # the first so many steps came before any write-back of the WAL
    entries: list[bytes]
    signed: dict[int, bytes]  # root by size of every checkpoint that became durable


def open_log(folder: Path) -> Log:
    return Log(folder, SITE, KEY.public, KEY.sign, lambda: (1_700_000_000_000, 2))


def an_entry(number: int) -> Append:
    return a_pack(number, b"%d" % number * 20)


def read_disk(folder: Path) -> Disk:
    # The shared-memory file of SQLite is rebuilt after a crash and never synced.
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if not each.name.endswith("-shm")}


def write_disk(folder: Path, disk: Disk) -> None:
    folder.mkdir(exist_ok=True)
    for each in folder.iterdir():
        each.unlink()
    for name, content in disk.items():
        (folder / name).write_bytes(content)


class Recorder:
    """Copies the disk at each sync of a log that it stands in."""

    def __init__(self, folder: Path):
        self.run = Run([], 0, [], {})
        self.log: Log
        self._folder = folder
        self._disk: Disk = {}
        self._erasing = self._erased = False

    def open(self) -> None:
        self.log = open_log(self._folder)
        self.step(self.log.size, self.log.size)
        self.log._store._db = cast(sqlite3.Connection, Watched(self.log._store._db, self))
        store_entries = self.log._store_entries

        def and_note(items: Sequence[Append], tree: Tree, heads: Heads) -> None:
            first = self.log.streams()
            store_entries(items, tree, heads)
            counts = {head.stream: head.count for head in first}
            for item in items:
                number = counts.setdefault(item.stream, 0)
                self.run.entries.append(place(item.data, item.stream, number))
                counts[item.stream] += 1
            self.step(self.log.size, tree.size)

        self.log._store_entries = and_note  # type: ignore[method-assign]

    def step(self, acknowledged: int, written: int) -> None:
        """What was written since the last step belongs to this one."""
        now = read_disk(self._folder)
        self.run.steps.append(Step(self._disk, now, acknowledged, written, self._erasing, self._erased))
        self._disk = now

    def append(self, items: Sequence[Append]) -> None:
        before = self.log.size
        self.log.append_entries(items)
        self.signed(before)

    def signed(self, before: int) -> None:
        self.step(before, self.log.size)
        self.run.signed[self.log.size] = self.log.root

    def retain(self) -> None:
        """Erase the first entries by age. Once the log has said so, power may go before, in and after it."""
        before = self.log.size
        erase = self.log.erase

        def noted(stream: str, first: int, end: int) -> int:
            self.signed(before)
            self._erasing = True
            return erase(stream, first, end)

        self.log.erase = noted  # type: ignore[method-assign]
        assert expire(self.log, {STREAM: RetentionPolicy(max_age_ms=1)}, ERASED + 1, SYNCED) == ERASED
        self.step(self.log.size, self.log.size)

    def write_back(self, pragma: str) -> None:
        """As SQLite does it: pages into the database, sync, and only then is the WAL truncated or removed."""
        self.step(self.log.size, self.log.size)  # what is in the WAL now is synced
        self._erased = self._erasing
        self.log._store._db.execute(pragma)
        self.step(self.log.size, self.log.size)

    def close(self) -> None:
        self.write_back("PRAGMA wal_checkpoint(FULL)")
        size = self.log.size
        self.log.close()
        self.step(size, size)


class Watched:
    """A connection that splits the truncation of the WAL into its two synced parts."""

    def __init__(self, db: sqlite3.Connection, recorder: Recorder):
        self._db = db
        self._recorder = recorder

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA wal_checkpoint(TRUNCATE)":
            self._recorder.write_back("PRAGMA wal_checkpoint(FULL)")
        return self._db.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def record(folder: Path, batches: list[int]) -> Run:
    """Run a log over batches of so many entries and note what each step leaves on the disk."""
    folder.mkdir()
    recorder = Recorder(folder)
    recorder.open()
    for count in batches:
        recorder.append([an_entry(recorder.log.size + i) for i in range(count)])
    appending = len(recorder.run.steps)
    recorder.retain()
    recorder.close()
    recorder.open()
    recorder.append([an_entry(recorder.log.size)])
    recorder.log.close()
    return recorder.run._replace(appending=appending)


# --- disks after a cut ---


def cuts(step: Step) -> Iterator[Callable[[], Disk]]:
    """One disk per byte that the step changed, files in the order of their names; made when it is called for."""
    disk = step.before
    for name, new in step.after.items():
        old = step.before.get(name, b"")
        for at in range(len(new)):
            if at >= len(old) or new[at] != old[at]:
                yield partial(_cut, disk, name, old, at, new)
        disk = disk | {name: new}
    for name in step.before.keys() - step.after.keys():
        yield partial(_cut, disk, name, step.before[name])


def _cut(disk: Disk, name: str, old: bytes, at: int = -1, new: bytes = b"") -> Disk:
    """With this file: up to `at` as it is new."""
    return disk | {name: new[: at + 1] + old[at + 1 :]}


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


def check(folder: Path, disk: Disk, run: Run, step: Step, lied: bool = False) -> str:
    """Open a log on `disk`; what it did wrong, in a few words, ROLLED_BACK, or nothing."""
    write_disk(folder, disk)
    try:
        log = open_log(folder)
    except Exception as error:
        return f"does not start: {type(error).__name__}: {error}"
    try:
        return _judge(log, run, step, _signed_size(disk) if lied else None)
    finally:
        log.close()


def _signed_size(disk: Disk) -> int:
    """What the newest good slot on the disk covers."""
    note = newest(disk.get("epoch-0.signed", b""))[1].note
    return parse_checkpoint(parse_note(note)).size if note else 0


def _judge(log: Log, run: Run, step: Step, signed_size: int | None) -> str:
    """`signed_size`: the newest signature still there after a lie of the disk; None when it did not lie."""
    size = log.size
    kept = step.acknowledged if signed_size is None else signed_size
    verdict = ""
    if log.origin == f"{SITE}/log/0":
        if size < kept:
            return f"{kept} entries were acknowledged, {size} are left"
        if size > step.written:
            return f"{size} entries came out of {step.written}"
        if wrong := _changed(log, run, step):
            return wrong
        if size and run.signed[size] != log.root:
            return f"two roots for size {size}"
        if size < step.acknowledged:
            verdict = ROLLED_BACK
    elif signed_size is None:
        return f"a new epoch without need: {log.found}"
    elif size != 1:
        return "a new epoch that does not begin with one entry"
    log.append_entries([an_entry(10**6)])
    again = LogReader(log.folder)
    found = (again.origin, again.size, again.root, again.records(size, 1)[0].entry)
    number = again.head(STREAM).head.count - 1
    again.close()
    if found != (log.origin, size + 1, log.root, place(an_entry(10**6).data, STREAM, number)):
        return "what was appended then is not on disk"
    key = NoteKey(log.origin, ED25519, KEY.public)
    heads = Heads(log.streams()).commitment().line()
    if open_checkpoint(log.checkpoint, key)[0] != Checkpoint(log.origin, size + 1, log.root, (heads,)):
        return "the next checkpoint is not that of its entries"
    return verdict


def _changed(log: Log, run: Run, step: Step) -> str:
    """What is wrong with the entries; those that retention names go all at once or not at all."""
    found = [each.entry for each in log.records(0, log.size)]
    gone = not any(found[:ERASED])
    if gone and log.size and not (step.erasing and log.size > ERASED):
        return "entries are erased that nobody named"
    if step.erased and not gone:
        return "erased entries are back"
    first = ERASED if gone else 0
    return "" if found[first:] == run.entries[first : log.size] else "an entry has changed"
