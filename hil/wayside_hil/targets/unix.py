"""A program on this machine as the board: MicroPython's unix port, with ptys for its console and UARTs."""

import os
import subprocess
import termios
from pathlib import Path

from ..events import PinEdge, PinInput, Reset
from .real_time import CONSOLE, Pty, RealTimeBoard, supported

# A session's first terminal is the one whose Ctrl-C ends a program in it; before that listens to it nobody does.
_ON_CONSOLE = 'trap "" INT; exec "$@" <>"$0" >&0 2>&0'
_PINS = -2  # number of the port with words such as "25=1" (unix_modules/machine.py)


class UnixBoard(RealTimeBoard):
    """`paths`: of the program's ends of the UARTs. It is off until restore_power()."""

    place = "the unix target"

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        folder: Path,
        uarts: tuple[int, ...] = (0, 1),
        pins: bool = False,
    ):
        """words: the command, begun in `folder` at each power-up; HIL_UART0, HIL_UART1 of its environment: `paths`.
        pins: the program has the bench's module `machine`, and so HIL_PINS."""
        ptys = {number: Pty() for number in (CONSOLE, *uarts, *([_PINS] if pins else []))}
        super().__init__(dict(ptys))
        self.has = supported("power", *(["pins"] if pins else []), ports=ptys)
        self.paths = {number: ptys[number].path for number in uarts}
        self._console = ptys[CONSOLE]
        self.words = words
        self.environment = os.environ | environment | {f"HIL_UART{each}": path for each, path in self.paths.items()}
        if pins:
            self.environment["HIL_PINS"] = ptys[_PINS].path
        self._folder = folder
        self._said_of_pins = b""
        self._process: subprocess.Popen[bytes] | None = None

    def cut_power(self, at_ns: int | None = None) -> None:
        self._at(at_ns, self._kill)

    def restore_power(self, at_ns: int | None = None) -> None:
        self._at(at_ns, self._begin)

    def set_pin(self, pin: int, level: int, at_ns: int | None = None) -> None:
        if "pins" not in self.has:
            self._lack("pins")
        self._at(at_ns, lambda: self._write(_PINS, b"%d=%d\n" % (pin, level)))
        self._told([PinInput(at_ns or self.now, pin, level)])

    def _take(self, number: int, data: bytes) -> None:
        if number != _PINS:
            super()._take(number, data)
            return
        *words, self._said_of_pins = (self._said_of_pins + data).split(b"\n")
        for word in words:
            pin, _, level = word.partition(b"=")
            self._did.append(PinEdge(self.now, int(pin), int(level)))

    def close(self) -> None:
        self._kill()
        super().close()

    def _begin(self) -> None:
        if self._process is None:
            end = self._console.slave()
            _obey_ctrl_c(end)
            words = ["/bin/sh", "-c", _ON_CONSOLE, self._console.path, *self.words]
            self._process = subprocess.Popen(
                words, cwd=self._folder, env=self.environment, stdin=end, stdout=end, stderr=end, start_new_session=True
            )
            self._did.append(Reset(self.now, "power"))

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._did.append(Reset(self.now, "off"))


def _obey_ctrl_c(terminal: int) -> None:
    """As at a board's console; a prompt takes the key for itself while it reads."""
    settings = termios.tcgetattr(terminal)
    settings[3] |= termios.ISIG
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
