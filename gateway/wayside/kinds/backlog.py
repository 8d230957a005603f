"""What the epochs that have ended still owe to a sink: their entries go out after the epoch as they would have in it.

Each epoch is a log of its own, with its own checkpoint and the sinks' cursors in it. Beside `log_view`, which shows
sinks the newest epoch; between `log` and `north`, and only `kinds` uses it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from wayside.log import LogError, LogReader, StoredEntry
from wayside.log.reader import epochs
from wayside.north.forward import Forwarder, ForwardStatus
from wayside.north.sink import Batch, BatchProof, Sink, SinkLog
from wayside.parts.about import BAD, About, Family, Problem, Sheet
from wayside.runtime.pulse import DISK_S, Pulse
from wayside.runtime.supervise import background

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2


class Backlog(About):
    """Forwards the ended epochs to one sink, oldest first and one at a time, over connections of its own."""

    def __init__(self, name: str, folder: Path, newest: int, make: Callable[[SinkLog], Sink]):
        """`folder`: that of the log; `newest`: the epoch that goes on; `make`: the sink for a log."""
        super().__init__("backlogs", name)
        self._folder = folder
        self._epochs = sorted(epoch for epoch in epochs(folder) if epoch < newest)
        self._make = make
        self._forwarder: Forwarder | None = None
        self.lag = 0
        """Entries that the epoch at hand still owes."""
        self.lost: dict[int, str] = {}
        """Epochs that cannot be read, and why: what they owe stays owed."""

    @property
    def forwarded(self) -> ForwardStatus:
        """Of the epoch at hand, or the last one."""
        return self._forwarder.status if self._forwarder else ForwardStatus()

    def status(self) -> dict[str, Any]:
        status = self.forwarded
        return {
            "lag": self.lag,
            "lost": {str(epoch): why for epoch, why in self.lost.items()},
            "refused": dict(status.refused),
            "unproven": status.unproven,
        }

    def problems(self) -> Iterator[Problem]:
        for epoch, why in self.lost.items():
            yield Problem(BAD, f"what epoch {epoch} owes to {self.name} cannot be sent: {why}")

    def lines(self) -> Iterator[str]:
        """Only what there is to say."""
        status, who = self.forwarded, f"sink   {self.name}"
        if self.lag:
            yield f"{who}: {self.lag} entries of an epoch that has ended are still to be sent"
        for why, count in status.refused.items():
            yield f"{who}: {count} of an epoch that has ended REFUSED for good, see wayside log: {why}"
        if status.unproven:
            yield f"{who}: {status.unproven} of an epoch that has ended are NOT KNOWN TO HAVE BEEN HEARD"
        for epoch, why in self.lost.items():
            yield f"{who}: what epoch {epoch} owes it CANNOT BE SENT: {why}"

    def sheets(self) -> Sequence[Sheet]:
        return ()  # the sink's row counts what is owed, and the rest are problems

    def metrics(self) -> Iterator[Family]:
        text = "Entries that ended epochs owe."
        yield Family("wayside_sink_backlog_lag", "gauge", text, [({"sink": self.name}, self.lag)])

    def pulse(self) -> Pulse:
        """It moves whenever something was delivered, or was tried and failed."""
        return Pulse(f"backlog {self.name}", self._moved, lambda: self.lag > 0, DISK_S)

    def _moved(self) -> tuple[int, int, int]:
        status = self.forwarded
        return self.lag, status.delivered, status.failures

    async def run(self) -> None:
        """Until cancelled; when all is delivered it waits."""
        while self._epochs:
            await self._forward(self._epochs[0])
            del self._epochs[0]
        await asyncio.Event().wait()

    async def _forward(self, epoch: int) -> None:
        with ThreadPoolExecutor(1, "wayside-backlog") as executor:
            try:
                view = _View(LogReader(self._folder, epoch=epoch, read_only=False), executor)
            except LogError as error:
                self.lost[epoch] = str(error)
                _logger.error("sink %s: what epoch %d owes it cannot be sent: %s", self.name, epoch, error)
                return
            try:
                await self._deliver(view)
            finally:
                view.log.close()

    async def _deliver(self, view: "_View") -> None:
        size = view.log.size
        self.lag = size - await view.cursor(self.name)
        if not self.lag:
            return
        _logger.warning("sink %s: %d entries of %s are still to be sent", self.name, self.lag, view.origin)
        self._forwarder = Forwarder(self.name, _Late(self._make(view)), view)
        async with background(self._forwarder.run):
            while self.lag:
                await asyncio.sleep(_LOOK_EVERY_S)
                # By the cursor on disk: then a restart does not begin the epoch again.
                self.lag = size - await view.cursor(self.name)


class _Late:
    """A sink to which everything is late: what the newest epoch says has been sent before it."""

    def __init__(self, sink: Sink):
        self._sink = sink
        self.connect = sink.connect

    async def send(self, batch: Batch) -> str | None:
        return await self._sink.send(replace(batch, late=True))


class _View:
    """An ended epoch as sinks see a log: it does not grow."""

    def __init__(self, log: LogReader, executor: ThreadPoolExecutor):
        self.log = log
        self._executor = executor

    @property
    def origin(self) -> str:
        return self.log.origin

    async def wait(self, size: int) -> int:
        if size >= self.log.size:
            await asyncio.Event().wait()
        return self.log.size

    async def read(self, first: int, limit: int) -> Sequence[StoredEntry]:
        return await self._call(partial(self.log.records, first, limit))

    def age_s(self, index: int) -> float:
        return inf

    async def prove(self, first: int, end: int) -> BatchProof:
        hashes = await self._call(partial(self.log.subset_proof, [(first, end)]))
        return BatchProof(self.log.checkpoint, hashes)

    async def cursor(self, name: str) -> int:
        return await self._call(partial(self.log.cursor, name))

    async def set_cursor(self, name: str, index: int) -> None:
        await self._call(partial(self.log.set_cursor, name, index))

    async def bury(self, name: str, index: int, reason: str) -> None:
        await self._call(partial(self.log.bury, name, index, reason))

    async def buried(self, name: str) -> Sequence[str]:
        return [reason for sink, _, reason in await self._call(self.log.dead_letters) if sink == name]

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)
