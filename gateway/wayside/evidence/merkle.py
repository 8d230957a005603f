"""The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1): hashes, roots, and proofs made and checked.

Pure arithmetic over 32-byte hashes. A writer hands in `perfect(level, index)`: the hash of the full subtree of
2**level leaves that begins at leaf index * 2**level.

Three kinds of proof:

* inclusion and consistency, as the RFC orders their hashes;
* subset: any set of leaves at once. It walks the tree from the root. A subtree with none of the leaves costs one hash
  of the proof, from left to right; nothing else is needed. One function serves a batch, a bundle and a day of packs.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from wayside.evidence import EvidenceError

Perfect = Callable[[int, int], bytes]
Range = tuple[int, int]
"""Leaves [first, end)."""

HASH_SIZE = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()


class ProofError(EvidenceError):
    """A proof that does not prove what it should."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The full subtrees that cover the leaves so far, largest first: what it takes to go on and to tell the root."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()):
        """`hashes`: one per bit that is set in `size`, for the largest subtree first."""
        if len(hashes) != size.bit_count():
            raise ProofError(f"{len(hashes)} hashes for a tree of {size} leaves, {size.bit_count()} are needed")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Add the leaf with this leaf hash."""
        node = leaf
        size = self.size
        while size & 1:
            node = node_hash(self.hashes.pop(), node)
            size >>= 1
        self.hashes.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node


def split_point(first: int, end: int) -> int:
    """Where the RFC divides the leaves [first, end): after the largest power of two below their number."""
    return first + (1 << (end - first - 1).bit_length() - 1)


def subtree_hash(first: int, end: int, perfect: Perfect) -> bytes:
    """The hash of the subtree over [first, end) as the tree has it; ragged only at the right edge."""
    width = end - first
    level = width.bit_length() - 1
    if width == 1 << level:
        return perfect(level, first >> level)
    middle = split_point(first, end)
    return node_hash(subtree_hash(first, middle, perfect), subtree_hash(middle, end, perfect))


def root_hash(size: int, perfect: Perfect) -> bytes:
    return subtree_hash(0, size, perfect) if size else EMPTY_ROOT


def frontier_hashes(size: int, perfect: Perfect) -> list[bytes]:
    """The hashes of a Frontier of `size` leaves."""
    hashes = []
    at = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(perfect(level, at >> level))
            at += 1 << level
    return hashes


# --- inclusion: RFC 9162 section 2.1.3 ---


def inclusion_proof(index: int, size: int, perfect: Perfect) -> list[bytes]:
    """From the leaf's sibling up to the root's child."""
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    proof = []
    first, end = 0, size
    while end - first > 1:
        middle = split_point(first, end)
        if index < middle:
            proof.append(subtree_hash(middle, end, perfect))
            end = middle
        else:
            proof.append(subtree_hash(first, middle, perfect))
            first = middle
    return proof[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """ProofError unless the leaf hash `leaf` is at `index` in the tree of `size` leaves with this root."""
    _check_hashes([leaf, root, *proof])
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"leaf {index} is not in a tree of {size}")
    node, rest = leaf, list(proof)
    place, last = index, size - 1
    while last:
        if place & 1:
            node = node_hash(_take(rest), node)
        elif place < last:
            node = node_hash(node, _take(rest))
        place >>= 1
        last >>= 1
    _finish(rest, node, root)


# --- consistency: RFC 9162 section 2.1.4 ---


def consistency_proof(old: int, new: int, perfect: Perfect) -> list[bytes]:
    """That the tree of `new` leaves begins with that of `old`; empty for equal sizes and for an empty old tree."""
    if not 0 <= old <= new:
        raise ProofError(f"no consistency proof from {old} to {new} leaves")
    if old in (0, new):
        return []
    proof = []
    first, end = 0, new
    while old < end:
        middle = split_point(first, end)
        if old <= middle:
            proof.append(subtree_hash(middle, end, perfect))
            end = middle
        else:
            proof.append(subtree_hash(first, middle, perfect))
            first = middle
    if first:
        proof.append(subtree_hash(first, end, perfect))
    return proof[::-1]


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """ProofError unless the tree (new, new_root) begins with the tree (old, old_root).

    Everything extends the empty tree, so a proof from size 0 to another would prove nothing and is refused: whoever
    starts from nothing has to say so himself. At equal sizes only the roots are compared, whatever they are.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise ProofError(f"a tree of {new} cannot extend one of {old}")
    if old == new:
        if proof:
            raise ProofError("equal sizes need no proof, but one was given")
        if old_root != new_root:
            raise ProofError("equal sizes with different roots")
        return
    if old == 0:
        raise ProofError("a proof from the empty tree proves nothing")
    _check_hashes([old_root, new_root, *proof])
    rest = list(proof)
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    before = after = _take(rest) if place else old_root
    while last:
        if place & 1:
            left = _take(rest)
            before, after = node_hash(left, before), node_hash(left, after)
        elif place < last:
            after = node_hash(after, _take(rest))
        place >>= 1
        last >>= 1
    if before != old_root:
        raise ProofError("the proof does not lead to the old root")
    _finish(rest, after, new_root)


# --- subsets ---


def subset_proof(size: int, ranges: Sequence[Range], perfect: Perfect) -> list[bytes]:
    """The hashes that make the root out of the leaves in `ranges` (ascending, disjoint, not empty)."""
    _check_ranges(size, ranges)
    proof: list[bytes] = []
    if not size:
        return proof

    def walk(first: int, end: int, at: int) -> int:
        """`at`: the first range that ends behind `first`; returns the same for `end`."""
        while at < len(ranges) and ranges[at][1] <= first:
            at += 1
        if at == len(ranges) or ranges[at][0] >= end:
            proof.append(subtree_hash(first, end, perfect))
        elif not (ranges[at][0] <= first and end <= ranges[at][1]):
            middle = split_point(first, end)
            at = walk(middle, end, walk(first, middle, at))
        return at

    walk(0, size, 0)
    return proof


def root_from_subset(size: int, ranges: Sequence[Range], leaves: Iterator[bytes], proof: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` leaves in which `leaves` (leaf hashes, in order) stand at `ranges`."""
    _check_ranges(size, ranges)
    _check_hashes(proof)
    rest = list(reversed(proof))
    at = 0

    def walk(first: int, end: int) -> bytes:
        nonlocal at
        while at < len(ranges) and ranges[at][1] <= first:
            at += 1
        if at == len(ranges) or ranges[at][0] >= end:
            if not rest:
                raise ProofError("the proof is too short")
            return rest.pop()
        if end - first == 1:
            return next(leaves)
        middle = split_point(first, end)
        left = walk(first, middle)
        return node_hash(left, walk(middle, end))

    root = walk(0, size) if size else EMPTY_ROOT
    if rest:
        raise ProofError("the proof is too long")
    return root


def _check_ranges(size: int, ranges: Sequence[Range]) -> None:
    before = -1
    for first, end in ranges:
        if not before < first < end <= size:
            raise ProofError(f"leaves {first} to {end} do not fit a tree of {size}, or are out of order")
        before = end
    if not 0 <= size <= MAX_SIZE:
        raise ProofError(f"{size} is not a tree size")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise ProofError("a hash is not 32 bytes")


def _take(rest: list[bytes]) -> bytes:
    if not rest:
        raise ProofError("the proof is too short")
    return rest.pop(0)


def _finish(rest: list[bytes], node: bytes, root: bytes) -> None:
    if rest:
        raise ProofError("the proof is too long")
    if node != root:
        raise ProofError("the proof does not lead to the root")
