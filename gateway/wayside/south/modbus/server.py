"""The server side of Modbus/TCP: takes requests apart and writes answers (MODBUS Messaging on TCP/IP V1.0b)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from wayside_wire import modbus

OnRequest = Callable[[bytes, Callable[[bytes], None]], None]
"""Called with a request's body and a function that sends the answering body, now or later, or never."""

_HEADER = 6  # bytes before the unit address
_SHORTEST = 2  # unit and function


@contextlib.asynccontextmanager
async def serve(on_request: OnRequest, host: str, port: int, clients: int = 128) -> AsyncIterator[int]:
    """The port on which requests are taken; port 0 takes a free one. clients: at most so many at a time."""
    open_lines: set[_Line] = set()
    server = await asyncio.get_running_loop().create_server(lambda: _Line(on_request, open_lines, clients), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for line in list(open_lines):
            line.close()
        await server.wait_closed()


class _Line(asyncio.Protocol):
    """One client. What is not Modbus/TCP ends its connection, and only that."""

    def __init__(self, on_request: OnRequest, lines: "set[_Line]", limit: int):
        self._on_request = on_request
        self._lines = lines
        self._limit = limit
        self._stream = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._lines) >= self._limit:
            self.close()
        else:
            self._lines.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._lines.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._stream += data
        while len(self._stream) >= _HEADER + _SHORTEST:
            size = int.from_bytes(self._stream[4:6], "big")
            if self._stream[2:4] != b"\x00\x00" or not _SHORTEST <= size <= modbus.MAX_BODY:
                self.close()
                return
            if len(self._stream) < _HEADER + size:
                return
            transaction = int.from_bytes(self._stream[:2], "big")
            body = bytes(self._stream[_HEADER : _HEADER + size])
            del self._stream[: _HEADER + size]
            self._on_request(body, lambda answer, to=transaction: self._reply(to, answer))  # type: ignore[misc]

    def _reply(self, transaction: int, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(modbus.tcp_frame(transaction, body))
