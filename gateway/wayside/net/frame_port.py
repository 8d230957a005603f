"""A port that speaks in frames (wayside_wire.frame): opened, read, written, and opened again when it is gone.

Who uses it says what is done with an open port; the rest is the same for all. Imports `backoff` and `serial_port`.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol

from wayside_wire import frame

from wayside.net.serial_port import gone
from wayside.runtime.backoff import Backoff

_logger = logging.getLogger(__name__)

_BACKOFF_S = (0.2, 10.0)
_PIECE = 4096


class BytePort(Protocol):
    """An open port that does not block."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


OpenPort = Callable[[str, int], BytePort]
"""(path, baud) -> the open port; OSError says what to do. wayside.net.serial_port.open_port is one."""


class FramePort:
    """A port that is opened as long as it takes, and again.

    error: why it is not open, "" while it is; turns: of its task; counters: what happened to it. What has opened is
    short of a success (see Backoff): one whole frame is.
    """

    def __init__(self, name: str, open_port: Callable[[], BytePort], counters: Counter[str]):
        """name: whose port it is, as messages say it; open_port: OSError when it is not there now."""
        self.error = "it has not been opened yet"
        self.turns = 0
        self._name = name
        self._open_port = open_port
        self._counters = counters
        self._told = ""

    @property
    def is_open(self) -> bool:
        return not self.error

    async def run(self, serve: Callable[["Opening"], Awaitable[None]]) -> None:
        """Have each opening served, until cancelled. `serve` goes on until its port is gone (OSError)."""
        backoff = Backoff(*_BACKOFF_S, Random())
        now_s = asyncio.get_running_loop().time

        def heard() -> None:
            self._told = ""
            backoff.reset()

        while True:
            self.turns += 1
            try:
                port = self._open_port()
            except OSError as error:
                self._counters["port not there"] += 1
                self.error = str(error)
            else:
                self.error = ""
                opening = Opening(port.fileno(), self._counters, heard)
                try:
                    with backoff.holding(now_s):
                        await serve(opening)
                except OSError as error:
                    self._counters["port lost"] += 1
                    self.error = str(error)
                finally:
                    self.error = self.error or "it is closed"
                    opening.end()
                    port.close()
            if self.error != self._told:  # a port that is away for a day is told once
                _logger.warning("%s: %s; it is tried again", self._name, self.error)
                self._told = self.error
            await asyncio.sleep(backoff.next_s())


class Opening:
    """One opening of a port."""

    def __init__(self, handle: int, counters: Counter[str], heard: Callable[[], None]):
        """heard: is called for each whole frame."""
        self._handle = handle
        self._counters = counters
        self._heard = heard
        self._decoder = frame.FrameDecoder()
        self._readable = asyncio.Event()
        self._lost: OSError | None = None
        self._is_open = True
        asyncio.get_running_loop().add_reader(handle, self._readable.set)

    async def messages(self) -> list[bytes]:
        """What came next, of whole frames: perhaps nothing yet. OSError when the port is gone."""
        await self._readable.wait()
        self._readable.clear()
        try:
            if self._lost:
                raise self._lost
            data = os.read(self._handle, _PIECE)
        except BlockingIOError:
            return []  # the loop may announce once more what has been read already
        except OSError as error:
            raise OSError(gone(error)) from None
        if not data:
            raise OSError(gone(None))
        found: list[bytes] = self._decoder.feed(data)
        self._counters["crc errors"] = self._decoder.crc_errors
        self._counters["oversize frames"] = self._decoder.oversize
        if found:
            self._heard()
        return found

    def write(self, message: bytes) -> None:
        """As far as the line takes it. A cut frame costs a repetition: who misses it asks again, and nobody waits."""
        if not self._is_open:
            return
        data = frame.encode(message)
        try:
            written = os.write(self._handle, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._lost = error
            self._readable.set()  # who reads is told
            return
        if written < len(data):
            self._counters["answers cut"] += 1

    def end(self) -> None:
        """Nothing is read or written any more."""
        self._is_open = False
        asyncio.get_running_loop().remove_reader(self._handle)
