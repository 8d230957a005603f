"""A master's end of the line to a signal node: the controller's, or the monitor's. Formats: docs/wire-format.md."""

from typing import Protocol, cast

import serial
from wayside_wire import WireError, frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import Order, Permit, Shown, seal, unseal

from wayside import serial_port
from wayside.reason import reason

KEY_SIZE = 32
_READ_SIZE = 4096


class LineError(Exception):
    """The line is gone or cannot be opened; the text says what to do."""


class Port(Protocol):
    """An open serial port that never blocks."""

    def fileno(self) -> int: ...
    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> int | None: ...


def open_port(path: str, baud: int) -> Port:
    """The serial line at `path`; LineError when it cannot be had."""
    try:
        return cast(Port, serial_port.open_port(path, baud, write_timeout=0))
    except OSError as error:
        raise LineError(f"{error}; give the line to the signal node") from None


class HeadLine:
    """`shown`: the node's last picture, None before the first; `heard_at`: when it came, monotonic seconds."""

    def __init__(self, port: Port, key: bytes):
        self.port = port
        self.shown: Shown | None = None
        self.heard_at = float("-inf")
        self._key = Hmac(key)
        self._decoder = frame.Decoder()
        self._number = 0

    def receive(self, now: float) -> list[Shown]:
        """The pictures that came since the last call, without repeated and forged ones; now: monotonic seconds."""
        pictures = []
        try:
            data = self.port.read(_READ_SIZE)
        except OSError as error:
            raise LineError(f"the line to the signal node is gone: {reason(error)}") from None
        for raw in self._decoder.feed(data):
            try:
                message = unseal(raw, self._key)
            except WireError:
                continue
            if isinstance(message, Shown) and self._is_new(message):
                self.shown, self.heard_at = message, now
                pictures.append(message)
        return pictures

    def send(self, kind: type[Order] | type[Permit], value: bytes | int) -> None:
        """An Order of lamps, or a Permit with a verdict; nothing before the node was heard."""
        if not self.shown:
            return
        # A master that starts again goes on above what the node took from it before.
        self._number = max(self._number, self.shown.answered) + 1
        try:
            self.port.write(frame.encode(seal(kind(self.shown.nonce, self._number, value), self._key)))
        except serial.SerialTimeoutException:
            pass  # the port takes nothing now; what waits would be old
        except OSError as error:
            raise LineError(f"the line to the signal node is gone: {reason(error)}") from None

    def _is_new(self, message: Shown) -> bool:
        if self.shown is None or message.nonce != self.shown.nonce:
            self._number = 0
            return True
        return bool(message.number > self.shown.number)
