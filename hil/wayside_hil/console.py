"""The console of a board as pytest-embedded's tools see it: a file that grows, and `expect` in the board's own time."""

from pathlib import Path
from typing import Any

import pexpect
from pytest_embedded.log import PexpectProcess

from .events import Event, UartByte, UsbOutput
from .world import World

_NEVER = "(?!)"
_STEP_NS = 50_000_000


class ConsoleFile:
    """Writes what a board says on USB, or on a UART, to a file, as a terminal program does."""

    def __init__(self, path: Path, uart: int | None = None):
        self._file = path.open("wb", buffering=0)
        self._uart = uart

    def see(self, event: Event) -> None:
        if isinstance(event, UsbOutput) and self._uart is None:
            self._file.write(event.data)
        elif isinstance(event, UartByte) and event.uart == self._uart:
            self._file.write(bytes((event.value,)))

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""

    def close(self) -> None:
        self._file.close()


class Console(PexpectProcess):
    """Waits in the time of the world: simulated where the board is. timeout: seconds without one named."""

    def __init__(self, world: World, path: Path, timeout: float = 30, uart: int | None = None):
        self._world = world
        self._plug = ConsoleFile(path, uart)
        self._stream = path.open("rb")
        world.plugs.append(self._plug)
        super().__init__(self._stream, timeout=timeout)

    def expect(self, pattern: Any, timeout: float = -1, *rest: Any, **more: Any) -> int:
        return self._wait(super().expect, pattern, timeout, _NEVER, more)

    def expect_exact(self, pattern: Any, timeout: float = -1, *rest: Any, **more: Any) -> int:
        return self._wait(super().expect_exact, pattern, timeout, pexpect.EOF, more)

    def _wait(self, expect: Any, pattern: Any, timeout: float | None, never: Any, more: dict[str, Any]) -> int:
        """Ask again and again without waiting, and let the world go on in between. TIMEOUT counts at the end only."""
        patience_s = self.timeout if timeout == -1 else timeout
        end = float("inf") if patience_s is None else self._world.now + patience_s * 1e9
        patterns = pattern if isinstance(pattern, list) else [pattern]
        early = [never if each is pexpect.TIMEOUT else each for each in patterns]
        while self._world.now < end:
            try:
                found: int = expect(early, timeout=0, **more)
                return found
            except pexpect.TIMEOUT:
                self._world.run_for(round(min(_STEP_NS, max(1, end - self._world.now))))
        last: int = expect(pattern, timeout=0, **more)
        return last

    def close(self) -> None:
        self._plug.close()
        self._stream.close()
