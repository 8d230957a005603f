"""A log in memory that sinks can read: entries, a cursor per sink, dead letters. `sign` makes the proofs."""

import asyncio
from collections.abc import Callable, Sequence

from wayside.log import StoredEntry
from wayside.north.sink import BatchProof


class MemoryLog:
    """LogReader over a list. `on_disk` is what would survive a kill: the cursors as last written."""

    def __init__(
        self, origin: str = "test.example/log/0", prove: Callable[[int, int], BatchProof] | None = None
    ) -> None:
        self.origin = origin
        self.records: list[StoredEntry] = []
        self.on_disk: dict[str, int] = {}
        self.buried_for_good: dict[int, str] = {}
        self._grown = asyncio.Condition()
        self._prove = prove

    async def append(self, *entries: bytes) -> None:
        async with self._grown:
            for entry in entries:
                self.records.append(StoredEntry(len(self.records), bytes(16), entry))
            self._grown.notify_all()

    async def wait(self, size: int) -> int:
        async with self._grown:
            await self._grown.wait_for(lambda: len(self.records) > size)
            return len(self.records)

    async def read(self, first: int, limit: int) -> Sequence[StoredEntry]:
        return self.records[first : first + limit]

    def age_s(self, index: int) -> float:
        return 0.0

    async def prove(self, first: int, end: int) -> BatchProof:
        assert self._prove is not None
        return self._prove(first, end)

    async def cursor(self, name: str) -> int:
        return self.on_disk.get(name, 0)

    async def set_cursor(self, name: str, index: int) -> None:
        self.on_disk[name] = index

    async def bury(self, name: str, index: int, reason: str) -> None:
        self.buried_for_good[index] = reason

    async def buried(self, name: str) -> Sequence[str]:
        return list(self.buried_for_good.values())
