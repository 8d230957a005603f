"""The proof of one entry as text: C2SP tlog-proof. Other tools for transparency logs read it too.

The log's entry, as C2SP means it, is the commitment; salt and entry, which it stands for, travel as the extra data. Who
wants to show that something was logged, and not what, leaves them out and gives the commitment.
"""

import re
from dataclasses import dataclass

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import MAX_ENTRY, SALT_SIZE
from wayside.evidence.note import MAX_NOTE, b64, unbase64

HEADER = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63  # of a tree with 2**63 entries
MAX_PROOF = 2 * MAX_ENTRY + MAX_NOTE  # bytes
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class ProofTextError(EvidenceError):
    """A text that is no tlog-proof."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """In form; nothing of it is verified yet. `hashes`: RFC 6962 section 2.1.1, the leaf's sibling first."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def record(self) -> tuple[bytes, bytes] | None:
        """(salt, entry) as they stand in the extra data; None when it holds neither."""
        if self.extra is None or not SALT_SIZE < len(self.extra) <= SALT_SIZE + MAX_ENTRY:
            return None
        return self.extra[:SALT_SIZE], self.extra[SALT_SIZE:]


def encode_proof(proof: TlogProof) -> bytes:
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {b64(proof.extra)}")
    lines += [f"index {proof.index}", *map(b64, proof.hashes), "", ""]
    return "\n".join(lines).encode() + proof.checkpoint


def parse_proof(data: bytes) -> TlogProof:
    """The proof in `data`; ProofTextError when it is not exactly in form."""
    if len(data) > MAX_PROOF:
        raise ProofTextError(f"a proof of {len(data)} bytes is over {MAX_PROOF}")
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ProofTextError("the proof is not ASCII") from None
    if lines.pop(0) != HEADER or not separator:
        raise ProofTextError(f"not a proof: the first line is not {HEADER}, or there is no checkpoint")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = unbase64(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None or int(match[1]) > merkle.MAX_SIZE:
        raise ProofTextError("the line 'index N' is missing or out of form")
    if len(lines) > _MAX_HASHES:
        raise ProofTextError(f"{len(lines)} hashes are more than any tree needs")
    hashes = tuple(unbase64(line) for line in lines)
    if any(len(each) != merkle.HASH_SIZE for each in hashes):
        raise ProofTextError("a hash is not 32 bytes")
    return TlogProof(int(match[1]), hashes, checkpoint, extra)
