"""A TCP proxy that misbehaves as it is told: cuts after so many bytes, goes silent, refuses."""

import asyncio
from contextlib import suppress


class Proxy:
    """`async with Proxy(port) as proxy:` forwards 127.0.0.1:proxy.port to 127.0.0.1:port."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.connections = 0
        self.cut_after_up: int | None = None  # bytes from the client, of one connection; then it is reset
        self.cut_after_down: int | None = None  # bytes from the broker
        self.passing = asyncio.Event()  # cleared: connections stay open, nothing passes, as on a half-open link
        self.passing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        self.passing.set()
        await asyncio.gather(*self._tasks)

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Stop listening and reset what is connected."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, up_writer}
        self._writers |= ends
        limit_up, limit_down = self.cut_after_up, self.cut_after_down
        self.cut_after_up = self.cut_after_down = None  # one cut each time it is asked for
        pumps = [
            asyncio.create_task(self._pump(reader, up_writer, limit_up)),
            asyncio.create_task(self._pump(up_reader, writer, limit_down)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._writers -= ends
            for end in ends:
                end.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        """Forward until the end, or until there is a byte after the first `limit`."""
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.passing.wait()
                writer.write(data[:limit])
                await writer.drain()
                if limit is not None:
                    if len(data) > limit:
                        return
                    limit -= len(data)
