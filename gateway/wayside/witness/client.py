"""Asking a witness for its cosignature, and what it has to show when it refuses.

One proof catches up with any outage, and one request with an epoch that the witness has not heard of. A refusal is no
evidence: what a witness holds against a log counts when it shows the log's own signature under it.
"""

import http.client
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from wayside_wire.pack import SYNCED

from wayside.evidence import EvidenceError
from wayside.evidence.epoch import MAX_STEP, Continuation, signing_key
from wayside.evidence.note import (
    ED25519,
    Checkpoint,
    Note,
    NoteKey,
    Signature,
    cosigned_at,
    parse_checkpoint,
    parse_note,
)
from wayside.evidence.origin import parse_origin
from wayside.text.reason import reason

from .continuation import encode_continuation
from .exchange import exchange
from .witness import encode_request

CLOCKS_APART_S = 300  # between a witness's clock and this one's, when this one is synchronised


class WitnessError(Exception):
    """A witness that cannot be reached or did not co-sign. The text says why."""


class AheadError(WitnessError):
    """The witness shows what this log signed and does not contain: the log is an old copy, or another has its key."""

    def __init__(self, name: str, shown: Checkpoint, size: int):
        what = f"{name} shows that it has co-signed a tree of {shown.size} of {shown.origin}"
        super().__init__(f"{what}, which this one of {size} does not contain")
        self.shown = shown


class UnshownError(WitnessError):
    """The witness refuses as if it knew another history of this log, and shows nothing that this log has signed."""


class TimeError(WitnessError):
    """A cosignature of a time that is not now."""


