"""The guard of a serial line, or of RTU frames over TCP (see modbus_guard).

Adapters add to what the device says: bytes that a transceiver makes when the line is turned round, before a frame and
behind it, and the request itself where the receiver stays on while it is sent. Both are skipped and counted.
"""

from .modbus import (
    COUNT,
    DOUBTFUL,
    EXTRA,
    FUNCTION,
    MAX_BODY,
    READ_INPUT,
    UNIT,
    WRITE_COIL,
    WRITE_REGISTER,
    ModbusError,
    crc16,
    rtu_body,
    rtu_frame,
)
from .modbus_guard import Guard

# How long another master is reckoned with: times the longest answer time after its first answer, then times the longest
# pause between two answers; and how long a pause counts at most, as times the longest answer time.
_REMEMBERED = 40
_PAUSES = 3
_LONGEST_PAUSE = 6000
_MOST = 16  # last answers that are known, and shapes of other masters
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
        self._overheard = b""  # what came since the last silence while no request was in flight
        self._others = {}  # (unit, shape) -> (when last, longest pause), of the answers that another master was given
        self._said = []  # (CRC, until when it may come once more) of the last answers taken

    def reset(self) -> None:
        # The line behind the port is the same: what was asked on it may still be answered.
        self.echoes = None
        self._request = None

    def feed(self, data: bytes, now: int) -> None:
        if self._request is None:
            is_new = self._last_byte is None or now >= self._last_byte + self.gap
            self._overheard = (b"" if is_new else self._overheard[:MAX_BODY]) + bytes(data)
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
        self._look_for_others(self._overheard, now)
        if self._quiet_until is not None and now < self._quiet_until:
            self._count("late")
            return
        if len(data) > _STRAYS or not _are_strays(data):
            self._count("unasked")
            self._hush(now, self._quiet)

    def _look_for_others(self, data: bytes, now: int) -> None:
        """A whole answer that is none to us, neither late nor repeated, is another master's: there may be more."""
        if len(data) < 6 or len(data) != data[2] + 5 or not 0 < data[1] <= READ_INPUT or crc16(data):
            return
        unit, shape = data[0], (data[1], len(data) - 2)
        is_ours = shape in self._doubts_of(unit, now)
        for whose, earlier, until in self._recent:
            is_ours = is_ours or (whose == unit and earlier == shape and until > now)
        # Some adapters say an answer once more, long after it: the same bytes are the same value.
        crc = bytes(data[-2:])
        for said, until in self._said:
            is_ours = is_ours or (said == crc and until > now)
        if is_ours:
            return
        last, pause = self._others.pop((unit, shape), (now, 0))
        if len(self._others) >= _MOST:
            self._others = {}
        seldom = now - last > _LONGEST_PAUSE * (self._deadline - self._began + self._quiet)
        self._others[unit, shape] = now, 0 if seldom else max(pause, now - last)

    def _is_others(self, unit: int, shape, now: int) -> bool:
        """Whether an answer of this shape may be one that another master has asked for."""
        if (unit, shape) not in self._others:
            return False
        last, pause = self._others[unit, shape]
        return now < last + max(_PAUSES * pause, _REMEMBERED * (self._deadline - self._began + self._quiet))

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
        if self._others and self._is_others(body[0], (body[1], len(body)), now):
            raise ModbusError(DOUBTFUL, "another master on the line asks for as many registers of it")
        if behind:
            self._count("stray")
        return body

    def _missed(self) -> ModbusError:
        if not self._buffer:
            self._learn()
        return super()._missed()

    def _end(self, by_exception: bool, by_device: bool, now: int) -> None:
        self._learn()
        if not by_exception and self._request[1] <= READ_INPUT:
            if len(self._said) >= _MOST:
                self._said.pop(0)
            crc = bytes(self._buffer[self._size : self._size + 2])
            self._said.append((crc, now + self._deadline - self._began + self._quiet))
        super()._end(by_exception, by_device, now)

    def _learn(self) -> None:
        if self._request[1] not in (WRITE_COIL, WRITE_REGISTER):
            self.echoes = self._echo_seen


def _are_strays(data) -> bool:
    return all([byte in _PULSES for byte in data])
