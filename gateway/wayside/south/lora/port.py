"""The serial link to a radio board: what it hears goes to the receiver, answers go back.

One task owns one port; a port that vanishes is opened again with exponential back-off and full jitter. Frames are taken
one after the other, because each becomes durable before the next counts.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from wayside_wire import WireError, frame
from wayside_wire import lora_link as messages

from wayside.pulse import OUTSIDE_S, Pulse
from wayside.south.nodes import OpenPort, Port, open_serial

_BACKOFF_S = (0.2, 10.0)
_WITHIN_MS = 1500  # an answer later than this meets no ear
_WAITING = 64  # frames heard that wait for the disk; more are dropped and counted

_SENT = {
    messages.DONE: "answers sent",
    messages.NO_BUDGET: "answers not sent for want of airtime",
    messages.CHANNEL_BUSY: "answers not sent, channel busy",
    messages.TOO_LONG: "answers not sent, too long",
    messages.FAILED: "answers not sent, too late or modem failed",
}

Hear = Callable[[bytes, int], Awaitable[bytes | None]]
"""(raw frame, age in ms) -> the frame to answer with."""


_Queue = asyncio.Queue[tuple[messages.Heard, float]]


class RadioLink:
    """The link of one radio board. `radio` is what the board last said about itself."""

    def __init__(self, name: str, path: str, baud: int, hear: Hear, open_port: OpenPort = open_serial):
        self.name = name
        self.counters: Counter[str] = Counter()
        self.radio: messages.Radio | None = None
        self._path = path
        self._baud = baud
        self._hear = hear
        self._open_port = open_port
        self._number = 0
        self._turns = 0
        self._heard: _Queue | None = None  # while the port is open

    def pulse(self) -> Pulse:
        """With its port open it owes only what becomes of the frames that were heard; a silent board owes nothing."""
        return Pulse(
            f"radio {self.name}",
            lambda: (self._turns, self.counters["frames"]),
            lambda: self._heard is None or not self._heard.empty(),
            OUTSIDE_S,
        )

    async def run(self) -> None:
        """Serve the link until cancelled."""
        delay = _BACKOFF_S[0]
        while True:
            self._turns += 1
            try:
                port = self._open_port(self._path, self._baud)
            except OSError:
                self.counters["port not there"] += 1
            else:
                delay = _BACKOFF_S[0]
                try:
                    await self._serve(port)
                except OSError:
                    self.counters["port lost"] += 1
                finally:
                    port.close()
            await asyncio.sleep(random.uniform(0, delay))
            delay = min(2 * delay, _BACKOFF_S[1])

    async def _serve(self, port: Port) -> None:
        heard: _Queue = asyncio.Queue(_WAITING)
        self._heard = heard
        worker = asyncio.create_task(self._answer(heard, port.fileno()))
        try:
            await self._read(heard, port.fileno(), worker)
        finally:
            self._heard = None
            worker.cancel()

    async def _read(self, heard: _Queue, handle: int, worker: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        decoder = frame.Decoder()
        loop.add_reader(handle, readable.set)
        worker.add_done_callback(lambda _: readable.set())
        try:
            while True:
                await readable.wait()
                readable.clear()
                if worker.done():
                    await worker  # it ends by an error only, and the port has to begin anew
                try:
                    data = os.read(handle, 4096)
                except BlockingIOError:
                    continue
                if not data:
                    raise OSError("the port closed")
                for message in decoder.feed(data):
                    self._take(message, heard)
                self.counters["crc errors"] = decoder.crc_errors
                self.counters["oversize frames"] = decoder.oversize
        finally:
            loop.remove_reader(handle)

    def _take(self, data: bytes, heard: _Queue) -> None:
        try:
            message = messages.decode(data)
        except WireError:
            self.counters["bad messages"] += 1
            return
        if isinstance(message, messages.Heard):
            if heard.full():
                self.counters["frames dropped"] += 1
            else:
                heard.put_nowait((message, asyncio.get_running_loop().time()))
        elif isinstance(message, messages.Sent):
            self.counters[_SENT[message.status]] += 1
        elif isinstance(message, messages.Radio):
            self.radio = message
        else:
            self.counters["bad messages"] += 1

    async def _answer(self, heard: _Queue, handle: int) -> None:
        while True:
            message, at = await heard.get()
            self.counters["frames"] += 1
            waited_ms = int(1000 * (asyncio.get_running_loop().time() - at))
            back = await self._hear(message.raw, message.age_ms + waited_ms)
            if back is None:
                continue
            self._number += 1
            data = frame.encode(messages.encode(messages.Send(self._number, _WITHIN_MS, back)))
            try:
                written = os.write(handle, data)
            except BlockingIOError:
                written = 0
            if written < len(data):
                self.counters["answers cut"] += 1  # the node asks again
