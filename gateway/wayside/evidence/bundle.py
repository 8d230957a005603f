"""An evidence file: entries of one log, the proof that they are in it, and the checkpoint that the log signed.

CBOR map {0: "wayside-bundle/3", 1: checkpoint note, 2: [[first, end], ...] indexes, 3: [[salt, entry], ...] in that
order, 4: [proof hash, ...], 5: manifest, 6: policy or null, 7: [[stream, count, last, place, [hash, ...]], ...] heads}.
CDDL: docs/log-format.md. The stream of the keys is in every bundle, whole, and so are the heads of what it claims: a
stranger brings nothing but the log's key or its owner's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wayside_wire import WireError, cbor

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import SALT_SIZE
from wayside.evidence.fields import Fields, is_number
from wayside.evidence.files import replace_file
from wayside.evidence.heads import ProvenHead, StreamHead
from wayside.evidence.stream import KEYS, check_stream, device_of

FORMAT = "wayside-bundle/3"
MAX_BUNDLE = 1 << 30  # bytes
MAX_RECORDS = 1 << 22  # eight years of one pack a minute
MAX_RANGES = 1 << 20
MAX_HASHES = 1 << 20
MAX_HEADS = 1 << 10

_FORMAT, _CHECKPOINT, _RANGES, _RECORDS, _PROOF, _MANIFEST, _POLICY, _HEADS = range(8)
_FIELDS = 8
_MANIFEST_FIELDS = 5
_HEAD_HASHES = 64
_CHUNK = 4096


class BundleError(EvidenceError):
    """A file that is no bundle, or not in form; nothing of it was judged."""


@dataclass(frozen=True, slots=True)
class BundleClaim:
    """What the writer says the bundle is: all of a log, or the entries [first, end) of one stream, by their numbers.

    end None: up to the newest under the checkpoint. No clock is asked: who looks for a time reads it from the entries.
    """

    stream: str | None = None
    first: int = 0
    end: int | None = None

    @property
    def device(self) -> str | None:
        """The device whose stream it is about."""
        return device_of(self.stream) if self.stream else None


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote the file and when (ms since 1970); a note for people, proven by nothing."""

    name: str = ""
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in form. `records`: (salt, entry) for the indexes of `ranges`, in order.

    `policy`: a tlog-policy that the writer recommends, empty when there is none; his word, like claim and writer.
    """

    checkpoint: bytes
    ranges: tuple[merkle.Range, ...]
    records: tuple[tuple[bytes, bytes], ...]
    proof: tuple[bytes, ...]
    claim: BundleClaim
    writer: Writer = Writer()
    policy: bytes = b""
    heads: tuple[ProvenHead, ...] = ()

    def indexes(self) -> Iterator[int]:
        for first, end in self.ranges:
            yield from range(first, end)


class _Record(Protocol):
    @property
    def index(self) -> int: ...

    @property
    def salt(self) -> bytes: ...

    @property
    def entry(self) -> bytes: ...

    @property
    def damaged(self) -> bool: ...


class BundleSource(Protocol):
    """What the writer asks of a log; wayside.log.LogReader is one."""

    @property
    def size(self) -> int: ...

    @property
    def checkpoint(self) -> bytes: ...

    def records(self, first: int, limit: int) -> Sequence[_Record]: ...

    def head(self, stream: str) -> ProvenHead:
        """EvidenceError when the log has nothing of the stream."""
        ...

    def indexes_of(self, stream: str, first: int, end: int) -> list[int]:
        """The indexes of a stream's entries with numbers in [first, end), ascending."""
        ...

    def subset_proof(self, ranges: Sequence[merkle.Range]) -> list[bytes]: ...


def write_bundle(
    path: Path, log: BundleSource, claim: BundleClaim = BundleClaim(), writer: Writer = Writer(), policy: bytes = b""
) -> Bundle:
    """Write the bundle that `claim` describes; EvidenceError when the log has nothing of it any more."""
    heads: tuple[ProvenHead, ...] = ()
    if claim.stream is None:
        indexes: Iterable[int] = range(log.size)
    else:
        wanted = {stream: log.head(stream) for stream in dict.fromkeys([KEYS, claim.stream])}
        heads = tuple(wanted.values())
        count = wanted[claim.stream].head.count
        keys = log.indexes_of(KEYS, 0, wanted[KEYS].head.count)
        indexes = sorted({*keys, *log.indexes_of(claim.stream, claim.first, min(count, claim.end or count))})
    ranges = ranges_of(indexes)
    records = list(_read(log, ranges))
    if damaged := [record.index for record in records if record.damaged]:
        raise EvidenceError(f"entry {damaged[0]} is damaged in the log; choose a time or a device without it")
    if any(not record.salt for record in records):
        raise EvidenceError("PRUNED: retention has erased entries of this; choose a later beginning, or one device")
    pairs = tuple((record.salt, record.entry) for record in records)
    proof = tuple(log.subset_proof(ranges))
    bundle = Bundle(log.checkpoint, tuple(ranges), pairs, proof, claim, writer, policy, heads)
    replace_file(path, encode_bundle(bundle))
    return bundle


def _read(log: BundleSource, ranges: Iterable[merkle.Range]) -> Iterator[_Record]:
    for first, end in ranges:
        for start in range(first, end, _CHUNK):
            yield from log.records(start, min(_CHUNK, end - start))


def ranges_of(indexes: Iterable[int]) -> list[merkle.Range]:
    """Ascending indexes as ranges [first, end)."""
    ranges: list[merkle.Range] = []
    for index in indexes:
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return ranges


