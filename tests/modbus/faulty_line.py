"""A serial line on which everything goes wrong, in virtual time: the model that every master here must survive.

Runs on CPython and MicroPython; random numbers come in. The devices' registers depend on the request that asked for
them, so an answer that belongs to any other request, or to the same one asked earlier, shows as a wrong value.

What the line may do, with the bounds under which a master without references in its answers can be right at all:

* late: an answer begins at most `longest` after its request, however long the master was ready to wait;
* much later: it begins any time within `latest`, but before the same device's answer to anything that it was asked
  since: a device answers in the order in which it was asked, or hears nothing while it is busy;
* doubled: a second copy, of an answer or an exception, begins at most `repeat` after the first one ended;
* corrupted: up to three bits, or a burst of up to 16, which a CRC-16 always sees;
* before, behind: up to three bytes that a short pulse on the line makes;
* echo: the adapter hears the request itself.
"""

from heapq import heappop, heappush

from wayside_wire import modbus
from wayside_wire.modbus_guard import is_answer

FAULTS = (
    "late",
    "much later",
    "lost",
    "doubled",
    "cut",
    "merged",
    "corrupted",
    "noise",
    "foreign",
    "short",
    "function",
    "before",
    "behind",
    "echo",
    "exception",
    "late exception",
    "much later exception",
    "doubled exception",
    "cancelled",
)
_LIES = ("merged", "foreign", "short", "function")  # answers to what nobody asked; that come at once, or never
PULSES = (0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF)
_CODES = (1, 2, 3, 4, 5, 6, 10, 11)


class Timing:
    """Times in microseconds, as at 9600 baud."""

    character = 1042
    gap = 3647
    timeout = 60_000  # from the request's end to the first byte that the master still waits for
    quiet = 60_000
    longest = 119_000  # from the request's end to the first byte of the latest answer: below timeout and quiet together
    latest = 3_000_000  # of an answer that comes much later
    repeat = 50_000
    answer = 5_000  # a healthy device's turnaround


def registers(number: int, request: bytes) -> bytes:
    """What the device answers to `request`, the line's request number `number`."""
    count = request[4] << 8 | request[5]
    seed = (number * 2654435761 ^ request[0] << 24 ^ request[1] << 20 ^ request[2] << 8 ^ request[3]) & 0xFFFFFFFF
    out = bytearray()
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(seed >> 24)
        out.append(seed >> 16 & 0xFF)
    return bytes(out)


def answer_body(number: int, request: bytes) -> bytes:
    """The right answer's body: functions 3 and 4 are known, of any other there is an exception."""
    if request[1] not in (3, 4):
        return bytes((request[0], request[1] | 0x80, modbus.ILLEGAL_FUNCTION))
    data = registers(number, request)
    return request[:2] + bytes((len(data),)) + data


