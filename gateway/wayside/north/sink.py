"""What a sink is and what it sees of the log.

A new sink is one small file with two methods, `connect` and `send`. Cursor, batching, back-pressure, retries, replay,
lag and dead letters are done once, for all of them, in `forward`.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


class SinkRecord(Protocol):
    """One entry of the log: its index, the salt of its commitment and its bytes.

    Both are empty where it is erased, and where the log's disk does not give it any more: then it is `damaged`.
    """

    @property
    def index(self) -> int: ...

    @property
    def salt(self) -> bytes: ...

    @property
    def entry(self) -> bytes: ...

    @property
    def damaged(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class BatchProof:
    """A signed checkpoint (C2SP tlog-checkpoint, as text in UTF-8) and the hashes that tie a batch to its root."""

    checkpoint: bytes
    hashes: Sequence[bytes]


@dataclass(frozen=True)
class Batch:
    """Consecutive entries of one log. `late` says that younger entries have been sent before these."""

    records: tuple[SinkRecord, ...]
    late: bool = False

    @property
    def first(self) -> int:
        return self.records[0].index

    @property
    def end(self) -> int:
        return self.records[-1].index + 1


class SinkLog(Protocol):
    """The log as sinks see it. Sizes are those of the last signed checkpoint on disk: nothing younger is shown."""

    @property
    def origin(self) -> str:
        """The log's name, "<site>/log/<epoch>"."""

    async def wait(self, size: int) -> int:
        """The log's size, as soon as it is larger than `size`."""

    async def read(self, first: int, limit: int) -> Sequence[SinkRecord]:
        """Up to `limit` consecutive entries from index `first` on; at least one while `first` is below the size."""

    def age_s(self, index: int) -> float:
        """Seconds that the entry has been in the log at most; infinite where nobody knows."""

    async def prove(self, first: int, end: int) -> BatchProof:
        """A checkpoint whose tree has at least `end` entries, and the proof that [first, end) are in it."""

    async def cursor(self, name: str) -> int:
        """The first index that the sink `name` has not delivered; 0 for an unknown name."""

    async def set_cursor(self, name: str, index: int) -> None:
        """Note on disk that the sink `name` has delivered everything below `index`."""

    async def bury(self, name: str, index: int, reason: str) -> None:
        """Note for good that the sink `name` will never take the entry `index`, and why."""

    async def buried(self, name: str) -> Sequence[str]:
        """Why the sink `name` will never take them: of each entry that was noted."""


Lost = Callable[[], Coroutine[Any, Any, None]]


class Sink(Protocol):
    """Where entries go. `send` may be called for two batches at a time, one live and one late."""

    def connect(self) -> AbstractAsyncContextManager[Lost]:
        """The far side, reached for as long as the context lasts. Raises Unreachable or Refused.

        The context's value, called, waits until the far side is lost and then raises Unreachable; a sink without a
        connection of its own waits for ever.
        """

    async def send(self, batch: Batch) -> str | None:
        """Return when the far side has taken all of `batch`. Raises Unreachable or Rejected; then it may have part.

        Returns None, or in a sentence what is not known of it: the far side has acknowledged, and its acknowledgement
        is worth nothing.
        """


@runtime_checkable
class Announces(Protocol):
    """A sink that also tells the far side what its entries are about."""

    @property
    def not_announced(self) -> str:
        """What the far side does not take of that, and why; "" where it takes all."""
