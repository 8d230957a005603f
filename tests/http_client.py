"""Running one of Wayside's HTTP services in a test, and asking it over a real socket."""

import asyncio
import http.client
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple

from wayside.net.http.service import HttpService


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


@contextmanager
def running(service: HttpService) -> Iterator[int]:
    """The port of a service that answers, on a loop of its own, while the block runs."""
    serves: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        async with service.serving():
            ends = asyncio.Event()
            serves.set_result((asyncio.get_running_loop(), ends))
            await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, ends = serves.result(10)
    try:
        yield service.server_address[1]
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()


def fetch(port: int, path: str, method: str = "GET", body: bytes = b"") -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Reply(response.status, response.read(), response.headers)
    finally:
        connection.close()
