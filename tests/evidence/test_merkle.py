"""The tree against a plain reading of RFC 6962 section 2.1, and against vectors written by others."""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import merkle

SIZES = st.integers(1, 300)


def leaf(index: int) -> bytes:
    return merkle.leaf_hash(b"%d" % index)


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def perfect(level: int, index: int) -> bytes:
    return plain_root([leaf(i) for i in range(index << level, (index + 1) << level)])


def root(size: int) -> bytes:
    return plain_root([leaf(i) for i in range(size)])


@given(st.integers(0, 300))
def test_the_frontier_tells_the_root_at_every_size(size: int):
    frontier = merkle.Frontier()
    for index in range(size):
        frontier.append(leaf(index))
    assert frontier.root() == root(size) == merkle.root_hash(size, perfect)
    assert frontier.hashes == merkle.frontier_hashes(size, perfect)
    assert merkle.Frontier(size, frontier.hashes).root() == frontier.root()


@given(st.data(), SIZES)
def test_an_inclusion_proof_holds_for_its_leaf_only(data: st.DataObject, size: int):
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, perfect)
    merkle.verify_inclusion(index, size, leaf(index), proof, root(size))
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(index, size, leaf(index + 1), proof, root(size))
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(index, size, leaf(index), [*proof, leaf(0)], root(size))
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index)) if size > 1 else size
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(other, size, leaf(index), proof, root(size))


@given(st.data(), SIZES)
def test_a_consistency_proof_holds_for_its_trees_only(data: st.DataObject, new: int):
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(old, new, perfect)
    merkle.verify_consistency(old, new, proof, root(old), root(new))
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(old, new, proof, root(new + 1), root(new))
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(old, new, proof, root(old), root(new + 1))
    for place in range(len(proof)):
        broken = [*proof[:place], leaf(0), *proof[place + 1 :]]
        if broken != proof:
            with pytest.raises(merkle.ProofError):
                merkle.verify_consistency(old, new, broken, root(old), root(new))
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(old, new, [*proof, leaf(0)], root(old), root(new))


def ranges_of(indices: set[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return ranges


@given(st.data(), st.integers(0, 200))
def test_a_subset_proof_makes_the_root_of_any_leaves(data: st.DataObject, size: int):
    indices = data.draw(st.sets(st.integers(0, size - 1))) if size else set()
    ranges = ranges_of(indices)
    proof = merkle.subset_proof(size, ranges, perfect)
    leaves = [leaf(i) for i in sorted(indices)]
    assert merkle.root_from_subset(size, ranges, iter(leaves), proof) == root(size)
    with pytest.raises(merkle.ProofError):
        merkle.root_from_subset(size, ranges, iter(leaves), [*proof, leaf(0)])
    if proof:
        with pytest.raises(merkle.ProofError):
            merkle.root_from_subset(size, ranges, iter(leaves), proof[:-1])
    if leaves:
        leaves[-1] = leaf(size + 1)
        assert merkle.root_from_subset(size, ranges, iter(leaves), proof) != root(size)


def test_a_day_of_packs_in_a_year_needs_few_hashes():
    size, first = 525_600, 300_007
    proof = merkle.subset_proof(size, [(first, first + 1440)], lambda level, index: bytes(32))
    assert len(proof) * 32 < 1024, len(proof)


@pytest.mark.parametrize("ranges", [[(0, 0)], [(2, 1)], [(0, 6)], [(1, 2), (0, 1)], [(0, 2), (1, 3)], [(-1, 2)]])
def test_ranges_that_make_no_sense_are_refused(ranges: list[tuple[int, int]]):
    with pytest.raises(merkle.ProofError):
        merkle.subset_proof(5, ranges, perfect)
    with pytest.raises(merkle.ProofError):
        merkle.root_from_subset(5, ranges, iter([]), [])


def test_the_empty_tree():
    merkle.verify_consistency(0, 0, [], merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)
    for old, new, old_root, new_root in [(0, 0, root(1), root(2)), (0, 1, merkle.EMPTY_ROOT, root(1))]:
        with pytest.raises(merkle.ProofError):
            merkle.verify_consistency(old, new, [], old_root, new_root)
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(0, 0, leaf(0), [], merkle.EMPTY_ROOT)


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_vectors_written_by_others(vectors: Path):
    files = sorted((vectors / "merkle").rglob("*.json"))
    assert files
    for file in files:
        case = json.loads(file.read_text())
        proof = [_bytes(each) for each in case["proof"] or []]
        try:
            if "leafIdx" in case:
                place = (case["leafIdx"], case["treeSize"])
                merkle.verify_inclusion(*place, _bytes(case["leafHash"]), proof, _bytes(case["root"]))
            else:
                roots = (_bytes(case["root1"]), _bytes(case["root2"]))
                merkle.verify_consistency(case["size1"], case["size2"], proof, *roots)
        except merkle.ProofError:
            assert case["wantErr"], file
        else:
            assert not case["wantErr"], file
