"""Entries, tiles, packs' places, heads and cursors in SQLite.

WAL with synchronous=FULL: a commit is on disk when it returns. An index is a leaf's place in the tree, given by the
log and never by the database, so an emptied table cannot hand out an old one again.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry(idx INTEGER PRIMARY KEY, stream TEXT NOT NULL, salt BLOB, data BLOB);
CREATE TABLE IF NOT EXISTS tile(level INTEGER, idx INTEGER, hashes BLOB NOT NULL, root BLOB NOT NULL,
    PRIMARY KEY(level, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pack(device TEXT, boot INTEGER, sequence INTEGER, hash BLOB NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY(device, boot, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pack_idx ON pack(idx);
CREATE TABLE IF NOT EXISTS head(device TEXT PRIMARY KEY, boot INTEGER, sequence INTEGER, hash BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor(name TEXT PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letter(sink TEXT, idx INTEGER, reason TEXT, PRIMARY KEY(sink, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact(key TEXT, idx INTEGER, value BLOB NOT NULL, PRIMARY KEY(key, idx)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as stored; salt and entry are empty once retention has erased them."""

    index: int
    salt: bytes
    entry: bytes


class Place(NamedTuple):
    """A pack's place in its device's sequence."""

    boot: int
    sequence: int
    hash: bytes


class Store:
    """One database, used by one thread. Errors are sqlite3.Error."""

    def __init__(self, path: Path, read_only: bool = False):
        if read_only:
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
            return
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten, not just forgotten
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block has been left."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk may have rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # --- entries and tiles ---

    def add_entries(self, rows: Iterable[tuple[int, str, bytes, bytes]]) -> None:
        self._db.executemany("INSERT INTO entry VALUES(?, ?, ?, ?)", rows)

    def add_tiles(self, rows: Iterable[tuple[int, int, bytes, bytes]]) -> None:
        self._db.executemany("INSERT INTO tile VALUES(?, ?, ?, ?)", rows)

    def size(self) -> int:
        """One more than the highest index."""
        (highest,) = self._db.execute("SELECT max(idx) FROM entry").fetchone()
        return 0 if highest is None else int(highest) + 1

    def entries(self, first: int, end: int) -> list[Record]:
        query = "SELECT idx, salt, data FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
        rows = self._db.execute(query, (first, end))
        return [Record(index, salt or b"", data or b"") for index, salt, data in rows]

    def indexes_of(self, streams: Iterable[str], end: int, beginning: bytes = b"") -> list[int]:
        """The indexes below `end` of the entries of `streams` whose data begins so, ascending."""
        names = list(streams)
        marks = ",".join("?" * len(names))
        begins = "AND substr(data, 1, ?) = ?" if beginning else ""
        query = f"SELECT idx FROM entry WHERE stream IN ({marks}) AND idx < ? {begins} ORDER BY idx"
        more = (len(beginning), beginning) if beginning else ()
        return [index for (index,) in self._db.execute(query, (*names, end, *more))]

    def oldest(self, stream: str, first: int, end: int, limit: int) -> list[Record]:
        """The first `limit` entries of `stream` in [first, end) that are not erased."""
        query = (
            "SELECT idx, salt, data FROM entry WHERE idx >= ? AND idx < ? AND stream = ? AND salt IS NOT NULL"
            " ORDER BY idx LIMIT ?"
        )
        return [Record(*row) for row in self._db.execute(query, (first, end, stream, limit))]

    def stored_bytes(self, stream: str, first: int, end: int) -> int:
        """The size of a stream's entries in [first, end), without what SQLite adds."""
        query = "SELECT total(length(data)) FROM entry WHERE idx >= ? AND idx < ? AND stream = ?"
        return int(self._db.execute(query, (first, end, stream)).fetchone()[0])

    def erase(self, stream: str, first: int, end: int) -> int:
        """Overwrite salt and data of a stream's entries in [first, end); how many. No copy is left in the WAL."""
        where = "WHERE idx >= ? AND idx < ? AND stream = ? AND salt NOTNULL"
        with self.transaction():
            found = self._db.execute(f"SELECT idx, stream FROM entry {where}", (first, end, stream)).fetchall()
            # Not an UPDATE: that leaves every page in its place, nearly empty, and the file would grow for ever.
            self._db.execute(f"DELETE FROM entry {where}", (first, end, stream))
            self._db.executemany("INSERT INTO entry VALUES(?, ?, NULL, NULL)", found)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)

    def free_bytes(self) -> int:
        """Room in the file that what was erased has left, for what comes."""
        (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
        (size,) = self._db.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(size)

    def compact(self) -> None:
        """Give free pages back to the disk, once they are most of the file: that means to write the rest anew."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        if 2 * free > pages:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def tile(self, level: int, index: int) -> bytes | None:
        row = self._db.execute("SELECT hashes FROM tile WHERE level = ? AND idx = ?", (level, index)).fetchone()
        return row[0] if row else None

    def tile_roots(self, level: int, first: int) -> list[bytes]:
        rows = self._db.execute("SELECT root FROM tile WHERE level = ? AND idx >= ? ORDER BY idx", (level, first))
        return [root for (root,) in rows]

    def cut(self, size: int) -> None:
        """Forget everything from index `size` on, as if it had never been written. Inside a transaction."""
        devices = self._db.execute("SELECT DISTINCT device FROM pack WHERE idx >= ?", (size,)).fetchall()
        self._db.execute("DELETE FROM entry WHERE idx >= ?", (size,))
        self._db.execute("DELETE FROM pack WHERE idx >= ?", (size,))
        self._db.execute("DELETE FROM fact WHERE idx >= ?", (size,))
        level, tiles = 0, size >> 8
        while self._db.execute("DELETE FROM tile WHERE level = ? AND idx >= ?", (level, tiles)).rowcount or tiles:
            level, tiles = level + 1, tiles >> 8
        self._db.executemany("DELETE FROM head WHERE device = ?", devices)
        self._db.executemany(
            "INSERT INTO head SELECT device, boot, sequence, hash FROM pack WHERE device = ?"
            " ORDER BY boot DESC, sequence DESC LIMIT 1",
            devices,
        )

    # --- packs ---

    def add_packs(self, rows: Iterable[tuple[str, int, int, bytes, int]]) -> None:
        self._db.executemany("INSERT INTO pack VALUES(?, ?, ?, ?, ?)", rows)

    def highest_boot(self) -> int:
        (highest,) = self._db.execute("SELECT max(boot) FROM pack").fetchone()
        return highest or 0

    def set_heads(self, rows: Iterable[tuple[str, int, int, bytes]]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO head VALUES(?, ?, ?, ?)", rows)

    def heads(self) -> dict[str, Place]:
        rows = self._db.execute("SELECT device, boot, sequence, hash FROM head")
        return {device: Place(boot, sequence, digest) for device, boot, sequence, digest in rows}

    def pack_hash(self, device: str, boot: int, sequence: int) -> bytes | None:
        query = "SELECT hash FROM pack WHERE device = ? AND boot = ? AND sequence = ?"
        row = self._db.execute(query, (device, boot, sequence)).fetchone()
        return row[0] if row else None

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
