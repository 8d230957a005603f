"""The packs of one device by one key, in whatever order they come: what is missing between them and what came twice.

Two packs are neighbours when the later one's header holds the earlier one's hash and their numbers follow each other:
the next sequence of the same boot, or sequence 0 of a later boot. Neighbours form runs; between two runs something is
missing, or somebody lies. A board that is replaced has another key, and its chain begins anew: a number is worth
something only together with the key that signed it.
"""

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from wayside_wire.pack import NO_PREVIOUS

from wayside.evidence.intervals import IntervalSet

Place = tuple[int, int]
"""(boot, sequence)"""

_NO_SEQUENCE = 2**32  # one behind the last that there can be


class Added(Enum):
    """What became of a pack that was to be added."""

    NEW = "new"
    REPEATED = "the same pack again"
    TWICE = "is there twice, with different content"
    FORGOTTEN = "comes again, after so many that its content is no longer remembered here"
    AGAINST = "lies where the chain proves that nothing lies"


@dataclass
class _Run:
    """Neighbours. `parts`: [boot, first, last] for each boot, ascending."""

    previous: bytes  # hash that the first pack names as its predecessor's
    last_hash: bytes
    parts: list[list[int]]

    @property
    def first(self) -> Place:
        return self.parts[0][0], self.parts[0][1]

    @property
    def last(self) -> Place:
        return self.parts[-1][0], self.parts[-1][2]

    def holds(self, place: Place) -> bool:
        at = bisect_right(self.parts, place[0], key=lambda part: part[0]) - 1
        return at >= 0 and self.parts[at][0] == place[0] and self.parts[at][1] <= place[1] <= self.parts[at][2]

    def join(self, other: "_Run") -> None:
        """Take in the run that follows."""
        if other.parts[0][0] == self.parts[-1][0]:
            self.parts[-1][2] = other.parts[0][2]
            self.parts += other.parts[1:]
        else:
            self.parts += other.parts
        self.last_hash = other.last_hash


@dataclass(frozen=True)
class ChainGap:
    """What lies between two runs: `after` is the last pack before it, `before` the first one behind it.

    `after` is None for what came before the first pack of all. causes: what the log says of it, with its entries.
    """

    after: Place | None
    before: Place
    causes: tuple[str, ...] = ()

    @property
    def missing(self) -> int | None:
        """How many packs are missing, where the numbers tell; 0 when only the chain of hashes is broken."""
        if self.after is None or self.after[0] != self.before[0]:
            return None
        return self.before[1] - self.after[1] - 1

    def __str__(self) -> str:
        named = f" ({'; '.join(self.causes)})" if self.causes else ""
        next_boot, next_first = self.before
        if self.after is None:
            return f"before boot {next_boot} sequence {next_first}{named}"
        boot, last = self.after
        if boot != next_boot:
            return f"between boot {boot} sequence {last} and boot {next_boot} sequence {next_first}{named}"
        if self.missing == 0:
            return f"boot {boot}: sequence {next_first} does not follow from {last}{named}"
        return f"boot {boot}: sequence {last + 1} to {next_first - 1}{named}"


class Loss(NamedTuple):
    """What the log says will not come: sequences from `place` to `last` of its boot; None: nobody knows how many."""

    place: Place
    last: int | None
    cause: str


