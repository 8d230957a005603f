"""The log itself: the order in which things become durable, and what start-up makes of what it finds.

`Log.append_entries` keeps rule 4 of the design: entries on disk, then the checkpoint signed, then the checkpoint on
disk. Only when it returns may anything be said. An origin is "<site>/log/<epoch>"; each epoch has its own database
and its own file for the signed checkpoint. Rule 5: what was signed and is no longer there ends the epoch; the next
one begins with an entry that says so.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import SALT_SIZE, commitment, encode_unplaced, kind_and_time, place
from wayside.evidence.epoch import MAX_STEP, opener
from wayside.evidence.heads import NO_HEADS, Heads, committed
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import (
    ED25519,
    Checkpoint,
    NoteKey,
    Sign,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    sign_note,
)
from wayside.evidence.origin import Origin, parse_origin
from wayside.evidence.stream import KEYS

from .errors import LogError, hint, passing
from .reader import LogReader, epoch_path, epochs, load_heads, load_tree, read_signed
from .signed import Signed, SignedFile
from .store import ChainName, EntryRow, LogStore
from .tree import Tree

_BOOT_STEP_BYTES = 2
_BOOT_FEW = 2**31  # from here on starts are counted one by one: a boot number has 32 bits
_CHECKED_AT_START = 4096  # newest entries that are hashed again at each start; `check` does all


@dataclass(frozen=True, slots=True)
class PackPlace:
    """Where a pack stands; `head` False for one that came after it had been given up for lost."""

    chain: ChainName
    boot: int
    sequence: int
    hash: bytes
    head: bool = True


@dataclass(frozen=True, slots=True)
class GapPlace:
    """Packs that will not come: `first` to `last` of `boot`; `last` None where nobody knows how many."""

    chain: ChainName
    boot: int
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Append:
    """An entry to append: `data`, without its place, and the stream that it belongs to (wayside.evidence.stream)."""

    stream: str
    data: bytes
    pack: PackPlace | None = None
    notes: dict[str, bytes] = field(default_factory=dict)
    """Small facts that are remembered with the entry, by name: see Log.note."""
    gap: GapPlace | None = None


Now = Callable[[], tuple[int, int]]
"""(ms since 1970, time quality) of the gateway's clock."""

Witnessed = Callable[[str], Sequence[bytes]]
"""Of a site, the newest checkpoint that each witness shows, as far as they answer. Nothing of them is believed."""


