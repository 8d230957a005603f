"""The log itself: the order in which things become durable, and what start-up makes of what it finds.

`Log.append` keeps rule 4 of the design: entries on disk, then the checkpoint signed, then the checkpoint on disk; only
when it returns may anything be said. An origin is "<site>/log/<epoch>"; each epoch has its own database and its own
file for the signed checkpoint. Rule 5: what was signed and is no longer there ends the epoch; the next one begins with
an entry that says so.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import SALT_SIZE, Kind, commitment, encode_entry, epoch_body
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, Sign, open_checkpoint, sign_note
from wayside.evidence.origin import Origin

from .reader import LogError, LogReader, epoch_path, load_tree, newest_epoch, read_signed
from .signed import Signed, SignedFile
from .store import Store
from .tree import Tree

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}

_EPOCHS_ASKED = 16
_BOOT_STEP_BYTES = 2
_BOOT_FEW = 2**31  # from here on starts are counted one by one: a boot number has 32 bits
_CHECKED_AT_START = 4096  # newest entries that are hashed again at each start; `check` does all


@dataclass(frozen=True, slots=True)
class PackPlace:
    """Where a pack stands; `head` False for one that came after it had been given up for lost."""

    device: str
    boot: int
    sequence: int
    hash: bytes
    head: bool = True


@dataclass(frozen=True, slots=True)
class Append:
    """An entry to append. `stream`: the device's name, or the gateway's own; retention is set per stream."""

    stream: str
    data: bytes
    pack: PackPlace | None = None
    notes: dict[str, bytes] = field(default_factory=dict)
    """Small facts that are remembered with the entry, by name: see Log.note."""


Now = Callable[[], tuple[int, int]]
"""(ms since 1970, time quality) of the gateway's clock."""

Prove = Callable[[int], list[bytes]]
"""The consistency proof from an earlier size."""