class Provable(Protocol):
    """What the client asks of a log: its checkpoint, how that extends an earlier size, and what it contains."""

    @property
    def checkpoint(self) -> bytes: ...

    def consistency_proof(self, old: int) -> list[bytes]: ...

    def contains(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint of this log, or of an earlier epoch of its site, is one of its history."""
        ...

    def continuation(self, known: Checkpoint) -> Continuation:
        """How its epoch goes on from the checkpoint of an earlier one that it contains."""
        ...


Send = Callable[[str, bytes | None], tuple[int, bytes]]
"""(url, body, None for GET) -> (status, body); OSError or http.client.HTTPException when there is no answer."""

Clock = Callable[[], tuple[int, int]]
"""(ms since 1970, time quality) of the gateway's clock."""


class WitnessClient:
    """One witness, by its submission prefix and its key. What it co-signed last is remembered, to save a trip."""

    def __init__(
        self, url: str, key: NoteKey, send: Send = exchange, log_keys: Sequence[bytes] = (), clock: Clock | None = None
    ):
        """log_keys: the site's own, 32 bytes each: only what one of them has signed is held against its log."""
        self._prefix = url.rstrip("/")
        self.key = key
        self._send = send
        self._log_keys = log_keys
        self._clock = clock
        self._origin = ""
        self.size = 0
        """The size of this log that the witness has co-signed, as far as is known here."""
        self.remark = ""
        """What is odd about its last cosignature, and no reason to refuse it."""

    def cosign(self, log: Provable) -> Signature:
        """The witness's verified cosignature of the log's checkpoint.

        AheadError: it shows what the log does not contain; UnshownError: it says so and shows nothing; WitnessError:
        there is no cosignature for another reason.
        """
        note = parse_note(log.checkpoint)
        own = parse_checkpoint(note)
        if own.origin != self._origin:
            self._origin, self.size = own.origin, 0
        if parse_origin(own.origin).epoch and not self.size:
            asked, (status, body) = self._introduce(log, own)
        else:
            asked = min(self.size, own.size)
            status, body = self._ask(log, asked)
        if status == 409 and asked != (held := _size(body)) <= own.size:
            asked = self.size = held
            status, body = self._ask(log, asked)
        if status in (409, 422):
            # 422: the proof is right for this log. So what the witness has of that size is of another history.
            self.size = 0
            raise self._contradiction(log, own)
        if status != 200:
            raise WitnessError(f"{self.key.name} answers {status}{self._said(body)}")
        signature = self._verified(note, body)
        self.size = own.size
        return signature

    def newest(self, site: str) -> bytes | None:
        """The newest checkpoint of a site that the witness shows, with no other signatures than the site's and its own.

        None: it holds nothing, or is one that cannot show it. UnshownError: one of the two signatures is not there.
        """
        raw = self._get(site)
        return None if raw is None else self._opened(raw, site)[1].encode()

    def _introduce(self, log: Provable, own: Checkpoint) -> tuple[int, tuple[int, bytes]]:
        """The first request of an epoch: (the size that was asked from, the answer)."""
        raw = self._get(parse_origin(own.origin).site)
        if raw is None:
            return 0, self._ask(log, 0)
        try:
            known = parse_checkpoint(parse_note(raw))
        except EvidenceError as error:
            raise UnshownError(f"{self.key.name} shows no checkpoint: {error}") from None
        if not log.contains(known):
            raise self._judged(raw, log, own)
        if known.origin == own.origin:
            asked = min(known.size, own.size)
            return asked, self._ask(log, asked)
        request = encode_request(0, (), log.checkpoint)
        return 0, self._exchange("/add-epoch", encode_continuation(log.continuation(known), request))

    def _contradiction(self, log: Provable, own: Checkpoint) -> WitnessError:
        """What to make of a witness that refuses because of what it holds."""
        raw = self._get(parse_origin(own.origin).site)
        return UnshownError(f"{self._claims}, and does not show it") if raw is None else self._judged(raw, log, own)

    @property
    def _claims(self) -> str:
        return f"{self.key.name} claims to hold another history of this log"

    def _judged(self, raw: bytes, log: Provable, own: Checkpoint) -> WitnessError:
        try:
            shown, _ = self._opened(raw, parse_origin(own.origin).site)
        except UnshownError as error:
            return UnshownError(f"{self._claims}, and does not show it: {error}")
        if parse_origin(shown.origin).epoch - parse_origin(own.origin).epoch > MAX_STEP:
            return UnshownError(f"{self.key.name} shows {shown.origin}, too far from {own.origin} to go on from")
        if log.contains(shown):
            return UnshownError(f"{self.key.name} refuses, and all that it shows is contained in this log")
        return AheadError(self.key.name, shown, own.size)

    def _opened(self, raw: bytes, site: str) -> tuple[Checkpoint, Note]:
        """The checkpoint that the site's log signed and this witness holds, and its note with both signatures.

        The witness's own, of now, says that it is no note of before that somebody else repeats.
        """
        try:
            note = parse_note(raw)
            checkpoint = parse_checkpoint(note)
            if parse_origin(checkpoint.origin).site != site:
                raise EvidenceError(f"a checkpoint of {checkpoint.origin}")
            public = signing_key(note, checkpoint.origin, self._log_keys)
            own = NoteKey(checkpoint.origin, ED25519, public)
            held = note.verified_by(self.key)
            self._check_time(cosigned_at(held))
            return checkpoint, Note(note.text, (note.verified_by(own), held))
        except (EvidenceError, TimeError) as error:
            raise UnshownError(f"{self.key.name} shows nothing that counts for this log: {error}") from None

    def _get(self, site: str) -> bytes | None:
        status, body = self._exchange(f"/checkpoint/{site}", None)
        if status == 200:
            return body
        if status in (404, 405, 501):
            return None
        raise WitnessError(f"{self.key.name} answers {status} when it is asked what it holds{self._said(body)}")

    def _ask(self, log: Provable, old: int) -> tuple[int, bytes]:
        return self._exchange("/add-checkpoint", encode_request(old, log.consistency_proof(old), log.checkpoint))

    def _exchange(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            return self._send(self._prefix + path, body)
        except (OSError, http.client.HTTPException) as error:
            raise WitnessError(f"{self.key.name} cannot be reached: {reason(error)}") from None

    def _said(self, body: bytes) -> str:
        """The witness's own words, unless they hold a part of its URL's path: that may be a secret of the two."""
        path = urlsplit(self._prefix).path
        # In all that it said: of what is cut to be shown, the end may be half of a secret.
        return "" if any(part.encode() in body for part in path.split("/") if part) else f": {_text(body)}"

    def _verified(self, note: Note, body: bytes) -> Signature:
        """The witness's own line among those that came; others are ignored."""
        try:
            signature = parse_note(note.text.encode() + b"\n" + body).verified_by(self.key)
            self._check_time(cosigned_at(signature))
        except EvidenceError as error:
            raise WitnessError(f"{self.key.name} answers with no cosignature of its own: {error}") from None
        return signature

    def _check_time(self, time_s: int) -> None:
        self.remark = ""
        if not self._clock:
            return
        now_ms, quality = self._clock()
        apart_s = time_s - now_ms // 1000
        if abs(apart_s) <= CLOCKS_APART_S:
            return
        side = "after" if apart_s > 0 else "before"
        what = f"{self.key.name} co-signs with a time {abs(apart_s)} s {side} that of this clock"
        if quality == SYNCED:
            raise TimeError(f"{what}, which is synchronised: the cosignature is not taken")
        self.remark = f"{what}, which is not synchronised"


def _size(body: bytes) -> int:
    text = _text(body)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise WitnessError("the witness does not tell which size it has")
    return int(text)


def _text(body: bytes) -> str:
    return "".join(each if each.isprintable() else "?" for each in body[:200].decode(errors="replace").strip())
