"""A witness, a log that grows, and how one asks the other; without HTTP and with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evidence.site_log import KEY, SiteLog
from http_client import running
from wayside.evidence import merkle
from wayside.evidence.note import COSIGNATURE, NoteKey
from wayside.trust.keys import SoftwareKey
from wayside.witness.service import WitnessServer
from wayside.witness.witness import Witness, encode_request

WITNESS = SoftwareKey(b"w" * 32)
WITNESS_KEY = NoteKey("witness.example/w1", COSIGNATURE, WITNESS.public)
NOW_S = 1_790_000_000


class GrowingLog(SiteLog):
    """A log whose checkpoint is at the size that it had when it was asked."""

    def consistency_proof(self, old: int) -> list[bytes]:
        return merkle.consistency_proof(old, self.size, self.perfect)

    def grow(self, count: int, text: bytes = b"entry") -> "GrowingLog":
        for _ in range(count):
            self.add("m", b"%s %d" % (text, self.size))
        return self


def new_witness(folder: Path, *logs: NoteKey, key: SoftwareKey = WITNESS, name: str = WITNESS_KEY.name) -> Witness:
    known = logs or (KEY,)
    named = NoteKey(name, COSIGNATURE, key.public)
    return Witness(folder / "witness.sqlite", named, key.sign, known, lambda: NOW_S)


def ask(witness: Witness, log: GrowingLog, old: int, proof: list[bytes] | None = None) -> tuple[int, str, str]:
    hashes = log.consistency_proof(old) if proof is None else proof
    answer = witness.add_checkpoint(encode_request(old, hashes, log.checkpoint))
    return answer.status, answer.body, answer.content_type


@contextmanager
def serving(witness: Witness, port: int = 0) -> Iterator[WitnessServer]:
    server = WitnessServer(("127.0.0.1", port), witness)
    with running(server):
        yield server


def url(server: WitnessServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/"
