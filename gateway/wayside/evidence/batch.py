"""A batch: consecutive entries with the checkpoint that covers them and the proof that ties the two.

CBOR map {0: checkpoint note, 1: first index, 2: [[salt, entry], ...], 3: [proof hash, ...]}; CDDL in
docs/log-format.md. A batch stands on its own: whoever holds the log's public key can check it without any other.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wayside_wire import WireError, cbor

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import SALT_SIZE, commitment
from wayside.evidence.heads import Commitment, committed
from wayside.evidence.note import Checkpoint, Note, NoteKey, open_checkpoint

MAX_BATCH = 1 << 20  # bytes

_CHECKPOINT, _FIRST, _RECORDS, _PROOF = range(4)
_REMEMBERED = 1024  # checkpoints


class _Record(Protocol):
    @property
    def salt(self) -> bytes: ...

    @property
    def entry(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class VerifiedBatch:
    """Entries that are in the tree of a checkpoint which the log signed.

    `records`: (salt, entry) from `first` on; `leaves`: their leaf hashes; `before`: the hashes of the full subtrees
    that cover everything before `first`, as merkle.Frontier has them; `heads`: what the checkpoint says of its streams;
    `note`: the checkpoint with the log's own signature and no other.
    """

    origin: str
    first: int
    records: tuple[tuple[bytes, bytes], ...]
    leaves: tuple[bytes, ...]
    before: tuple[bytes, ...]
    size: int
    root: bytes
    heads: Commitment
    note: bytes


class ForkError(EvidenceError):
    """The log has signed two histories; `notes`: two of its checkpoints that show it, where those alone do."""

    def __init__(self, text: str, notes: tuple[bytes, ...] = ()) -> None:
        super().__init__(text)
        self.notes = notes


def encode_batch(checkpoint: bytes, first: int, records: Sequence[_Record], hashes: Sequence[bytes]) -> bytes:
    """The bytes of a batch of consecutive records from index `first` on."""
    pairs = [[record.salt, record.entry] for record in records]
    data: bytes = cbor.encode({_CHECKPOINT: checkpoint, _FIRST: first, _RECORDS: pairs, _PROOF: list(hashes)})
    return data


class BatchVerifier:
    """Checks the batches of one log against its key, and its checkpoints against each other."""

    def __init__(self, key: NoteKey):
        self._key = key
        self._seen: OrderedDict[int, tuple[Checkpoint, bytes]] = OrderedDict()  # by size, with its note

    def verify(self, data: bytes) -> VerifiedBatch:
        """The batch in `data`; EvidenceError when anything about it does not hold."""
        note, first, records, proof = _decode(data)
        checkpoint, signed = open_checkpoint(note, self._key)
        heads = committed(checkpoint)
        end = first + len(records)
        leaves = tuple(merkle.leaf_hash(commitment(salt, entry)) for salt, entry in records)
        root = merkle.root_from_subset(checkpoint.size, [(first, end)], iter(leaves), proof)
        if root != checkpoint.root:
            raise EvidenceError(f"entries {first} to {end - 1} are not those that the checkpoint covers")
        own = Note(signed.text, (signed.verified_by(self._key),)).encode()
        self._compare(checkpoint, own)
        # The proof goes from left to right: what lies before `first` comes first, one hash per bit that is set in it.
        before = tuple(proof[: first.bit_count()])
        return VerifiedBatch(checkpoint.origin, first, records, leaves, before, checkpoint.size, root, heads, own)

    def note_of(self, size: int) -> bytes | None:
        """The checkpoint of this size that came before, if it is still remembered."""
        known = self._seen.get(size)
        return known[1] if known else None

    def _compare(self, checkpoint: Checkpoint, note: bytes) -> None:
        known, known_note = self._seen.setdefault(checkpoint.size, (checkpoint, note))
        if known.root != checkpoint.root:
            raise ForkError(f"fork: two roots were signed for size {checkpoint.size}", (known_note, note))
        if known.extensions != checkpoint.extensions:
            raise ForkError(f"two lines of heads were signed for size {checkpoint.size}", (known_note, note))
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def note_in(data: bytes) -> bytes:
    """The checkpoint note of a batch of which nothing is verified; EvidenceError when it is none."""
    return _decode(data)[0]


def _decode(data: bytes) -> tuple[bytes, int, tuple[tuple[bytes, bytes], ...], list[bytes]]:
    if len(data) > MAX_BATCH:
        raise EvidenceError(f"a batch of {len(data)} bytes is over {MAX_BATCH}")
    try:
        value = cbor.decode(data)
    except WireError as error:
        raise EvidenceError(f"batch: {error}") from None
    if not isinstance(value, dict) or list(value) != [_CHECKPOINT, _FIRST, _RECORDS, _PROOF]:
        raise EvidenceError("batch: not a map of checkpoint, first index, records and proof")
    note, first, records, proof = value.values()
    if not (isinstance(note, bytes) and cbor.is_int(first) and first >= 0):
        raise EvidenceError("batch: checkpoint or index are of the wrong type")
    if not (isinstance(records, list) and records and all(_is_record(each) for each in records)):
        raise EvidenceError("batch: records are not pairs of salt and entry")
    if not (isinstance(proof, list) and all(isinstance(each, bytes) for each in proof)):
        raise EvidenceError("batch: the proof is not a list of hashes")
    return note, first, tuple((salt, entry) for salt, entry in records), proof


def _is_record(value: object) -> bool:
    if not (isinstance(value, list) and len(value) == 2):
        return False
    salt, entry = value
    return isinstance(salt, bytes) and len(salt) == SALT_SIZE and isinstance(entry, bytes)
