"""The first entry of an epoch, and how it ties the epoch to the history before it.

It names the last checkpoint that the disk had of the log before, with that checkpoint's signed note, and every further
checkpoint of the site that witnesses showed and that is not contained in the first. So nothing that was co-signed is
cut off without a word: a restored card says what it had and what others have seen. Witness and verifier use these
rules.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import commitment, decode_entry
from wayside.evidence.kinds import EpochBody
from wayside.evidence.note import ED25519, Checkpoint, Note, NoteKey, parse_checkpoint, parse_note
from wayside.evidence.origin import Origin, parse_origin

MAX_STEP = 4096  # from the number of one epoch to that of the next: whoever has a log's key must not use them all up


class EpochError(EvidenceError):
    """A first entry that does not tie its epoch to the one before."""


@dataclass(frozen=True, slots=True)
class EpochBeginning:
    """What the first entry of an epoch says; nothing of it is verified yet.

    size, root: of the log `before`, as last known; note: its signed checkpoint, empty where nothing was signed or it is
    lost; shown: notes of further checkpoints that witnesses held.
    """

    before: Origin
    size: int
    root: bytes
    cause: str
    note: bytes
    shown: tuple[bytes, ...] = ()


OpenNote = Callable[[bytes], Checkpoint]
"""The checkpoint in a note that a key of the site's log signed; EvidenceError otherwise."""


def read_beginning(body: EpochBody) -> EpochBeginning:
    """What the body of an epoch entry says; OriginError when it names no log."""
    return EpochBeginning(parse_origin(body.before), body.size, body.root, body.cause, body.note or b"", body.shown)


def named(beginning: EpochBeginning, own: Origin) -> list[tuple[Checkpoint, Note]]:
    """The checkpoints that a beginning of `own` names, that of `before` first when its note is there.

    EpochError or NoteError when they cannot be what came before; whose signatures they have is not looked at.
    """
    if beginning.before.site != own.site or beginning.before.epoch >= own.epoch:
        raise EpochError(f"{own} cannot follow {beginning.before}")
    found = []
    for raw in ([beginning.note] if beginning.note else []) + list(beginning.shown):
        note = parse_note(raw)
        checkpoint = parse_checkpoint(note)
        origin = parse_origin(checkpoint.origin)
        if origin.site != own.site or origin.epoch >= own.epoch:
            raise EpochError(f"{own} cannot follow {origin}")
        found.append((checkpoint, note))
    if beginning.note:
        last = found[0][0]
        if (last.origin, last.size, last.root) != (str(beginning.before), beginning.size, beginning.root):
            raise EpochError(f"the first entry of {own} names another end of {beginning.before} than its checkpoint")
    return found


def check_beginning(body: EpochBody, own: Origin, open_note: OpenNote) -> list[Checkpoint]:
    """The checkpoints that the first entry of `own` proves to have been signed; EvidenceError when one is not.

    That of the log before comes first where it is known: empty field 4 means that it is not, and then size and root are
    what the gateway says and nobody has signed.
    """
    found = named(read_beginning(body), own)
    for _, note in found:
        open_note(note.encode())
    return [checkpoint for checkpoint, _ in found]


# --- from one checkpoint of a site back to an earlier one ---


class EpochLink(NamedTuple):
    """The first entry of an epoch with its salt, and its inclusion proof under a checkpoint of that epoch."""

    salt: bytes
    entry: bytes
    proof: Sequence[bytes]


class Continuation(NamedTuple):
    """What shows that an epoch goes on from a known checkpoint of an earlier one.

    links: the first entry of this epoch, then that of the log before whose checkpoint it names, and so on; proof: the
    consistency proof from the known checkpoint to the one of the same log that the last link names.
    """

    links: Sequence[EpochLink]
    proof: Sequence[bytes]


def check_continuation(
    continuation: Continuation, checkpoint: Checkpoint, known: Checkpoint, open_note: OpenNote
) -> tuple[Checkpoint, bytes]:
    """The end of the known log, and its note, that the epoch of `checkpoint` goes on from; EvidenceError otherwise.

    It contains what is `known`: the same size and root, or larger with a proof. So whoever begins an epoch can cut off
    nothing that is known here, whatever keys he has.
    """
    at = checkpoint
    for link in continuation.links:
        own = parse_origin(at.origin)
        leaf = merkle.leaf_hash(commitment(link.salt, link.entry))
        merkle.verify_inclusion(0, at.size, leaf, link.proof, at.root)
        found = named_in(link.entry, own)
        for end, note in found:
            if _contains(end, known, continuation.proof):
                if end != known:
                    open_note(note.encode())
                return end, note.encode()
        before = _on_the_way(found, link.entry, known)
        at = open_note(before.encode())
    raise EpochError(f"it is not shown how the epoch goes on from {known.origin}")


def named_in(entry: bytes, own: Origin) -> list[tuple[Checkpoint, Note]]:
    """As `named`, for the bytes of the first entry."""
    return named(_beginning(entry, own), own)


def _beginning(entry: bytes, own: object) -> EpochBeginning:
    body = decode_entry(entry).body
    if not isinstance(body, EpochBody):
        raise EpochError(f"the first entry of {own} does not say what came before")
    return read_beginning(body)


def _contains(end: Checkpoint, known: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether `end` is the known checkpoint, or extends it by the proof."""
    if end.origin != known.origin:
        return False
    if end == known:
        return True
    if end.size <= known.size:
        return False
    if not known.size:
        return True  # everything extends the empty tree
    try:
        merkle.verify_consistency(known.size, end.size, proof, known.root, end.root)
    except EvidenceError:
        return False
    return True


def _on_the_way(found: Sequence[tuple[Checkpoint, Note]], entry: bytes, known: Checkpoint) -> Note:
    """The note of the log before, where that log began after the known one."""
    beginning = _beginning(entry, "a later epoch")
    if beginning.note and beginning.before.epoch > parse_origin(known.origin).epoch:
        return found[0][1]
    raise EpochError(f"the epoch does not begin with what is known of {known.origin}: {known.size} entries")


# --- signatures ---


def opener(publics: Iterable[bytes]) -> OpenNote:
    """Opens notes that one of these log keys (32 bytes each) signed, under the name of the log that they are of."""
    keys = list(publics)

    def open_note(raw: bytes) -> Checkpoint:
        note = parse_note(raw)
        checkpoint = parse_checkpoint(note)
        signing_key(note, checkpoint.origin, keys)
        return checkpoint

    return open_note


def signing_key(note: Note, origin: str, publics: Iterable[bytes]) -> bytes:
    """Which of these keys signed the note as the log `origin`; EpochError when none did."""
    for public in publics:
        try:
            note.verified_by(NoteKey(origin, ED25519, public))
        except EvidenceError:
            continue
        return public
    raise EpochError(f"the checkpoint of {origin} is not signed by a key of this log")
