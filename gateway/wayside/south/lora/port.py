"""The serial link to a radio board: what it hears goes to the receiver, answers go back.

One task owns one port. Frames are taken one after the other, because each becomes durable before the next counts; what
was heard before the port vanished is taken all the same.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from wayside_wire import WireError
from wayside_wire import lora_link as messages

from wayside.net.frame_port import FramePort, Opening, OpenPort
from wayside.net.serial_port import open_port
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.runtime.supervise import background

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


class RadioLink:
    """The link of one radio board. `radio` is what the board last said about itself."""

    def __init__(self, name: str, path: str, baud: int, hear: Hear, open_port: OpenPort = open_port):
        self.name = name
        self.counters: Counter[str] = Counter()
        self.radio: messages.RadioStatus | None = None
        self.port = FramePort(f"radio {name}", partial(open_port, path, baud), self.counters)
        self._hear = hear
        self._number = 0
        self._heard: asyncio.Queue[tuple[messages.HeardFrame, float, Opening]] = asyncio.Queue(_WAITING)

    def pulse(self) -> Pulse:
        """With its port open it owes only what becomes of the frames that were heard; a silent board owes nothing."""
        return Pulse(
            f"radio {self.name}",
            lambda: (self.port.turns, self.counters["frames"]),
            lambda: not self.port.is_open or not self._heard.empty(),
            OUTSIDE_S,
        )

    async def run(self) -> None:
        """Serve the link until cancelled."""
        async with background(self._answer):
            await self.port.run(self._serve)

    async def _serve(self, opening: Opening) -> None:
        while True:
            for message in await opening.messages():
                self._take(message, opening)

    def _take(self, data: bytes, opening: Opening) -> None:
        try:
            message = messages.decode(data)
        except WireError:
            self.counters["bad messages"] += 1
            return
        if isinstance(message, messages.HeardFrame):
            if self._heard.full():
                self.counters["frames dropped"] += 1
            else:
                self._heard.put_nowait((message, asyncio.get_running_loop().time(), opening))
        elif isinstance(message, messages.Sent):
            self.counters[_SENT[message.status]] += 1
        elif isinstance(message, messages.RadioStatus):
            self.radio = message
        else:
            self.counters["bad messages"] += 1

    async def _answer(self) -> None:
        while True:
            message, at, opening = await self._heard.get()
            self.counters["frames"] += 1
            waited_ms = int(1000 * (asyncio.get_running_loop().time() - at))
            back = await self._hear(message.raw, message.age_ms + waited_ms)
            if back is not None:
                self._number += 1
                opening.write(messages.encode(messages.Send(self._number, _WITHIN_MS, back)))
