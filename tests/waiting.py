"""Waiting for conditions, running tasks beside a test, and ports that nobody uses."""

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

PATIENCE_S = 120.0  # generous: a shared machine pauses, and no test is right because it was quick


async def until(condition: Callable[[], bool], what: str = "the condition", limit_s: float = PATIENCE_S) -> None:
    """Return when `condition()` is true; an AssertionError that names `what` when it has not become so."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s:.0f} s"
        await asyncio.sleep(0.005)


def wait_until(condition: Callable[[], bool], what: str = "the condition", limit_s: float = PATIENCE_S) -> None:
    """`until` for tests without an event loop."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.02)


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


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free, and that no test beside this one is given, nor any connection.

    Each worker of a test run has ports of its own, below those that the system gives to connections, and each port is
    given once: between asking for a port and listening on it nobody else gets it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _PORTS + worker % _SHARES * _SHARE
    for port in random.sample(range(first, first + _SHARE), _SHARE):
        if port in _given:
            continue
        _given.add(port)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    _given.clear()  # a run of thousands: those given first are long free again
    return free_port()


_PORTS, _SHARE, _SHARES = 10_000, 1_000, 20
_given: set[int] = set()