def encode_bundle(bundle: Bundle) -> bytes:
    claim = bundle.claim
    data: bytes = cbor.encode(
        {
            _FORMAT: FORMAT,
            _CHECKPOINT: bundle.checkpoint,
            _RANGES: bundle.ranges,
            _RECORDS: bundle.records,
            _PROOF: bundle.proof,
            _MANIFEST: [claim.stream, claim.first, claim.end, bundle.writer.name, bundle.writer.time_ms],
            _POLICY: bundle.policy or None,
            _HEADS: [_head_fields(each) for each in bundle.heads],
        }
    )
    return data


def _head_fields(proven: ProvenHead) -> list[object]:
    head = proven.head
    return [head.stream, head.count, head.last, proven.at, proven.hashes]


def read_bundle(path: Path) -> Bundle:
    """The bundle in a file; BundleError says why it is none."""
    try:
        size = path.stat().st_size
        if size > MAX_BUNDLE:
            raise BundleError(f"{size} bytes are over {MAX_BUNDLE}")
        return decode_bundle(path.read_bytes())
    except BundleError as error:
        raise BundleError(f"{path}: {error}. An evidence file is what `wayside export` wrote, whole") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from None


def decode_bundle(data: bytes) -> Bundle:
    """The bundle in `data`; BundleError says why it is none.

    Read field by field, each list checked against its limit before anything of it is made: what a file from a stranger
    costs in memory is a small multiple of its size.
    """
    try:
        return _Reader(data).bundle()
    except WireError as error:
        raise BundleError(f"not a bundle: {error}") from None


class _Reader(Fields):
    what, format, error = "bundle", FORMAT, BundleError

    def __init__(self, data: bytes):
        count, at = cbor.open_map(data, 0)
        super().__init__(data, at)
        if count != _FIELDS:
            raise BundleError(f"not a bundle of the format {FORMAT}")

    def bundle(self) -> Bundle:
        if self._field(_FORMAT) != FORMAT:
            raise BundleError(f"not a bundle of the format {FORMAT}")
        checkpoint = self._field(_CHECKPOINT)
        if not isinstance(checkpoint, bytes):
            raise BundleError("the checkpoint is not a byte string")
        ranges = tuple(self._ranges(self._list(_RANGES, MAX_RANGES)))
        if sum(max(0, end - first) for first, end in ranges) > MAX_RECORDS:
            raise BundleError(f"there are more than {MAX_RECORDS} indexes")
        records = tuple(self._records(self._list(_RECORDS, MAX_RECORDS)))
        if sum(max(0, end - first) for first, end in ranges) != len(records):
            raise BundleError("there are not as many records as indexes")
        proof = tuple(self._hashes(self._list(_PROOF, MAX_HASHES)))
        claim, writer = _manifest([self._item() for _ in range(self._list(_MANIFEST, _MANIFEST_FIELDS))])
        policy = self._field(_POLICY)
        if not (policy is None or (isinstance(policy, bytes) and policy)):
            raise BundleError("the policy is not a byte string")
        heads = tuple(self._heads(self._list(_HEADS, MAX_HEADS)))
        if len({each.head.stream for each in heads}) != len(heads):
            raise BundleError("a stream has two heads")
        self._end()
        return Bundle(checkpoint, ranges, records, proof, claim, writer, policy or b"", heads)

    def _ranges(self, count: int) -> Iterator[merkle.Range]:
        for _ in range(count):
            pair = self._pair("the indexes are not pairs of first and end", cbor.is_int)
            yield pair[0], pair[1]

    def _records(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        for _ in range(count):
            salt, entry = self._pair("the records are not pairs of salt and entry", _is_bytes)
            if len(salt) != SALT_SIZE:
                raise BundleError(f"a salt is not {SALT_SIZE} bytes")
            yield salt, entry

    def _hashes(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            value = self._item()
            if not isinstance(value, bytes):
                raise BundleError("the proof is not a list of hashes")
            yield value

    def _heads(self, count: int) -> Iterator[ProvenHead]:
        for _ in range(count):
            if self._count() != 5:
                raise BundleError("a head is not [stream, count, last, place, hashes]")
            stream, entries, last, at = (self._item() for _ in range(4))
            if not (isinstance(stream, str) and is_number(entries) and is_number(last) and is_number(at)):
                raise BundleError("a head is not [stream, count, last, place, hashes]")
            hashes = self._count()
            if hashes > _HEAD_HASHES:
                raise BundleError("a head's proof has more hashes than any tree needs")
            yield ProvenHead(StreamHead(stream, entries, last), at, tuple(self._hashes(hashes)))

    def _pair(self, problem: str, test: Callable[[object], bool]) -> tuple[Any, Any]:
        if self._data[self._at : self._at + 1] != b"\x82":
            raise BundleError(problem)
        self._at += 1
        first, second = self._item(), self._item()
        if not (test(first) and test(second)):
            raise BundleError(problem)
        return first, second


def _manifest(value: list[Any]) -> tuple[BundleClaim, Writer]:
    if len(value) != _MANIFEST_FIELDS:
        raise BundleError("the manifest is not [stream, first, end, writer, written at]")
    stream, first, end, writer, written_ms = value
    if not (isinstance(writer, str) and is_number(written_ms)):
        raise BundleError("the manifest's writer is not a name and a time")
    if not (is_number(first) and (end is None or (is_number(end) and end > first))):
        raise BundleError("the claim's numbers are not those of entries")
    if stream is None:
        if first or end is not None:
            raise BundleError("the whole log has no first and no end")
        return BundleClaim(), Writer(writer, written_ms)
    if not isinstance(stream, str):
        raise BundleError("the claim's stream is not a text")
    try:
        check_stream(stream)
    except EvidenceError as error:
        raise BundleError(f"the claim: {error}") from None
    return BundleClaim(stream, first, end), Writer(writer, written_ms)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)