class Losses:
    """All of them for one chain. What is asked costs the logarithm of how many there are."""

    def __init__(self) -> None:
        self.open: set[Place] = set()
        self.told: list[Loss] = []
        self._closed: dict[int, IntervalSet] = {}
        self._begins: dict[int, list[int]] = {}  # by boot, where those without an end begin, ascending
        self._sorted: list[Loss] = []
        self._furthest: list[Loss] = []  # for each of `_sorted`: of its boot's losses up to it, the furthest reaching

    def name(self, boot: int, first: int, last: int | None, cause: str) -> None:
        self.told.append(Loss((boot, first), last, cause))
        if last is not None:
            self._closed.setdefault(boot, IntervalSet()).add(first, last + 1)
        elif (boot, first) not in self.open:
            self.open.add((boot, first))
            insort(self._begins.setdefault(boot, []), first)

    def covers(self, boot: int, first: int, end: int) -> bool:
        """Whether all of [first, end) is named, by losses with an end."""
        return first >= end or (boot in self._closed and self._closed[boot].covers(first, end))

    def covers_up_to_a_pack(self, boot: int, first: int, end: int) -> bool:
        """As covers(); a loss without an end reaches to the pack at `end`."""
        begins = self._begins.get(boot, [])
        at = bisect_left(begins, first)
        opened = begins[at] if at < len(begins) else end
        return self.covers(boot, first, end) or (opened < end and self.covers(boot, first, opened))

    def covers_the_end(self, boot: int, first: int) -> bool:
        """Whether the end of a boot is named as lost, from `first` or from further on with all between named too."""
        begins = self._begins.get(boot, [])
        at = bisect_left(begins, first)
        return bool(begins) and (begins[0] <= first or self.covers(boot, first, begins[at]))

    def names(self, place: Place) -> bool:
        """Whether this very place was given up: a pack that comes for it after all is late, and welcome."""
        boot, sequence = place
        begins = self._begins.get(boot)
        return self.covers(boot, sequence, sequence + 1) or (begins is not None and begins[0] <= sequence)

    def causes(self, gap: ChainGap) -> tuple[str, ...]:
        """The log's words for what lies in a gap."""
        self._sort()
        low = bisect_right(self._sorted, gap.after or (-1, -1), key=_place_of)
        high = bisect_right(self._sorted, gap.before, key=_place_of)
        found = self._sorted[low:high]
        if gap.after and low:
            boot, last = gap.after
            furthest = self._furthest[low - 1]
            if furthest.place[0] == boot and furthest.last is not None and furthest.last > last:
                found.insert(0, furthest)
            if gap.before[0] != boot:  # those without an end that began before the boot's last pack name its end
                first = bisect_left(self._sorted, (boot, 0), key=_place_of)
                found = [each for each in self._sorted[first:low] if each.last is None] + found
        return tuple(dict.fromkeys(each.cause for each in found))

    def _sort(self) -> None:
        if len(self._sorted) == len(self.told):
            return
        self._sorted = sorted(self.told, key=_place_of)
        self._furthest = []
        for each in self._sorted:
            before = self._furthest[-1] if self._furthest else each
            known = before.place[0] == each.place[0] and (before.last or 0) > (each.last or 0)
            self._furthest.append(before if known else each)


def _place_of(loss: Loss) -> Place:
    return loss.place


