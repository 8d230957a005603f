"""The log as sinks see it: the LogReader of wayside.north.sink, answered by the thread that owns the log.

Stands between `intake` and `north`, which do not know each other; only `kinds` uses it.
"""

from collections.abc import Sequence

from wayside.intake.commit import Committer
from wayside.log import Log
from wayside.north.sink import BatchProof, SinkRecord


class LogView:
    """Entries and proofs under the last checkpoint on disk."""

    def __init__(self, origin: str, committer: Committer):
        self._origin = origin
        self._committer = committer

    @property
    def origin(self) -> str:
        return self._origin

    async def wait(self, size: int) -> int:
        return await self._committer.grown_beyond(size)

    async def read(self, first: int, limit: int) -> Sequence[SinkRecord]:
        return await self._committer.call(lambda log: log.records(first, limit))

    def age_s(self, index: int) -> float:
        return self._committer.ages.most_s(index)

    async def prove(self, first: int, end: int) -> BatchProof:
        def both(log: Log) -> BatchProof:
            # Together, so that checkpoint and hashes belong to one tree.
            return BatchProof(log.checkpoint, log.subset_proof([(first, end)]))

        return await self._committer.call(both)

    async def cursor(self, name: str) -> int:
        return await self._committer.call(lambda log: log.cursor(name))

    async def set_cursor(self, name: str, index: int) -> None:
        await self._committer.call(lambda log: log.set_cursor(name, index))

    async def bury(self, name: str, index: int, reason: str) -> None:
        await self._committer.call(lambda log: log.bury(name, index, reason))

    async def buried(self, name: str) -> Sequence[str]:
        letters = await self._committer.call(lambda log: log.dead_letters())
        return [reason for sink, _, reason in letters if sink == name]
