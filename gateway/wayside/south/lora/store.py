"""What the receiver must still know after a reboot: last counters, reports whose pack is not signed yet, orders.

One SQLite file. A frame's counter and its report become durable in one transaction before anything is done with them:
no replay gets in by a power cut, and none of what was heard is lost by one.
"""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_SIGNED = 1024  # packs of a node that are known by their signature: more than its journal may offer again
MOST_WAITING = 256  # reports of one node that wait for their head

_SCHEMA = """
CREATE TABLE IF NOT EXISTS last (node INTEGER PRIMARY KEY, counter INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS said (
  node INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (node, content)
) STRICT;
CREATE TABLE IF NOT EXISTS waiting (
  number INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, boot INTEGER NOT NULL, quality INTEGER NOT NULL,
  time_s INTEGER NOT NULL, payload BLOB NOT NULL, heard_ms INTEGER NOT NULL, told INTEGER NOT NULL,
  UNIQUE (node, boot, quality, time_s)
) STRICT;
CREATE TABLE IF NOT EXISTS signed (
  number INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, signature BLOB NOT NULL, hash BLOB NOT NULL,
  UNIQUE (node, signature)
) STRICT;
CREATE TABLE IF NOT EXISTS status (node INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (
  node INTEGER NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, state INTEGER NOT NULL,
  command BLOB NOT NULL, PRIMARY KEY (node, version)
) STRICT;
"""

_WAITING = "number, boot, quality, time_s, payload, heard_ms, told"

Run = tuple[int, int, int]
"""(node, low six bits of its boot, time quality): what makes a report's time unique."""


class Waiting(NamedTuple):
    """A report that waits for its head. boot: its low six bits; heard_ms: UTC; told: the log knows that it waits."""

    number: int
    boot: int
    quality: int
    time_s: int
    payload: bytes
    heard_ms: int
    told: int


OrderRow = tuple[int, int, bytes, int, bytes]
"""(node, and the fields of orders.NodeOrder)."""