class Chain:
    """The packs of one device by one key. Memory grows with the number of gaps, and with what it is to remember."""

    def __init__(self, remember: int | None = None) -> None:
        """`remember`: of how many packs, the newest, the hash is kept to know one that comes again; None: of all."""
        self.packs = 0
        self.twice = 0
        self.losses = Losses()
        self._runs: list[_Run] = []
        self._hashes: OrderedDict[int, bytes] = OrderedDict()
        self._remember = remember

    def add(self, place: Place, pack_hash: bytes, previous: bytes) -> Added:
        """Take in the pack at `place`."""
        at = bisect_right(self._runs, place, key=lambda run: run.first)
        left = self._runs[at - 1] if at else None
        right = self._runs[at] if at < len(self._runs) else None
        if left and place <= left.last:
            if not left.holds(place):
                return Added.AGAINST
            known = self._hashes.get(_number(place))
            if known is None:
                return Added.FORGOTTEN
            if known == pack_hash:
                return Added.REPEATED
            self.twice += 1
            return Added.TWICE
        self.packs += 1
        self._hashes[_number(place)] = pack_hash
        if self._remember is not None and len(self._hashes) > self._remember:
            self._hashes.popitem(last=False)
        run = _Run(previous, pack_hash, [[place[0], place[1], place[1]]])
        joins_left = left is not None and previous == left.last_hash and _follows(left.last, place)
        joins_right = right is not None and right.previous == pack_hash and _follows(place, right.first)
        if right and joins_right:
            run.join(right)
            del self._runs[at]
        if left and joins_left:
            left.join(run)
        else:
            self._runs.insert(at, run)
        return Added.NEW

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """(boot, first, last) of the packs that are here, in any number of parts."""
        return ((boot, first, last) for run in self._runs for boot, first, last in run.parts)

    def contents(self) -> Iterator[tuple[Place, bytes]]:
        """The hashes of the packs that are remembered, by their places."""
        return (((number >> 64, number & _LOW), digest) for number, digest in self._hashes.items())

    def begins(self) -> bool:
        """Whether the very first pack by this key is here: it says so, and its number does not say otherwise."""
        return bool(self._runs) and self._runs[0].previous == NO_PREVIOUS and self._runs[0].first[1] == 0

    @property
    def first(self) -> Place | None:
        return self._runs[0].first if self._runs else None

    @property
    def last(self) -> Place | None:
        return self._runs[-1].last if self._runs else None

    def span(self) -> str:
        """From which pack to which, in a few words."""
        if not self._runs:
            return "no packs"
        first, last = self._runs[0].first, self._runs[-1].last
        return f"from {first[0]}/{first[1]} to {last[0]}/{last[1]}"

    def gaps(self) -> list[ChainGap]:
        """What is missing and not named by the log; what came before the first pack does not count."""
        return [gap for gap in self._between() if not self._is_named(gap)]

    def named(self) -> list[ChainGap]:
        """What is missing and named by the log."""
        return [
            ChainGap(gap.after, gap.before, self.losses.causes(gap)) for gap in self._between() if self._is_named(gap)
        ]

    def before_first(self) -> ChainGap | None:
        """What is missing before the first pack; None when that is the very first. `causes` is empty when unnamed."""
        if not self._runs or self.begins():
            return None
        gap = ChainGap(None, self._runs[0].first)
        boot, first = gap.before
        # How far earlier boots went is not known; of this one all that is missing must be named, or where it broke.
        named = gap.before in self.losses.open or (first > 0 and self.losses.covers_up_to_a_pack(boot, 0, first))
        return ChainGap(None, gap.before, self.losses.causes(gap) if named else ())

    def outside(self) -> list[str]:
        """What the log names as lost where no pack behind it shows it: after the last one, or by a key without packs.

        What came after all, and what the chain proves never to have been, is no loss.
        """
        gaps = [*self.named(), *([before] if (before := self.before_first()) else [])]
        shown = {cause for gap in gaps for cause in gap.causes}
        known = self._known()
        begins = {run.first for run in self._runs}
        found = []
        for (boot, first), last, cause in self.losses.told:
            end = _NO_SEQUENCE if last is None else last + 1
            filled = known(boot).covers(first, end) and not (last is None and (boot, first) in begins)
            if not filled and cause not in shown:
                found.append(f"boot {boot}: sequence {first} {'and on' if last is None else f'to {last}'} ({cause})")
        return found

    def _known(self) -> Callable[[int], IntervalSet]:
        """By boot, the sequences of which the chain tells: they are here, or there never were any."""
        by_boot: dict[int, IntervalSet] = {}
        for run in self._runs:
            for at, (boot, first, last) in enumerate(run.parts):
                # Where the chain goes on in a later boot, it tells how far this one went.
                ended = at + 1 < len(run.parts)
                by_boot.setdefault(boot, IntervalSet()).add(first, _NO_SEQUENCE if ended else last + 1)
        everything, nothing = IntervalSet(), IntervalSet()
        everything.add(0, _NO_SEQUENCE)
        if self.begins():
            boot, first = self._runs[0].first
            by_boot[boot].add(0, first + 1)

        def known(boot: int) -> IntervalSet:
            if boot in by_boot:
                return by_boot[boot]
            at = bisect_right(self._runs, boot, key=lambda run: run.first[0])
            passed_over = boot < self._runs[at - 1].last[0] if at else self.begins()
            return everything if passed_over else nothing

        return known

    def _between(self) -> list[ChainGap]:
        return [ChainGap(a.last, b.first) for a, b in zip(self._runs, self._runs[1:], strict=False)]

    def _is_named(self, gap: ChainGap) -> bool:
        assert gap.after
        (boot, last), (next_boot, next_first) = gap.after, gap.before
        losses = self.losses
        if gap.before in losses.open:  # the log says that the chain is broken right before this pack
            return True
        if boot == next_boot:
            return next_first > last + 1 and losses.covers_up_to_a_pack(boot, last + 1, next_first)
        # How far the earlier boot went is not known: that its end is lost must be said, and the later one's beginning.
        return losses.covers_the_end(boot, last + 1) and losses.covers_up_to_a_pack(next_boot, 0, next_first)


_LOW = 2**64 - 1


def _number(place: Place) -> int:
    return place[0] << 64 | place[1]


def _follows(place: Place, later: Place) -> bool:
    (boot, sequence), (later_boot, later_sequence) = place, later
    return later_sequence == sequence + 1 if later_boot == boot else later_boot > boot and later_sequence == 0
