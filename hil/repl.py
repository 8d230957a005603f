"""The raw REPL of a board's console, in simulated time: how a test or a technician's tool runs code on the board.

docs.micropython.org, reference "The MicroPython Interactive Interpreter Mode", section "Raw mode".
"""

from .emulator import Emulator, Event, UsbOutput

_STEP_NS = 1_000_000
_PATIENCE_NS = 20_000_000_000


class ReplError(Exception):
    """The board did not answer as a REPL does, or the code raised: the text is what the board said."""


class Repl:
    """On the USB console of `emulator`. Events other than console output are kept in `events`."""

    def __init__(self, emulator: Emulator):
        self._emulator = emulator
        self._text = b""
        self.events: list[Event] = []

    def wait(self, wanted: bytes, patience_ns: int = _PATIENCE_NS) -> bytes:
        """What the board wrote up to and with `wanted`. ReplError when it does not come."""
        deadline = self._emulator.now + patience_ns
        while wanted not in self._text:
            if self._emulator.now >= deadline:
                raise ReplError(f"waited for {wanted!r}, the board wrote {self._text!r}")
            for event in self._emulator.run_for(_STEP_NS):
                if isinstance(event, UsbOutput):
                    self._text += event.data
                else:
                    self.events.append(event)
        found, _, self._text = self._text.partition(wanted)
        return found + wanted

    def enter(self) -> None:
        """Interrupt what runs and go to the raw REPL."""
        self._text = b""
        self._emulator.send_usb(b"\r\x03\x03")
        self.wait(b">>> ")
        self._emulator.send_usb(b"\x01")
        self.wait(b"raw REPL; CTRL-B to exit\r\n>")

    def run(self, code: str, patience_ns: int = _PATIENCE_NS) -> str:
        """What the code printed. ReplError with the traceback when it raised."""
        self._emulator.send_usb(code.encode() + b"\x04")
        self.wait(b"OK")
        output = self.wait(b"\x04", patience_ns)[:-1]
        error = self.wait(b"\x04>")[:-2]
        if error:
            raise ReplError(error.decode())
        return output.decode().replace("\r\n", "\n")

    def write_file(self, path: str, content: bytes) -> None:
        """Put a file onto the board's file system."""
        self.run(f"f=open({path!r},'wb')")
        for start in range(0, len(content), 512):
            self.run(f"f.write({content[start : start + 512]!r})")
        self.run("f.close()")

    def soft_reset(self) -> None:
        """Leave the raw REPL and start main.py again."""
        self._emulator.send_usb(b"\x02")
        self.wait(b">>> ")
        self._emulator.send_usb(b"\x04")
