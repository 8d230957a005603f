"""Where a pack stands in its chain. Pure: a head and a pack in, a verdict out.

The packs of a device by one key form a chain (a board that is replaced has another key, and begins anew): sequence
0, 1, 2 ... in each boot, each naming the hash of the one before, across boots too. The gateway extends the chain,
recognises what it already has, names what is missing, and takes nothing out of order while the sender still holds what
comes before.
"""

from dataclasses import dataclass

from wayside_wire.pack import NO_PREVIOUS

from wayside.values.reading import Pack


@dataclass(frozen=True, slots=True)
class Head:
    """A pack of a device by a key in the log: the newest, where nothing else is said."""

    boot: int
    sequence: int
    hash: bytes

    @property
    def place(self) -> tuple[int, int]:
        return self.boot, self.sequence


@dataclass(frozen=True, slots=True)
class Gap:
    """Packs that will not come: sequences `first` to `last` of `boot`; `last` None where nobody knows how many."""

    boot: int
    first: int
    last: int | None
    cause: str


@dataclass(frozen=True, slots=True)
class Extends:
    """The pack is the next one to log, after an entry for each of `gaps`."""

    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """The number lies at or before the head: a repetition, or a pack that was given up for lost."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The packs that the log has next to a place: the one before it, the one behind it, and whom that one names.

    named: the hash that the later one holds as its predecessor's; empty where it cannot be read any more. with_end:
    whether a gap that has an end names the place.
    """

    before: Head | None
    after: Head | None
    named: bytes = b""
    with_end: bool = False


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """Packs before this one are still to come."""


@dataclass(frozen=True, slots=True)
class Leaps:
    """The boot number is so far ahead that, taken, it would lock out the board's next starts."""

    text: str


Verdict = Extends | Earlier | OutOfOrder | Leaps

MOST_STARTS = 2**20  # between two packs; a board that starts every second needs 12 days for so many
MOST_AT_FIRST = 2**31  # of a chain of which nothing is known: as many again are left for its successors
LAST_BOOT = 2**32 - 1 - 2**16

LOST_AT_SOURCE = "lost at source"
BEFORE_FIRST_CONTACT = "before first contact"
CHAIN_BROKEN = "chain broken"
DEVICE_GIVEN_UP = "device is not the node's any more"


def judge(head: Head | None, pack: Pack, oldest: tuple[int, int]) -> Verdict:
    """The verdict on `pack` after `head`; `oldest` is the (boot, sequence) that the sender still holds first."""
    place = (pack.boot, pack.sequence)
    if pack.boot > (min(LAST_BOOT, head.boot + MOST_STARTS) if head else MOST_AT_FIRST):
        before = f"the newest known is {head.boot}" if head else "none is known"
        return Leaps(f"boot {pack.boot} is out of all proportion, {before}")
    if head is None:
        if oldest < place:
            return OutOfOrder()
        # One that says it is the very first and has another number says two things that cannot both be.
        begins = pack.previous == NO_PREVIOUS and pack.sequence == 0
        return Extends(() if begins else (_missing(pack.boot, 0, pack, BEFORE_FIRST_CONTACT),))
    if place <= head.place:
        return Earlier()
    if pack.previous == head.hash:
        # The chain proves that nothing lies between; the numbers have to agree with it.
        return Extends(() if _follows(head.place, place) else (_missing(pack.boot, pack.sequence, pack, CHAIN_BROKEN),))
    if oldest < place:
        return OutOfOrder()
    return Extends(_between(head, pack))


def judge_late(pack: Pack, digest: bytes, beside: Beside) -> Extends | None:
    """What is to be named with a pack that was given up for lost; None: the hashes beside its place speak against it.

    Once in the log it would stand against the chain for ever, and the device's evidence would never hold again.
    """
    before, after, place = beside.before, beside.after, (pack.boot, pack.sequence)
    if before and after and beside.named == before.hash and _follows(before.place, after.place):
        return None  # nothing lies between those two
    if before and place == (before.boot, before.sequence + 1) and pack.previous != before.hash:
        return None
    if after and beside.named and after.place == (pack.boot, pack.sequence + 1) and beside.named != digest:
        return None
    if before is None and pack.sequence == 0 and pack.previous != NO_PREVIOUS:
        return Extends((Gap(pack.boot, 0, None, BEFORE_FIRST_CONTACT),))
    if not beside.with_end and before and before.boot == pack.boot and before.sequence + 1 < pack.sequence:
        # A gap without an end names what is missing up to the next pack only.
        return Extends((Gap(pack.boot, before.sequence + 1, pack.sequence - 1, LOST_AT_SOURCE),))
    return Extends()


def given_up(head: Head | None, boot: int) -> tuple[Gap, ...]:
    """What will not come of a device that a node has given up, with packs up to boot `boot` that nobody has."""
    if head is None:
        return (Gap(boot, 0, None, DEVICE_GIVEN_UP),)
    tail = Gap(head.boot, head.sequence + 1, None, DEVICE_GIVEN_UP)
    return (tail, Gap(boot, 0, None, DEVICE_GIVEN_UP)) if boot > head.boot else (tail,)


def _follows(place: tuple[int, int], later: tuple[int, int]) -> bool:
    boot, sequence = place
    return later == (boot, sequence + 1) or (later[0] > boot and later[1] == 0)


def _between(head: Head, pack: Pack) -> tuple[Gap, ...]:
    if pack.boot == head.boot:
        if pack.sequence == head.sequence + 1:
            return (_missing(pack.boot, pack.sequence, pack, CHAIN_BROKEN),)
        return (Gap(pack.boot, head.sequence + 1, pack.sequence - 1, LOST_AT_SOURCE),)
    tail = Gap(head.boot, head.sequence + 1, None, LOST_AT_SOURCE)
    if pack.sequence == 0:
        return (tail,)
    return (tail, Gap(pack.boot, 0, pack.sequence - 1, LOST_AT_SOURCE))


def _missing(boot: int, first: int, pack: Pack, cause: str) -> Gap:
    return Gap(boot, first, pack.sequence - 1 if pack.sequence > first else None, cause)
