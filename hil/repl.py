"""The raw REPL of a board's console, in simulated time: how a test or a technician's tool runs code on the board.

docs.micropython.org, reference "The MicroPython Interactive Interpreter Mode", section "Raw mode".
"""

from .emulator import Event, UsbOutput
from .world import World

_PATIENCE_NS = 20_000_000_000


class ReplError(Exception):
    """The board did not answer as a REPL does, or the code raised: the text is what the board said."""


class Repl:
    """On the USB console of the world's board; while it waits, everything in the world goes on."""

    def __init__(self, world: World):
        self._world = world
        self._text = b""
        world.plugs.append(self)

    def see(self, event: Event) -> None:
        if isinstance(event, UsbOutput):
            self._text += event.data

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""

    def wait(self, wanted: bytes, patience_ns: int = _PATIENCE_NS) -> bytes:
        """What the board wrote up to and with `wanted`. ReplError when it does not come."""
        deadline = self._world.now + patience_ns
        while wanted not in self._text:
            if self._world.now >= deadline:
                raise ReplError(f"waited for {wanted!r}, the board wrote {self._text!r}")
            self._world.step()
        found, _, self._text = self._text.partition(wanted)
        return found + wanted

    def send(self, data: bytes) -> None:
        """Type this."""
        self._world.emulator.send_usb(data)

    def enter(self) -> None:
        """Interrupt what runs and go to the raw REPL."""
        self._text = b""
        self.send(b"\r\x03\x03")
        self.wait(b">>> ")
        self.send(b"\x01")
        self.wait(b"raw REPL; CTRL-B to exit\r\n>")

    def run(self, code: str, patience_ns: int = _PATIENCE_NS) -> str:
        """What the code printed. ReplError with the traceback when it raised."""
        self.start(code)
        output = self.wait(b"\x04", patience_ns)[:-1]
        error = self.wait(b"\x04>")[:-2]
        if error:
            raise ReplError(error.decode())
        return output.decode().replace("\r\n", "\n")

    def start(self, code: str) -> None:
        """Have the code run, without waiting for its end."""
        self.send(code.encode() + b"\x04")
        self.wait(b"OK")

    def write_file(self, path: str, content: bytes) -> None:
        """Put a file onto the board's file system."""
        self.run(f"f=open({path!r},'wb')")
        for start in range(0, len(content), 512):
            self.run(f"f.write({content[start : start + 512]!r})")
        self.run("f.close()")

    def soft_reset(self) -> None:
        """Leave the raw REPL and start main.py again."""
        self.send(b"\x02")
        self.wait(b">>> ")
        self.send(b"\x04")


def prompt(world: World) -> Repl:
    """The raw REPL of a board that boots without a configuration."""
    repl = Repl(world)
    repl.wait(b">>> ")
    repl.enter()
    return repl
