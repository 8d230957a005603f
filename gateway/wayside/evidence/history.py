"""One log's batches, tied to each other: whatever order they come in, they must belong to one history.

A batch proves that its entries are under a signed checkpoint. That two batches are under the same history is another
matter: a gateway that was restored from a copy, or that lies, signs two, and each batch holds for itself. Each batch
brings the hashes of everything before it, though. So where two batches touch, those of the later one must be what the
earlier one leads to; and a checkpoint that was ahead of its batch must be what the entries lead to once they are here.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from wayside.evidence.batch import ForkError, VerifiedBatch
from wayside.evidence.merkle import Frontier

_REMEMBERED = 1 << 15  # of each: leaves, roots that were passed, checkpoints that are ahead of their entries


@dataclass
class _Run:
    """Contiguous entries [first, frontier.size), the hashes that cover all before them, and those at their end."""

    first: int
    before: Sequence[bytes]
    frontier: Frontier


class History:
    """Memory grows with the number of gaps, not of entries; what comes again is compared for as long as it is kept."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._ahead: OrderedDict[int, bytes] = OrderedDict()
        self._leaves: OrderedDict[int, bytes] = OrderedDict()  # by index, the newest that came
        self._passed: OrderedDict[int, bytes] = OrderedDict()  # by size, roots where batches began and ended

    def take(self, batch: VerifiedBatch) -> None:
        """Tie `batch` to what came before; ForkError, and nothing changed, when it belongs to another history."""
        end = batch.first + len(batch.leaves)
        began = Frontier(batch.first, batch.before).root()
        self._again(batch, began)
        touched = [run for run in self._runs if run.first <= end and batch.first <= run.frontier.size]
        frontier = self._walk(batch, touched)
        if batch.size > end:
            self._promise(batch.size, batch.root)
        merged = _Run(batch.first, batch.before, frontier)
        for run in touched:
            self._runs.remove(run)
            if run.first < merged.first:
                merged.first, merged.before = run.first, run.before
            if run.frontier.size > merged.frontier.size:
                merged.frontier = run.frontier
        self._runs.append(merged)
        self._leaves.update(enumerate(batch.leaves, batch.first))
        self._passed |= {batch.first: began, end: frontier.root()}
        _shorten(self._leaves)
        _shorten(self._passed)

    def _again(self, batch: VerifiedBatch, began: bytes) -> None:
        """Compare what came before and is there once more."""
        for index, leaf in enumerate(batch.leaves, batch.first):
            if self._leaves.get(index, leaf) != leaf:
                raise ForkError(f"fork: entry {index} is not the one that came before")
        for size, root in ((batch.first, began), (batch.size, batch.root)):
            if self._passed.get(size, root) != root:
                raise ForkError(f"fork: entries before {size} are not those that came before")

    def _walk(self, batch: VerifiedBatch, touched: list[_Run]) -> Frontier:
        """The frontier at the batch's end, after it has met the ends of all runs that it touches."""
        known = {run.first: list(run.before) for run in touched}
        known |= {run.frontier.size: run.frontier.hashes for run in touched}
        frontier = Frontier(batch.first, batch.before)
        self._meet(frontier, known)
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
        """The root of the log's first `size` entries, where a batch or a checkpoint of those that came ends there."""
        return self._passed.get(size) or self._ahead.get(size)

    def _promise(self, size: int, root: bytes) -> None:
        """Remember the root that the log must have at `size`, entries that are still to come."""
        if self._ahead.setdefault(size, root) != root or self._passed.get(size, root) != root:
            raise ForkError(f"fork: the checkpoint of size {size} is not of these entries")
        _shorten(self._ahead)


def _shorten(kept: "OrderedDict[int, bytes]") -> None:
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)
