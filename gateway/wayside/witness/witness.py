"""What a witness does (C2SP tlog-witness): remember the last checkpoint of each log, co-sign only what extends it.

Checking and remembering are one transaction, and the memory is on disk before the cosignature leaves: a witness that
forgets would co-sign two histories.
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
from wayside.evidence.fraud import Fraud, write_fraud
from wayside.evidence.note import (
    Checkpoint,
    Note,
    NoteError,
    NoteKey,
    Sign,
    cosign,
    parse_checkpoint,
    parse_note,
    unbase64,
)
from wayside.evidence.origin import parse_origin

_logger = logging.getLogger(__name__)

MAX_REQUEST = 64 * 1024  # bytes
MAX_PROOF = 63  # hashes, as the specification has it
MAX_EPOCHS = 1000  # of one site that are remembered: whoever holds a site's key must not fill the disk with more

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Answer(NamedTuple):
    """An HTTP answer: status, content type, body."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    fraud: bool = False


class Request(NamedTuple):
    """An add-checkpoint request in form."""

    old: int
    proof: list[bytes]
    checkpoint: bytes


def parse_request(data: bytes) -> Request:
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
    return Request(int(match[1]), [unbase64(line) for line in lines[1:]], checkpoint)


def encode_request(old: int, proof: Sequence[bytes], checkpoint: bytes) -> bytes:
    lines = [f"old {old}", *(b64encode(each).decode() for each in proof)]
    return "".join(line + "\n" for line in lines).encode() + b"\n" + checkpoint


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
        self._logs: dict[str, list[NoteKey]] = {}
        for log in logs:
            self._logs.setdefault(parse_origin(log.name).site, []).append(log)
        self._path = path
        with closing(self._open()) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS cosigned(origin TEXT PRIMARY KEY, size INTEGER NOT NULL,"
                " root BLOB NOT NULL, note BLOB NOT NULL)"
            )
            db.execute(
                "CREATE TABLE IF NOT EXISTS fraud(origin TEXT PRIMARY KEY, first BLOB NOT NULL, second BLOB NOT NULL)"
            )
            self._write_frauds(db)

    def add_checkpoint(self, data: bytes) -> Answer:
        """Judge an add-checkpoint request; every answer is one that the specification names."""
        try:
            request = parse_request(data)
            note = parse_note(request.checkpoint)
            checkpoint = parse_checkpoint(note)
        except EvidenceError as error:
            return _say(400, error)
        keys = self._logs.get(parse_origin(checkpoint.origin).site)
        if not keys:
            return _say(404, "this log is not known here")
        if not any(_signed_by(note, replace(key, name=checkpoint.origin)) for key in keys):
            return _say(403, "no signature by a key of this log")
        if request.old > checkpoint.size:
            return _say(400, "the old size is over the checkpoint's")
        with self._lock, closing(self._open()) as db:
            db.execute("BEGIN IMMEDIATE")  # another process on the same database waits here too
            answer = self._judge(db, request, checkpoint)
            db.execute("COMMIT")  # on disk before the cosignature exists
            if answer.fraud:
                self._write_frauds(db)
        if answer.status != 200:
            return answer
        return Answer(200, cosign(note, self._key, self._sign, self._now_s()).line())

    def frauds(self) -> list[tuple[bytes, bytes]]:
        """Pairs of notes that one log signed for one size with different roots."""
        with closing(self._open()) as db:
            return db.execute("SELECT first, second FROM fraud ORDER BY origin").fetchall()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        db.execute("PRAGMA synchronous=FULL")
        return db

    def _write_frauds(self, db: sqlite3.Connection) -> None:
        """The files of all proofs that have none; also at start, in case the power went before a file was written."""
        for origin, first, second in db.execute("SELECT origin, first, second FROM fraud").fetchall():
            path = self._path.with_name(f"fraud-{sha256(origin.encode()).hexdigest()[:16]}.wayside")
            if not path.exists():
                write_fraud(path, Fraud(first, second))
                _logger.critical("%s has signed two histories; the proof is %s", origin, path)

    def _judge(self, db: sqlite3.Connection, request: Request, checkpoint: Checkpoint) -> Answer:
        row = db.execute("SELECT size, root, note FROM cosigned WHERE origin = ?", (checkpoint.origin,)).fetchone()
        if not row and _remembered(db, checkpoint.origin) >= MAX_EPOCHS:
            return _say(403, f"this site has had {MAX_EPOCHS} epochs; more are not remembered here")
        size, root, known = row or (0, merkle.EMPTY_ROOT, b"")
        if known and checkpoint.size == size and checkpoint.root != root:
            # One for each log is enough; a thief of the key could make any number and fill the disk with them.
            pair = (checkpoint.origin, known, request.checkpoint)
            db.execute("INSERT OR IGNORE INTO fraud VALUES(?, ?, ?)", pair)
            return Answer(409, f"{size}\n", "text/x.tlog.size", True)
        if request.old != size:
            return Answer(409, f"{size}\n", "text/x.tlog.size")
        try:
            _check_extends(request, checkpoint, root)
        except EvidenceError as error:
            return _say(422, error)
        db.execute(
            "INSERT OR REPLACE INTO cosigned VALUES(?, ?, ?, ?)",
            (checkpoint.origin, checkpoint.size, checkpoint.root, request.checkpoint),
        )
        return Answer(200, "")


def _check_extends(request: Request, checkpoint: Checkpoint, root: bytes) -> None:
    """`root`: that of the checkpoint of size `request.old`, which was co-signed before, or that of the empty tree."""
    if request.old == 0 and checkpoint.size:
        # Everything extends the empty tree; there is nothing to prove, and so nothing may be given.
        if request.proof:
            raise EvidenceError("a proof from size 0 has no hashes")
        return
    merkle.verify_consistency(request.old, checkpoint.size, request.proof, root, checkpoint.root)


def _remembered(db: sqlite3.Connection, origin: str) -> int:
    """How many epochs of this site have been co-signed."""
    begin = f"{parse_origin(origin).site}/log/"
    query = "SELECT count(*) FROM cosigned WHERE substr(origin, 1, ?) = ?"
    return int(db.execute(query, (len(begin), begin)).fetchone()[0])


def _signed_by(note: Note, key: NoteKey) -> bool:
    try:
        note.verified_by(key)
    except NoteError:
        return False
    return True


def _say(status: int, reason: object) -> Answer:
    return Answer(status, f"{reason}\n")
