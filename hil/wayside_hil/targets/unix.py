"""A program on this machine as the board: MicroPython's unix port, with ptys for its console and UARTs."""

import os
import subprocess
from pathlib import Path

from ..events import Reset
from .real_time import CONSOLE, Pty, RealTimeBoard, supported


class UnixBoard(RealTimeBoard):
    """`paths`: of the program's ends of the UARTs. It is off until restore_power()."""

    place = "the unix target"

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path, uarts: tuple[int, ...] = (0, 1)):
        """words: the command, begun in `folder` at each power-up. HIL_UART0, ... of its environment: `paths`."""
        ptys = {number: Pty() for number in (CONSOLE, *uarts)}
        super().__init__(dict(ptys))
        self.has = supported("power", ports=ptys)
        self.paths = {number: ptys[number].path for number in uarts}
        self._console = ptys[CONSOLE]
        self.words = words
        self.environment = os.environ | environment | {f"HIL_UART{each}": path for each, path in self.paths.items()}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def cut_power(self, at_ns: int | None = None) -> None:
        self._at(at_ns, self._kill)

    def restore_power(self, at_ns: int | None = None) -> None:
        self._at(at_ns, self._begin)

    def close(self) -> None:
        self._kill()
        super().close()

    def _begin(self) -> None:
        if self._process is None:
            end = self._console.slave()
            self._process = subprocess.Popen(
                self.words, cwd=self._folder, env=self.environment, stdin=end, stdout=end, stderr=end
            )
            self._did.append(Reset(self.now, "power"))

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._did.append(Reset(self.now, "off"))
