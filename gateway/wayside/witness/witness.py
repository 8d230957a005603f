"""What a witness does (C2SP tlog-witness): remember the last checkpoint of each log, co-sign only what extends it.

The epochs of a site are one history. So a further epoch has to show that it goes on from what is known here, and when
it has, the ones before have ended. Checking and remembering are one transaction, and the memory is on disk before the
cosignature leaves: a witness that forgets would co-sign two histories.
"""

import logging
import re
import sqlite3
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.epoch import MAX_STEP, Continuation, check_continuation, opener, signing_key
from wayside.evidence.fraud import Fraud, write_fraud
from wayside.evidence.note import (
    Checkpoint,
    NoteError,
    NoteKey,
    Sign,
    cosign,
    parse_checkpoint,
    parse_note,
    unbase64,
)
from wayside.evidence.origin import OriginError, parse_origin

from .continuation import parse_continuation

_logger = logging.getLogger(__name__)

MAX_REQUEST = 64 * 1024  # bytes
MAX_PROOF = 63  # hashes, as the specification has it
MAX_EPOCHS = 1000  # of one site that are remembered, the newest
MAX_EPOCHS_A_DAY = 100  # that one site begins: whoever holds its key must not use up the numbers

_DAY_S = 86_400

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class WitnessAnswer(NamedTuple):
    """An HTTP answer: status, content type, body."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    fraud: bool = False


class AddCheckpoint(NamedTuple):
    """An add-checkpoint request in form."""

    old: int
    proof: list[bytes]
    checkpoint: bytes


def parse_request(data: bytes) -> AddCheckpoint:
    """The request in `data`; NoteError when it is not in form."""
    if len(data) > MAX_REQUEST:
        raise NoteError(f"a request of {len(data)} bytes is over {MAX_REQUEST}")
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NoteError("the lines before the checkpoint are not ASCII") from None
    match = _OLD.fullmatch(lines[0])
    if not separator or not match:
        raise NoteError("a request begins with 'old SIZE', the proof's hashes and an empty line")
    if len(lines) - 1 > MAX_PROOF:
        raise NoteError(f"the proof has {len(lines) - 1} hashes, {MAX_PROOF} are the most")
    return AddCheckpoint(int(match[1]), [unbase64(line) for line in lines[1:]], checkpoint)


def encode_request(old: int, proof: Sequence[bytes], checkpoint: bytes) -> bytes:
    lines = [f"old {old}", *(b64encode(each).decode() for each in proof)]
    return "".join(line + "\n" for line in lines).encode() + b"\n" + checkpoint


class _Known(NamedTuple):
    """What is remembered of an epoch. `public`: the key that signed it, empty when that was not written down."""

    epoch: int
    checkpoint: Checkpoint
    note: bytes
    public: bytes


class Witness:
    """One witness key and the logs that it knows. Any thread may call it; one request is judged at a time."""

    def __init__(self, path: Path, key: NoteKey, sign: Sign, logs: Sequence[NoteKey], now_s: Callable[[], int]):
        """`path`: the database of what was co-signed; `logs`: keys of the logs, named by the origin of any epoch.

        It is the site's key for all its epochs: which one comes next, nobody knows before.
        Fraud proofs are written beside the database, one for each log that is caught.
        """
        self._key = key
        self._sign = sign
        self._now_s = now_s
        self._lock = threading.Lock()
        self._logs: dict[str, list[bytes]] = {}
        for log in logs:
            self._logs.setdefault(parse_origin(log.name).site, []).append(log.public)
        self._path = path
        with closing(self._open()) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS epoch(site TEXT, number INTEGER, size INTEGER NOT NULL, root BLOB NOT NULL,"
                " note BLOB NOT NULL, public BLOB NOT NULL, began_s INTEGER NOT NULL, PRIMARY KEY(site, number))"
            )
            db.execute(
                "CREATE TABLE IF NOT EXISTS fraud(origin TEXT PRIMARY KEY, first BLOB NOT NULL, second BLOB NOT NULL)"
            )
            self._take_over(db)
            self._write_frauds(db)

    def respond(self, method: str, path: str, body: bytes) -> WitnessAnswer:
        """The answer to an HTTP request; `path` below the prefix, as the client wrote it."""
        if (method, path) == ("POST", "/add-checkpoint"):
            return self.add_checkpoint(body)
        if (method, path) == ("POST", "/add-epoch"):
            return self.add_epoch(body)
        if method == "GET" and path.startswith("/checkpoint/"):
            return self.checkpoint(path.removeprefix("/checkpoint/"))
        return _say(404, "POST /add-checkpoint, POST /add-epoch and GET /checkpoint/SITE are all there is")

    def add_checkpoint(self, data: bytes) -> WitnessAnswer:
        """Judge an add-checkpoint request; every answer is one that the specification names."""
        return self._add(data, None)

    def add_epoch(self, data: bytes) -> WitnessAnswer:
        """Judge an add-checkpoint request of an epoch that is new here, after what ties it to the one that is known."""
        if len(data) > MAX_REQUEST:
            return _say(400, f"a request of {len(data)} bytes is over {MAX_REQUEST}")
        try:
            continuation, request = parse_continuation(data)
        except EvidenceError as error:
            return _say(400, error)
        return self._add(request, continuation)

    def checkpoint(self, site: str) -> WitnessAnswer:
        """The last checkpoint of a site's newest epoch, by the log's signature and co-signed now.

        A claim against a log is shown by it: the log's signature says whose history it is, the cosignature that this
        witness holds it, now, and that it is no old one that somebody between has kept.
        """
        with self._lock, closing(self._open()) as db:
            known = self._newest(db, site) if site in self._logs else None
        if not known:
            return _say(404, "nothing is held of this site")
        note = parse_note(known.note)
        note = replace(note, signatures=tuple(each for each in note.signatures if each.name == known.checkpoint.origin))
        mine = cosign(note, self._key, self._sign, self._now_s())
        return WitnessAnswer(200, note.with_signatures([mine]).encode().decode())

    def _add(self, data: bytes, continuation: Continuation | None) -> WitnessAnswer:
        try:
            request = parse_request(data)
            note = parse_note(request.checkpoint)
            checkpoint = parse_checkpoint(note)
        except EvidenceError as error:
            return _say(400, error)
        publics = self._logs.get(parse_origin(checkpoint.origin).site)
        if not publics:
            return _say(404, "this log is not known here")
        try:
            public = signing_key(note, checkpoint.origin, publics)
        except EvidenceError:
            return _say(403, "no signature by a key of this log")
        if request.old > checkpoint.size:
            return _say(400, "the old size is over the checkpoint's")
        with self._lock, closing(self._open()) as db:
            db.execute("BEGIN IMMEDIATE")  # another process on the same database waits here too
            answer = self._judge(db, request, checkpoint, public, continuation)
            db.execute("COMMIT")  # on disk before the cosignature exists
            if answer.fraud:
                self._write_frauds(db)
        if answer.status != 200:
            return answer
        return WitnessAnswer(200, cosign(note, self._key, self._sign, self._now_s()).line())

    def frauds(self) -> list[tuple[bytes, bytes]]:
        """Pairs of notes that one log signed for one size with different roots or heads."""
        with closing(self._open()) as db:
            return db.execute("SELECT first, second FROM fraud ORDER BY origin").fetchall()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        db.execute("PRAGMA synchronous=FULL")
        return db

    def _take_over(self, db: sqlite3.Connection) -> None:
        """What a witness of an earlier version co-signed; it did not write down by which key."""
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cosigned'").fetchone():
            return
        db.execute("BEGIN IMMEDIATE")
        for name, size, root, note in db.execute("SELECT origin, size, root, note FROM cosigned").fetchall():
            try:
                origin = parse_origin(name)
            except OriginError:
                continue  # a name that no log has
            row = (origin.site, origin.epoch, size, root, note, b"", 0)
            db.execute("INSERT OR IGNORE INTO epoch VALUES(?, ?, ?, ?, ?, ?, ?)", row)
        db.execute("DROP TABLE cosigned")
        db.execute("COMMIT")

    def _write_frauds(self, db: sqlite3.Connection) -> None:
        """The files of all proofs that have none; also at start, in case the power went before a file was written."""
        for origin, first, second in db.execute("SELECT origin, first, second FROM fraud").fetchall():
            path = self._path.with_name(f"fraud-{sha256(origin.encode()).hexdigest()[:16]}.wayside")
            if not path.exists():
                write_fraud(path, Fraud(first, second))
                _logger.critical("%s has signed two histories; the proof is %s", origin, path)

    def _known(self, db: sqlite3.Connection, site: str, epoch: int) -> _Known | None:
        query = "SELECT number, note, public FROM epoch WHERE site = ? AND number = ?"
        return _row(db.execute(query, (site, epoch)).fetchone())

    def _newest(self, db: sqlite3.Connection, site: str) -> _Known | None:
        query = "SELECT number, note, public FROM epoch WHERE site = ? ORDER BY number DESC LIMIT 1"
        return _row(db.execute(query, (site,)).fetchone())

    def _judge(
        self,
        db: sqlite3.Connection,
        request: AddCheckpoint,
        checkpoint: Checkpoint,
        public: bytes,
        continuation: Continuation | None,
    ) -> WitnessAnswer:
        origin = parse_origin(checkpoint.origin)
        known, newest = self._known(db, origin.site, origin.epoch), self._newest(db, origin.site)
        size, root = (known.checkpoint.size, known.checkpoint.root) if known else (0, merkle.EMPTY_ROOT)
        if known and checkpoint.size == size and checkpoint != known.checkpoint:  # another root, or other heads
            # One for each log is enough; a thief of the key could make any number and fill the disk with them.
            pair = (checkpoint.origin, known.note, request.checkpoint)
            db.execute("INSERT OR IGNORE INTO fraud VALUES(?, ?, ?)", pair)
            return WitnessAnswer(409, f"{size}\n", "text/x.tlog.size", True)
        if request.old != size or (newest and newest.epoch > origin.epoch):
            # An epoch after which another has begun has ended; which one, GET checkpoint shows.
            return WitnessAnswer(409, f"{size}\n", "text/x.tlog.size")
        ended = self._end_of(db, newest, checkpoint, continuation) if newest and not known else None
        if isinstance(ended, WitnessAnswer):
            return ended
        try:
            _check_extends(request, checkpoint, root)
        except EvidenceError as error:
            return _say(422, error)
        if ended:
            self._remember(db, origin.site, ended)
        self._remember(db, origin.site, _Known(origin.epoch, checkpoint, request.checkpoint, public))
        return WitnessAnswer(200, "")

    def _end_of(
        self, db: sqlite3.Connection, newest: _Known, checkpoint: Checkpoint, continuation: Continuation | None
    ) -> _Known | WitnessAnswer:
        """The known epoch as it ended, which the further one of `checkpoint` goes on from; an answer: it does not."""
        origin = parse_origin(checkpoint.origin)
        if not continuation:
            reason = f"epoch {newest.epoch} of this site is known here; add-epoch shows how another goes on from it"
            return _say(403, reason)
        begun = "SELECT count(*) FROM epoch WHERE site = ? AND began_s > ?"
        if db.execute(begun, (origin.site, self._now_s() - _DAY_S)).fetchone()[0] >= MAX_EPOCHS_A_DAY:
            return _say(403, f"this site has begun {MAX_EPOCHS_A_DAY} epochs in a day; ask again tomorrow")
        if origin.epoch - newest.epoch > MAX_STEP:
            return _say(403, f"epoch {origin.epoch} is too far from {newest.epoch}, the newest that is known here")
        keys = [*self._logs[origin.site], newest.public] if newest.public else self._logs[origin.site]
        try:
            end, note = check_continuation(continuation, checkpoint, newest.checkpoint, opener(keys))
        except EvidenceError as error:
            return _say(422, error)
        return _Known(newest.epoch, end, note, newest.public)

    def _remember(self, db: sqlite3.Connection, site: str, known: _Known) -> None:
        size, root = known.checkpoint.size, known.checkpoint.root
        row = (site, known.epoch, size, root, known.note, known.public, self._now_s())
        db.execute(
            "INSERT INTO epoch VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " size = excluded.size, root = excluded.root, note = excluded.note, public = excluded.public",
            row,
        )
        oldest = "SELECT number FROM epoch WHERE site = ? ORDER BY number DESC LIMIT -1 OFFSET ?"
        db.execute(f"DELETE FROM epoch WHERE site = ? AND number IN ({oldest})", (site, site, MAX_EPOCHS))


def _row(row: tuple[int, bytes, bytes] | None) -> _Known | None:
    if not row:
        return None
    number, note, public = row
    return _Known(number, parse_checkpoint(parse_note(note)), note, public)


def _check_extends(request: AddCheckpoint, checkpoint: Checkpoint, root: bytes) -> None:
    """`root`: that of the checkpoint of size `request.old`, which was co-signed before, or that of the empty tree."""
    if request.old == 0 and checkpoint.size:
        # Everything extends the empty tree; there is nothing to prove, and so nothing may be given.
        if request.proof:
            raise EvidenceError("a proof from size 0 has no hashes")
        return
    merkle.verify_consistency(request.old, checkpoint.size, request.proof, root, checkpoint.root)


def _say(status: int, reason: object) -> WitnessAnswer:
    return WitnessAnswer(status, f"{reason}\n")
