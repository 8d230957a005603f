"""What keeps an answer from being taken for another request's: one Guard per line, without any I/O.

On a serial line an answer carries no reference to its request. The guard therefore lets only one request out at a time,
takes an answer only when unit, function, count, length and CRC are the request's and the line is silent after it, and
after anything odd (a timeout, a cancelled request, a mismatch, bytes that nobody asked for) keeps the line quiet for
the device's longest answer time before it throws away what came and lets the next request out.

It cannot see an answer that comes later than timeout and quiet time together and has unit, function and count of the
request then in flight; the planner gives the blocks of one device different lengths against that.

The owner of the line drives it:

    while guard.ready_at(request, now) > now: wait, feeding what arrives
    write(guard.begin(request, now, deadline, quiet))
    until guard.poll(now) is not None: wait for bytes (feed them) or for guard.next_check()

All times are integers of one unit that the caller chooses (a gateway microseconds, a node milliseconds) and never wrap.
"""

from .modbus import (
    COUNT,
    CUT,
    EXCEPTION,
    EXTRA,
    FUNCTION,
    HEADER,
    MAX_BODY,
    TIMEOUT,
    UNIT,
    ModbusError,
    answer_size,
    check_answer,
    rtu_body,
    rtu_frame,
    tcp_frame,
)


class Guard:
    """One request at a time, and silence after anything odd. What is dropped is counted in `counts` by reason."""

    def __init__(self, gap: int, repeat: int, character: int = 0):
        """gap: silence that ends an answer; repeat: a second copy of an answer begins at most this long after the first
        has ended; character: time of one on the line."""
        self.gap = gap
        self.repeat = repeat
        self.character = character
        self.counts = {}
        self._request = None
        self._size = 0
        self._deadline = 0
        self._quiet = 0
        self._buffer = bytearray()
        self._last_byte = None  # time of the last byte on the line, None before the first
        self._quiet_until = None
        self._recent = []  # (shape, until) of the exchanges whose answer could be repeated until then

    @property
    def busy(self) -> bool:
        """Whether a request is in flight."""
        return self._request is not None

    def ready_at(self, request: bytes, now: int) -> int:
        """The earliest time at which `request` may go out, `now` when it may at once. Ask again after feeding."""
        return self.repeat_at(request, self.free_at(now))

    def free_at(self, now: int) -> int:
        """The earliest time at which any request may go out: the quiet time is over and the line has been silent."""
        at = now
        if self._quiet_until is not None and self._quiet_until > at:
            at = self._quiet_until
        if self._last_byte is not None and self._last_byte + self.gap > at:
            at = self._last_byte + self.gap
        return at

    def repeat_at(self, request: bytes, now: int) -> int:
        """The earliest time at which no second copy of an answer could be taken for the answer to `request`.

        Until then other requests may go out.
        """
        shape = _shape(request)
        for earlier, until in self._recent:
            if earlier == shape and until > now:
                now = until
        return now

    def begin(self, request: bytes, now: int, deadline: int, quiet: int) -> bytes:
        """The frame to write. deadline: when an answer still incomplete has failed; quiet: the longest that this device
        takes to begin an answer that nobody waits for any more."""
        if self._request is not None:
            raise ValueError("a request is in flight")
        self._recent = [item for item in self._recent if item[1] > now]
        self._buffer = bytearray()
        self._request = request
        self._size = answer_size(request)
        self._deadline = deadline
        self._quiet = quiet
        return self._frame(request)

    def feed(self, data: bytes, now: int) -> None:
        """Take what arrived on the line."""
        self._last_byte = now
        if self._request is None:
            self._unasked(data, now)
        elif len(self._buffer) <= 2 * MAX_BODY:  # enough to see that it is too much
            self._buffer.extend(data)

    def poll(self, now: int):
        """The data of the answer (empty for a write), None while it may still come; ModbusError ends the request."""
        if self._request is None:
            raise ValueError("no request is in flight")
        try:
            answer = self._examine(now)
            if answer is None:
                if now < self.next_check():
                    return None
                if self._buffer:
                    raise ModbusError(CUT, "answer cut after %d bytes" % len(self._buffer))
                raise ModbusError(TIMEOUT, "timeout")
            data = check_answer(self._request, answer)
        except ModbusError as error:
            if error.kind == EXCEPTION:
                self._end(now)
            else:
                self.abandon(error.kind, now)
            raise
        self._end(now)
        return data

    def next_check(self) -> int:
        """When to call poll() even if nothing arrives: an answer still incomplete then has failed."""
        return self._deadline

    def abandon(self, reason: str, now: int) -> None:
        """Give up the request in flight (its task was cancelled, the link went): the line must be quiet now."""
        self._count(reason)
        self._request = None
        # Its answer may still come, as late as if it had been waited for.
        self._hush(max(now, self._deadline), self._quiet)

    def reset(self) -> None:
        """A new connection: nothing of the old one can arrive any more."""
        self._request = None
        self._quiet_until = None
        self._last_byte = None
        self._recent = []

    def _frame(self, request: bytes) -> bytes:
        """The frame of a body."""
        raise NotImplementedError

    def _unasked(self, data: bytes, now: int) -> None:
        """Take bytes that came while no request was in flight."""
        raise NotImplementedError

    def _examine(self, now: int):
        """The body of a whole answer, None while it may still come; ModbusError when it cannot be one any more."""
        raise NotImplementedError

    def _end(self, now: int) -> None:
        self._recent.append((_shape(self._request), now + self.repeat + self._size * self.character))
        self._request = None

    def _hush(self, now: int, quiet: int) -> None:
        # What begins within the quiet time shall also have ended.
        until = now + quiet + self._size * self.character
        if self._quiet_until is None or until > self._quiet_until:
            self._quiet_until = until

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


