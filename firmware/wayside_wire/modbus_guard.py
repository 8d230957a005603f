"""What keeps an answer from being taken for another request's: one Guard per line, without any I/O.

On a serial line an answer carries no reference to its request: it shows a *shape* only (unit, function, length). The
guard therefore lets one request out at a time, takes an answer only when unit, function, count, length and CRC are the
request's and the line is silent after it, and after anything odd (a timeout, a cancelled request, a mismatch, bytes
that nobody asked for) keeps the line quiet for the device's longest answer time before it throws away what came.

An answer may come even later. A request whose answer may still come leaves its shape *in doubt*: no request of that
shape goes to that unit until one of another shape, its *fence*, was answered, because a device answers in the order in
which it was asked. Exceptions look alike whatever was asked of a function, so while a function is in doubt none of its
exceptions counts. A doubt that no fence ends is forgotten after many times the longest answer time.

The owner of the line drives it:

    request = guard.fence(wanted, now) or wanted    # and again until there is no fence
    while guard.ready_at(request, now) > now: wait, feeding what arrives, with guard.check_silence(now, patience)
    write(guard.begin(request, now, deadline, quiet))
    until guard.poll(now) is not None: wait for bytes (feed them) or for guard.next_check()

All times are integers of one unit that the caller chooses (a gateway microseconds, a node milliseconds) and never wrap.
`modbus_rtu_guard` and `modbus_tcp_guard` know the two framings.
"""

from .modbus import (
    CUT,
    DOUBTFUL,
    EXCEPTION,
    IN_ITS_STEAD,
    MAX_READ,
    NEVER_SILENT,
    READ_COILS,
    READ_DISCRETE,
    READ_HOLDING,
    READ_INPUT,
    TIMEOUT,
    ModbusError,
    answer_size,
    check_answer,
    read_request,
)

_PATIENCE = 40  # a doubt is forgotten after so many times the time in which a device has answered at the latest
_KNOWN = 4  # requests of different shapes that are remembered of each unit as answered


