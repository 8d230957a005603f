"""Asking a witness for its cosignature. One proof catches up with any outage."""

import http.client
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from wayside.evidence import EvidenceError
from wayside.evidence.note import Note, NoteError, NoteKey, Signature, parse_checkpoint, parse_note

from .witness import encode_request

_MAX_ANSWER = 64 * 1024  # bytes
TIMEOUT_S = 10.0


class WitnessError(Exception):
    """A witness that cannot be reached or did not co-sign. The text says why."""


class AheadError(WitnessError):
    """The witness has co-signed what this log does not contain: the log is an old copy, or has forked.

    `size`: what the witness has co-signed.
    """

    def __init__(self, name: str, held: int, size: int):
        super().__init__(f"{name} has co-signed a tree of {held}, which this one of {size} does not contain")
        self.size = held


class Provable(Protocol):
    """What the client asks of a log: its checkpoint and how that extends an earlier size."""

    @property
    def checkpoint(self) -> bytes: ...

    def consistency_proof(self, old: int) -> list[bytes]: ...


Post = Callable[[str, bytes], tuple[int, bytes]]
"""(url, body) -> (status, body); OSError or http.client.HTTPException when there is no answer."""


def post(url: str, body: bytes, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
    """POST over HTTP or HTTPS, without redirects and with bounds on the time of each step and on size."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "text/plain"})
        response = connection.getresponse()
        return response.status, response.read(_MAX_ANSWER)
    finally:
        connection.close()


class _BehindError(Exception):
    """The witness has co-signed less than the checkpoint; a proof would be needed to go on."""


Prove = Callable[[int], list[bytes]]
"""The consistency proof from an earlier size."""


class _Alone:
    """A checkpoint, perhaps without the tree under it."""

    def __init__(self, checkpoint: bytes, prove: Prove | None):
        self.checkpoint = checkpoint
        self._size = parse_checkpoint(parse_note(checkpoint)).size
        self._prove = prove

    def consistency_proof(self, old: int) -> list[bytes]:
        if old in (0, self._size):
            return []
        if not self._prove:
            raise _BehindError
        return self._prove(old)


class WitnessClient:
    """One witness, by its submission prefix and its key. What it co-signed last is remembered, to save a trip."""

    def __init__(self, url: str, key: NoteKey, send: Post = post):
        self._url = url.rstrip("/") + "/add-checkpoint"
        self.key = key
        self._send = send
        self.size = 0
        """The size that the witness has co-signed, as far as is known here."""

    def cosign(self, log: Provable) -> Signature:
        """The witness's verified cosignature of the log's checkpoint; WitnessError when there is none."""
        note = parse_note(log.checkpoint)
        size = parse_checkpoint(note).size
        asked = min(self.size, size)
        status, body = self._ask(log, asked)
        if status == 409:
            held = _size(body)
            self.size = held
            if held > size or held == asked:
                raise AheadError(self.key.name, held, size)
            asked = held
            status, body = self._ask(log, asked)
            if status == 409 and _size(body) >= size:
                raise AheadError(self.key.name, _size(body), size)
        if status == 422:
            # The proof is right for this log. So what the witness has of that size is of another history.
            raise AheadError(self.key.name, asked, size)
        if status != 200:
            raise WitnessError(f"{self.key.name} answers {status}{self._said(body)}")
        signature = self._verified(note, body)
        self.size = size
        return signature

    def check_start(self, checkpoint: bytes, prove: Prove | None = None) -> None:
        """Ask, before anything more is signed: AheadError when the witness knows what `checkpoint` does not contain.

        Where there is no tree to `prove` it, a witness that holds less is taken at its word.
        """
        try:
            self.cosign(_Alone(checkpoint, prove))
        except _BehindError:
            return

    def _ask(self, log: Provable, old: int) -> tuple[int, bytes]:
        proof = log.consistency_proof(old)
        try:
            return self._send(self._url, encode_request(old, proof, log.checkpoint))
        except (OSError, http.client.HTTPException) as error:
            raise WitnessError(f"{self.key.name} cannot be reached: {error}") from None

    def _said(self, body: bytes) -> str:
        """The witness's own words, unless they repeat the path of its URL: that may be a secret between the two."""
        text, path = _text(body), urlsplit(self._url).path.removesuffix("/add-checkpoint").strip("/")
        return "" if path and path in text else f": {text}"

    def _verified(self, note: Note, body: bytes) -> Signature:
        """The witness's own line among those that came; others are ignored."""
        try:
            return parse_note(note.text.encode() + b"\n" + body).verified_by(self.key)
        except (NoteError, EvidenceError) as error:
            raise WitnessError(f"{self.key.name} answers with no cosignature of its own: {error}") from None


def _size(body: bytes) -> int:
    text = _text(body)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise WitnessError("the witness does not tell which size it has")
    return int(text)


def _text(body: bytes) -> str:
    return body[:200].decode(errors="replace").strip()