def _shape(request):
    """What an answer shows of its request."""
    return request[0], request[1], answer_size(request)


class RtuGuard(Guard):
    """The guard of a serial line, or of RTU frames over TCP."""

    def next_check(self) -> int:
        if len(self._buffer) >= self._expected():
            return self._last_byte + self.gap
        return self._deadline

    def _frame(self, request: bytes) -> bytes:
        return rtu_frame(request)

    def _unasked(self, data: bytes, now: int) -> None:
        if self._quiet_until is not None and now < self._quiet_until:
            self._count("late")
            return
        # A lone zero is what a transceiver makes of the turnaround, not somebody's answer.
        if bytes(data).strip(b"\x00"):
            self._count("unasked")
            self._hush(now, self._quiet)

    def _expected(self) -> int:
        buffer = self._buffer
        if len(buffer) > 1 and buffer[1] & 0x80:
            return 5
        return self._size + 2

    def _examine(self, now: int):
        buffer = self._buffer
        # Turning the line round makes a 0x00 on many transceivers; no unit that answers has the address 0.
        while buffer and not buffer[0] and self._request[0]:
            self._count("turnaround zero")
            buffer = self._buffer = buffer[1:]
        # A foreign head is not waited for: whatever follows it, this exchange cannot be trusted any more.
        if buffer and buffer[0] != self._request[0]:
            raise ModbusError(UNIT, "unit %d answered, %d was asked" % (buffer[0], self._request[0]))
        if len(buffer) > 1 and buffer[1] & 0x7F != self._request[1]:
            raise ModbusError(FUNCTION, "function %d answered, %d was asked" % (buffer[1], self._request[1]))
        expected = self._expected()
        if len(buffer) > 2 and self._request[1] <= 4 and expected > 5 and buffer[2] != self._size - 3:
            raise ModbusError(COUNT, "%d bytes of data, %d were asked" % (buffer[2], self._size - 3))
        if len(buffer) < expected:
            return None
        if len(buffer) > expected:
            raise ModbusError(EXTRA, "%d bytes after the answer" % (len(buffer) - expected))
        if now < self._last_byte + self.gap:
            return None
        return rtu_body(buffer)


class TcpGuard(Guard):
    """The guard of a Modbus/TCP connection, where the transaction number ties answer to request.

    An answer with an old number is dropped and counted; the other checks stay, because serial gateways behind such a
    port mix up answers as any master does.
    """

    def __init__(self, first_transaction: int = 0):
        super().__init__(0, 0)
        self.broken = False  # the byte stream lost its frames: only a new connection helps
        self._transaction = first_transaction & 0xFFFF
        self._stream = bytearray()

    def reset(self) -> None:
        super().reset()
        self.broken = False
        self._stream = bytearray()

    def _frame(self, request: bytes) -> bytes:
        self._transaction = (self._transaction + 1) & 0xFFFF
        return tcp_frame(self._transaction, request)

    def feed(self, data: bytes, now: int) -> None:
        self._stream.extend(data)
        if self._request is None:
            try:
                self._examine(now)
            except ModbusError as error:
                self._count(error.kind)

    def _examine(self, now: int):
        while len(self._stream) >= 8:
            head = self._stream
            size = head[4] << 8 | head[5]
            if head[2] or head[3] or not 3 <= size <= MAX_BODY:
                self.broken = True
                self._stream = bytearray()
                raise ModbusError(HEADER, "no Modbus/TCP header")
            if len(head) < 6 + size:
                return None
            transaction = head[0] << 8 | head[1]
            body = bytes(head[6 : 6 + size])
            self._stream = head[6 + size :]
            if self._request is not None and transaction == self._transaction:
                return body
            self._count("late")
        return None

    def _end(self, now: int) -> None:
        self._request = None
