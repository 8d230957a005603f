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
    """The witness has co-signed more than this log holds, or another root: the log is an old copy, or has forked."""


class Provable(Protocol):
    """What the client asks of a log: its checkpoint and how that extends an earlier size."""

    @property
    def checkpoint(self) -> bytes: ...

    def consistency_proof(self, old: int) -> list[bytes]: ...


Post = Callable[[str, bytes], tuple[int, bytes]]
"""(url, body) -> (status, body); OSError or http.client.HTTPException when there is no answer."""


def post(url: str, body: bytes) -> tuple[int, bytes]:
    """POST over HTTP or HTTPS, without redirects and with bounds on time and size."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "text/plain"})
        response = connection.getresponse()
        return response.status, response.read(_MAX_ANSWER)
    finally:
        connection.close()


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
        status, body = self._ask(log, min(self.size, size))
        if status == 409:
            held = _size(body)
            if held > size or held == self.size == size:
                raise AheadError(f"{self.key.name} has co-signed a tree of {held}, which is not this one of {size}")
            self.size = held
            status, body = self._ask(log, held)
        if status != 200:
            raise WitnessError(f"{self.key.name} answers {status}: {_text(body)}")
        signature = self._verified(note, body)
        self.size = size
        return signature

    def _ask(self, log: Provable, old: int) -> tuple[int, bytes]:
        proof = log.consistency_proof(old)
        try:
            return self._send(self._url, encode_request(old, proof, log.checkpoint))
        except (OSError, http.client.HTTPException) as error:
            raise WitnessError(f"{self.key.name} cannot be reached: {error}") from None

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
