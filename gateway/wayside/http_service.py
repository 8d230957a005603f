"""A small HTTP/1.1 server for short answers: a thread for each connection, with bounds on everything a client decides.

How many connections there are at once, how long one lives and how many bytes a request has: a client that drips a
byte a second holds its place no longer than any other, and the oldest makes room when all places are taken. It speaks
plain HTTP; a TLS proxy goes before it where that matters. Imports nothing of the gateway.
"""

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple

_logger = logging.getLogger(__name__)

LIFE_S = 10.0  # of a connection, from its first byte to its last, whatever goes over it
AT_ONCE = 32  # connections
_ROOM_S = 1.0  # for the oldest to end; else the further one is closed
_MAX_HEAD = 16 * 1024  # bytes: request line and header fields

TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """What a client gets; Content-Length is added."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = MappingProxyType({})


Respond = Callable[[str, str, bytes], Answer]
"""(method, path as the client wrote it, body) -> answer. Called by many threads at once. HEAD comes as GET."""


class HttpService(ThreadingHTTPServer):
    """Answers on (host, port) with `respond`; `server_address` tells the port when 0 was asked for."""

    daemon_threads = True
    request_queue_size = AT_ONCE

    def __init__(self, address: tuple[str, int], respond: Respond, max_body: int = 0, life_s: float = LIFE_S):
        """OSError when the address cannot be had. `max_body`: bytes."""
        super().__init__(address, _Handler)
        self.respond = respond
        self.max_body = max_body
        self.life_s = life_s
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._open: dict[Any, None] = {}  # connections, the oldest first
        self._lock = threading.Lock()  # of the above, and so that none is closed while it is ended

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self._end_oldest()
            if not self._places.acquire(timeout=_ROOM_S):
                self.shutdown_request(request)
                return
        with self._lock:
            self._open[request] = None
        super().process_request(request, client_address)

    def _end_oldest(self) -> None:
        with self._lock, suppress(OSError):
            if self._open:
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.shutdown(SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        if isinstance(sys.exception(), OSError):
            _logger.info("%s: the connection broke", client_address[0])
        else:
            _logger.exception("%s: not answered", client_address[0])


async def serve(make: Callable[[], HttpService]) -> None:
    """Answer until cancelled."""
    service = make()
    thread = threading.Thread(target=service.serve_forever, name="wayside-http", daemon=True)
    thread.start()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(service.shutdown)
        service.server_close()


class _Bounded(io.RawIOBase):
    """A connection until `end_s`: TimeoutError after it. `left`: so many bytes may still come, then OSError."""

    def __init__(self, connection: socket, end_s: float):
        self._connection = connection
        self._end_s = end_s
        self.left = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.left <= 0:
            raise OSError("the request is too long")
        self._wait_no_longer()
        count = self._connection.recv_into(buffer)
        self.left -= count
        return count

    def write(self, data: Any) -> int:
        self._wait_no_longer()
        self._connection.sendall(data)
        return len(data)

    def _wait_no_longer(self) -> None:
        left_s = self._end_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)


class _Handler(BaseHTTPRequestHandler):
    server: HttpService
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._began_s = monotonic()
        self._stream = _Bounded(self.connection, self._began_s + self.server.life_s)
        self.rfile = io.BufferedReader(self._stream)
        self.wfile = self._stream  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        self._stream.left = _MAX_HEAD + self.server.max_body
        super().handle_one_request()

    def do_GET(self) -> None:
        self._handle("GET")

    def do_HEAD(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def _handle(self, method: str) -> None:
        lengths = self.headers.get_all("Content-Length", [] if method == "POST" else ["0"])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1:
            self._refuse(411)
        elif not (lengths[0].isascii() and lengths[0].isdigit()) or int(lengths[0][:9]) > self.server.max_body:
            self._refuse(413)
        else:
            self._answer(self.server.respond(method, self.path, self.rfile.read(int(lengths[0]))))

    def _refuse(self, status: int) -> None:
        """What follows cannot be told from a next request, so the connection ends."""
        self.close_connection = True
        reason = f"a request has at most {self.server.max_body} bytes and says how many\n"
        self._answer(Answer(status, reason.encode()))

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection or monotonic() - self._began_s > self.server.life_s / 2:
            # In good time, so that no request is on its way when the connection's time is over.
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        return "wayside"

    def log_message(self, format: str, *args: Any) -> None:
        _logger.debug("%s: " + format, self.client_address[0], *args)
