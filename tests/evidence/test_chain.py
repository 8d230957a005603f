"""The packs of a device by one key: gaps, repetitions and named losses, in whatever order packs come."""

from hashlib import sha256
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.chain import Added, Chain, Place

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
        assert chain.add(*link) is Added.NEW
    return chain


def test_a_whole_chain_over_boots_has_no_gap_also_where_a_boot_sent_nothing() -> None:
    chain = taken(chain_of(3, 0, 1, 4))
    assert (chain.packs, chain.twice, chain.gaps(), chain.span()) == (8, 0, [], "from 0/0 to 3/3")
    assert chain.begins() and chain.before_first() is None


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


def test_knows_a_pack_that_comes_again_and_changes_nothing_else() -> None:
    links = chain_of(5)
    chain = taken(links)
    assert chain.add(*links[2]) is Added.REPEATED
    assert (chain.packs, chain.twice, chain.gaps()) == (5, 0, [])


def test_one_place_with_two_contents_is_there_twice() -> None:
    links = chain_of(5)
    chain = taken(links)
    assert chain.add(links[2][0], b"another content.", links[2][2]) is Added.TWICE
    assert (chain.packs, chain.twice, chain.gaps()) == (5, 1, [])


def test_where_the_chain_proves_that_nothing_lies_nothing_is_taken() -> None:
    """A pack of boot 1, sequence 5,000, after boot 2 began right behind sequence 3: somebody lies."""
    links = chain_of(4, 3)
    chain = taken(links)
    assert chain.add((0, 5000), b"x" * 16, b"y" * 16) is Added.AGAINST
    assert (chain.packs, chain.gaps()) == (7, [])


@given(st.integers(1, 8), st.lists(st.integers(0, 19), min_size=1, max_size=30))
def test_what_is_forgotten_is_called_so_and_never_counted(remember: int, order: list[int]) -> None:
    links = chain_of(20)
    chain = Chain(remember)
    for link in links:
        chain.add(*link)
    for at in order:
        assert chain.add(*links[at]) is (Added.REPEATED if at >= 20 - remember else Added.FORGOTTEN)
    assert (chain.packs, chain.gaps()) == (20, [])


def test_what_is_before_the_first_pack_is_known_by_its_hash() -> None:
    links = chain_of(5)
    chain = taken(links[2:])
    before = chain.before_first()
    assert before is not None and (str(before), before.causes) == ("before boot 0 sequence 2", ())
    chain.losses.name(0, 0, 0, "entry 7: lost")
    before = chain.before_first()
    assert before is not None and before.causes == (), "half of it is not named"
    chain.losses.name(0, 1, 1, "entry 8: lost")
    before = chain.before_first()
    assert before is not None and before.causes == ("entry 7: lost", "entry 8: lost")


def test_what_is_before_the_first_pack_of_a_boot_is_named_by_a_break_right_there() -> None:
    chain = taken(chain_of(3, 2)[3:])
    chain.losses.name(1, 4, 5, "entry 7: elsewhere")
    before = chain.before_first()
    assert before is not None and before.causes == ()
    chain.losses.name(1, 0, None, "entry 8: before first contact")
    before = chain.before_first()
    assert before is not None and before.causes == ("entry 8: before first contact",)


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
def test_a_loss_that_the_log_names_is_no_silent_gap(
    kept: list[int], named: list[tuple[int, int, int | None]], silent: int
) -> None:
    links = chain_of(6, 4)
    chain = taken([links[at] for at in kept])
    for loss in named:
        chain.losses.name(*loss, "entry 9: lost")
    assert len(chain.gaps()) == silent
    assert [each.causes for each in chain.named()] == [("entry 9: lost",)] * (1 - silent)


def test_a_named_loss_that_comes_late_after_all_is_no_loss() -> None:
    links = chain_of(4)
    chain = taken([links[0], links[3]])
    chain.losses.name(0, 1, 2, "entry 9: lost")
    for link in links[1:3]:
        chain.add(*link)
    assert (chain.gaps(), chain.named(), chain.packs) == ([], [], 4)


@pytest.mark.parametrize(
    ("kept", "named", "lost"),
    [
        ([0, 1], [(0, 2, 5)], ["boot 0: sequence 2 to 5 (entry 9: lost)"]),
        ([0, 1], [(0, 2, None)], ["boot 0: sequence 2 and on (entry 9: lost)"]),
        ([0, 1], [(7, 0, 1)], ["boot 7: sequence 0 to 1 (entry 9: lost)"]),
        ([], [(0, 0, 3)], ["boot 0: sequence 0 to 3 (entry 9: lost)"]),
        ([0, 1, 2, 3], [(0, 1, 5)], ["boot 0: sequence 1 to 5 (entry 9: lost)"]),  # four of them came after all
        ([0, 1, 2, 3], [(0, 1, 3)], []),  # all of them came
        ([*range(8)], [(0, 6, None)], []),  # the chain tells that boot 0 ended with 5
        ([*range(8)], [(0, 4, None)], []),
        ([*range(8)], [(0, 6, 9)], []),
        ([*range(8)], [(1, 2, None)], ["boot 1: sequence 2 and on (entry 9: lost)"]),
        ([0, 1, 5], [(0, 2, 4)], []),  # told by the gap that is named
        ([3, 4], [(0, 0, 2)], []),  # told by what is missing before the first
    ],
)
def test_a_loss_that_is_named_where_no_pack_shows_it_is_a_loss(
    kept: list[int], named: list[tuple[int, int, int | None]], lost: list[str]
) -> None:
    links = chain_of(6, 4)
    chain = taken([links[at] for at in kept])
    for loss in named:
        chain.losses.name(*loss, "entry 9: lost")
    assert chain.outside() == lost


def test_a_loss_of_a_boot_that_the_chain_passes_over_is_none() -> None:
    chain = taken(chain_of(3, 0, 2))
    chain.losses.name(1, 0, 4, "entry 9: lost")
    chain.losses.name(1, 0, None, "entry 10: lost")
    assert chain.outside() == []


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.sets(st.integers(0, 20)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.none() | st.integers(0, 6)), max_size=6),
)
def test_what_is_named_is_what_a_slow_reading_of_the_rules_names(
    boots: list[int], dropped: set[int], told: list[tuple[int, int, int | None]]
) -> None:
    chain = taken([link for at, link in enumerate(chain_of(*boots)) if at not in dropped])
    told = [(boot, first, None if last is None else max(first, last)) for boot, first, last in told]
    for at, loss in enumerate(told):
        chain.losses.name(*loss, f"entry {at}")
    closed = {(boot, each) for boot, first, last in told if last is not None for each in range(first, last + 1)}
    opened = {(boot, first) for boot, first, last in told if last is None}

    def up_to_a_pack(boot: int, first: int, end: int) -> bool:
        """One after the other, each is named, or from one on nobody knows how many."""
        for sequence in range(first, end):
            if (boot, sequence) in opened:
                return True
            if (boot, sequence) not in closed:
                return False
        return True

    def the_end(boot: int, first: int) -> bool:
        return any(at == boot and begin <= first for at, begin in opened) or any(
            (boot, begin) in opened and all((boot, each) in closed for each in range(first, begin))
            for begin in range(first, 20)
        )

    for gap in chain.gaps() + chain.named():
        assert gap.after is not None
        (boot, last), (next_boot, first) = gap.after, gap.before
        if gap.before in opened:
            named = True
        elif boot == next_boot:
            named = first > last + 1 and up_to_a_pack(boot, last + 1, first)
        else:
            named = the_end(boot, last + 1) and up_to_a_pack(next_boot, 0, first)
        assert (gap in chain.named()) is named
