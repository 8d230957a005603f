"""The order of a device's packs: nothing lost without a name, nothing twice, nothing out of turn."""

from hypothesis import given
from hypothesis import strategies as st
from wayside.intake.order import (
    BEFORE_FIRST_CONTACT,
    CHAIN_BROKEN,
    LOST_AT_SOURCE,
    Earlier,
    Extends,
    Gap,
    Head,
    OutOfOrder,
    judge,
)
from wayside.reading import Pack
from wayside_wire.pack import NO_PREVIOUS


def hash_of(boot: int, sequence: int) -> bytes:
    return b"%8d%8d" % (boot, sequence)


def make(boot: int, sequence: int, previous: bytes) -> Pack:
    return Pack("meter-1", boot, sequence, 2, previous, ())


def test_the_next_pack_extends_the_chain():
    head = Head(3, 7, hash_of(3, 7))
    assert judge(head, make(3, 8, head.hash), (3, 8)) == Extends()
    assert judge(head, make(3, 8, head.hash), (3, 5)) == Extends(), "older packs may await their acknowledgement"


def test_a_boot_continues_the_chain():
    head = Head(3, 7, hash_of(3, 7))
    assert judge(head, make(5, 0, head.hash), (5, 0)) == Extends()


def test_a_first_pack_is_welcome_and_names_what_came_before():
    assert judge(None, make(1, 0, NO_PREVIOUS), (1, 0)) == Extends()
    assert judge(None, make(4, 9, hash_of(4, 8)), (4, 9)) == Extends((Gap(4, 0, 8, BEFORE_FIRST_CONTACT),))
    assert judge(None, make(4, 0, hash_of(3, 8)), (4, 0)) == Extends((Gap(4, 0, None, BEFORE_FIRST_CONTACT),))


def test_a_pack_waits_for_those_the_node_still_holds():
    head = Head(3, 7, hash_of(3, 7))
    assert judge(head, make(3, 10, hash_of(3, 9)), (3, 8)) == OutOfOrder()
    assert judge(head, make(4, 0, hash_of(3, 9)), (3, 8)) == OutOfOrder()
    assert judge(None, make(4, 2, hash_of(4, 1)), (4, 0)) == OutOfOrder()


def test_what_the_node_dropped_becomes_a_gap():
    head = Head(3, 7, hash_of(3, 7))
    assert judge(head, make(3, 11, hash_of(3, 10)), (3, 11)) == Extends((Gap(3, 8, 10, LOST_AT_SOURCE),))
    assert judge(head, make(5, 0, hash_of(4, 2)), (5, 0)) == Extends((Gap(3, 8, None, LOST_AT_SOURCE),))
    assert judge(head, make(5, 3, hash_of(5, 2)), (5, 3)) == Extends(
        (Gap(3, 8, None, LOST_AT_SOURCE), Gap(5, 0, 2, LOST_AT_SOURCE))
    )


def test_a_right_number_with_a_wrong_chain_is_named():
    head = Head(3, 7, hash_of(3, 7))
    verdict = judge(head, make(3, 8, b"x" * 16), (3, 8))
    assert isinstance(verdict, Extends) and [gap.cause for gap in verdict.gaps] == [CHAIN_BROKEN]


@given(st.integers(0, 2), st.integers(0, 4))
def test_at_or_before_the_head_is_earlier(boot: int, sequence: int):
    head = Head(2, 4, hash_of(2, 4))
    assert judge(head, make(boot, sequence, b"x" * 16), (0, 0)) == Earlier()


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    dropped=st.sets(st.integers(0, 23)),
    order=st.randoms(use_true_random=False),
)
def test_any_order_of_sending_ends_with_each_held_pack_once_and_each_lost_one_named(lengths, dropped, order):
    """A node that holds some of what it made offers it in any order, repeatedly; the log comes out complete."""
    made: list[Pack] = []
    previous = NO_PREVIOUS
    for boot, length in enumerate(lengths, 1):
        for sequence in range(length):
            made.append(make(boot, sequence, previous))
            previous = hash_of(boot, sequence)
    held = [pack for index, pack in enumerate(made) if index not in dropped]
    head: Head | None = None
    logged: list[tuple[int, int]] = []
    gaps: list[Gap] = []
    while len(logged) < len(held):
        waiting = [pack for pack in held if (pack.boot, pack.sequence) not in logged]
        pack = order.choice(held)
        verdict = judge(head, pack, (waiting[0].boot, waiting[0].sequence))
        if isinstance(verdict, Extends):
            assert pack is waiting[0]
            gaps += verdict.gaps
            logged.append((pack.boot, pack.sequence))
            head = Head(pack.boot, pack.sequence, hash_of(pack.boot, pack.sequence))
        elif isinstance(verdict, Earlier):
            assert (pack.boot, pack.sequence) in logged
        else:
            assert pack is not waiting[0]
    assert logged == [(pack.boot, pack.sequence) for pack in held]
    last = made.index(held[-1]) if held else 0
    for index in sorted(dropped):
        if index < last:
            lost = made[index]
            assert any(_names(gap, lost) for gap in gaps), (lost, gaps)


def _names(gap: Gap, lost: Pack) -> bool:
    """Whether the gap says that `lost` is lost; one without an end speaks for all that may have followed."""
    if gap.cause == BEFORE_FIRST_CONTACT and lost.boot < gap.boot:
        return True
    if gap.last is None:
        return (lost.boot, lost.sequence) >= (gap.boot, gap.first)
    return lost.boot == gap.boot and gap.first <= lost.sequence <= gap.last
