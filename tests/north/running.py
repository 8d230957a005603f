"""Waiting for conditions and running tasks beside a test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


async def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Return when `condition()` is true; TimeoutError when it has not become so within a generous limit."""
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The coroutines run as tasks as long as the context lasts; their errors are the test's."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
