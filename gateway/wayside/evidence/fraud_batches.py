"""A fraud proof from what a receiver got: checkpoints and batches, all signed by one log, that cannot all be true.

CBOR map {0: "wayside-fraud/2", 1: [[stream, count, last], ...], 2: [checkpoint note, ...], 3: [batch, ...]}; CDDL in
docs/log-format.md. Where there are heads, they are all of those that the first note commits to: numbering and heads of
the entries behind that note then follow from few batches instead of from the whole log. Nobody but the log's key can
make a file that proves something: every note and every batch is judged by that key, and an honest log signs one history
in which numbers and heads are right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wayside_wire import WireError, cbor

from wayside.evidence import EvidenceError
from wayside.evidence.batch import BatchVerifier, ForkError, VerifiedBatch, note_in
from wayside.evidence.bundle import MAX_RECORDS
from wayside.evidence.entry import decode_entry
from wayside.evidence.fields import Fields, is_number
from wayside.evidence.files import replace_file
from wayside.evidence.fraud import FraudError
from wayside.evidence.heads import Commitment, Heads, StreamHead, committed
from wayside.evidence.history import EntryHistory
from wayside.evidence.judge import Numbering
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, open_checkpoint, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin

FORMAT = "wayside-fraud/2"
MAX_BATCHES = 16 << 20
"""Bytes of all batches of a file."""

_FORMAT, _HEADS, _NOTES, _BATCHES = range(4)
_MAX_NOTES = 16
_MAX_HEADS = 1 << 16
_MAX_FILE = 2 * MAX_BATCHES


@dataclass(frozen=True, slots=True)
class BatchFraud:
    """Nothing of it is verified yet. `heads`: all that the first of the notes commits to, or none."""

    heads: tuple[StreamHead, ...] = ()
    notes: tuple[bytes, ...] = ()
    batches: tuple[bytes, ...] = ()


def prove_batch_fraud(fraud: BatchFraud, key: NoteKey) -> tuple[str, list[str]]:
    """(origin, what the log with `key` signed that cannot be); FraudError when nothing of it is proven.

    As for bundles, `key` stands for every epoch of its site.
    """
    if key.kind != ED25519:
        raise FraudError("this is the key of a witness; a log's is of type 1")
    origin = _origin(fraud)
    if parse_origin(key.name).site == parse_origin(origin).site:
        key = replace(key, name=origin)
    checkpoints = [open_checkpoint(note, key)[0] for note in fraud.notes]
    if fraud.heads and (not checkpoints or Heads(fraud.heads).commitment() != committed(checkpoints[0])):
        raise FraudError("the heads are not those that the first checkpoint commits to")
    problems = list(_two_of_one_size(checkpoints))
    verifier, history, batches = BatchVerifier(key), EntryHistory(), []
    for raw in fraud.batches:
        try:
            batch = verifier.verify(raw)
            batches.append(batch)
            history.take(batch)
        except ForkError as error:
            problems.append(str(error))
    problems += _two_of_one_size([*checkpoints, *(_checkpoint(each.note) for each in batches)])
    start = checkpoints[0].size if fraud.heads else 0
    promised = [(each.size, committed(each)) for each in checkpoints if each.extensions]
    promised += [(each.size, each.heads) for each in batches]
    problems += contradictions(fraud.heads, start, batches, promised)
    if not problems:
        raise FraudError("its checkpoints and batches do not contradict each other")
    return origin, list(dict.fromkeys(problems))


def contradictions(
    heads: Iterable[StreamHead],
    start: int,
    batches: Iterable[VerifiedBatch],
    promised: Iterable[tuple[int, Commitment]],
) -> list[str]:
    """What is wrong with numbers and heads of verified entries from index `start` on, where `heads` are known."""
    heads = tuple(heads)
    numbering, grown, at = Numbering(), Heads(heads), start
    numbering.begin(heads, start)
    wanted: dict[int, set[Commitment]] = {}
    for size, commitment in promised:
        wanted.setdefault(size, set()).add(commitment)
    problems = _wrong_heads(grown, at, wanted) if start else []
    for index, raw in sorted(_entries(batches).items()):
        if index < start:
            continue
        try:
            entry = decode_entry(raw)
        except EvidenceError:
            numbering.skip(index)
            continue  # of what stream it is nobody knows: the heads behind it are not told from here
        numbering.take(index, entry.stream, entry.number)
        if index == at:
            grown.count_entry(entry.stream, index)
            at += 1
            problems += _wrong_heads(grown, at, wanted)
    return numbering.problems + problems


def _wrong_heads(heads: Heads, size: int, wanted: dict[int, set[Commitment]]) -> list[str]:
    if size in wanted and wanted[size] != {heads.commitment()}:
        return [f"the heads under the checkpoint of size {size} are not those of its entries"]
    return []


def _entries(batches: Iterable[VerifiedBatch]) -> dict[int, bytes]:
    return {index: raw for batch in batches for index, (_, raw) in enumerate(batch.records, batch.first)}


def _two_of_one_size(checkpoints: Sequence[Checkpoint]) -> Iterable[str]:
    known: dict[int, Checkpoint] = {}
    for each in checkpoints:
        other = known.setdefault(each.size, each)
        if other.root != each.root:
            yield f"two roots were signed for size {each.size}"
        elif other.extensions != each.extensions:
            yield f"two lines of heads were signed for size {each.size}"


def _origin(fraud: BatchFraud) -> str:
    if not fraud.notes and not fraud.batches:
        raise FraudError("there is neither a checkpoint nor a batch in it")
    return _checkpoint(fraud.notes[0] if fraud.notes else note_in(fraud.batches[0])).origin


def _checkpoint(note: bytes) -> Checkpoint:
    return parse_checkpoint(parse_note(note))


def encode_batch_fraud(fraud: BatchFraud) -> bytes:
    heads = [[each.stream, each.count, each.last] for each in fraud.heads]
    data: bytes = cbor.encode({_FORMAT: FORMAT, _HEADS: heads, _NOTES: fraud.notes, _BATCHES: fraud.batches})
    return data


def decode_batch_fraud(data: bytes) -> BatchFraud:
    """The fraud proof in `data`; FraudError when it is none.

    Each list is held against its limit before anything of it is made: who sends a proof may be a stranger too.
    """
    if len(data) > _MAX_FILE:
        raise FraudError(f"a fraud proof of {len(data)} bytes is over {_MAX_FILE}")
    try:
        return _Reader(data).fraud()
    except WireError as error:
        raise FraudError(f"not a fraud proof: {error}") from None


class _Reader(Fields):
    what, format, error = "fraud proof", FORMAT, FraudError

    def __init__(self, data: bytes) -> None:
        if not data.startswith(_BEGINS):
            raise FraudError(f"not a fraud proof of the format {FORMAT}")
        super().__init__(data, len(_BEGINS))

    def fraud(self) -> BatchFraud:
        heads = tuple(self._head() for _ in range(self._list(_HEADS, _MAX_HEADS)))
        if len({head.stream for head in heads}) != len(heads):
            raise FraudError("a stream has two heads")
        notes = tuple(self._bytes() for _ in range(self._list(_NOTES, _MAX_NOTES)))
        batches = tuple(self._bytes() for _ in range(self._list(_BATCHES, MAX_RECORDS)))
        self._end()
        return BatchFraud(heads, notes, batches)

    def _bytes(self) -> bytes:
        value = self._item()
        if not isinstance(value, bytes):
            raise FraudError("checkpoints and batches are byte strings")
        return value

    def _head(self) -> StreamHead:
        if self._count() != 3:
            raise FraudError("a head is not [stream, count, last]")
        stream, count, last = (self._item() for _ in range(3))
        if not (isinstance(stream, str) and is_number(count) and is_number(last)):
            raise FraudError("a head is not [stream, count, last]")
        return StreamHead(stream, count, last)


def read_batch_fraud(path: Path) -> BatchFraud | None:
    """The fraud proof in a file; None when the file is something else."""
    with path.open("rb") as file:
        if file.read(len(_BEGINS)) != _BEGINS:
            return None
        file.seek(0)
        return decode_batch_fraud(file.read(_MAX_FILE + 1))


_BEGINS = bytes([0xA4, _FORMAT]) + cbor.encode(FORMAT)


def write_batch_fraud(path: Path, fraud: BatchFraud) -> None:
    """Put the proof on disk under `path`, whole or not at all."""
    replace_file(path, encode_batch_fraud(fraud))
