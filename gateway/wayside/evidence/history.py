"""One log's batches, tied to each other: whatever order they come in, they must belong to one history.

A batch proves that its entries are under a signed checkpoint. That two batches are under the same history is another
matter: a gateway that was restored from a copy, or that lies, signs two, and each batch holds for itself. Each batch
brings the hashes of everything before it, though. So where two batches touch, those of the later one must be what the
earlier one leads to; a checkpoint that was ahead of its batch must be what the entries lead to once they are here; and
one of any size between must be what they led to there.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wayside.evidence.batch import ForkError, VerifiedBatch
from wayside.evidence.merkle import Frontier

_REMEMBERED = 1 << 15  # of each: leaves, places where batches began and ended, checkpoints ahead of their entries


@dataclass
class _Run:
    """Contiguous entries [first, frontier.size), the hashes that cover all before them, and those at their end."""

    first: int
    before: Sequence[bytes]
    frontier: Frontier


class EntryHistory:
    """Memory grows with the number of gaps, not of entries; what comes again is compared for as long as it is kept."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []  # ascending; no two of them touch
        self._ahead: OrderedDict[int, bytes] = OrderedDict()
        self._leaves: OrderedDict[int, bytes] = OrderedDict()  # by index, the newest that came
        self._passed: OrderedDict[int, tuple[bytes, ...]] = OrderedDict()  # by size, what covers all before it

    def take(self, batch: VerifiedBatch) -> None:
        """Tie `batch` to what came before; ForkError, and nothing changed, when it belongs to another history."""
        end = batch.first + len(batch.leaves)
        self._again(batch)
        low = bisect_left(self._runs, batch.first, key=_end_of)
        high = bisect_right(self._runs, end, key=_first_of)
        touched = self._runs[low:high]
        frontier = self._walk(batch, touched)
        if batch.size > end:
            self._promise(batch.size, batch.root)
        self._passed.setdefault(batch.first, tuple(batch.before))
        self._passed[end] = tuple(frontier.hashes)
        merged = _Run(batch.first, batch.before, frontier)
        if touched and touched[0].first < merged.first:
            merged.first, merged.before = touched[0].first, touched[0].before
        if touched and touched[-1].frontier.size > frontier.size:
            merged.frontier = touched[-1].frontier
        self._runs[low:high] = [merged]
        self._leaves.update(enumerate(batch.leaves, batch.first))
        _shorten(self._leaves)
        _shorten(self._passed)

    def _again(self, batch: VerifiedBatch) -> None:
        """Compare what came before and is there once more."""
        for index, leaf in enumerate(batch.leaves, batch.first):
            if self._leaves.get(index, leaf) != leaf:
                raise ForkError(f"fork: entry {index} is not the one that came before")
        began = Frontier(batch.first, batch.before).root()
        for size, root in ((batch.first, began), (batch.size, batch.root)):
            if self.root_at(size) not in (None, root):
                raise ForkError(f"fork: entries before {size} are not those that came before")

    def _walk(self, batch: VerifiedBatch, touched: list[_Run]) -> Frontier:
        """The frontier at the batch's end, after it has met the ends of all runs that it touches."""
        known = {run.first: list(run.before) for run in touched}
        known |= {run.frontier.size: run.frontier.hashes for run in touched}
        self._meet(Frontier(batch.first, batch.before), known)
        # The hashes that are known are the same, and kept once.
        frontier = Frontier(batch.first, known.get(batch.first, batch.before))
        for leaf in batch.leaves:
            frontier.append(leaf)
            self._meet(frontier, known)
        return frontier

    def _meet(self, frontier: Frontier, known: dict[int, list[bytes]]) -> None:
        size = frontier.size
        if size in known and known[size] != frontier.hashes:
            raise ForkError(f"fork: entries before {size} are not those that came before")
        if size in self._ahead and self._ahead[size] != frontier.root():
            raise ForkError(f"fork: the checkpoint of size {size} is not of these entries")

    def root_at(self, size: int) -> bytes | None:
        """The root of the log's first `size` entries; None where those that came, and are remembered, do not tell."""
        if size in self._ahead:
            return self._ahead[size]
        at = size
        while at not in self._passed:
            at -= 1
            if at not in self._leaves:
                return None
        frontier = Frontier(at, self._passed[at])
        for index in range(at, size):
            frontier.append(self._leaves[index])
        return frontier.root()

    def _promise(self, size: int, root: bytes) -> None:
        """Remember the root that the log must have at `size`, entries that are still to come."""
        if self._ahead.setdefault(size, root) != root:
            raise ForkError(f"fork: the checkpoint of size {size} is not of these entries")
        _shorten(self._ahead)


def _first_of(run: _Run) -> int:
    return run.first


def _end_of(run: _Run) -> int:
    return run.frontier.size


def _shorten(kept: "OrderedDict[int, Any]") -> None:
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)
