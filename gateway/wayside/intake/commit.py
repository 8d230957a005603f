"""Group commit: entries wait a moment for company, then become durable together (design rule 4).

One executor thread owns the log. Whoever appends waits until the checkpoint that covers the entry is on disk. A commit
that fails acknowledges nothing: every waiter gets the error, and nothing of the group counts.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from wayside.intake.ages import Ages
from wayside.log import Append, Log, LogError
from wayside.runtime.pulse import DISK_S, Pulse

_logger = logging.getLogger(__name__)

T = TypeVar("T")

Group = Sequence[Append]


class Committer:
    """Collects groups of entries and commits them; `groups` and `failures` count what it did."""

    def __init__(self, log: Log, commit_s: float):
        self._log = log
        self.commit_s = commit_s
        """How long entries wait for company."""
        self._executor = ThreadPoolExecutor(1, "wayside-log")
        self._waiting: list[tuple[Group, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._grown: list[asyncio.Event] = []
        self.size = log.size
        self.ages = Ages(log.size)
        self.groups = 0
        self.failures = 0
        self.problem = ""
        """Why the log takes nothing; empty while it does."""
        self.calls = 0
        """Calls that the log's thread has answered."""
        self._asked = 0

    async def call(self, function: Callable[[Log], T]) -> T:
        """The result of `function(log)`, on the thread that owns the log; its errors as they are."""
        loop = asyncio.get_running_loop()
        answer = loop.run_in_executor(self._executor, function, self._log)
        self._asked += 1
        answer.add_done_callback(self._answered)
        return await answer

    def _answered(self, _: object) -> None:
        self.calls += 1

    @property
    def in_call(self) -> bool:
        """Whether the log's thread is at work, or has work before it."""
        return self.calls < self._asked

    @property
    def waiting(self) -> bool:
        """Whether entries wait for a commit."""
        return bool(self._waiting)

    def pulses(self) -> tuple[Pulse, Pulse]:
        """The log's thread is given up after ten minutes in one call; a slow disk makes the gateway slow, and a restart
        would only make it slower, so whoever waits for the thread is excused while it is in a call."""
        thread = Pulse("log thread", lambda: self.calls, lambda: self.in_call, DISK_S)
        commits = Pulse("commits", lambda: (self.calls, self.groups, self.failures), lambda: self.waiting)
        return thread, commits.unless(lambda: self.in_call)

    def commit(self, group: Group) -> "asyncio.Future[None]":
        """Queue entries that belong together; the future is done when they are durable, or carries a LogError.

        An empty group is a barrier: done when everything queued before it is.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((group, future))
        self._wake.set()
        return future

    async def grown_beyond(self, size: int) -> int:
        """Wait until more than `size` entries are durable; returns how many there are."""
        while self.size <= size:
            event = asyncio.Event()
            self._grown.append(event)
            await event.wait()
        return self.size

    async def run(self) -> None:
        """Commit until cancelled; what was queued by then is committed before it returns."""
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(self.commit_s)
                await self._commit()
        finally:
            await self._commit()
            await self.call(lambda log: log.close())
            self._executor.shutdown()

    async def _commit(self) -> None:
        self._wake.clear()
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        batch = [item for group, _ in waiting for item in group]
        try:
            if batch:
                self.size = await self.call(lambda log: log.append_entries(batch))
                self.ages.grew(self.size)
        except LogError as error:
            # What was queued meanwhile may chain to an entry of this group, so it fails with it.
            waiting += self._waiting
            self._waiting = []
            self.failures += 1
            if not self.problem:
                _logger.error("%s; what is read meanwhile waits in memory, and is lost if the gateway ends", error)
            self.problem = str(error)
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # not everybody waits for his own; one error is told often enough
            return
        self.groups += 1
        if batch and self.problem:
            _logger.warning("the log takes entries again")
            self.problem = ""
        for _, future in waiting:
            if not future.done():
                future.set_result(None)
        grown, self._grown = self._grown, []
        for event in grown:
            event.set()
