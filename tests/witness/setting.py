"""A witness, a log that grows, and how one asks the other; without HTTP and with it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from evidence.site_log import KEY, SiteLog
from http_client import running
from wayside.evidence import merkle
from wayside.evidence.epoch import Continuation, EpochLink
from wayside.evidence.kinds import ClockBody, EpochBody
from wayside.evidence.note import COSIGNATURE, Checkpoint, NoteKey, parse_checkpoint, parse_note
from wayside.evidence.origin import Origin, parse_origin
from wayside.evidence.stream import GATEWAY, KEYS
from wayside.trust.keys import SoftwareKey
from wayside.witness.continuation import encode_continuation
from wayside.witness.service import WitnessServer
from wayside.witness.witness import Witness, encode_request

WITNESS = SoftwareKey(b"w" * 32)
WITNESS_KEY = NoteKey("witness.example/w1", COSIGNATURE, WITNESS.public)
NOW_S = 1_790_000_000


def text_of(note: bytes | str) -> str:
    """What is signed, by whomever."""
    return parse_note(note.encode() if isinstance(note, str) else note).text


class GrowingLog(SiteLog):
    """A log whose checkpoint is at the size that it had when it was asked. `before`: the epoch that it goes on from."""

    before: "GrowingLog | None" = None

    def consistency_proof(self, old: int) -> list[bytes]:
        return merkle.consistency_proof(old, self.size, self.perfect)

    def contains(self, checkpoint: Checkpoint) -> bool:
        if checkpoint.origin != self.origin:
            return self.before is not None and self.before.contains(checkpoint)
        own = parse_checkpoint(parse_note(self.checkpoint_at(min(checkpoint.size, self.size))))
        return own == checkpoint

    def link(self) -> EpochLink:
        return EpochLink(*self.items[0][1:3], merkle.inclusion_proof(0, self.size, self.perfect))

    def continuation(self, known: Checkpoint) -> Continuation:
        links, log = [self.link()], self.before
        while log and log.origin != known.origin:
            links.append(log.link())
            log = log.before
        return Continuation(links, log.consistency_proof(known.size) if log and log.size > known.size else [])

    def next(
        self, note: bytes | None = None, shown: Sequence[bytes] = (), key: SoftwareKey | None = None
    ) -> "GrowingLog":
        """The epoch after this one, which names `note`: the last checkpoint of this one where none is given."""
        origin = parse_origin(self.origin)
        log = GrowingLog(str(Origin(origin.site, origin.epoch + 1)), key or self.key)
        log.before = self
        note = self.checkpoint if note is None else note
        size, root = (self.size, merkle.root_hash(self.size, self.perfect))
        if note:
            end = parse_checkpoint(parse_note(note))
            size, root = end.size, end.root
        log.add(KEYS, EpochBody(self.origin, size, root, "another begins", note or None, tuple(shown)))
        return log

    def grow(self, count: int, text: bytes = b"entry") -> "GrowingLog":
        for _ in range(count):
            self.add(GATEWAY, ClockBody(int.from_bytes(b"%s %d" % (text[-5:], self.size % 10), "big")))
        return self


def real_now_s() -> int:
    """The time that a gateway with the machine's clock expects of a witness."""
    return int(time.time())


def new_witness(
    folder: Path,
    *logs: NoteKey,
    key: SoftwareKey = WITNESS,
    name: str = WITNESS_KEY.name,
    now_s: Callable[[], int] = lambda: NOW_S,
) -> Witness:
    known = logs or (KEY,)
    named = NoteKey(name, COSIGNATURE, key.public)
    return Witness(folder / "witness.sqlite", named, key.sign, known, now_s)


def ask(witness: Witness, log: GrowingLog, old: int, proof: list[bytes] | None = None) -> tuple[int, str, str]:
    hashes = log.consistency_proof(old) if proof is None else proof
    answer = witness.add_checkpoint(encode_request(old, hashes, log.checkpoint))
    return answer.status, answer.body, answer.content_type


def ask_epoch(witness: Witness, log: GrowingLog, known: GrowingLog, size: int | None = None) -> tuple[int, str]:
    """Ask for an epoch that the witness has not heard of; `known`: what it goes on from, at `size`."""
    text = known.checkpoint_at(known.size if size is None else size)
    continuation = log.continuation(parse_checkpoint(parse_note(text)))
    answer = witness.add_epoch(encode_continuation(continuation, encode_request(0, [], log.checkpoint)))
    return answer.status, answer.body


@contextmanager
def serving(witness: Witness, port: int = 0) -> Iterator[WitnessServer]:
    server = WitnessServer(("127.0.0.1", port), witness)
    with running(server):
        yield server


def url(server: WitnessServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/"
