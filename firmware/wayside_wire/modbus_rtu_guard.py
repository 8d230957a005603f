"""The guard of a serial line, or of RTU frames over TCP (see modbus_guard).

Adapters add to what the device says: bytes that a transceiver makes when the line is turned round, before a frame and
behind it, and the request itself where the receiver stays on while it is sent. Both are skipped and counted.
"""

from .modbus import (
    COUNT,
    EXTRA,
    FUNCTION,
    MAX_BODY,
    READ_INPUT,
    UNIT,
    WRITE_COIL,
    WRITE_REGISTER,
    ModbusError,
    rtu_body,
    rtu_frame,
)
from .modbus_guard import Guard

_STRAYS = 3  # bytes before or behind a frame that are taken for what a transceiver makes of the turnaround
# A short pulse on the idle line is read as a start bit, some zeros, and then ones; the low bits come first.
_PULSES = b"\x00\x80\xc0\xe0\xf0\xf8\xfc\xfe\xff"


class RtuGuard(Guard):
    """The guard of a serial line, or of RTU frames over TCP.

    Other requests show whether the adapter echoes. Functions 5 and 6 need to know: they are answered by themselves.
    """

    def __init__(self, gap: int, repeat: int, character: int = 0):
        super().__init__(gap, repeat, character)
        self.echoes = None
        self._sent = b""
        self._echo_seen = False
        self._strays = 0

    def reset(self) -> None:
        # The line behind the port is the same: what was asked on it may still be answered.
        self.echoes = None
        self._request = None

    def feed(self, data: bytes, now: int) -> None:
        self._hear(now)
        if self._request is None:
            self._unasked(data, now)
        elif len(self._buffer) <= 3 * MAX_BODY:  # enough to see that it is too much
            self._buffer.extend(data)

    def next_check(self) -> int:
        if len(self._buffer) >= self._expected() and not self._may_be_echo():
            return self._last_byte + self.gap
        return self._deadline

    def _frame(self, request: bytes) -> bytes:
        self._sent = rtu_frame(request)
        self._echo_seen = False
        self._strays = 0
        return self._sent

    def _unasked(self, data: bytes, now: int) -> None:
        """Take bytes that came while no request was in flight."""
        if self._quiet_until is not None and now < self._quiet_until:
            self._count("late")
            return
        if len(data) > _STRAYS or not _are_strays(data):
            self._count("unasked")
            self._hush(now, self._quiet)

    def _expected(self) -> int:
        buffer = self._buffer
        if len(buffer) > 1 and buffer[1] & 0x80:
            return 5
        return self._size + 2

    def _may_be_echo(self) -> bool:
        """Whether what has come is the echo of the request, or its beginning."""
        size = len(self._buffer)
        if size > 2 and self._buffer[2] != self._sent[2]:
            return False  # nearly always, and cheaper than the rest
        if self._request[1] in (WRITE_COIL, WRITE_REGISTER) and not (self.echoes and not self._echo_seen):
            return False
        return self._sent[:size] == bytes(self._buffer[: len(self._sent)])

    def _strip(self) -> None:
        """Take what is no part of the answer from the front of the buffer."""
        while self._buffer:
            first = self._buffer[0]
            if first != self._request[0] and first in _PULSES and self._strays < _STRAYS:
                self._strays += 1
                self._count("stray")
                self._buffer = self._buffer[1:]
            elif len(self._buffer) >= len(self._sent) and self._may_be_echo():
                self._count("echo")
                self._echo_seen = True
                self._buffer = self._buffer[len(self._sent) :]
            else:
                return

    def _examine(self, now: int):
        self._strip()
        buffer = self._buffer
        if not buffer or self._may_be_echo():
            return None
        # A foreign head is not waited for: whatever follows it, this exchange cannot be trusted any more.
        if buffer[0] != self._request[0]:
            raise ModbusError(UNIT, "unit %d answered, %d was asked" % (buffer[0], self._request[0]))
        if len(buffer) > 1 and buffer[1] & 0x7F != self._request[1]:
            raise ModbusError(FUNCTION, "function %d answered, %d was asked" % (buffer[1], self._request[1]))
        expected = self._expected()
        if len(buffer) > 2 and self._request[1] <= READ_INPUT and expected > 5 and buffer[2] != self._size - 3:
            raise ModbusError(COUNT, "%d bytes of data, %d were asked" % (buffer[2], self._size - 3))
        if len(buffer) < expected:
            return None
        behind = len(buffer) - expected
        if behind and (behind > _STRAYS or not _are_strays(buffer[expected:])):
            raise ModbusError(EXTRA, "%d bytes after the answer" % behind)
        if now < self._last_byte + self.gap:
            return None
        body = rtu_body(buffer[:expected])
        if behind:
            self._count("stray")
        return body

    def _missed(self) -> ModbusError:
        if not self._buffer:
            self._learn()
        return super()._missed()

    def _end(self, by_exception: bool, by_device: bool, now: int) -> None:
        self._learn()
        super()._end(by_exception, by_device, now)

    def _learn(self) -> None:
        if self._request[1] not in (WRITE_COIL, WRITE_REGISTER):
            self.echoes = self._echo_seen


def _are_strays(data) -> bool:
    return all([byte in _PULSES for byte in data])