class Guard:
    """One request at a time, and silence after anything odd. What is dropped is counted in `counts` by reason.

    pause: silence that the line needs before any request, where it is more than what ends an answer. strict: whether
    nothing but its shape ties an answer to its request; echoes: whether the adapter hears what is sent, None while that
    is not known.
    """

    strict = True
    echoes = False

    def __init__(self, gap: int, repeat: int, character: int = 0):
        """gap: silence that ends an answer; repeat: a second copy of an answer begins at most this long after the first
        has ended; character: time of one on the line."""
        self.gap = gap
        self.repeat = repeat
        self.character = character
        self.pause = 0
        self.counts = {}
        self._request = None
        self._size = 0
        self._began = 0
        self._deadline = 0
        self._quiet = 0
        self._buffer = bytearray()
        self._last_byte = None  # time of the last byte on the line, None before the first
        self._quiet_until = None
        self._due_free = None  # when the line should have been free, None while it is
        self._recent = []  # (shape, until) of the exchanges whose answer could be repeated until then
        self._doubts = {}  # unit -> {shape: until}, of the requests whose answer may still come
        self._vain = {}  # unit -> (how often none of its fences was answered, until when none is asked)
        self._known = {}  # unit -> reads that were answered, one of each shape, the newest last

    @property
    def busy(self) -> bool:
        """Whether a request is in flight."""
        return self._request is not None

    def ready_at(self, request: bytes, now: int) -> int:
        """The earliest time at which `request` may go out, `now` when it may at once. Ask again after feeding."""
        return self.repeat_at(request, self.free_at(now))

    def free_at(self, now: int) -> int:
        """The earliest time at which any request may go out: the quiet time is over and the line has been silent."""
        at = self._free_at(now)
        if at <= now:
            self._due_free = None
        elif self._due_free is None:
            self._due_free = at
        return at

    def is_never_silent(self, now: int, patience: int) -> bool:
        """Whether the line, as free_at saw it, should have been free for more than `patience` and never was."""
        return self._due_free is not None and now > self._due_free + patience

    def check_silence(self, now: int, patience: int) -> None:
        """ModbusError where to wait for free_at would have no end."""
        if self.is_never_silent(now, patience):
            raise ModbusError(NEVER_SILENT, NEVER_SILENT)

    def _free_at(self, now: int) -> int:
        at = now
        if self._quiet_until is not None and self._quiet_until > at:
            at = self._quiet_until
        if self._last_byte is not None:
            silent = self._last_byte + max(self.gap, self.pause)
            if silent > at:
                at = silent
        return at

    def _hear(self, now: int) -> None:
        """Something arrives."""
        # Who waits sees a pause as long as this; a shorter one may lie between two looks, each time.
        if self._free_at(now) + self.repeat < now:
            self._due_free = None
        self._last_byte = now

    def hold(self, until: int) -> None:
        """Let no request out before this time."""
        if self._quiet_until is None or until > self._quiet_until:
            self._quiet_until = until

    def repeat_at(self, request: bytes, now: int) -> int:
        """The earliest time at which no second copy of an answer could be taken for the answer to `request`.

        Until then other requests may go out.
        """
        if self._recent:
            unit, shape = request[0], _shape(request)
            for whose, earlier, until in self._recent:
                # Of an exception nothing is known but its function.
                if whose == unit and earlier in (shape, shape[0] | 0x80) and until > now:
                    now = until
        return now

    def fence(self, request: bytes, now: int):
        """The read that has to be answered before `request` may go out, None when there is no doubt about its shape.

        ModbusError when there is none to ask, because each was asked and not answered: the device says nothing, or it
        has to be left alone until the doubts are forgotten. A write is never held back; what comes of its
        acknowledgement in doubt is said by `poll`.
        """
        if not self._doubts or request[1] > READ_INPUT:
            return None
        doubts = self._doubts_of(request[0], now)
        if _shape(request) not in doubts:
            return None
        unit = request[0]
        times, until = self._vain.get(unit, (0, now))
        if until <= now:
            for fence in self._fences(request, times):
                if _shape(fence) not in doubts:
                    return fence
        if self._is_strict(unit):
            if until <= now:
                self._vain[unit] = times + 1, doubts[_shape(request)]
            raise ModbusError(DOUBTFUL, "not asked: answers to earlier requests may still come")
        return None

    def begin(self, request: bytes, now: int, deadline: int, quiet: int) -> bytes:
        """The frame to write. deadline: when an answer still incomplete has failed; quiet: the longest that this device
        takes to begin an answer that nobody waits for any more."""
        if self._request is not None:
            raise ValueError("a request is in flight")
        is_read = request[1] <= READ_INPUT
        if self._doubts and is_read and self._is_strict(request[0]) and self._is_doubtful(request, now):
            raise ValueError("ask the fence first")
        if self._recent:
            self._recent = [item for item in self._recent if item[2] > now]
        self._buffer = bytearray()
        self._request = request
        self._size = answer_size(request)
        self._began = now
        self._deadline = deadline
        self._quiet = quiet
        return self._frame(request)

    def feed(self, data: bytes, now: int) -> None:
        """Take what arrived on the line."""
        raise NotImplementedError

    def poll(self, now: int):
        """The data of the answer (empty for a write), None while it may still come; ModbusError ends the request."""
        if self._request is None:
            raise ValueError("no request is in flight")
        try:
            answer = self._examine(now)
            if answer is None:
                if now < self.next_check():
                    return None
                raise self._missed()
            data = check_answer(self._request, answer)
            if self._doubts and self._is_strict(self._request[0]) and self._is_doubtful(self._request, now):
                raise ModbusError(DOUBTFUL, "the acknowledgement may be an earlier one's")
        except ModbusError as error:
            if error.kind != EXCEPTION:
                self.abandon(error.kind, now)
                raise
            if self._doubts and self._is_strict(self._request[0]) and self._is_function_doubtful(now):
                self.abandon(DOUBTFUL, now)
                raise ModbusError(DOUBTFUL, error.text + ", or that of an earlier request")
            if not is_answer(error):
                self._doubt(self._request, now)  # to the gateway the device may answer later
            self._end(True, is_answer(error), now)
            raise
        request = self._request
        self._end(False, True, now)
        if request[1] <= READ_INPUT and request not in self._known.get(request[0], ()):
            self._remember(request)
        return data

    def next_check(self) -> int:
        """When to call poll() even if nothing arrives: an answer still incomplete then has failed."""
        return self._deadline

    def abandon(self, reason: str, now: int) -> None:
        """Give up the request in flight (its task was cancelled, the link went): the line must be quiet now."""
        self._count(reason)
        if self._request is not None:
            self._doubt(self._request, now)
        self._request = None
        # Its answer may still come, as late as if it had been waited for.
        self._hush(max(now, self._deadline), self._quiet)

    def reset(self) -> None:
        """A new connection, of which nothing has arrived yet."""
        raise NotImplementedError

    def _frame(self, request: bytes) -> bytes:
        """The frame of a body."""
        raise NotImplementedError

    def _examine(self, now: int):
        """The body of a whole answer, None while it may still come; ModbusError when it cannot be one any more."""
        raise NotImplementedError

    def _missed(self) -> ModbusError:
        """No answer came; what did."""
        if self._buffer:
            return ModbusError(CUT, "answer cut after %d bytes" % len(self._buffer))
        return ModbusError(TIMEOUT, "timeout")

    def _end(self, by_exception: bool, by_device: bool, now: int) -> None:
        """The request in flight was answered; by the device, and what it was asked before never will be any more."""
        unit = self._request[0]
        if self.repeat:
            shape = self._request[1] | 0x80 if by_exception else _shape(self._request)
            self._recent.append((unit, shape, now + self.repeat + self._size * self.character))
        if self._doubts and by_device:
            if self._doubts_of(unit, now):
                self._vain.pop(unit, None)
            self._doubts.pop(unit, None)
        self._request = None

    def _doubt(self, request: bytes, now: int) -> None:
        # A longer quiet time says how late the device is, and not that it may be forty times as late.
        longest = min(self._deadline - self._began + self._quiet, 2 * (self._deadline - self._began))
        longest = max(longest, self._quiet // 20)
        doubts = self._doubts.setdefault(request[0], {})
        doubts[_shape(request)] = max(now, self._deadline) + _PATIENCE * longest

    def _doubts_of(self, unit: int, now: int):
        """{shape: until} of what this unit may still answer."""
        doubts = self._doubts.get(unit)
        if not doubts:
            return {}
        doubts = {shape: until for shape, until in doubts.items() if until > now}
        self._doubts[unit] = doubts
        return doubts

    def _is_strict(self, unit: int) -> bool:
        """Whether nothing but its shape ties an answer of this unit to its request."""
        return self.strict

    def _is_doubtful(self, request: bytes, now: int) -> bool:
        return _shape(request) in self._doubts_of(request[0], now)

    def _is_function_doubtful(self, now: int) -> bool:
        """Whether an exception could be the answer to an earlier request than that in flight."""
        function = self._request[1]
        return any([shape[0] == function for shape in self._doubts_of(self._request[0], now)])

    def _remember(self, request: bytes) -> None:
        shape = _shape(request)
        known = [one for one in self._known.get(request[0], ()) if _shape(one) != shape]
        self._known[request[0]] = known[1 - _KNOWN :] + [request]

    def _fences(self, request: bytes, times: int):
        """Reads of other shapes that the unit of `request` should answer, the surest first.

        times: how often none of them was answered; then they would only cost the line its time, all but one in turn.
        """
        known = self._known.get(request[0], ())
        for one in reversed(known):
            yield one
        if not self.strict and (known or not self._is_strict(request[0])):
            return
        guesses = _guesses(request)
        if times:
            guesses = list(guesses)
            guesses = guesses[times % len(guesses) :][:1]
        for guess in guesses:
            yield guess

    def _hush(self, now: int, quiet: int) -> None:
        # What begins within the quiet time shall also have ended.
        self.hold(now + quiet + self._size * self.character)

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


def _guesses(request):
    """Reads that a device may answer or refuse of which nothing is known but `request`."""
    unit, function, address = request[0], request[1], request[2] << 8 | request[3]
    count = request[4] << 8 | request[5]
    # Two by two: many devices give no half of a value that takes two registers.
    for fewer in (2, 4, 6, 8, 10, 12, 1, 3, 5):
        if count > fewer and function in (READ_HOLDING, READ_INPUT):
            yield read_request(unit, function, address, count - fewer)
    # A refusal does as well: it is an exception of a function that is not in doubt.
    for registers in (1, 2):
        for other in (READ_HOLDING, READ_INPUT, READ_COILS, READ_DISCRETE):
            if other != function:
                yield read_request(unit, other, address, registers)
    if count < MAX_READ:
        yield read_request(unit, function, address, count + 1)


def is_answer(error) -> bool:
    """Whether this failure is an answer of the device itself: its exception, and not that of a gateway before it."""
    return error.kind == EXCEPTION and error.code not in IN_ITS_STEAD


def _shape(request):
    """What an answer shows of its request, but for the unit: the function first."""
    if request[1] > READ_INPUT:
        return request[1], bytes(request[2:6])
    return request[1], answer_size(request)
