"""Tasks that must not die: one that ends or fails is started again, with exponential back-off and full jitter.

Imports nothing of the gateway.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_logger = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 30.0)
_HEALTHY_S = 60.0  # who ran this long starts with the short wait again

Work = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs named pieces of work for ever, and counts in `restarts` how often each had to be started again."""

    def __init__(self, restarts: Counter[str]) -> None:
        self._works: dict[str, Work] = {}
        self.restarts = restarts

    def add(self, name: str, work: Work) -> None:
        self._works[name] = work

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, work in self._works.items():
                tasks.create_task(self._keep(name, work), name=name)

    async def _keep(self, name: str, work: Work) -> None:
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
