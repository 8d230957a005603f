"""The raw REPL of a MicroPython board (docs.micropython.org, "The MicroPython Interactive Interpreter Mode").

On a world's board it waits in that world's time: while it does, everything in the world goes on.
"""

from typing import Protocol

from .events import Event, UsbOutput
from .world import World

_PATIENCE_S = 30.0
_ENTER_S, _ENTER_TRIES = 3.0, 10
_PIECE = 512  # bytes of a file at a time
_SHOWN = 200
_MOST = 1 << 14  # bytes that come before an answer: of an application that goes on printing there is no end
_INTERRUPT, _RAW, _RUN = b"\r\x03\x03", b"\x01", b"\x04"


class ReplError(Exception):
    """The board did not answer as it should, or its code raised; the text says what it said."""


class ReplLine(Protocol):
    """The way to a console."""

    def write(self, data: bytes) -> None: ...

    def read(self, patience_s: float) -> bytes:
        """What has come, at least a byte; nothing when nothing comes in this time."""


class WorldLine:
    """The console of a world's board."""

    def __init__(self, world: World):
        self._world = world
        self._text = b""
        world.plugs.append(self)

    def see(self, event: Event) -> None:
        if isinstance(event, UsbOutput):
            self._text += event.data

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""

    def write(self, data: bytes) -> None:
        self._world.emulator.send_usb(data)

    def read(self, patience_s: float) -> bytes:
        deadline = self._world.now + patience_s * 1e9
        while not self._text and self._world.now < deadline:
            self._world.step()
        text, self._text = self._text, b""
        return text


class WorldRepl:
    """On any line."""

    def __init__(self, line: ReplLine):
        self._line = line
        self._heard = b""

    def send(self, data: bytes) -> None:
        """Type this."""
        self._line.write(data)

    def wait(self, wanted: bytes, patience_s: float = _PATIENCE_S, most: int | None = None) -> bytes:
        """What the board wrote up to and with `wanted`. most: bytes that are waited for, whatever came before the call;
        patience_s: silence. ReplError."""
        count = None
        while wanted not in self._heard:
            data = self._line.read(patience_s)
            said = f"it said {self._heard[-_SHOWN:].decode(errors='replace')!r}"
            if not data:
                raise ReplError(f"the board does not answer; {said}")
            if most is not None and (count or 0) > most:
                raise ReplError(f"what runs on the board goes on printing: call enter() first, which ends it; {said}")
            self._heard += data
            count = 0 if count is None else count + len(data)
        before, _, self._heard = self._heard.partition(wanted)
        return before + wanted

    def enter(self) -> None:
        """Interrupt what runs and go to the raw REPL, without a reset. ReplError."""
        self._heard = b""
        for left in reversed(range(_ENTER_TRIES)):  # a board that starts does not listen yet
            self.send(_INTERRUPT)
            try:
                self.wait(b">>> ", _ENTER_S, _MOST)
                break
            except ReplError:
                if not left:
                    raise
        self.send(_RAW)
        self.wait(b"raw REPL; CTRL-B to exit\r\n>", most=_MOST)

    def start(self, code: str) -> None:
        """Have the code run, without waiting for its end."""
        self.send(code.encode() + _RUN)
        self.wait(b"OK", most=_MOST)

    def run(self, code: str, patience_s: float = _PATIENCE_S) -> str:
        """After enter(): what the code printed. ReplError with the last line of its traceback when it raised."""
        self.start(code)
        printed = self.wait(b"\x04", patience_s)[:-1].decode(errors="replace")
        if error := self.wait(b"\x04>")[:-2].decode(errors="replace").strip():
            raise ReplError(error.splitlines()[-1])
        return printed.replace("\r\n", "\n")

    def write_file(self, path: str, content: bytes) -> None:
        """Put a file onto the board."""
        self.run(f"file = open({path!r}, 'wb')")
        for start in range(0, len(content), _PIECE):
            self.run(f"file.write({content[start : start + _PIECE]!r})")
        self.run("file.close()")

    def restart(self) -> None:
        self.send(b"import machine\nmachine.reset()" + _RUN)


class BoardRepl(WorldRepl):
    """The console of the world's board."""

    def __init__(self, world: World):
        super().__init__(WorldLine(world))


def prompt(world: World) -> BoardRepl:
    """The raw REPL of a board that boots to its prompt."""
    repl = BoardRepl(world)
    repl.wait(b">>> ")
    repl.enter()
    return repl