Witnessed = Callable[[bytes, Prove | None], int | None]
"""The largest size that a witness has co-signed and that this checkpoint does not contain; None: there is none.

Without a proof a checkpoint counts as containing all that is smaller.
"""


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
            epoch = self._newest_epoch()
            self._open(epoch)
            cause = self._damage()
            held = self._held_elsewhere(epoch, sound=not cause)
            cause = cause or self._contradiction(held)
            if self._last_signed_is_lost:
                known = Checkpoint(self.origin, 0, merkle.EMPTY_ROOT)
                if not cause:
                    known = Checkpoint(self.origin, self.size, self.root)
                self._begin_epoch(epoch + 1, "what was signed last is not known any more", known, now)
            elif cause and self._signed.signed.note:
                last, _ = open_checkpoint(self._signed.signed.note, self._key)
                self._begin_epoch(epoch + 1, cause, last, now)
            elif held is not None:
                self._begin_epoch(epoch + 1, cause, Checkpoint(self.origin, 0, merkle.EMPTY_ROOT), now)
            elif cause:
                self._begin_again(cause)
            elif self.size > self._signed_size:
                self._sign_and_keep(self._tree)
            self._signed.write(self._signed.signed._replace(starts=self._next_start()))
        except BlockingIOError:
            raise LogError(f"{folder}: another gateway uses this log; stop it first") from None
        except (OSError, sqlite3.Error) as error:
            raise LogError(f"{folder}: the log cannot be opened: {error}") from None

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

    def append(self, entries: Sequence[Append]) -> int:
        """The new size, once the entries and the checkpoint that covers them are on disk; LogError: none of them is."""
        with self._errors():
            if self._must_cut:
                self._cut()
            tree = self._tree.copy()
            self._store_entries(entries, tree)
            self._must_cut = True  # until the checkpoint is on disk these entries do not count
            self._sign_and_keep(tree)
            self._must_cut = False
        self._tree = tree
        return tree.size

    def rotate(self, public: bytes, sign: Sign, now: Now) -> None:
        """End this epoch; the next one begins under another key. LogError: the old one goes on."""
        last = Checkpoint(self.origin, self.size, self.root)
        self._public, self._sign = public, sign
        with self._errors():
            self._begin_epoch(self.epoch + 1, "the log's key was rotated", last, now)

    def _store_entries(self, entries: Sequence[Append], tree: Tree) -> None:
        rows: list[tuple[int, str, bytes, bytes]] = []
        packs: list[tuple[str, int, int, bytes, int]] = []
        heads: list[tuple[str, int, int, bytes]] = []
        notes: list[tuple[str, bytes, int]] = []
        for item in entries:
            salt = self._random(SALT_SIZE)
            index = tree.size
            rows.append((index, item.stream, salt, item.data))
            tree.append(merkle.leaf_hash(commitment(salt, item.data)))
            notes += [(key, value, index) for key, value in item.notes.items()]
            if place := item.pack:
                packs.append((place.device, place.boot, place.sequence, place.hash, index))
                if place.head:
                    heads.append((place.device, place.boot, place.sequence, place.hash))
        with self._store.transaction():
            self._store.add_entries(rows)
            self._store.add_tiles(tree.full)
            self._store.add_packs(packs)
            self._store.set_heads(heads)
            for key, value, index in notes:
                self._store.set_note(key, value, index, self.size)
        tree.full = []

    def _sign_and_keep(self, tree: Tree) -> None:
        checkpoint = Checkpoint(self.origin, tree.size, tree.root())
        note = sign_note(checkpoint.text(), self._key, self._sign).encode()
        self._signed.write(Signed(note, self.starts))

    def _cut(self) -> None:
        with self._store.transaction():
            self._store.cut(self.size)
        self._must_cut = False

    # --- start-up ---

    def _newest_epoch(self) -> int:
        """The newest epoch that signed anything; one that a power cut left at its beginning is begun anew."""
        epoch = newest_epoch(self.folder)
        while epoch and not read_signed(self.folder, epoch):
            self._remove(epoch)
            epoch -= 1
        return epoch

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
            self._store = Store(database)
        except sqlite3.DatabaseError as error:
            if _passing(error):
                raise
            self._store = Store(Path(":memory:"))  # in its place until _damage has told
            self._unusable = str(error)

    def _next_start(self) -> int:
        step = int.from_bytes(self._random(_BOOT_STEP_BYTES), "big") if self.starts < _BOOT_FEW else 0
        return self.starts + 1 + step

    def _held_elsewhere(self, epoch: int, sound: bool) -> int | None:
        """The size that a witness holds of this epoch and that its signed checkpoint does not contain.

        MAX_SIZE when it holds something of the next epoch: then this one has ended, whatever is on this disk.
        `sound`: the tree is what was signed, so that it can prove what it extends.
        """
        if not self._witnessed:
            return None
        if self._witnessed(self._empty_checkpoint(epoch + 1), None) is not None:
            return merkle.MAX_SIZE
        note = self._signed.signed.note
        prove = self.consistency_proof if note and sound and self.size == self._signed_size else None
        return self._witnessed(note or self._empty_checkpoint(epoch), prove)

    def _contradiction(self, held: int | None) -> str:
        """Why the epoch cannot go on after what a witness holds; empty when it can."""
        # More than the last slot that can be read, but not more than the entries: so it is after a spoiled slot.
        if held is None or self._signed_size < held <= self.size:
            return ""
        told = "something of a later epoch" if held == merkle.MAX_SIZE else f"{held} entries that are not these"
        return f"a witness has co-signed {told}"

    def _empty_checkpoint(self, epoch: int) -> bytes:
        """A question in form: every history begins with the empty tree, so to sign it says nothing."""
        key = NoteKey(str(Origin(self._site, epoch)), ED25519, self._public)
        return sign_note(Checkpoint(key.name, 0, merkle.EMPTY_ROOT).text(), key, self._sign).encode()

    def _unheard_of(self, epoch: int) -> int:
        """The first epoch from `epoch` on of which no witness holds anything."""
        for candidate in range(epoch, epoch + _EPOCHS_ASKED):
            if not self._witnessed or self._witnessed(self._empty_checkpoint(candidate), None) is None:
                return candidate
        # So many, or a witness that says so of whatever it is asked. A number at random has been nobody's.
        return epoch + _EPOCHS_ASKED + int.from_bytes(self._random(3), "big")

    def _damage(self) -> str:
        """Load the tree. Why this epoch cannot go on with this disk; empty when it can."""
        self._signed_size = 0
        note = self._signed.signed.note
        size, root = 0, merkle.EMPTY_ROOT
        if note:
            try:
                checkpoint, _ = open_checkpoint(note, self._key)
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
            if stored > size:
                # The slot that covered them is spoiled. Perhaps its write was cut, perhaps it rotted after they had
                # been acknowledged. To keep them is right for both: the same entries make the same checkpoint again.
                self.found = f"the last checkpoint is spoiled; {stored - size} entries after the one before it are kept"
                self._tree = load_tree(self._store, stored)
            self.check(max(0, self.size - _CHECKED_AT_START), self.size)
        except (sqlite3.DatabaseError, EvidenceError, KeyError) as error:
            if _passing(error):
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
        self._tree = load_tree(self._store, 0)
        self._signed.write(Signed(b"", starts))

    def _begin_epoch(self, epoch: int, cause: str, last: Checkpoint, now: Now) -> None:
        before = self._key.name
        # A boot number is used once. Where the count is lost, the packs tell: the gateway's own are among them.
        starts = max(self.starts, self._store.highest_boot() if self._last_signed_is_lost else 0)
        epoch = self._unheard_of(epoch)
        self.found = f"{before} ended: {cause}; {self._site}/log/{epoch} begins"
        self.close()
        self._open(epoch)
        self._tree = load_tree(self._store, 0)
        self._signed.write(Signed(b"", starts))
        time_ms, quality = now()
        body = epoch_body(before, last.size, last.root, cause)
        self.append([Append("gateway", encode_entry(Kind.EPOCH, time_ms, quality, body))])


def _passing(error: BaseException) -> bool:
    """Whether the disk refused for now (full, busy, no rights, I/O error) rather than holding something wrong."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, OSError) or (code is not None and code & 0xFF in _PASSING)
