"""What can be asked of a log: entries, proofs, heads; at its last checkpoint, whoever else has it open."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import commitment
from wayside.evidence.epoch import Continuation, EpochLink, named_in
from wayside.evidence.heads import Heads, ProvenHead, StreamHead, committed
from wayside.evidence.note import Checkpoint, Note, parse_checkpoint, parse_note
from wayside.evidence.origin import is_epoch, parse_origin
from wayside.text.reason import reason

from .errors import LogError, as_log_error, hint, passing, told
from .signed import newest
from .store import ChainName, ChainPlace, LogStore, StoredEntry
from .tree import WIDTH, Tree

_MAX_LINKS = 32  # epochs that a witness has not heard of; 64 KiB of a request hold them


class LogReader:
    """One epoch of a log as its last checkpoint covers it. Signatures are for the reader of a proof to check.

    Every question may end in a LogError: the disk refuses.
    """

    origin: str
    folder: Path
    epoch: int
    _store: LogStore
    _tree: Tree
    _heads: Heads

    def __init__(self, folder: Path, at: bytes = b"", epoch: int | None = None, read_only: bool = True):
        """LogError when there is no log in `folder`, or nothing signed yet. `epoch`: the newest when it is not given.

        `at`: an earlier checkpoint of the epoch, perhaps with cosignatures; the log is read as it was then.
        `read_only`: False for those who move the sinks' cursors, or erase, in an epoch that has ended.
        """
        self.folder = folder
        if not folder.exists():
            raise LogError(f"{folder}: there is no log yet; `wayside run` or `wayside keys install` begins one")
        try:
            self.epoch = epoch = newest_epoch(folder) if epoch is None else epoch
            self._note = read_signed(folder, epoch)
            checkpoint = parse_checkpoint(parse_note(self._note))
            if at:
                self._note, checkpoint = at, _earlier(parse_checkpoint(parse_note(at)), checkpoint)
            self.origin = checkpoint.origin
            if parse_origin(self.origin).epoch != epoch:
                raise EvidenceError(f"epoch {epoch} holds a checkpoint of {self.origin}")
            self._store = LogStore(epoch_path(folder, epoch, "sqlite"), read_only=read_only)
            self._tree = load_tree(self._store, checkpoint.size)
            if self._tree.root() != checkpoint.root:
                self._store.close()
                raise EvidenceError(f"it is not as its checkpoint of {checkpoint.size} entries says")
            self._heads = load_heads(self._store, checkpoint.size)
            if self._heads.commitment() != committed(checkpoint):
                self._store.close()
                raise EvidenceError(f"its streams are not as its checkpoint of {checkpoint.size} entries says")
        except (OSError, sqlite3.Error, EvidenceError) as error:
            raise LogError(f"{folder}: no log can be read here: {reason(error)}{hint(folder, error)}") from None

    def close(self) -> None:
        self._store.close()

    @property
    def checkpoint(self) -> bytes:
        """The signed note of the last checkpoint; empty before the first."""
        return self._note

    @property
    def size(self) -> int:
        return self._tree.size

    @property
    def root(self) -> bytes:
        return self._tree.root()

    @told
    def records(self, first: int, limit: int) -> list[StoredEntry]:
        """Up to `limit` entries, one for each index from `first` on; each is what the tree holds, or `damaged`."""
        end = min(first + limit, self.size)
        found = {record.index: record for record in self._stored_records(first, end)}
        every = [found.get(index) or _damaged(index) for index in range(first, end)]
        return [each if self._is_sound(each) else _damaged(each.index) for each in every]

    def _stored_records(self, first: int, end: int) -> list[StoredEntry]:
        """Without those on pages that hold something wrong."""
        try:
            return self._store.entries(first, end)
        except sqlite3.DatabaseError as error:
            if passing(error):
                raise
            if end - first <= 1:
                return []
        middle = (first + end) // 2
        return self._stored_records(first, middle) + self._stored_records(middle, end)

    def _is_sound(self, record: StoredEntry) -> bool:
        """Whether it is what was logged, or erased."""
        if not record.salt:
            return not record.damaged
        try:
            return merkle.leaf_hash(commitment(record.salt, record.entry)) == self._tree.perfect(0, record.index)
        except EvidenceError:  # the salt has another length, or the tile is missing
            return False
        except sqlite3.DatabaseError as error:
            if passing(error):
                raise
            return False

    @told
    def oldest(self, stream: str, first: int, limit: int) -> list[tuple[int, StoredEntry]]:
        """(number, entry) of the first `limit` of `stream` from number `first` on that may be erased, and are not."""
        return self._store.oldest(stream, first, self.erasable, limit)

    @told
    def stored(self, stream: str) -> tuple[int, int]:
        """(bytes of a stream's entries that are not erased, number of its entries, erased ones too)."""
        return self._store.stored(stream)

    @told
    def disk_bytes(self) -> int:
        """What the files of all epochs take, without the room that this one has for more entries."""
        return sum(path.stat().st_size for path in self.folder.iterdir()) - self._store.free_bytes()

    @told
    def indexes_of(self, stream: str, first: int, end: int) -> list[int]:
        """The indexes of the stream's entries with numbers in [first, end), ascending."""
        return self._store.indexes_of(stream, first, min(end, self._heads.get(stream).count))

    def stream(self, stream: str, first: int = 0) -> Iterator[StoredEntry]:
        """The stream's entries from number `first` on."""
        for index in self.indexes_of(stream, first, self.size):
            yield from self.records(index, 1)

    def newest(self, stream: str, most: int) -> Iterator[StoredEntry]:
        """The stream's newest entries, `most` of them, the newest first."""
        count = self._heads.get(stream).count
        for index in reversed(self.indexes_of(stream, max(0, count - most), count)):
            yield from self.records(index, 1)

    def streams(self) -> list[StreamHead]:
        """The head of every stream, sorted by name."""
        return list(self._heads)

    def head(self, stream: str) -> ProvenHead:
        """The stream's head under the checkpoint, with its proof; EvidenceError when the log has nothing of it."""
        at, hashes = self._heads.proof(stream)
        return ProvenHead(self._heads.get(stream), at, tuple(hashes))

    @told
    def numbers_between(self, stream: str, from_ms: int, to_ms: int) -> tuple[int, int] | None:
        """(first number, one more than the last) of the stream's entries logged in [from, to); None: there is none.

        By the gateway's clock, which may have gone back: what lies between the two by number belongs to it.
        """
        found = self._store.numbers_between(stream, from_ms, to_ms)
        count = self._heads.get(stream).count
        return (found[0], min(found[1], count)) if found and found[0] < count else None

    @told
    def subset_proof(self, ranges: Sequence[merkle.Range]) -> list[bytes]:
        """See evidence.merkle.subset_proof, at the log's size. LogError when the stored tree gives none that holds."""
        try:
            hashes = merkle.subset_proof(self.size, ranges, self._tree.perfect)
            leaves = (self._tree.perfect(0, index) for first, end in ranges for index in range(first, end))
            root = merkle.root_from_subset(self.size, ranges, leaves, hashes)
        except EvidenceError as error:
            raise LogError(f"{self.folder}: the stored tree is damaged: {error}") from None
        if root != self.root:
            what = f"entries {ranges[0][0]} to {ranges[-1][1] - 1}"
            raise LogError(f"{self.folder}: the stored tree is damaged: it proves nothing of {what}")
        return hashes

    @told
    def inclusion_proof(self, index: int) -> list[bytes]:
        return merkle.inclusion_proof(index, self.size, self._tree.perfect)

    @told
    def consistency_proof(self, old: int) -> list[bytes]:
        return merkle.consistency_proof(old, self.size, self._tree.perfect)

    @told
    def root_at(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        return merkle.root_hash(size, self._tree.perfect)

    @told
    def at(self, size: int) -> Checkpoint:
        """The checkpoint of the first `size` entries."""
        heads = load_heads(self._store, size).commitment()
        return Checkpoint(self.origin, size, self.root_at(size), (heads.line(),))

    def contains(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint of this site is one of this history, as it is on disk now.

        Of an earlier epoch it is when this one can be shown to go on from it. LogError when the disk cannot tell now:
        what cannot be read is no contradiction.
        """
        epoch = parse_origin(checkpoint.origin).epoch
        if checkpoint.origin == self.origin and checkpoint.size <= self.size:
            return self.at(checkpoint.size) == checkpoint
        if epoch < self.epoch:
            try:
                return bool(self.continuation(checkpoint).links)
            except LogError:
                return False
        if epoch > self.epoch and epoch not in epochs(self.folder):
            return False
        # Others may have been shown what is newer than this reader; it is on disk before that.
        with closing(LogReader(self.folder, epoch=epoch)) as log:
            is_here = checkpoint.origin == log.origin and checkpoint.size <= log.size
            return is_here and log.at(checkpoint.size) == checkpoint

    def continuation(self, known: Checkpoint) -> Continuation:
        """What shows that this epoch goes on from a checkpoint of an earlier one; LogError when it does not."""
        links: list[EpochLink] = []
        log, stack = self, ExitStack()
        with stack:
            while len(links) < _MAX_LINKS:
                first = log.records(0, 1)
                if not first or not first[0].salt:
                    break
                links.append(EpochLink(first[0].salt, first[0].entry, log.inclusion_proof(0)))
                ends = self._ends_before(first[0].entry, log.origin)
                for end, note in ends:
                    if (proof := self._proof_between(known, end, note.encode())) is not None:
                        return Continuation(links, proof)
                if not ends or parse_origin(ends[0][0].origin).epoch <= parse_origin(known.origin).epoch:
                    break
                before, note = ends[0]
                log = LogReader(self.folder, note.encode(), parse_origin(before.origin).epoch)
                stack.callback(log.close)
        raise LogError(f"{self.folder}: {self.origin} does not go on from {known.origin} with {known.size} entries")

    def _ends_before(self, entry: bytes, origin: str) -> list[tuple[Checkpoint, Note]]:
        """The checkpoints that the first entry of an epoch names; none where that is no epoch entry."""
        try:
            return named_in(entry, parse_origin(origin))
        except EvidenceError:
            return []

    def _proof_between(self, known: Checkpoint, end: Checkpoint, note: bytes) -> list[bytes] | None:
        """The consistency proof from one checkpoint of an earlier epoch to another; None when there is none."""
        if end.origin != known.origin or end.size < known.size:
            return None
        if end.size == known.size:
            return [] if end.root == known.root else None
        if not known.size:
            return []
        try:
            with closing(LogReader(self.folder, note, parse_origin(end.origin).epoch)) as log:
                return log.consistency_proof(known.size) if log.root_at(known.size) == known.root else None
        except LogError:
            return None

    @told
    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the full subtree of 2**level leaves at `index`."""
        return self._tree.perfect(level, index)

    @told
    def chain_heads(self) -> dict[ChainName, ChainPlace]:
        """The newest pack of each device by each key."""
        return self._store.chain_heads()

    @told
    def find_pack(self, chain: ChainName, boot: int, sequence: int) -> bytes | None:
        """The hash of a pack that is in the log."""
        return self._store.pack_hash(chain, boot, sequence)

    @told
    def packs_beside(self, chain: ChainName, boot: int, sequence: int) -> tuple[tuple[ChainPlace, int] | None, ...]:
        """(the pack before, the pack behind) a place of a chain that has none, each with its entry's index."""
        return self._store.packs_beside(chain, boot, sequence)

    @told
    def is_named_lost(self, chain: ChainName, boot: int, sequence: int, with_end: bool = False) -> bool:
        """Whether an entry says that this pack will not come; `with_end`: one that says up to which that goes."""
        return self._store.is_named_lost(chain, boot, sequence, with_end)

    @told
    def cursor(self, name: str) -> int:
        return self._store.cursor(name)

    def set_cursor(self, name: str, index: int) -> None:
        with self._errors():
            self._store.set_cursor(name, index)

    def bury(self, sink: str, index: int, reason: str) -> None:
        with self._errors():
            self._store.bury(sink, index, reason)

    @told
    def dead_letters(self) -> list[tuple[str, int, str]]:
        """(sink, index, reason) of every entry that a sink will never take."""
        return self._store.dead_letters()

    def _errors(self) -> AbstractContextManager[None]:
        return as_log_error(self.folder, "{}; nothing of it was acknowledged")

    # --- retention ---

    @property
    @told
    def erasable(self) -> int:
        """Entries below this index may be erased: what the last, partial tile covers is needed to load the tree."""
        return self.size if self._store.tile(0, self.size // WIDTH) else self.size - self.size % WIDTH

    def keep_hashes(self) -> None:
        """LogStore the last tile of an epoch that has ended, partial as it is; then its entries may be erased too."""
        first = self.size - self.size % WIDTH
        if self.erasable < self.size:
            hashes = b"".join(self._tree.perfect(0, index) for index in range(first, self.size))
            with self._errors():
                self._store.add_tiles([(0, first // WIDTH, hashes, b"")])

    def erase(self, stream: str, first: int, end: int) -> int:
        """Erase salt and data of a stream's entries with numbers in [first, end); how many. All proofs stay."""
        with self._errors():
            return self._store.erase(stream, first, end, self.erasable)

    def compact(self) -> None:
        """Of an epoch that has ended: give the disk back what nothing will fill. LogError when the disk refuses."""
        with self._errors():
            self._store.compact()

    @told
    def note(self, key: str) -> bytes | None:
        """A small fact that came with an entry."""
        return self._store.note(key, self.size)

    @told
    def check(self, first: int, end: int) -> None:
        """EvidenceError unless the entries [first, end) are those that the tree holds."""
        for record in self.records(first, end - first):
            if record.damaged:
                raise EvidenceError(f"entry {record.index} is not what was logged")

    def check_stream(self, stream: str) -> None:
        """EvidenceError unless all entries of `stream` are there, and are those that the tree holds."""
        count = self._heads.get(stream).count
        indexes = self._store.indexes_of(stream, 0, count)
        if len(indexes) != count:
            raise EvidenceError(f"{count - len(indexes)} entries of {stream} are missing")
        for index in indexes:
            self.check(index, index + 1)


def _damaged(index: int) -> StoredEntry:
    return StoredEntry(index, b"", b"", damaged=True)


def _earlier(checkpoint: Checkpoint, last: Checkpoint) -> Checkpoint:
    if checkpoint.origin != last.origin or checkpoint.size > last.size:
        raise EvidenceError(f"{checkpoint.origin} with {checkpoint.size} entries is not contained in {last.origin}")
    return checkpoint


def load_tree(store: LogStore, size: int) -> Tree:
    """The tree over the first `size` entries of `store`."""
    first = size - size % WIDTH
    recent = store.entries(first, size)
    if len(recent) != size - first:
        raise EvidenceError(f"entries after {first} are missing")
    # The tile is there when the log has grown beyond `size`, or has ended; then its entries may be erased.
    if tile := store.tile(0, first // WIDTH):
        leaves = [tile[at : at + merkle.HASH_SIZE] for at in range(0, len(tile), merkle.HASH_SIZE)][: len(recent)]
    else:
        leaves = [merkle.leaf_hash(commitment(each.salt, each.entry)) for each in recent]
    return Tree(store, size, leaves)


def load_heads(store: LogStore, size: int) -> Heads:
    """The heads of the streams over the first `size` entries of `store`."""
    return Heads(StreamHead(*each) for each in store.heads(size))


def epoch_path(folder: Path, epoch: int, ending: str) -> Path:
    return folder / f"epoch-{epoch}.{ending}"


def read_signed(folder: Path, epoch: int) -> bytes:
    """The last signed checkpoint of an epoch; empty before the first. OSError when the file cannot be read."""
    return newest(epoch_path(folder, epoch, "signed").read_bytes())[1].note


def newest_epoch(folder: Path) -> int:
    """0 before the first."""
    return max(epochs(folder), default=0)


def epochs(folder: Path, ending: str = "signed") -> list[int]:
    """The numbers of the epochs that began in `folder`: those that have a file of this ending."""
    found = [re.fullmatch(rf"epoch-([0-9]+)\.{ending}", path.name) for path in folder.iterdir()]
    return [int(match[1]) for match in found if match and is_epoch(match[1])]