class LoraStore:
    """The file at `path`, made when it is not there; sqlite3.Error says what to do when it cannot be used."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()  # callers are threads of a pool, and close() may come while one is at work
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)
                self._check()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.OperationalError as error:
            raise sqlite3.OperationalError(
                f"{path}: cannot be used ({error}); whose is it, and is the disk full or read-only?"
            ) from None
        except sqlite3.DatabaseError as error:
            raise sqlite3.DatabaseError(
                f"{path}: is damaged ({error}); put it back from a backup, or move it away: then reports that wait in"
                " it are lost, and the last counters of its sensors, so that an old report could be played again"
            ) from None

    def _check(self) -> None:
        """sqlite3.DatabaseError when any of it cannot be read, or written."""
        (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(found.split()))
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT OR REPLACE INTO last VALUES (-1, 0)")
        self._db.execute("ROLLBACK")

    def last(self) -> dict[int, int]:
        """The last counter taken, by node."""
        with self._lock:
            return dict(self._db.execute("SELECT node, counter FROM last"))

    def take(
        self, node: int, counter: int, run: Run | None = None, time_s: int = 0, payload: bytes = b"", heard_ms: int = 0
    ) -> None:
        """Durable on return: the counter is used, and the report kept."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("INSERT OR REPLACE INTO last VALUES (?, ?)", (node, counter))
                if run is not None:
                    # A report that comes again, because the gateway asked for it, is the same; after a step of the
                    # node's clock another one may have its time, and it is the later one whose head comes next.
                    self._db.execute(
                        "INSERT OR REPLACE INTO waiting (node, boot, quality, time_s, payload, heard_ms, told) "
                        "VALUES (?, ?, ?, ?, ?, ?, 0)",
                        (*run, time_s, payload, heard_ms),
                    )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def said(self) -> dict[int, set[bytes]]:
        """What was taken under the last counter, by node."""
        found: dict[int, set[bytes]] = {}
        with self._lock:
            for node, content in self._db.execute("SELECT node, content FROM said"):
                found.setdefault(node, set()).add(content)
        return found

    def take_said(self, node: int, counter: int, content: bytes) -> None:
        """Durable on return: this was taken under the counter, and counts no more; of another counter nothing does."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                is_same = "SELECT 1 FROM last WHERE node = ? AND counter = ?"
                stale = f"DELETE FROM said WHERE node = ? AND NOT EXISTS ({is_same})"
                self._db.execute(stale, (node, node, counter))
                self._db.execute("INSERT OR REPLACE INTO last VALUES (?, ?)", (node, counter))
                self._db.execute("INSERT OR REPLACE INTO said VALUES (?, ?)", (node, content))
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def pending(self) -> dict[int, int]:
        """How many reports wait, by node."""
        with self._lock:
            return dict(self._db.execute("SELECT node, count(*) FROM waiting GROUP BY node"))

    def count(self, node: int) -> int:
        """How many reports of this node wait."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM waiting WHERE node = ?", (node,)).fetchone()[0])

    def waiting(self, node: int) -> list[Waiting]:
        """The reports of this node, as they were heard."""
        with self._lock:
            rows = self._db.execute(f"SELECT {_WAITING} FROM waiting WHERE node = ? ORDER BY number", (node,))
            return [Waiting(*row) for row in rows]

    def surplus(self, node: int) -> list[Waiting]:
        """The oldest reports of this node that are more than may wait."""
        with self._lock:
            select = f"SELECT {_WAITING} FROM waiting WHERE node = ? ORDER BY number DESC LIMIT -1 OFFSET ?"
            return [Waiting(*row) for row in self._db.execute(select, (node, MOST_WAITING))][::-1]

    def mark_told(self, numbers: Iterable[int]) -> None:
        self._each("UPDATE waiting SET told = 1 WHERE number = ?", numbers)

    def remove(self, numbers: Iterable[int]) -> None:
        self._each("DELETE FROM waiting WHERE number = ?", numbers)

    def _each(self, statement: str, numbers: Iterable[int]) -> None:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(statement, [(number,) for number in numbers])
            self._db.execute("COMMIT")

    def reports(self, run: Run) -> dict[int, bytes]:
        """Payloads by time."""
        select = "SELECT time_s, payload FROM waiting WHERE node = ? AND boot = ? AND quality = ?"
        with self._lock:
            return dict(self._db.execute(select, run))

    def taken(self, node: int, signature: bytes) -> bytes | None:
        """The hash of the pack with this signature, when it is one of the node's last in the log."""
        with self._lock:
            select = "SELECT hash FROM signed WHERE node = ? AND signature = ?"
            row = self._db.execute(select, (node, signature)).fetchone()
        return row[0] if row else None

    def drop(self, run: Run, times_s: Iterable[int], signature: bytes, digest: bytes) -> None:
        """Forget reports whose pack, with this signature and hash, is in the log."""
        delete = "DELETE FROM waiting WHERE node = ? AND boot = ? AND quality = ? AND time_s = ?"
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(delete, [(*run, time_s) for time_s in times_s])
            insert = "INSERT OR REPLACE INTO signed (node, signature, hash) VALUES (?, ?, ?)"
            self._db.execute(insert, (run[0], signature, digest))
            keep = "SELECT number FROM signed WHERE node = ? ORDER BY number DESC LIMIT -1 OFFSET ?"
            self._db.execute(f"DELETE FROM signed WHERE number IN ({keep})", (run[0], _SIGNED))
            self._db.execute("COMMIT")

    def statuses(self) -> dict[int, bytes]:
        """The last status of each node."""
        with self._lock:
            return dict(self._db.execute("SELECT node, payload FROM status"))

    def put_status(self, node: int, payload: bytes) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO status VALUES (?, ?)", (node, payload))

    def orders(self) -> list[OrderRow]:
        """Of all nodes, the oldest first."""
        with self._lock:
            select = "SELECT node, version, payload, state, command FROM orders ORDER BY version"
            return self._db.execute(select).fetchall()

    def put_order(self, row: OrderRow) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        with self._lock:
            self._db.close()