class Log(LogReader):
    """The open log of a site. One thread uses it at a time."""

    def __init__(
        self,
        folder: Path,
        site: str,
        public: bytes,
        sign: Sign,
        now: Now,
        random_bytes: Callable[[int], bytes] = os.urandom,
        witnessed: Witnessed | None = None,
    ):
        """Open the newest epoch in `folder`, or begin one. LogError when the folder or its files cannot be used.

        `witnessed` is asked before anything is signed: a disk that was restored from a copy cannot know it by itself.
        What it tells counts by this log's own signature under it, and ends the epoch when it is not in this history.
        """
        self.folder = folder
        self._site = site
        self._public = public
        self._sign = sign
        self._random = random_bytes
        self._witnessed = witnessed
        self._must_cut = False
        self._signed: SignedFile
        self.found: str = ""
        """What start-up found wrong and mended; empty when all was well."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(self._newest_epoch())
            self._go_on_or_end(now)
            self._signed.write(self._signed.signed._replace(starts=self._next_start()))
        except BlockingIOError:
            raise LogError(f"{folder}: another gateway uses this log; stop it first") from None
        except (OSError, sqlite3.Error) as error:
            raise LogError(f"{folder}: the log cannot be opened: {error}{hint(folder, error)}") from None

    def _go_on_or_end(self, now: Now) -> None:
        """Go on with the epoch that was opened, or end it where the disk is not what was once signed.

        Rule 5 of the design: never sign two histories. The next epoch names the last checkpoint that is known.
        """
        damage = self._damage()
        shown = self._shown_against(is_sound=not damage)
        cause = damage or _contradiction(self.origin, shown)
        nothing = Checkpoint(self.origin, 0, merkle.EMPTY_ROOT)
        if self._last_signed_is_lost:
            known = nothing if damage else Checkpoint(self.origin, self.size, self.root)
            self._begin_epoch("what was signed last is not known any more", known, now, shown)
        elif cause and self._signed.signed.note:
            last, _ = open_checkpoint(self._signed.signed.note, self._key)
            self._begin_epoch(cause, last, now, shown)
        elif shown:  # nothing is signed here, but a witness shows what this disk cannot answer for
            self._begin_epoch(cause, nothing, now, shown)
        elif cause:  # nothing was ever signed: nobody can have seen what goes
            self._begin_again(cause)
        elif self.size > self._signed_size:  # stopped between writing the entries and signing for them
            self._sign_and_keep(self._tree, self._heads)

    @property
    def starts(self) -> int:
        """The gateway's boot number: larger at each opening, by a random step.

        A restored copy counts from where it was copied, as the gateway that it was copied from went on to do. With the
        steps at random the two do not meet, and no pack of one has the number of another's (decision 0037).
        """
        return self._signed.signed.starts

    @property
    def checkpoint(self) -> bytes:
        return self._signed.signed.note

    def close(self) -> None:
        super().close()
        self._signed.close()

    # --- writing ---

    def append_entries(self, entries: Sequence[Append]) -> int:
        """The new size, once the entries and the checkpoint that covers them are on disk; LogError: none of them is."""
        with self._errors():
            if self._must_cut:
                self._cut()
            tree, heads = self._tree.copy(), self._heads.copy()
            self._store_entries(entries, tree, heads)
            self._must_cut = True  # until the checkpoint is on disk these entries do not count
            self._sign_and_keep(tree, heads)
            self._must_cut = False
        self._tree, self._heads = tree, heads
        return tree.size

    def rotate(self, public: bytes, sign: Sign, now: Now) -> None:
        """End this epoch; the next one begins under another key. LogError: the old one goes on."""
        last = Checkpoint(self.origin, self.size, self.root)
        self._public, self._sign = public, sign
        with self._errors():
            self._begin_epoch("the log's key was rotated", last, now)

    def _store_entries(self, entries: Sequence[Append], tree: Tree, heads: Heads) -> None:
        rows: list[EntryRow] = []
        packs: list[tuple[ChainName, int, int, bytes, int]] = []
        newest: list[tuple[ChainName, int, int, bytes]] = []
        gaps: list[tuple[ChainName, int, int, int | None, int]] = []
        notes: list[tuple[str, bytes, int]] = []
        for item in entries:
            salt = self._random(SALT_SIZE)
            index = tree.size
            number = heads.count_entry(item.stream, index)
            data = place(item.data, item.stream, number)
            rows.append(EntryRow(index, item.stream, number, kind_and_time(item.data)[1], salt, data))
            tree.append(merkle.leaf_hash(commitment(salt, data)))
            notes += [(key, value, index) for key, value in item.notes.items()]
            if gap := item.gap:
                gaps.append((gap.chain, gap.boot, gap.first, gap.last, index))
            if at := item.pack:
                packs.append((at.chain, at.boot, at.sequence, at.hash, index))
                if at.head:
                    newest.append((at.chain, at.boot, at.sequence, at.hash))
        with self._store.transaction():
            self._store.add_entries(rows)
            self._store.add_tiles(tree.full)
            self._store.add_gaps(gaps)
            self._store.add_packs(packs)
            self._store.set_chain_heads(newest)
            for key, value, index in notes:
                self._store.set_note(key, value, index, self.size)
        tree.full = []

    def _sign_and_keep(self, tree: Tree, heads: Heads) -> None:
        checkpoint = Checkpoint(self.origin, tree.size, tree.root(), (heads.commitment().line(),))
        note = sign_note(checkpoint.text(), self._key, self._sign).encode()
        self._signed.write(Signed(note, self.starts))

    def _cut(self) -> None:
        with self._store.transaction():
            self._store.cut(self.size)
        self._must_cut = False

    # --- start-up ---

    def _newest_epoch(self) -> int:
        """The newest epoch that signed anything; one that a power cut left at its beginning is begun anew."""
        # With gaps: a number that a witness has shown is left out. And by both files, for either may be lost.
        found = sorted({0, *epochs(self.folder), *epochs(self.folder, "sqlite")})
        while found[-1] and not self._has_signed(found[-1]) and not self._has_gone_on(found[-1]):
            self._remove(found.pop())
        return found[-1]

    def _has_signed(self, epoch: int) -> bool:
        try:
            return bool(read_signed(self.folder, epoch))
        except FileNotFoundError:
            return False

    def _has_gone_on(self, epoch: int) -> bool:
        """Whether more was stored than the first entry: then it was signed, and what was signed is lost."""
        database = epoch_path(self.folder, epoch, "sqlite")
        if not database.exists():
            return False
        try:
            with closing(LogStore(database, read_only=True)) as store:
                return store.size() > 1
        except sqlite3.DatabaseError as error:
            if passing(error):
                raise
            return False

    def _remove(self, epoch: int) -> None:
        """Forget an epoch that signed nothing; its signed file last, so that a cut leaves what begins this again."""
        for ending in ("sqlite", "sqlite-wal", "sqlite-shm", "signed"):
            epoch_path(self.folder, epoch, ending).unlink(missing_ok=True)

    def _open(self, epoch: int) -> None:
        self.epoch = epoch
        self.origin = str(Origin(self._site, epoch))
        self._key = NoteKey(self.origin, ED25519, self._public)
        self._signed = SignedFile(epoch_path(self.folder, epoch, "signed"))
        self._unusable = ""
        database = epoch_path(self.folder, epoch, "sqlite")
        self._last_signed_is_lost = self._signed.lost and database.exists()
        if self._signed.lost and not self._last_signed_is_lost:
            # A good slot is there before the database is: a database without one has lost it.
            self._signed.write(Signed(b"", 0))
        try:
            self._store = LogStore(database)
        except sqlite3.DatabaseError as error:
            if passing(error):
                raise
            self._store = LogStore(Path(":memory:"))  # in its place until _damage has told
            self._unusable = str(error)

    def _next_start(self) -> int:
        step = int.from_bytes(self._random(_BOOT_STEP_BYTES), "big") if self.starts < _BOOT_FEW else 0
        return self.starts + 1 + step

    def _shown_against(self, is_sound: bool) -> dict[Checkpoint, bytes]:
        """What witnesses show that this log's key has signed and that the history on this disk cannot answer for.

        `is_sound`: the tree is what was signed, so that it can prove what it extends.
        """
        shown = {}
        for note in self._witnessed(self._site) if self._witnessed else ():
            with suppress(EvidenceError):  # not signed by this log: then it says nothing about it
                checkpoint = opener([self._public])(note)
                origin = parse_origin(checkpoint.origin)
                is_near = origin.site == self._site and origin.epoch <= self.epoch + MAX_STEP
                if is_near and not self._answers_for(checkpoint, is_sound):
                    shown[checkpoint] = note
        return shown

    def _answers_for(self, checkpoint: Checkpoint, is_sound: bool) -> bool:
        """Whether the next epoch, should one begin, could show that it goes on from this checkpoint.

        It can when it names the last checkpoint of this one, and the tree is there for the proof that leads on.
        """
        if is_sound and not self._last_signed_is_lost:
            if checkpoint.origin != self.origin:
                return self.contains(checkpoint)
            return checkpoint.size <= self.size and self.at(checkpoint.size) == checkpoint
        note = self._signed.signed.note
        return bool(note) and parse_checkpoint(parse_note(note)) == checkpoint

    def _damage(self) -> str:
        """Load the tree. Why this epoch cannot go on with this disk; empty when it can."""
        self._signed_size = 0
        note = self._signed.signed.note
        size, root, heads = 0, merkle.EMPTY_ROOT, NO_HEADS
        if note:
            try:
                checkpoint, _ = open_checkpoint(note, self._key)
                heads = committed(checkpoint)
            except EvidenceError as error:
                raise LogError(
                    f"{self.folder}: the last checkpoint is not by this site's name and log key ({error});"
                    " restore the right key, or begin a new state folder"
                ) from None
            size, root = checkpoint.size, checkpoint.root
            self._signed_size = size
        if self._unusable:
            return f"the stored log is damaged: {self._unusable}"
        try:
            stored = self._store.size()
            if stored < size:
                return f"the disk holds {stored} entries, {size} were signed"
            if stored > size and not (self._signed.spoiled or self._last_signed_is_lost):
                # Written but never covered by a checkpoint: nobody was told of it, and nodes send theirs again.
                self.found = f"{stored - size} entries after the last checkpoint dropped; none was acknowledged"
                with self._store.transaction():
                    self._store.cut(size)
                stored = size
            self._tree = load_tree(self._store, size)
            if self._tree.root() != root:
                return "the stored tree has not the root that was signed"
            self._heads = load_heads(self._store, size)
            if self._heads.commitment() != heads:
                return "the streams have not the heads that were signed"
            if stored > size:
                # The slot that covered them is spoiled. Perhaps its write was cut, perhaps it rotted after they had
                # been acknowledged. To keep them is right for both: the same entries make the same checkpoint again.
                self.found = f"the last checkpoint is spoiled; {stored - size} entries after the one before it are kept"
                self._tree = load_tree(self._store, stored)
                self._heads = load_heads(self._store, stored)
            self.check(max(0, self.size - _CHECKED_AT_START), self.size)
            self.check_stream(KEYS)  # whole: an entry of it that is passed over would bring back a key that has ended
        except (sqlite3.DatabaseError, EvidenceError) as error:
            if passing(error):
                raise
            return f"the stored log is damaged: {error}"
        return ""

    def _begin_again(self, cause: str) -> None:
        """Nothing was ever signed here, so nothing is lost by a fresh database."""
        self.found = f"{cause}; nothing was signed yet, so the log begins again"
        starts = self.starts
        self.close()
        for ending in ("sqlite", "sqlite-wal", "sqlite-shm"):
            epoch_path(self.folder, self.epoch, ending).unlink(missing_ok=True)
        self._open(self.epoch)
        self._tree, self._heads = load_tree(self._store, 0), Heads()
        self._signed.write(Signed(b"", starts))

    def _begin_epoch(
        self, cause: str, last: Checkpoint, now: Now, shown: Mapping[Checkpoint, bytes] = MappingProxyType({})
    ) -> None:
        """Begin the next epoch, after every one that is known; its first entry ties it to `last` and to `shown`."""
        before, note = self._key.name, self._signed.signed.note
        # A boot number is used once. Where the count is lost, the packs tell: the gateway's own are among them.
        starts = max(self.starts, self._store.highest_boot() if self._last_signed_is_lost else 0)
        epoch = 1 + max([self.epoch, *(parse_origin(each.origin).epoch for each in shown)])
        self.found = f"{before} ended: {cause}; {Origin(self._site, epoch)} begins"
        self.close()
        self._open(epoch)
        self._tree, self._heads = load_tree(self._store, 0), Heads()
        self._signed.write(Signed(b"", starts))
        time_ms, quality = now()
        body = EpochBody(before, last.size, last.root, cause, note or None, tuple(shown.values()))
        self.append_entries([Append(KEYS, encode_unplaced(time_ms, quality, body))])


def _contradiction(origin: str, shown: Iterable[Checkpoint]) -> str:
    """Why an epoch cannot go on after what witnesses show; empty when they show nothing."""
    for checkpoint in shown:
        where = "" if checkpoint.origin == origin else f" of {checkpoint.origin}"
        return f"a witness has co-signed {checkpoint.size} entries{where} that are not these"
    return ""
