"""A board's console: code that runs on it, and files that are put onto it."""

import os
import subprocess
import time
from pathlib import Path
from typing import Protocol

from wayside.net.serial_port import open_port
from wayside.text.reason import reason

_PATIENCE_S = 30.0
_ENTER_S = 3.0
_ENTER_TRIES = 10
_PIECE = 512
_BURST = 256
_BURST_PAUSE_S = 0.01
_MOST = 1 << 14  # bytes before the prompt: of an application that hears no key and goes on printing there is no end
# USB vendors. Of FTDI's bridges most are RS-485 adapters: who has a board behind one names its port.
RASPBERRY_PI = frozenset(["2e8a"])
ESPRESSIF_AND_BRIDGES = frozenset(["303a", "10c4", "1a86"])


class ConsoleError(Exception):
    """The board did not answer as it should; the text says what it said and what to look at."""


class BoardConsole(Protocol):
    """A board that listens."""

    def run(self, code: str, patience_s: float = _PATIENCE_S) -> str:
        """What the code printed; ConsoleError with the last line of its traceback when it raised."""

    def write_file(self, path: str, content: bytes) -> None:
        """Put a file onto the board."""

    def restart(self) -> None:
        """Have the board start its application."""


class ConsoleLine(Protocol):
    """A serial line."""

    def write(self, data: bytes) -> None: ...

    def read(self, patience_s: float) -> bytes:
        """What has come, at least a byte; nothing when nothing comes in this time."""


class SerialLine:
    """A serial port of this machine."""

    def __init__(self, path: str):
        """ConsoleError when it cannot be opened."""
        try:
            self._port = open_port(path, 115_200)
        except OSError as error:
            raise ConsoleError(str(error)) from None

    def write(self, data: bytes) -> None:
        # A UART as console has a small buffer and no flow control.
        try:
            for start in range(0, len(data), _BURST):
                self._port.write(data[start : start + _BURST])
                self._port.flush()
                time.sleep(_BURST_PAUSE_S)
        except OSError:
            raise ConsoleError("the board is gone: look at its cable, then type the same command again") from None

    def read(self, patience_s: float) -> bytes:
        self._port.timeout = patience_s
        try:
            return bytes(self._port.read(1) + self._port.read(self._port.in_waiting))
        except OSError:
            raise ConsoleError("the board is gone: look at its cable, then type the same command again") from None


def find_ports(vendors: frozenset[str], root: Path = Path("/")) -> list[str]:
    """Serial ports of boards that this tool knows, by the names that stay the same."""
    ports = sorted((root / "dev/serial/by-id").glob("*"))
    return [str(port) for port in ports if _vendor(root / "sys/class/tty" / port.resolve().name) in vendors]


def _vendor(port: Path) -> str:
    """Of the USB device behind a port: ttyACM hangs on an interface of it, ttyUSB one level lower."""
    notes = (port / "device" / up / "idVendor" for up in ("..", "../.."))
    return next((note.read_text().strip().lower() for note in notes if note.exists()), "")


class RawRepl:
    """MicroPython's raw REPL (docs.micropython.org, "The MicroPython Interactive Interpreter Mode", "Raw mode")."""

    def __init__(self, line: ConsoleLine):
        self._line = line
        self._text = b""

    def wait(self, wanted: bytes, patience_s: float = _PATIENCE_S, most: int | None = None) -> bytes:
        """What the board wrote up to and with `wanted`. patience_s: silence; most: bytes that are waited for."""
        count = 0
        while wanted not in self._text:
            data = self._line.read(patience_s)
            count += len(data)
            if not data or (most is not None and count > most):
                said = self._text[-200:].decode(errors="replace")
                how = "does not answer" if not data else "hears no key and goes on printing"
                raise ConsoleError(f"the board {how}; it said {said!r}. Press its reset button and try again")
            self._text += data
        found, _, self._text = self._text.partition(wanted)
        return found + wanted

    def send(self, data: bytes) -> None:
        """Type this."""
        self._line.write(data)

    def enter(self) -> None:
        """Interrupt what runs and go to the raw REPL. No soft reset: it would end the care for the watchdog."""
        self._text = b""
        for tries_left in reversed(range(_ENTER_TRIES)):  # what a UART hears while the board starts is lost
            self.send(b"\r\x03\x03")
            try:
                self.wait(b">>> ", _ENTER_S, _MOST)
                break
            except ConsoleError:
                if not tries_left:
                    raise
        self.send(b"\x01")
        self.wait(b"raw REPL; CTRL-B to exit\r\n>", most=_MOST)

    def run(self, code: str, patience_s: float = _PATIENCE_S) -> str:
        self.start(code)
        output = self.wait(b"\x04", patience_s)[:-1]
        error = self.wait(b"\x04>")[:-2]
        if error:
            raise ConsoleError(error.decode(errors="replace").strip().splitlines()[-1])
        return output.decode(errors="replace").replace("\r\n", "\n")

    def start(self, code: str) -> None:
        """Have the code run, without waiting for its end."""
        self.send(code.encode() + b"\x04")
        self.wait(b"OK", most=_MOST)

    def write_file(self, path: str, content: bytes) -> None:
        # Beside it first: a cable that is pulled out leaves the file before.
        self.run(f"import os\nf=open({path + '.new'!r},'wb')")
        for start in range(0, len(content), _PIECE):
            self.run(f"f.write({content[start : start + _PIECE]!r})")
        self.run(f"f.close()\nos.rename({path + '.new'!r},{path!r})")

    def restart(self) -> None:
        self.send(b"import machine;machine.reset()\x04")

    def to_boot_rom(self) -> None:
        """Have the board wait for an image."""
        self.send(b"import machine;machine.bootloader()\x04")


class UnixConsole:
    """The board UNIX: each code is a new process of its interpreter, and its files are this machine's."""

    def __init__(self, machine: Path, places: str):
        """places: MICROPYPATH with the application."""
        self._machine = machine
        self._environment = os.environ | {"MICROPYPATH": places}

    def run(self, code: str, patience_s: float = _PATIENCE_S) -> str:
        try:
            # The interpreter imports from its working folder first: there is nothing of that name in the root.
            ran = subprocess.run(
                [self._machine, "-c", code],
                cwd="/",
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=patience_s,
            )
        except OSError as error:
            raise ConsoleError(f"{self._machine} does not run: {reason(error)}") from None
        except subprocess.TimeoutExpired:
            raise ConsoleError(f"no answer within {patience_s:.0f} s") from None
        if ran.returncode:
            raise ConsoleError((ran.stderr.strip() or ran.stdout.strip()).splitlines()[-1])
        return ran.stdout

    def write_file(self, path: str, content: bytes) -> None:
        new = Path(path + ".new")
        new.write_bytes(content)
        new.rename(path)

    def restart(self) -> None:
        """Whoever keeps the virtual board running starts it."""


def open_board(path: str, patience_s: float) -> RawRepl:
    """The raw REPL of the board on this port, which may have to appear first."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            repl = RawRepl(SerialLine(path))
            repl.enter()
            return repl
        except ConsoleError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)
