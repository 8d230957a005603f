"""One log's batches, tied to each other: whatever order they come in, they must belong to one history.

A batch proves that its entries are under a signed checkpoint. That two batches are under the same history is another
matter: a gateway that was restored from a copy, or that lies, signs two, and each batch holds for itself. Each batch
brings the hashes of everything before it, though. So where two batches touch, those of the later one must be what the
earlier one leads to; and a checkpoint that was ahead of its batch must be what the entries lead to once they are here.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from wayside.evidence import EvidenceError
from wayside.evidence.batch import VerifiedBatch
from wayside.evidence.merkle import Frontier

_REMEMBERED = 1024  # checkpoints that are ahead of the entries


class ForkError(EvidenceError):
    """The log has signed two histories."""


@dataclass
class _Run:
    """Contiguous entries [first, frontier.size), the hashes that cover all before them, and those at their end."""

    first: int
    before: Sequence[bytes]
    frontier: Frontier


class History:
    """Memory grows with the number of gaps, not of entries."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._ahead: OrderedDict[int, bytes] = OrderedDict()

    def take(self, batch: VerifiedBatch) -> None:
        """Tie `batch` to what came before; ForkError, and nothing changed, when it belongs to another history."""
        end = batch.first + len(batch.leaves)
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

    def _promise(self, size: int, root: bytes) -> None:
        """Remember a checkpoint that covers entries which are still to come."""
        self._ahead[size] = root
        if len(self._ahead) > _REMEMBERED:
            self._ahead.popitem(last=False)
