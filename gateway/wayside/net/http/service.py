"""A server for short answers, such as tiles and cosignatures: a function from a request to an answer, behind aiohttp.

How many connections there are at once, how long one lives and how many bytes a request has is bounded: a client that
drips a byte a second holds its place no longer than any other, and who holds most makes room. Answers are made in a few
threads of its own, since they read databases. It speaks plain HTTP; a TLS proxy goes before it where that matters.
"""

import asyncio
import contextvars
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import NamedTuple

from aiohttp import web

from wayside.net.http.connections import Connections
from wayside.net.http.stack import LIMITS, has_plain_length, logger_for, say_continue
from wayside.text.complaints import Complaints

_logger = logging.getLogger(__name__)

LIFE_S = 10.0  # of a connection, from its first byte to its last, whatever goes over it
AT_ONCE = 32  # connections
_THREADS = 4  # that make answers
_STOP_S = 1.0

TEXT = "text/plain; charset=utf-8"


class HttpAnswer(NamedTuple):
    """What a client gets; Content-Length is added."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = MappingProxyType({})


Respond = Callable[[str, str, bytes], HttpAnswer]
"""(method, path as the client wrote it, body) -> answer. Called by several threads at once. HEAD comes as GET."""


class HttpService:
    """Answers on (host, port) with `respond`; `server_address` tells the port when 0 was asked for."""

    def __init__(self, address: tuple[str, int], respond: Respond, max_body: int = 0, life_s: float = LIFE_S):
        """OSError when the address cannot be had. `max_body`: bytes."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=AT_ONCE)
        self.server_address: tuple[str, int] = self._socket.getsockname()[:2]
        self.connections: Connections | None = None  # while it serves
        self._respond = respond
        self._max_body = max_body
        self._life_s = life_s
        self._complaints = Complaints(_logger)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self.serving():
            await asyncio.Event().wait()

    def close(self) -> None:
        """Give the address back; for who never served."""
        self._socket.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answers while the block runs; once only."""
        self._free = asyncio.Semaphore(_THREADS)
        self._pool = ThreadPoolExecutor(_THREADS, "wayside-http")
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            logger=logger_for(__name__),
            auto_decompress=False,
            lingering_time=0.0,
            **LIMITS,
        )
        self.connections = Connections(server, self._life_s, AT_ONCE)
        listener = await asyncio.get_running_loop().create_server(
            self.connections, sock=self._socket, backlog=AT_ONCE
        )
        try:
            yield
        finally:
            listener.close()
            await server.shutdown(_STOP_S)
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        answer, is_last = await self._judge(request)
        response = web.Response(
            status=answer.status,
            body=answer.body,
            headers={"Content-Type": answer.content_type, "Server": "wayside", **answer.headers},
        )
        assert self.connections is not None
        if is_last or self.connections.is_late(request.transport):
            response.force_close()
        return response

    async def _judge(self, request: web.BaseRequest) -> tuple[HttpAnswer, bool]:
        """(answer, whether it is the last on this connection)."""
        method = "GET" if request.method == "HEAD" else request.method
        if method not in ("GET", "POST"):
            return HttpAnswer(501, b"GET, HEAD and POST are all there is\n"), True
        if "Transfer-Encoding" in request.headers or (method == "POST" and "Content-Length" not in request.headers):
            return self._refusal(411), True
        if not has_plain_length(request) or int(request.headers.get("Content-Length", "0")) > self._max_body:
            return self._refusal(413), True
        await say_continue(request)
        body = await request.content.read() if request.can_read_body else b""
        try:
            return await self._in_thread(method, request.raw_path, body), False
        except Exception as error:
            # A fault of ours: it costs this request. However often somebody asks for it, it is told now and then.
            fault = f"a request is not answered: {type(error).__name__}: {error}"
            self._complaints.say("HTTP", fault, logging.ERROR, with_trace=True)
            return HttpAnswer(500, b"this cannot be answered now\n"), True

    def _refusal(self, status: int) -> HttpAnswer:
        """What follows cannot be told from a next request, so the connection ends."""
        return HttpAnswer(status, f"a request has at most {self._max_body} bytes and says how many\n".encode())

    async def _in_thread(self, method: str, path: str, body: bytes) -> HttpAnswer:
        """As many requests are with the threads as there are threads: whose connection has ended is not queued."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # so that messages say who speaks
        work = self._pool.submit(context.run, self._respond, method, path, body)
        work.add_done_callback(lambda _: _call(loop, self._free.release))
        return await asyncio.wrap_future(work)


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed: the program ends
        loop.call_soon_threadsafe(what)
