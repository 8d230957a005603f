"""The request `add-epoch`: an add-checkpoint request of an epoch that is new to the witness, after what ties it to the
epoch that the witness knows. Its bytes are in docs/witness.md; what it has to prove, in wayside.evidence.epoch.
"""

from collections.abc import Sequence

from wayside.evidence.entry import MAX_ENTRY, SALT_SIZE
from wayside.evidence.epoch import Continuation, EpochLink
from wayside.evidence.merkle import HASH_SIZE
from wayside.evidence.note import NoteError, b64, unbase64

MAX_LINKS = 64
MAX_PROOF = 63  # hashes of one proof, as for add-checkpoint

_LINK = "beginning "
_KNOWN = "known"


def encode_continuation(continuation: Continuation, request: bytes) -> bytes:
    """`request`: the add-checkpoint request that follows."""
    lines = []
    for link in continuation.links:
        lines += [f"{_LINK}{b64(link.salt)} {b64(link.entry)}", *map(b64, link.proof)]
    lines += [_KNOWN, *map(b64, continuation.proof)]
    return "".join(line + "\n" for line in lines).encode() + b"\n" + request


def parse_continuation(data: bytes) -> tuple[Continuation, bytes]:
    """(what ties the epoch, the add-checkpoint request); NoteError when it is not in form."""
    head, separator, request = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise NoteError("the lines before the request are not ASCII") from None
    if not separator or not lines[0].startswith(_LINK) or lines.count(_KNOWN) != 1:
        raise NoteError("a request begins with 'beginning SALT ENTRY' and its proof, then 'known' and an empty line")
    end = lines.index(_KNOWN)
    starts = [number for number, line in enumerate(lines[:end]) if line.startswith(_LINK)]
    if len(starts) > MAX_LINKS:
        raise NoteError(f"{len(starts)} beginnings, {MAX_LINKS} are the most")
    ends = [*starts[1:], end]
    links = [_link(lines[first], lines[first + 1 : last]) for first, last in zip(starts, ends, strict=True)]
    return Continuation(links, _hashes(lines[end + 1 :])), request


def _link(line: str, proof: Sequence[str]) -> EpochLink:
    salt, separator, entry = line.removeprefix(_LINK).partition(" ")
    link = EpochLink(unbase64(salt), unbase64(entry), _hashes(proof))
    if not separator or len(link.salt) != SALT_SIZE or not 0 < len(link.entry) <= MAX_ENTRY:
        raise NoteError(f"a beginning is a salt of {SALT_SIZE} bytes and an entry")
    return link


def _hashes(lines: Sequence[str]) -> list[bytes]:
    if len(lines) > MAX_PROOF:
        raise NoteError(f"a proof has {len(lines)} hashes, {MAX_PROOF} are the most")
    hashes = [unbase64(line) for line in lines]
    if any(len(each) != HASH_SIZE for each in hashes):
        raise NoteError("a hash is not 32 bytes")
    return hashes
