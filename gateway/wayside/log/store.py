"""Entries, streams, tiles, packs' places and cursors in SQLite.

WAL with synchronous=FULL: a commit is on disk when it returns. An index is a leaf's place in the tree, given by the
log and never by the database, so an emptied table cannot hand out an old one again.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_VERSION = 3  # of the tables; PRAGMA user_version
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, count INTEGER NOT NULL,
    last INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entry(idx INTEGER PRIMARY KEY, stream INTEGER NOT NULL, number INTEGER NOT NULL,
    at INTEGER NOT NULL, salt BLOB, data BLOB);
CREATE INDEX IF NOT EXISTS entry_place ON entry(stream, number, at);
CREATE TABLE IF NOT EXISTS tile(level INTEGER, idx INTEGER, hashes BLOB NOT NULL, root BLOB NOT NULL,
    PRIMARY KEY(level, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chain(id INTEGER PRIMARY KEY, device TEXT NOT NULL, kid BLOB NOT NULL, boot INTEGER NOT NULL,
    sequence INTEGER NOT NULL, hash BLOB NOT NULL, UNIQUE(device, kid));
CREATE TABLE IF NOT EXISTS pack(chain INTEGER, boot INTEGER, sequence INTEGER, hash BLOB NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY(chain, boot, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pack_idx ON pack(idx);
CREATE TABLE IF NOT EXISTS gap(chain INTEGER, boot INTEGER, first INTEGER, last INTEGER, idx INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS gap_place ON gap(chain, boot, first);
CREATE TABLE IF NOT EXISTS cursor(name TEXT PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letter(sink TEXT, idx INTEGER, reason TEXT, PRIMARY KEY(sink, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact(key TEXT, idx INTEGER, value BLOB NOT NULL, PRIMARY KEY(key, idx)) WITHOUT ROWID;
"""
ERASED = -1  # in the place of a time
LEFT_BY_ERASED = 128  # bytes on disk that stay of each entry: its row, its hash, its pack's place


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as stored; salt and entry are empty once retention has erased them.

    They are empty too where the disk does not give any more what was logged: `damaged`.
    """

    index: int
    salt: bytes
    entry: bytes
    damaged: bool = False


class ChainPlace(NamedTuple):
    """A pack's place in the sequence of its device's chain."""

    boot: int
    sequence: int
    hash: bytes


class ChainName(NamedTuple):
    """Whose packs: a device's, by the key with this key id. A board that is replaced begins another chain."""

    device: str
    kid: bytes


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry to store: its index, its stream and number there, its time (ms since 1970), salt and data."""

    index: int
    stream: str
    number: int
    at_ms: int
    salt: bytes
    data: bytes


_ID = "(SELECT id FROM stream WHERE name = ?)"
_CHAIN = "(SELECT id FROM chain WHERE device = ? AND kid = ?)"


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file stands there, None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class LogStore:
    """One database, used by one thread. Errors are sqlite3.Error."""

    def __init__(self, path: Path, read_only: bool = False):
        self._streams: dict[str, int] = {}  # ids that are on disk
        self._chains: dict[ChainName, int] = {}
        if read_only:
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
            self._check_version()
            return
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten, not just forgotten
        self._check_version()
        # Tables and their version together, or neither: a cut between the two would leave a log that nobody reads.
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
        self._path = path
        self._file = _file_at(path)

    def _check_version(self) -> None:
        """sqlite3.NotSupportedError for the tables of another version: nothing of them is read or changed."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
        if version != _VERSION and tables:
            self._db.close()
            raise sqlite3.NotSupportedError(
                f"this log has the tables of version {version}, here is {_VERSION}; keep it, and begin another folder"
            )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block has been left."""
        if _file_at(self._path) != self._file:
            # SQLite would go on in a file that nobody finds again.
            raise sqlite3.OperationalError(f"{self._path} was removed or replaced meanwhile; start the gateway again")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._streams.clear()
            self._chains.clear()
            # A full disk may have rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- entries and tiles ---

    def add_entries(self, rows: Sequence[EntryRow]) -> None:
        """Entries in order, and with them what is known of their streams."""
        ids = {name: self._stream_id(name) for name in {row.stream for row in rows}}
        self._db.executemany(
            "INSERT INTO entry VALUES(?, ?, ?, ?, ?, ?)",
            [(row.index, ids[row.stream], row.number, row.at_ms, row.salt, row.data) for row in rows],
        )
        grown: dict[str, tuple[int, int, int]] = {}
        for row in rows:
            size = grown[row.stream][2] if row.stream in grown else 0
            grown[row.stream] = (row.number + 1, row.index, size + len(row.data))
        self._db.executemany(
            "UPDATE stream SET count = ?, last = ?, bytes = bytes + ? WHERE id = ?",
            [(*told, ids[name]) for name, told in grown.items()],
        )

    def _stream_id(self, name: str) -> int:
        if name not in self._streams:
            row = self._db.execute("SELECT id FROM stream WHERE name = ?", (name,)).fetchone()
            new = "INSERT INTO stream(name, count, last, bytes) VALUES(?, 0, -1, 0)"
            self._streams[name] = int(row[0]) if row else int(self._db.execute(new, (name,)).lastrowid or 0)
        return self._streams[name]

    def add_tiles(self, rows: Iterable[tuple[int, int, bytes, bytes]]) -> None:
        self._db.executemany("INSERT INTO tile VALUES(?, ?, ?, ?)", rows)

    def size(self) -> int:
        """One more than the highest index."""
        (highest,) = self._db.execute("SELECT max(idx) FROM entry").fetchone()
        return 0 if highest is None else int(highest) + 1

    def entries(self, first: int, end: int) -> list[StoredEntry]:
        """Those that are there; without salt and data only what was erased, else `damaged`."""
        # A rotten row may have another type.
        fields = "idx, at, CAST(salt AS BLOB), CAST(data AS BLOB)"
        rows = self._db.execute(f"SELECT {fields} FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (first, end))
        return [
            StoredEntry(index, salt, data or b"") if salt else StoredEntry(index, b"", b"", damaged=at != ERASED)
            for index, at, salt, data in rows
        ]

    def indexes_of(self, stream: str, first: int, end: int) -> list[int]:
        """The indexes of a stream's entries with numbers in [first, end), ascending."""
        query = f"SELECT idx FROM entry WHERE stream = {_ID} AND number >= ? AND number < ? ORDER BY number"
        return [index for (index,) in self._db.execute(query, (stream, first, end))]

    def heads(self, size: int) -> list[tuple[str, int, int]]:
        """(stream, count, index of its last entry) of every stream, of the entries below `size`."""
        found = []
        for name, count, last in self._db.execute("SELECT name, count, last FROM stream").fetchall():
            if last >= size:
                # Numbers and indexes ascend together: the last number below `size`, by halves.
                low, high = 0, count
                while low < high:
                    middle = (low + high) // 2
                    low, high = (middle + 1, high) if self._index_of(name, middle) < size else (low, middle)
                count, last = low, self._index_of(name, low - 1) if low else -1
            if count:
                found.append((name, count, last))
        return found

    def _index_of(self, stream: str, number: int) -> int:
        query = f"SELECT idx FROM entry WHERE stream = {_ID} AND number = ?"
        row = self._db.execute(query, (stream, number)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"entry {number} of {stream} is missing")
        return int(row[0])

    def numbers_between(self, stream: str, from_ms: int, to_ms: int) -> tuple[int, int] | None:
        """(first number, one more than the last) of a stream's entries logged in [from, to), and not erased."""
        query = f"SELECT min(number), max(number) FROM entry WHERE stream = {_ID} AND at >= ? AND at < ?"
        first, last = self._db.execute(query, (stream, max(0, from_ms), to_ms)).fetchone()
        return None if first is None else (first, last + 1)

    def oldest(self, stream: str, first: int, end: int, limit: int) -> list[tuple[int, StoredEntry]]:
        """(number, entry) of the first `limit` of a stream from number `first` on, below index `end`, not erased."""
        query = (
            f"SELECT number, idx, salt, data FROM entry WHERE stream = {_ID} AND number >= ? AND at >= 0 AND idx < ?"
            " ORDER BY number LIMIT ?"
        )
        rows = self._db.execute(query, (stream, first, end, limit))
        return [(number, StoredEntry(index, salt, data)) for number, index, salt, data in rows]

    def stored(self, stream: str) -> tuple[int, int]:
        """(bytes of a stream's entries that are not erased, number of its entries, erased ones too)."""
        row = self._db.execute("SELECT bytes, count FROM stream WHERE name = ?", (stream,)).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def erase(self, stream: str, first: int, end: int, below: int) -> int:
        """Overwrite salt and data of a stream's entries with numbers in [first, end) and indexes below `below`.

        How many. No copy is left in the WAL.
        """
        where = f"WHERE stream = {_ID} AND number >= ? AND number < ? AND at >= 0 AND idx < ?"
        bounds = (stream, first, end, below)
        with self.transaction():
            found = self._db.execute(f"SELECT idx, stream, number, length(data) FROM entry {where}", bounds).fetchall()
            # Not an UPDATE: that leaves every page in its place, nearly empty, and the file would grow for ever.
            self._db.execute(f"DELETE FROM entry {where}", bounds)
            kept = [(index, stream_id, number, ERASED) for index, stream_id, number, _ in found]
            self._db.executemany("INSERT INTO entry VALUES(?, ?, ?, ?, NULL, NULL)", kept)
            gone = sum(size for _, _, _, size in found)
            self._db.execute("UPDATE stream SET bytes = bytes - ? WHERE name = ?", (gone, stream))
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)

    def free_bytes(self) -> int:
        """Room in the file that what was erased has left, for what comes."""
        (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
        (size,) = self._db.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(size)

    def compact(self) -> None:
        """Give free pages back to the disk, once they are a quarter of the file: that means to write the rest anew."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        if 4 * free > pages:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def tile(self, level: int, index: int) -> bytes | None:
        query = "SELECT CAST(hashes AS BLOB) FROM tile WHERE level = ? AND idx = ?"
        row = self._db.execute(query, (level, index)).fetchone()
        return row[0] if row else None

    def tile_roots(self, level: int, first: int) -> list[bytes]:
        rows = self._db.execute("SELECT root FROM tile WHERE level = ? AND idx >= ? ORDER BY idx", (level, first))
        return [root for (root,) in rows]

    def cut(self, size: int) -> None:
        """Forget everything from index `size` on, as if it had never been written. Inside a transaction."""
        self._streams.clear()
        self._chains.clear()
        chains = self._db.execute("SELECT DISTINCT chain FROM pack WHERE idx >= ?", (size,)).fetchall()
        cut = "SELECT stream, total(length(data)), min(number) FROM entry WHERE idx >= ? GROUP BY stream"
        streams = self._db.execute(cut, (size,)).fetchall()
        for table in ("entry", "pack", "gap", "fact"):
            self._db.execute(f"DELETE FROM {table} WHERE idx >= ?", (size,))
        for stream, gone, count in streams:
            last = "SELECT max(idx) FROM entry WHERE stream = ?1"
            update = f"UPDATE stream SET count = ?2, last = ifnull(({last}), -1), bytes = bytes - ?3 WHERE id = ?1"
            self._db.execute(update, (stream, count, int(gone)))
        self._db.execute("DELETE FROM stream WHERE count = 0")
        level, tiles = 0, size >> 8
        while self._db.execute("DELETE FROM tile WHERE level = ? AND idx >= ?", (level, tiles)).rowcount or tiles:
            level, tiles = level + 1, tiles >> 8
        for (chain,) in chains:
            head = "SELECT boot, sequence, hash FROM pack WHERE chain = ? ORDER BY boot DESC, sequence DESC LIMIT 1"
            row = self._db.execute(head, (chain,)).fetchone()
            if row:
                self._db.execute("UPDATE chain SET boot = ?, sequence = ?, hash = ? WHERE id = ?", (*row, chain))
            else:
                self._db.execute("DELETE FROM chain WHERE id = ?", (chain,))

    # --- packs ---

    def add_packs(self, rows: Iterable[tuple[ChainName, int, int, bytes, int]]) -> None:
        """(chain, boot, sequence, hash, index) of each."""
        named = [(self._chain_id(chain), *place) for chain, *place in rows]
        self._db.executemany("INSERT INTO pack VALUES(?, ?, ?, ?, ?)", named)

    def add_gaps(self, rows: Iterable[tuple[ChainName, int, int, int | None, int]]) -> None:
        """(chain, boot, first, last or None, index) of each."""
        named = [(self._chain_id(chain), *place) for chain, *place in rows]
        self._db.executemany("INSERT INTO gap VALUES(?, ?, ?, ?, ?)", named)

    def _chain_id(self, chain: ChainName) -> int:
        if chain not in self._chains:
            row = self._db.execute("SELECT id FROM chain WHERE device = ? AND kid = ?", chain).fetchone()
            new = "INSERT INTO chain(device, kid, boot, sequence, hash) VALUES(?, ?, 0, 0, x'')"
            self._chains[chain] = int(row[0]) if row else int(self._db.execute(new, chain).lastrowid or 0)
        return self._chains[chain]

    def highest_boot(self) -> int:
        (highest,) = self._db.execute("SELECT max(boot) FROM pack").fetchone()
        return highest or 0

    def set_chain_heads(self, rows: Iterable[tuple[ChainName, int, int, bytes]]) -> None:
        """(chain, boot, sequence, hash) of the newest pack of each."""
        named = [(boot, sequence, digest, self._chain_id(chain)) for chain, boot, sequence, digest in rows]
        self._db.executemany("UPDATE chain SET boot = ?, sequence = ?, hash = ? WHERE id = ?", named)

    def chain_heads(self) -> dict[ChainName, ChainPlace]:
        """The newest pack of each chain."""
        rows = self._db.execute("SELECT device, kid, boot, sequence, hash FROM chain WHERE hash <> x''")
        return {
            ChainName(device, kid): ChainPlace(boot, sequence, digest) for device, kid, boot, sequence, digest in rows
        }

    def pack_hash(self, chain: ChainName, boot: int, sequence: int) -> bytes | None:
        query = f"SELECT hash FROM pack WHERE chain = {_CHAIN} AND boot = ? AND sequence = ?"
        row = self._db.execute(query, (*chain, boot, sequence)).fetchone()
        return row[0] if row else None

    def packs_beside(self, chain: ChainName, boot: int, sequence: int) -> tuple[tuple[ChainPlace, int] | None, ...]:
        """(the pack before, the pack behind) a place of a chain that has none, each with its entry's index."""
        query = f"SELECT boot, sequence, hash, idx FROM pack WHERE chain = {_CHAIN} AND (boot, sequence)"
        before = f"{query} < (?, ?) ORDER BY boot DESC, sequence DESC LIMIT 1"
        behind = f"{query} > (?, ?) ORDER BY boot, sequence LIMIT 1"
        rows = (self._db.execute(each, (*chain, boot, sequence)).fetchone() for each in (before, behind))
        return tuple((ChainPlace(*row[:3]), row[3]) if row else None for row in rows)

    def is_named_lost(self, chain: ChainName, boot: int, sequence: int, with_end: bool = False) -> bool:
        """Whether an entry says that this pack will not come; `with_end`: one that says up to which that goes."""
        last = "last" if with_end else "ifnull(last, first + 4294967296)"
        query = f"SELECT 1 FROM gap WHERE chain = {_CHAIN} AND boot = ? AND first <= ? AND {last} >= ? LIMIT 1"
        return self._db.execute(query, (*chain, boot, sequence, sequence)).fetchone() is not None

    # --- small things by name ---

    def cursor(self, name: str) -> int:
        row = self._db.execute("SELECT idx FROM cursor WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0

    def set_cursor(self, name: str, index: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO cursor VALUES(?, ?)", (name, index))

    def bury(self, sink: str, index: int, reason: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO dead_letter VALUES(?, ?, ?)", (sink, index, reason))

    def dead_letters(self) -> list[tuple[str, int, str]]:
        return list(self._db.execute("SELECT sink, idx, reason FROM dead_letter ORDER BY sink, idx"))

    def note(self, key: str, end: int) -> bytes | None:
        """What was noted last with an entry below `end`."""
        query = "SELECT value FROM fact WHERE key = ? AND idx < ? ORDER BY idx DESC LIMIT 1"
        row = self._db.execute(query, (key, end)).fetchone()
        return row[0] if row else None

    def set_note(self, key: str, value: bytes, index: int, durable: int) -> None:
        """Note with the entry `index`. The last one below `durable` is kept too, for entries that are cut off again."""
        self._db.execute("INSERT OR REPLACE INTO fact VALUES(?, ?, ?)", (key, index, value))
        older = "SELECT max(idx) FROM fact WHERE key = ? AND idx < ?"
        self._db.execute(f"DELETE FROM fact WHERE key = ? AND idx < ({older})", (key, key, durable))
