"""Tasks that must not die: one that ends or fails is started again, after an ever longer wait (`backoff`).

Imports `backoff` and `reason`, nothing else of the gateway.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from random import Random

from wayside.runtime.backoff import Backoff
from wayside.text.reason import reason

_logger = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 30.0)
_SETTLED_S = 5.0

Work = Callable[[], Awaitable[None]]

PART: ContextVar[str] = ContextVar("PART", default="")
"""The name of the work that runs here, also in the tasks and threads that it starts; for messages."""


class Supervisor:
    """Runs named pieces of work until they are stopped; counts in `restarts` how often each had to be started again.

    `problems` says why a work does not run: told when it begins and when it is over, and while it lasts not once more.
    Failures of the `expected` kinds are what the world does, a port that is taken or a disk that refuses, and are told
    in a sentence; with any other the trace is told, for whoever mends it.
    """

    def __init__(self, expected: tuple[type[Exception], ...] = (OSError,), settled_s: float = _SETTLED_S) -> None:
        """`settled_s`: who has run this long is no problem any more."""
        self._expected = expected
        self._settled_s = settled_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.restarts: Counter[str] = Counter()
        self.problems: dict[str, str] = {}

    def start(self, name: str, work: Work) -> None:
        """`work` runs from now on, under a name that nothing else runs under."""
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=name)

    async def stop(self, names: Iterable[str]) -> None:
        """Cancel the works with these names and wait until they have ended.

        Whoever is cancelled while he waits waits all the same: what a work does at its end is not cut by it.
        """
        names = list(names)
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        cancelled = None
        while any(not task.done() for task in tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                cancelled = error
        for name in names:
            self.problems.pop(name, None)
        if cancelled:
            raise cancelled

    async def _keep(self, name: str, work: Work) -> None:
        PART.set(name)
        loop = asyncio.get_running_loop()
        backoff = Backoff(*_BACKOFF_S, Random())
        while True:
            settled = loop.call_later(self._settled_s, self._is_over, name)
            try:
                with backoff.holding(loop.time):
                    await work()
                self._say(name, "ended by itself")
            except Exception as error:
                # Whatever it was, it must not take the other tasks with it.
                self._failed(name, _sole(error))
            finally:
                settled.cancel()
            self.restarts[name] += 1
            await asyncio.sleep(backoff.next_s())

    def _failed(self, name: str, error: Exception) -> None:
        if isinstance(error, self._expected):
            self._say(name, reason(error))
        else:
            self._say(name, f"{type(error).__name__}: {error}", trace=error)

    def _say(self, name: str, text: str, trace: Exception | None = None) -> None:
        if self.problems.get(name) != text:
            self.problems[name] = text
            _logger.error("%s: %s; it is tried again, soon and then every half minute", name, text, exc_info=trace)

    def _is_over(self, name: str) -> None:
        if self.problems.pop(name, None):
            _logger.warning("%s runs again", name)


def _sole(error: Exception) -> Exception:
    """What a group of one holds, as background() makes it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error


@asynccontextmanager
async def background(work: Work) -> AsyncIterator[None]:
    """`work` runs while the block does; at its end it is cancelled and awaited. If it fails, so does the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_run(work))
        try:
            yield
        finally:
            task.cancel()


async def _run(work: Work) -> None:
    await work()
