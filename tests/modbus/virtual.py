"""Virtual time for asyncio, and a line in memory: minutes of polling in milliseconds, the same every time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from wayside.lab.plant.serve import Answer
from wayside.net.endpoint import PLAIN, Manners
from wayside.south.modbus.link import ModbusLink
from wayside.values.reading import TimeQuality
from wayside_wire import modbus
from wayside_wire.modbus_rtu_guard import RtuGuard


class _Selector(selectors.SelectSelector):
    """Waits for nothing: time jumps to the next timer instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        elif not ready and timeout is None:
            raise RuntimeError("nothing will ever happen")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only where somebody sleeps."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        # The loop sleeps to the timer's time, not to a hair before it.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual.now


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


class Clock:
    """The running loop's time; UTC begins at a round number."""

    START_MS = 1_700_000_000_000

    def utc_ms(self) -> int:
        return self.START_MS + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED


class MemoryLink(ModbusLink):
    """A 9600-baud line in memory. `answer` may be changed at any time; `sent` holds (time, body) of every request.

    echo: whether the adapter hears what is sent.
    """

    def __init__(
        self,
        answer: Answer,
        turnaround_s: float = 0.01,
        character_us: int = 1042,
        manners: Manners = PLAIN,
        echo: bool = False,
    ):
        super().__init__(RtuGuard(max(character_us * 7 // 2, 1750), 50_000, character_us), character_us, manners)
        self.echo = echo
        self.answer = answer
        self.turnaround_s = turnaround_s
        self.reachable = True
        self.sent: list[tuple[float, bytes]] = []

    async def _open(self) -> None:
        if not self.reachable:
            raise OSError("not there")

    def _close(self) -> None:
        pass

    def drop(self) -> None:
        """The cable is pulled."""
        self.reachable = False
        self._lost("cable pulled")

    def _write(self, frame: bytes) -> None:
        loop = asyncio.get_running_loop()
        body = modbus.rtu_body(frame)
        self.sent.append((loop.time(), body))
        if self.echo:
            loop.call_later(len(frame) * self.character_us / 1e6, self._arrived, frame)
        answer = self.answer(body)
        if answer is not None:
            reply = modbus.rtu_frame(answer)
            wire_s = (len(frame) + len(reply) + 3.5) * self.character_us / 1e6
            loop.call_later(wire_s + self.turnaround_s, self._arrived, reply)
