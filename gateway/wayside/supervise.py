"""Tasks that must not die: one that ends or fails is started again, with exponential back-off and full jitter.

Imports nothing of the gateway.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar

_logger = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 30.0)
_HEALTHY_S = 60.0  # who ran this long starts with the short wait again

Work = Callable[[], Awaitable[None]]

PART: ContextVar[str] = ContextVar("PART", default="")
"""The name of the work that runs here, also in the tasks and threads that it starts; for messages."""


class Supervisor:
    """Runs named pieces of work until they are stopped; counts in `restarts` how often each had to be started again."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.restarts: Counter[str] = Counter()

    def start(self, name: str, work: Work) -> None:
        """`work` runs from now on, under a name that nothing else runs under."""
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=name)

    async def stop(self, names: Iterable[str]) -> None:
        """Cancel the works with these names and wait until they have ended."""
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, work: Work) -> None:
        PART.set(name)
        loop = asyncio.get_running_loop()
        wait_s = _BACKOFF_S[0]
        while True:
            started = loop.time()
            try:
                await work()
                _logger.error("%s ended by itself; starting it again", name)
            except Exception:
                # Whatever it was, it must not take the other tasks with it; the trace is for whoever mends it.
                _logger.exception("%s failed; starting it again", name)
            self.restarts[name] += 1
            if loop.time() - started > _HEALTHY_S:
                wait_s = _BACKOFF_S[0]
            await asyncio.sleep(random.uniform(0, wait_s))
            wait_s = min(2 * wait_s, _BACKOFF_S[1])


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
