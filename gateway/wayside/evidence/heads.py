"""Heads: how many entries each stream of a log has, and where its last one stands. Every checkpoint commits to them.

The heads of all streams, sorted by name, are the leaves of a tree of their own (RFC 6962 section 2.1). Its root stands
in an extension line of the checkpoint (C2SP tlog-checkpoint), which the log signs and witnesses co-sign:

    wayside-heads/1 <number of streams> <root, base64>

So whoever holds one checkpoint and the head of a stream with its proof knows how many entries the stream has under that
checkpoint: none can be left out of a file unseen, not even the newest. docs/completeness.md has the argument.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wayside_wire import cbor

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.note import Checkpoint, b64, unbase64

_WORD = "wayside-heads/1"
_COUNT = re.compile(r"0|[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class StreamHead:
    """A stream's `count` of entries, and the index of its last one in the log."""

    stream: str
    count: int
    last: int

    def leaf(self) -> bytes:
        return merkle.leaf_hash(cbor.encode([self.stream, self.count, self.last]))


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a checkpoint says of its heads: the number of streams, and the root of their tree."""

    streams: int
    root: bytes

    def line(self) -> str:
        """The extension line."""
        return f"{_WORD} {self.streams} {b64(self.root)}"


NO_HEADS = Commitment(0, merkle.EMPTY_ROOT)


def committed(checkpoint: Checkpoint) -> Commitment:
    """What the checkpoint commits to; EvidenceError when it has not the one line that says it."""
    if len(checkpoint.extensions) != 1:
        raise EvidenceError("the checkpoint does not commit to its streams' heads in one extension line")
    words = checkpoint.extensions[0].split(" ")
    if len(words) != 3 or words[0] != _WORD or not _COUNT.fullmatch(words[1]):
        raise EvidenceError("the checkpoint's line of heads is out of form")
    root = unbase64(words[2])
    if len(root) != merkle.HASH_SIZE:
        raise EvidenceError("the root of the heads is not 32 bytes")
    found = Commitment(int(words[1]), root)
    if (found.streams == 0) != (found == NO_HEADS) or found.streams > checkpoint.size:
        raise EvidenceError("the checkpoint commits to a number of streams that cannot be")
    return found


class Heads:
    """The heads of a log as it grows. A step costs the logarithm of the number of streams, a new stream all of it."""

    def __init__(self, heads: Iterable[StreamHead] = ()) -> None:
        self._heads = {head.stream: head for head in heads}
        self._names = sorted(self._heads, key=str.encode)
        self._levels: list[list[bytes]] = []
        self._dirty: set[str] = set()
        self._grown = True

    def copy(self) -> "Heads":
        """Heads that grow on their own."""
        other = object.__new__(Heads)
        other._heads = dict(self._heads)
        other._names = list(self._names)
        other._levels = [list(level) for level in self._levels]
        other._dirty = set(self._dirty)
        other._grown = self._grown
        return other

    def __iter__(self) -> Iterator[StreamHead]:
        return (self._heads[name] for name in self._names)

    def get(self, stream: str) -> StreamHead:
        """A stream that has nothing yet has a count of 0, and -1 for its last index."""
        return self._heads.get(stream) or StreamHead(stream, 0, -1)

    def count_entry(self, stream: str, index: int) -> int:
        """The entry at `index` is the stream's next; its number there."""
        known = self._heads.get(stream)
        if known is None:
            self._names.insert(bisect_left(self._names, stream.encode(), key=str.encode), stream)
            self._grown = True
        number = known.count if known else 0
        self._heads[stream] = StreamHead(stream, number + 1, index)
        self._dirty.add(stream)
        return number

    def commitment(self) -> Commitment:
        if not self._names:
            return NO_HEADS
        self._update()
        return Commitment(len(self._names), self._levels[-1][0])

    def proof(self, stream: str) -> tuple[int, list[bytes]]:
        """(the stream's place among the leaves, its inclusion proof); EvidenceError when it has no entry."""
        if stream not in self._heads:
            raise EvidenceError(f"the log has no entry of the stream {stream}")
        self._update()
        at = bisect_left(self._names, stream.encode(), key=str.encode)
        return at, merkle.inclusion_proof(at, len(self._names), lambda level, index: self._levels[level][index])

    def _update(self) -> None:
        if self._grown:
            row = [self._heads[name].leaf() for name in self._names]
            self._levels = [row]
            while len(row) > 1:
                row = [_node(row, at) for at in range((len(row) + 1) // 2)]
                self._levels.append(row)
        elif self._dirty:
            changed = {bisect_left(self._names, name.encode(), key=str.encode) for name in self._dirty}
            for at in changed:
                self._levels[0][at] = self._heads[self._names[at]].leaf()
            for below, row in zip(self._levels, self._levels[1:], strict=False):
                changed = {at >> 1 for at in changed}
                for at in changed:
                    row[at] = _node(below, at)
        self._grown = False
        self._dirty.clear()


def _node(below: Sequence[bytes], at: int) -> bytes:
    """The node over two neighbours; one at the right edge without a neighbour goes up as it is (RFC 6962)."""
    pair = below[2 * at : 2 * at + 2]
    return merkle.node_hash(*pair) if len(pair) == 2 else pair[0]


def contradictions(proven: Iterable["ProvenHead"], streams: int, size: int) -> list[str]:
    """What heads of one checkpoint of `size` entries in `streams` streams say against each other.

    An honest log's have one order and one entry each, and all of them together count every entry.
    """
    problems = []
    by_place = sorted(proven, key=lambda each: each.at)
    names = [each.head.stream for each in by_place]
    if names != sorted(names, key=str.encode):
        problems.append(f"the heads are not in the order of their names: {', '.join(names[:5])}")
    lasts: dict[int, str] = {}
    for each in by_place:
        other = lasts.setdefault(each.head.last, each.head.stream)
        if other != each.head.stream:
            problems.append(f"the heads of {other} and {each.head.stream} both end with entry {each.head.last}")
    count, others = sum(each.head.count for each in by_place), streams - len(by_place)
    if count + others > size:  # each of the others has one entry at least
        more = f", and {others} other streams have some," if others else ""
        problems.append(f"the heads count {count} entries{more} of {size}")
    elif size and not others and (count < size or size - 1 not in lasts):
        end = max(lasts, default="none")
        problems.append(f"the heads of all streams count {count} entries of {size}, the last at {end}")
    return problems


class ProvenHead(NamedTuple):
    """A head as a bundle carries it: its place among the leaves and its inclusion proof."""

    head: StreamHead
    at: int
    hashes: tuple[bytes, ...]

    def check(self, commitment: Commitment) -> None:
        """EvidenceError unless the checkpoint with this commitment has this head."""
        try:
            merkle.verify_inclusion(self.at, commitment.streams, self.head.leaf(), self.hashes, commitment.root)
        except merkle.ProofError as error:
            raise EvidenceError(f"the head of {self.head.stream} is not the checkpoint's: {error}") from None
