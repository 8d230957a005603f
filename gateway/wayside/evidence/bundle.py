"""An evidence file: entries of one log, the proof that they are in it, and the checkpoint that the log signed.

CBOR map {0: "wayside-bundle/2", 1: checkpoint note, 2: [[first, end], ...] indexes, 3: [[salt, entry], ...] in that
order, 4: [proof hash, ...], 5: manifest, 6: policy or null}. CDDL: docs/log-format.md. The keys of devices are in the
log's own key entries, so a bundle always has those; a stranger brings nothing but the log's key or its owner's.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wayside_wire import WireError, cbor

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.entry import SALT_SIZE, Kind, kind_and_time

FORMAT = "wayside-bundle/2"
GATEWAY_STREAM = "gateway"  # keys, configuration, clock: without them a device's packs cannot be judged
MAX_BUNDLE = 1 << 30  # bytes

_FORMAT, _CHECKPOINT, _RANGES, _RECORDS, _PROOF, _MANIFEST, _POLICY = range(7)
_CHUNK = 4096


class BundleError(EvidenceError):
    """A file that is no bundle, or not in form; nothing of it was judged."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the writer says the bundle is: all of a log, or one device's entries logged from..to (ms since 1970)."""

    device: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None


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
    claim: Claim
    writer: Writer = Writer()
    policy: bytes = b""

    def indexes(self) -> Iterator[int]:
        for first, end in self.ranges:
            yield from range(first, end)


class _Record(Protocol):
    @property
    def salt(self) -> bytes: ...

    @property
    def entry(self) -> bytes: ...


class Source(Protocol):
    """What the writer asks of a log; wayside.log.LogReader is one."""

    @property
    def size(self) -> int: ...

    @property
    def checkpoint(self) -> bytes: ...

    def records(self, first: int, limit: int) -> Sequence[_Record]: ...

    def indexes_of(self, streams: Sequence[str]) -> list[int]: ...

    def subset_proof(self, ranges: Sequence[merkle.Range]) -> list[bytes]: ...


def write_bundle(
    path: Path, log: Source, claim: Claim = Claim(), writer: Writer = Writer(), policy: bytes = b""
) -> Bundle:
    """Write the bundle that `claim` describes; EvidenceError when the log has nothing of it any more."""
    if claim.device is None:
        indexes: Iterable[int] = range(log.size)
    else:
        indexes = sorted({*log.indexes_of([GATEWAY_STREAM]), *interval(log, claim)})
    ranges = ranges_of(indexes)
    records = list(_read(log, ranges))
    if any(not record.salt for record in records):
        raise EvidenceError("PRUNED: retention has erased entries of this interval; choose a later one")
    pairs = tuple((record.salt, record.entry) for record in records)
    bundle = Bundle(log.checkpoint, tuple(ranges), pairs, tuple(log.subset_proof(ranges)), claim, writer, policy)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(encode_bundle(bundle))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return bundle


def interval(log: Source, claim: Claim) -> list[int]:
    """The device's entries of the claim, from the pack before to the pack behind, so that an edge left out shows."""
    assert claim.device is not None
    indexes = log.indexes_of([claim.device])
    if claim.from_ms is None and claim.to_ms is None:
        return indexes
    inside, packs = [], []
    for place, record in enumerate(_read(log, ranges_of(indexes))):
        if not record.salt:  # erased by retention
            continue
        kind, logged_at_ms = kind_and_time(record.entry)
        if (claim.from_ms or 0) <= logged_at_ms < (sys.maxsize if claim.to_ms is None else claim.to_ms):
            inside.append(place)
        elif kind == Kind.PACK:
            packs.append(place)
    if not inside:
        return []
    first = max((place for place in packs if place < inside[0]), default=inside[0])
    last = min((place for place in packs if place > inside[-1]), default=inside[-1])
    return indexes[first : last + 1]


def _read(log: Source, ranges: Iterable[merkle.Range]) -> Iterator[_Record]:
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
            _MANIFEST: [claim.device, claim.from_ms, claim.to_ms, bundle.writer.name, bundle.writer.time_ms],
            _POLICY: bundle.policy or None,
        }
    )
    return data


def read_bundle(path: Path) -> Bundle:
    """The bundle in a file; BundleError says why it is none."""
    try:
        size = path.stat().st_size
        if size > MAX_BUNDLE:
            raise BundleError(f"{path}: {size} bytes are over {MAX_BUNDLE}")
        return decode_bundle(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from None


def decode_bundle(data: bytes) -> Bundle:
    try:
        value = cbor.decode(data)
    except WireError as error:
        raise BundleError(f"not a bundle: {error}") from None
    if not isinstance(value, dict) or value.get(_FORMAT) != FORMAT or list(value) != list(range(7)):
        raise BundleError(f"not a bundle of the format {FORMAT}")
    _, checkpoint, ranges, records, proof, manifest, policy = value.values()
    if not isinstance(checkpoint, bytes):
        raise BundleError("the checkpoint is not a byte string")
    if not (isinstance(ranges, list) and all(_is_pair(each, cbor.is_int) for each in ranges)):
        raise BundleError("the indexes are not pairs of first and end")
    if not (isinstance(records, list) and all(_is_pair(each, _is_bytes) for each in records)):
        raise BundleError("the records are not pairs of salt and entry")
    if any(len(salt) != SALT_SIZE for salt, _ in records):
        raise BundleError(f"a salt is not {SALT_SIZE} bytes")
    if sum(max(0, end - first) for first, end in ranges) != len(records):
        raise BundleError("there are not as many records as indexes")
    if not (isinstance(proof, list) and all(map(_is_bytes, proof))):
        raise BundleError("the proof is not a list of hashes")
    if not (policy is None or (isinstance(policy, bytes) and policy)):
        raise BundleError("the policy is not a byte string")
    pairs = tuple((salt, entry) for salt, entry in records)
    indexes = tuple((first, end) for first, end in ranges)
    return Bundle(checkpoint, indexes, pairs, tuple(proof), *_manifest(manifest), policy or b"")


def _manifest(value: object) -> tuple[Claim, Writer]:
    if not (isinstance(value, list) and len(value) == 5):
        raise BundleError("the manifest is not [device, from, to, writer, written at]")
    device, from_ms, to_ms, writer, written_ms = value
    if not (isinstance(writer, str) and cbor.is_int(written_ms) and written_ms >= 0):
        raise BundleError("the manifest's writer is not a name and a time")
    if not (device is None or isinstance(device, str)):
        raise BundleError("the claim's device is not a text")
    if any(not (each is None or (device is not None and cbor.is_int(each) and each >= 0)) for each in (from_ms, to_ms)):
        raise BundleError("the claim's times are not times of a device")
    return Claim(device, from_ms, to_ms), Writer(writer, written_ms)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _is_pair(value: object, test: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(test, value))
