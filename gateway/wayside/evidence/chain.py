"""One device's packs, in whatever order they come: what is missing between them and what came twice.

Two packs are neighbours when the later one's header holds the earlier one's hash and their numbers follow each other:
the next sequence of the same boot, or sequence 0 of a later boot. Neighbours form runs; between two runs something is
missing, or somebody lies. Memory grows with the number of gaps, not of packs.
"""

from bisect import bisect_right
from dataclasses import dataclass

from wayside_wire.pack import NO_PREVIOUS

from wayside.evidence.intervals import IntervalSet

Place = tuple[int, int]
"""(boot, sequence)"""


@dataclass
class _Run:
    first: Place
    previous: bytes  # hash that the first pack names as its predecessor's
    last: Place
    last_hash: bytes


@dataclass(frozen=True)
class Gap:
    """What lies between two runs: `after` is the last pack before it, `before` the first one behind it."""

    after: Place
    before: Place

    @property
    def missing(self) -> int | None:
        """How many packs are missing, where the numbers tell; 0 when only the chain of hashes is broken."""
        return self.before[1] - self.after[1] - 1 if self.after[0] == self.before[0] else None

    def __str__(self) -> str:
        (boot, last), (next_boot, next_first) = self.after, self.before
        if boot != next_boot:
            return f"between boot {boot} sequence {last} and boot {next_boot} sequence {next_first}"
        if self.missing == 0:
            return f"boot {boot}: sequence {next_first} does not follow from {last}"
        return f"boot {boot}: sequence {last + 1} to {next_first - 1}"


class Chain:
    """The packs of one device."""

    def __init__(self) -> None:
        self.packs = 0
        self.duplicates = 0
        self._runs: list[_Run] = []
        self._named: dict[int, IntervalSet] = {}
        self._named_open: set[Place] = set()

    def add(self, place: Place, pack_hash: bytes, previous: bytes) -> bool:
        """Take in the pack at `place`; False when there is one already."""
        at = bisect_right(self._runs, place, key=lambda run: run.first)
        left = self._runs[at - 1] if at else None
        right = self._runs[at] if at < len(self._runs) else None
        if left and place <= left.last:
            self.duplicates += 1
            return False
        self.packs += 1
        joins_left = left is not None and previous == left.last_hash and _follows(left.last, place)
        joins_right = right is not None and right.previous == pack_hash and _follows(place, right.first)
        if left and joins_left:
            left.last, left.last_hash = place, pack_hash
            if right and joins_right:
                left.last, left.last_hash = right.last, right.last_hash
                del self._runs[at]
        elif right and joins_right:
            right.first, right.previous = place, previous
        else:
            self._runs.insert(at, _Run(place, previous, place, pack_hash))
        return True

    def begins(self) -> bool:
        """Whether the device's very first pack is here."""
        return bool(self._runs) and self._runs[0].previous == NO_PREVIOUS

    def span(self) -> str:
        """From which pack to which, and what stands before the first, in a few words."""
        if not self._runs:
            return "no packs"
        first, last = self._runs[0], self._runs[-1].last
        start = "the device's first" if self.begins() else "earlier ones are not part of this"
        return f"from {first.first[0]}/{first.first[1]} ({start}) to {last[0]}/{last[1]}"

    def name_loss(self, boot: int, first: int, last: int | None) -> None:
        """The log says that sequences `first` to `last` of `boot` are lost; None where nobody knows how many."""
        if last is None:
            self._named_open.add((boot, first))
        else:
            self._named.setdefault(boot, IntervalSet()).add(first, last + 1)

    def gaps(self) -> list[Gap]:
        """What is missing and not named by the log."""
        pairs = zip(self._runs, self._runs[1:], strict=False)
        return [gap for gap in (Gap(a.last, b.first) for a, b in pairs) if not self._is_named(gap)]

    def named(self) -> list[Gap]:
        """What is missing and named by the log."""
        pairs = zip(self._runs, self._runs[1:], strict=False)
        return [gap for gap in (Gap(a.last, b.first) for a, b in pairs) if self._is_named(gap)]

    def _is_named(self, gap: Gap) -> bool:
        (boot, last), (next_boot, next_first) = gap.after, gap.before
        if gap.before in self._named_open:  # the log says that the chain is broken right before this pack
            return True
        if boot == next_boot:
            return next_first > last + 1 and self._covers(boot, last + 1, next_first)
        # How far the earlier boot went is not known: that its end is lost must be said, and the later one's beginning.
        return (boot, last + 1) in self._named_open and self._covers(next_boot, 0, next_first)

    def _covers(self, boot: int, first: int, end: int) -> bool:
        return first >= end or (boot in self._named and self._named[boot].covers(first, end))


def _follows(place: Place, later: Place) -> bool:
    (boot, sequence), (later_boot, later_sequence) = place, later
    return later_sequence == sequence + 1 if later_boot == boot else later_boot > boot and later_sequence == 0
