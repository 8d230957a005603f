"""A master's end of the line to a signal node: the controller's, or the monitor's. Formats: docs/wire-format.md."""

import secrets
from typing import Protocol, cast

import serial
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import NONCE_SIZE, Order, Permit, Shown
from wayside_wire.signal_line import End

from wayside.net import serial_port
from wayside.text.reason import reason

KEY_SIZE = 32
_READ_SIZE = 4096


class LineError(Exception):
    """The line is gone or cannot be opened; the text says what to do."""


class HeadPort(Protocol):
    """An open serial port that never blocks."""

    def fileno(self) -> int: ...
    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> int | None: ...


def open_port(path: str, baud: int) -> HeadPort:
    """The serial line at `path`; LineError when it cannot be had."""
    try:
        return cast(HeadPort, serial_port.open_port(path, baud, write_timeout=0))
    except OSError as error:
        raise LineError(f"{error}; give the line to the signal node") from None


class HeadLine:
    """`shown`: the node's last picture, None before the first; `heard_at`: when it came, monotonic seconds."""

    def __init__(self, port: HeadPort, key: bytes, place: bytes):
        """place: wayside_wire.signal_matrix.place() of the junction and its version."""
        self.port = port
        self.shown: Shown | None = None
        self.heard_at = float("-inf")
        self._end = End(Hmac(key), place, secrets.token_bytes(NONCE_SIZE), Shown)
        self._decoder = frame.FrameDecoder()
        self._met = False

    @property
    def waiting(self) -> bool:
        """Whether the node was heard since it was answered last, with a picture that counts or one that does not."""
        return bool(self._end.waiting)

    @property
    def fresh(self) -> bool:
        """Whether the last picture that was heard counts: it answers what was sent a moment ago."""
        return bool(self._end.fresh)

    @property
    def stranger(self) -> bool:
        """Whether what comes is of another junction, or of another version of this one."""
        return bool(self._end.stranger)

    def receive(self, now: float) -> list[Shown]:
        """The pictures that came since the last call and count; now: monotonic seconds."""
        pictures = []
        try:
            data = self.port.read(_READ_SIZE)
        except OSError as error:
            raise LineError(f"the line to the signal node is gone: {reason(error)}") from None
        for raw in self._decoder.feed(data):
            shown: Shown | None = self._end.hear(_ms(now), raw)
            if shown:
                self.shown, self.heard_at = shown, now
                pictures.append(shown)
        self._met = self._met or self._end.waiting
        return pictures

    def send(self, now: float, kind: type[Order] | type[Permit], *values: bytes | int) -> None:
        """An Order or a Permit with these values; nothing before the node was heard. now: monotonic seconds."""
        if not self._met:
            return
        try:
            self.port.write(frame.encode(self._end.say(_ms(now), kind, *values)))
        except serial.SerialTimeoutException:
            pass  # the port takes nothing now; what waits would be old
        except OSError as error:
            raise LineError(f"the line to the signal node is gone: {reason(error)}") from None


def _ms(now: float) -> int:
    return int(now * 1000)
