"""The order of a device's packs: nothing lost without a name, nothing twice, nothing out of turn."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.evidence.chain import Added, Chain
from wayside.intake.order import (
    BEFORE_FIRST_CONTACT,
    CHAIN_BROKEN,
    LOST_AT_SOURCE,
    MOST_AT_FIRST,
    Beside,
    Earlier,
    Extends,
    Gap,
    Head,
    Leaps,
    OutOfOrder,
    judge,
    judge_late,
)
from wayside.values.reading import Pack
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
    says_both = judge(None, make(1, 7, NO_PREVIOUS), (1, 7))
    assert says_both == Extends((Gap(1, 0, 6, BEFORE_FIRST_CONTACT),)), "the first of all has the number 0"


def test_a_first_boot_number_leaves_some_for_its_successors():
    assert isinstance(judge(None, make(MOST_AT_FIRST + 1, 0, NO_PREVIOUS), (MOST_AT_FIRST + 1, 0)), Leaps)
    assert judge(None, make(MOST_AT_FIRST, 0, NO_PREVIOUS), (MOST_AT_FIRST, 0)) == Extends()
    head = Head(MOST_AT_FIRST, 0, hash_of(1, 0))
    assert judge(head, make(MOST_AT_FIRST + 1, 0, head.hash), (MOST_AT_FIRST + 1, 0)) == Extends()


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


@dataclass
class _Log:
    """What the gateway writes down of one chain, and what a verifier makes of it."""

    packs: dict[tuple[int, int], tuple[bytes, bytes]] = field(default_factory=dict)  # place -> (hash, previous)
    gaps: list[Gap] = field(default_factory=list)
    head: Head | None = None
    chain: Chain = field(default_factory=Chain)

    def take(self, pack: Pack, digest: bytes, oldest: tuple[int, int]) -> None:
        place = (pack.boot, pack.sequence)
        verdict = judge(self.head, pack, oldest)
        if isinstance(verdict, Extends):
            self.head = Head(*place, digest)
            self._write(pack, digest, verdict.gaps)
        elif isinstance(verdict, Earlier) and place not in self.packs and self._is_lost(*place):
            before = max((each for each in self.packs if each < place), default=None)
            after = min((each for each in self.packs if each > place), default=None)
            named = self.packs[after][1] if after else b""
            beside = Beside(self._head(before), self._head(after), named, self._is_lost(*place, with_end=True))
            if late := judge_late(pack, digest, beside):
                self._write(pack, digest, late.gaps)

    def _write(self, pack: Pack, digest: bytes, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            self.chain.losses.name(gap.boot, gap.first, gap.last, gap.cause)
        self.gaps += gaps
        self.packs[pack.boot, pack.sequence] = (digest, pack.previous)
        assert self.chain.add((pack.boot, pack.sequence), digest, pack.previous) is Added.NEW

    def _is_lost(self, boot: int, sequence: int, with_end: bool = False) -> bool:
        ends = ((each, (sequence if not with_end else -1) if each.last is None else each.last) for each in self.gaps)
        return any(each.boot == boot and each.first <= sequence <= end for each, end in ends)

    def _head(self, place: tuple[int, int] | None) -> Head | None:
        return Head(*place, self.packs[place][0]) if place else None


Place = tuple[int, int]
Said = tuple[Place, Place | str | None, int, Place]
_place = st.tuples(st.integers(1, 3), st.integers(0, 6))
_said = st.tuples(_place, st.none() | st.sampled_from(["first", "junk"]) | _place, st.integers(0, 1), _place)


@settings(max_examples=600)
@given(st.lists(_said, max_size=14))
def test_whatever_a_node_signs_its_devices_evidence_holds(said: list[Said]):
    """It may say any number, name any predecessor and claim to hold what it likes: no entry is against the chain, and
    whatever is missing is named."""
    log = _Log()
    hashes: dict[Place, list[bytes]] = {}
    for number, (place, previous, which, oldest) in enumerate(said):
        if isinstance(previous, tuple):
            made = hashes.get(previous, [])
            named = made[which % len(made)] if made else b"?" * 16
        else:
            named = NO_PREVIOUS if previous == "first" else b"%16d" % number
        digest = b"%15dh" % number
        hashes.setdefault(place, []).append(digest)
        log.take(make(*place, named), digest, min(oldest, place))
    assert log.chain.gaps() == []
    before = log.chain.before_first()
    assert before is None or before.causes