class FaultyLine:
    """Devices at every unit address. `below(n)` gives a random integer from 0 to n - 1.

    answers: the functions that are answered at all, by an exception where the device has no such registers.
    """

    def __init__(self, below, timing=Timing, answers=(1, 2, 3, 4)):
        self.below = below
        self.timing = timing
        self.answers = answers
        self.number = 0
        self.body = b""  # the last request's right answer, b"" for none
        self._events = []
        self._order = 0
        self._dead = {}  # unit -> requests that it will still ignore
        self._busy = {}  # unit -> when it has said all that it was asked

    def transmit(self, request: bytes, now: int, fault: str) -> None:
        """The master sends `request`, a body, at `now`; what comes of it becomes events. fault: one of FAULTS or ""."""
        self.number += 1
        self.body = b""
        timing = self.timing
        end = now + (len(request) + 2) * timing.character
        unit = request[0]
        below = self.below
        if fault == "echo":
            self._arrive(modbus.rtu_frame(request), now)
        if self._dead.get(unit, 0):
            self._dead[unit] -= 1
            return
        if request[1] not in self.answers or (end < self._busy.get(unit, 0) and below(2)):
            return
        body = answer_body(self.number, request)
        at = end + timing.answer
        if fault == "lost":
            if not below(20):
                self._dead[unit] = below(5)
            return
        if fault.startswith("late"):
            at = end + timing.timeout // 2 + below(timing.longest - timing.timeout // 2)
        if fault.startswith("much later"):
            at = end + below(timing.latest)
        if fault.endswith("exception"):
            body = bytes((unit, request[1] | 0x80, _CODES[below(len(_CODES))]))
        if at < self._busy.get(unit, 0) + timing.answer:
            at = self._busy[unit] + timing.answer
            if fault in _LIES:
                fault = ""
        self.body = body
        if fault == "short":
            count = below(max(1, len(body) // 2 - 1))
            body = body[:2] + bytes((2 * count,)) + body[3 : 3 + 2 * count]
        elif fault == "function":
            body = body[:1] + bytes((body[1] ^ 7,)) + body[2:]
        elif fault == "foreign":
            body = bytes(((unit + 1 + below(3)) & 0xFF,)) + body[1:]
        frame = modbus.rtu_frame(body)
        if fault == "cut":
            frame = frame[: below(len(frame))]
        elif fault == "corrupted":
            frame = self._corrupt(frame)
        elif fault == "noise":
            at -= timing.answer // 2
            self._arrive(bytes([below(256) for _ in range(1 + below(6))]), at)
            at += timing.answer // 2 + 6 * timing.character
        elif fault == "before":
            frame = self._pulses() + frame
        elif fault == "behind":
            frame = frame + self._pulses()
        elif fault == "merged":
            other = modbus.rtu_frame(answer_body(self.number + 1, bytes(((unit + 1) & 0xFF,)) + request[1:]))
            if below(2):
                at = self._arrive(other, at)
            else:
                self._arrive(other, at + len(frame) * timing.character)
        self._busy[unit] = at = self._arrive(frame, at)
        if fault.startswith("doubled"):
            self._busy[unit] = self._arrive(frame, at + below(timing.repeat))

    def _pulses(self) -> bytes:
        return bytes([PULSES[self.below(len(PULSES))] for _ in range(1 + self.below(3))])

    def _corrupt(self, frame: bytes) -> bytes:
        below = self.below
        value = int.from_bytes(frame, "little")  # the order of the bits on the wire: bursts are runs in it
        bits = 8 * len(frame)
        if below(2):
            value ^= (1 + below(0xFFFF)) << below(bits - 15)
        else:
            flips = 0
            for _ in range(1 + below(3)):
                flips |= 1 << below(bits)
            value ^= flips
        return value.to_bytes(len(frame), "little")

    def _arrive(self, data: bytes, at: int) -> int:
        """Put `data` on the line from `at` on; when it has ended. The receiver gets it in two pieces.

        The first is small: a receiver that holds back more than the silence between two frames cannot know silence.
        """
        size = len(data)
        first = 1 + self.below(3)
        end = at + size * self.timing.character
        if size > first:
            self._push(at + first * self.timing.character, data[:first])
            self._push(end, data[first:])
        elif size:
            self._push(end, data)
        return end

    def _push(self, at: int, data: bytes) -> None:
        self._order += 1
        heappush(self._events, (at, self._order, data))

    def next_event(self):
        """When the next bytes arrive, None when nothing is under way."""
        return self._events[0][0] if self._events else None

    def take(self, now: int):
        """The (time, bytes) that have arrived by `now`, in order."""
        while self._events and self._events[0][0] <= now:
            at, _, data = heappop(self._events)
            yield at, data


class Master:
    """Drives a guard over a FaultyLine, as the owner of a real line does."""

    def __init__(self, guard, line):
        self.guard = guard
        self.line = line
        self.now = 0

    def exchange(self, request: bytes, next_fault):
        """The data of the answer; ModbusError when the guard gives none. Virtual time passes.

        next_fault(): what happens to the next request that goes out, be it `request` or its fence.
        """
        while True:
            fence = self.guard.fence(request, self.now)
            if fence is None:
                return self._exchange(request, next_fault())
            try:
                self._exchange(fence, next_fault())
            except modbus.ModbusError as error:
                if not is_answer(error):
                    raise

    def wait(self, time: int) -> None:
        """Do nothing but listen."""
        end = self.now + time
        while self.now < end:
            coming = self.line.next_event()
            self._advance(end if coming is None or coming > end else coming)

    def _exchange(self, request: bytes, fault: str):
        guard, line, timing = self.guard, self.line, self.line.timing
        self._advance(self.now)
        at = guard.ready_at(request, self.now)
        while at > self.now:
            coming = line.next_event()
            self._advance(at if coming is None or coming > at else coming)
            at = guard.ready_at(request, self.now)
        wire = (len(request) + modbus.answer_size(request) + 4) * timing.character
        deadline = self.now + wire + timing.timeout
        guard.begin(request, self.now, deadline, timing.quiet)
        line.transmit(request, self.now, fault)
        cancel_at = self.now + line.below(deadline - self.now) if fault == "cancelled" else deadline + 1_000_000
        while True:
            data = guard.poll(self.now)
            if data is not None:
                return data
            step = max(guard.next_check(), self.now)
            coming = line.next_event()
            if coming is not None and coming < step:
                step = coming
            if step > cancel_at:
                self._advance(cancel_at)
                guard.abandon(modbus.CANCELLED, self.now)
                raise modbus.ModbusError(modbus.CANCELLED, "cancelled")
            self._advance(step)

    def _advance(self, now: int) -> None:
        for at, data in self.line.take(now):
            self.guard.feed(data, at)
        self.now = now


class Account:
    """What came of many exchanges. exceptions: of the device, to just this request."""

    def __init__(self):
        self.right = self.wrong = self.refused = self.exceptions = 0


def run(guard, below, exchanges: int, fault_share: int = 100, timing=Timing, answers=(1, 2, 3, 4), shapes: int = 4):
    """An Account of random reads of four devices; `fault_share` percent of the requests are faulted.

    shapes: how many different ones each device is asked for, 1, 2 or 4.
    """
    line = FaultyLine(below, timing, answers)
    master = Master(guard, line)
    account = Account()

    def next_fault():
        return FAULTS[below(len(FAULTS))] if below(100) < fault_share else ""

    for _ in range(exchanges):
        # Few shapes and many addresses: most stale answers would fit if nothing but their look was checked.
        function = 4 if shapes == 1 else 3 + below(2)
        count = 2 + 2 * below(2) if shapes == 4 else 2
        request = modbus.read_request(1 + below(3), function, below(200), count)
        try:
            data = master.exchange(request, next_fault)
        except modbus.ModbusError as error:
            if error.kind != modbus.EXCEPTION:
                account.refused += 1
                if error.kind == modbus.DOUBTFUL:
                    master.wait(timing.timeout * 8)  # as the pauses of a poll
            elif line.body[1:2] > b"\x80" and line.body[2] == error.code:  # to the request, or a gateway's to its fence
                account.exceptions += 1
            else:
                account.wrong += 1
            continue
        if line.body[3:] == data:
            account.right += 1
        else:
            account.wrong += 1
    return account
