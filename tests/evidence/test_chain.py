"""One device's chain: gaps, duplicates and named losses, in whatever order packs come."""

from hashlib import sha256
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.chain import Chain, Place

Link = tuple[Place, bytes, bytes]


def chain_of(*boots: int) -> list[Link]:
    """Packs of boots with so many packs each: (place, hash, hash of the one before)."""
    made: list[Link] = []
    previous = bytes(16)
    for boot, count in enumerate(boots):
        for sequence in range(count):
            digest = sha256(b"%d/%d" % (boot, sequence)).digest()[:16]
            made.append(((boot, sequence), digest, previous))
            previous = digest
    return made


def taken(links: list[Link]) -> Chain:
    chain = Chain()
    for link in links:
        assert chain.add(*link)
    return chain


def test_a_whole_chain_over_boots_has_no_gap_also_where_a_boot_sent_nothing() -> None:
    chain = taken(chain_of(3, 0, 1, 4))
    assert (chain.packs, chain.duplicates, chain.gaps()) == (8, 0, [])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.sets(st.integers(0, 20)), st.integers(0, 2**32))
def test_gaps_are_what_is_missing_in_any_order(boots: list[int], dropped: set[int], seed: int) -> None:
    links = [link for at, link in enumerate(chain_of(*boots)) if at not in dropped]
    in_order = taken(links)
    Random(seed).shuffle(shuffled := list(links))
    assert taken(shuffled).gaps() == in_order.gaps()
    # One gap for each place where the hash of the one before is not the neighbour's.
    breaks = [b for a, b in pairwise(links) if b[2] != a[1]]
    assert [gap.before for gap in in_order.gaps()] == [place for place, _, _ in breaks]


def test_the_lost_end_of_a_boot_is_seen_when_the_next_boot_begins() -> None:
    links = chain_of(4, 2)
    del links[3]
    (gap,) = taken(links).gaps()
    assert (gap.after, gap.before, gap.missing) == ((0, 2), (1, 0), None)
    assert str(gap) == "between boot 0 sequence 2 and boot 1 sequence 0"


def test_counts_a_pack_that_comes_twice_and_changes_nothing_else() -> None:
    links = chain_of(5)
    chain = taken(links)
    assert not chain.add(*links[2])
    assert (chain.packs, chain.duplicates, chain.gaps()) == (5, 1, [])


def test_a_pack_that_does_not_name_its_neighbour_is_a_gap_of_none() -> None:
    links = chain_of(3)
    links[2] = (links[2][0], links[2][1], b"another history.")
    (gap,) = taken(links).gaps()
    assert gap.missing == 0
    assert str(gap) == "boot 0: sequence 2 does not follow from 1"


def test_a_chain_of_hashes_whose_numbers_skip_is_a_gap() -> None:
    first, second, third = chain_of(3)
    assert len(taken([first, second, ((0, 5), third[1], third[2])]).gaps()) == 1


@pytest.mark.parametrize(
    ("kept", "named", "silent"),
    [
        ([0, 1, 5], [(0, 2, 4)], 0),
        ([0, 1, 5], [(0, 2, 3), (0, 4, 4)], 0),
        ([0, 1, 5], [(0, 2, 3)], 1),
        ([0, 1, 5], [(1, 2, 4)], 1),
        ([0, 1, 8, 9], [(0, 2, None)], 1),  # the beginning of boot 1 is not named
        ([0, 1, 8, 9], [(0, 2, None), (1, 0, 1)], 0),
        ([0, 1, 6], [(0, 2, None)], 0),
        ([0, 1, 6], [(0, 3, None)], 1),
        ([0, 1, 6], [(1, 0, None)], 0),  # "the chain is broken right before this pack"
    ],
)
def test_a_loss_that_the_log_names_is_no_silent_gap(kept: list[int], named: list[Place], silent: int) -> None:
    links = chain_of(6, 4)
    chain = taken([links[at] for at in kept])
    for loss in named:
        chain.name_loss(*loss)
    assert len(chain.gaps()) == silent
    assert len(chain.named()) == 1 - silent


def test_a_named_loss_that_comes_late_after_all_is_no_loss() -> None:
    links = chain_of(4)
    chain = taken([links[0], links[3]])
    chain.name_loss(0, 1, 2)
    for link in links[1:3]:
        chain.add(*link)
    assert (chain.gaps(), chain.named(), chain.packs) == ([], [], 4)
