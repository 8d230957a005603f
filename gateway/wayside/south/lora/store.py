"""What the receiver must still know after a reboot: last counters, reports whose pack is not signed yet, orders.

One SQLite file. A frame's counter and its report become durable in one transaction before anything is done with them:
no replay gets in by a power cut, and none of what was heard is lost by one.
"""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

_MOST = 256  # reports of one node that wait for their head; the oldest give way

_SCHEMA = """
CREATE TABLE IF NOT EXISTS last (node INTEGER PRIMARY KEY, counter INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS report (
  number INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, boot INTEGER NOT NULL, quality INTEGER NOT NULL,
  time_s INTEGER NOT NULL, payload BLOB NOT NULL, UNIQUE (node, boot, quality, time_s)
) STRICT;
CREATE TABLE IF NOT EXISTS taken (node INTEGER PRIMARY KEY, signature BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS status (node INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (
  node INTEGER NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, state INTEGER NOT NULL,
  command BLOB NOT NULL, PRIMARY KEY (node, version)
) STRICT;
"""

Run = tuple[int, int, int]
"""(node, low six bits of its boot, time quality): what makes a report's time unique."""

OrderRow = tuple[int, int, bytes, int, bytes]
"""(node, and the fields of orders.Order)."""


class Store:
    """The file at `path`, made when it is not there; sqlite3.Error when it cannot be used."""

    def __init__(self, path: Path):
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()  # callers are threads of a pool, and close() may come while one is at work
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)

    def last(self) -> dict[int, int]:
        """The last counter taken, by node."""
        with self._lock:
            return dict(self._db.execute("SELECT node, counter FROM last"))

    def take(self, node: int, counter: int, run: Run | None = None, time_s: int = 0, payload: bytes = b"") -> int:
        """Durable on return: the counter is used, and the report kept. Returns how many older reports gave way."""
        with self._lock:
            return self._take(node, counter, run, time_s, payload)

    def _take(self, node: int, counter: int, run: Run | None, time_s: int, payload: bytes) -> int:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("INSERT OR REPLACE INTO last VALUES (?, ?)", (node, counter))
            gone = 0
            if run is not None:
                # A report that comes again, because the gateway asked for it, is the same; after a step of the node's
                # clock another one may have its time, and it is the later one whose head comes next.
                insert = "INSERT OR REPLACE INTO report (node, boot, quality, time_s, payload) VALUES (?, ?, ?, ?, ?)"
                self._db.execute(insert, (*run, time_s, payload))
                gone = self._db.execute(
                    "DELETE FROM report WHERE node = ? AND number NOT IN "
                    "(SELECT number FROM report WHERE node = ? ORDER BY number DESC LIMIT ?)",
                    (node, node, _MOST),
                ).rowcount
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return gone

    def reports(self, run: Run) -> dict[int, bytes]:
        """Payloads by time."""
        select = "SELECT time_s, payload FROM report WHERE node = ? AND boot = ? AND quality = ?"
        with self._lock:
            return dict(self._db.execute(select, run))

    def taken(self, node: int) -> tuple[bytes, bytes] | None:
        """(signature, hash) of the node's last pack that is in the log."""
        with self._lock:
            row = self._db.execute("SELECT signature, hash FROM taken WHERE node = ?", (node,)).fetchone()
        return (row[0], row[1]) if row else None

    def drop(self, run: Run, times_s: Iterable[int], signature: bytes, digest: bytes) -> None:
        """Forget reports whose pack, with this signature and hash, is in the log."""
        delete = "DELETE FROM report WHERE node = ? AND boot = ? AND quality = ? AND time_s = ?"
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(delete, [(*run, time_s) for time_s in times_s])
            self._db.execute("INSERT OR REPLACE INTO taken VALUES (?, ?, ?)", (run[0], signature, digest))
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
