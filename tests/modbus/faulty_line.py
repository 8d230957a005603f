"""A serial line on which everything goes wrong, in virtual time: the model that every master here must survive.

Runs on CPython and MicroPython; random numbers come in. The devices' registers depend on the request that asked for
them, so an answer that belongs to any other request, or to the same one asked earlier, shows as a wrong value.

What the line may do, with the bounds under which a master without references in its answers can be right at all:

* late: an answer begins at most `longest` after its request, however long the master was ready to wait;
* doubled: a second copy begins at most `repeat` after the first one ended;
* corrupted: up to three bits, or a burst of up to 16, which a CRC-16 always sees.
"""

from heapq import heappop, heappush

from wayside_wire import modbus

FAULTS = (
    "late",
    "lost",
    "doubled",
    "cut",
    "merged",
    "corrupted",
    "noise",
    "foreign",
    "short",
    "function",
    "zero",
    "exception",
    "cancelled",
)


class Timing:
    """Times in microseconds, as at 9600 baud."""

    character = 1042
    gap = 3647
    timeout = 60_000  # from the request's end to the first byte that the master still waits for
    quiet = 60_000
    longest = 119_000  # from the request's end to the first byte of the latest answer: below timeout and quiet together
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
    """The right answer's body."""
    data = registers(number, request)
    return request[:2] + bytes((len(data),)) + data


class FaultyLine:
    """Devices at every unit address. `below(n)` gives a random integer from 0 to n - 1."""

    def __init__(self, below, timing=Timing):
        self.below = below
        self.timing = timing
        self.number = 0
        self._events = []
        self._order = 0
        self._dead = {}  # unit -> requests that it will still ignore

    def transmit(self, request: bytes, now: int, fault: str) -> None:
        """The master sends `request`, a body, at `now`; what comes of it becomes events. fault: one of FAULTS or ""."""
        self.number += 1
        timing = self.timing
        end = now + (len(request) + 2) * timing.character
        unit = request[0]
        if self._dead.get(unit, 0):
            self._dead[unit] -= 1
            return
        body = answer_body(self.number, request)
        at = end + timing.answer
        below = self.below
        if fault == "lost":
            if not below(20):
                self._dead[unit] = below(5)
            return
        if fault == "late":
            at = end + timing.timeout // 2 + below(timing.longest - timing.timeout // 2)
        elif fault == "exception":
            body = bytes((unit, request[1] | 0x80, 1 + below(6)))
        elif fault == "short":
            count = below(len(body) // 2 - 1)
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
        elif fault == "zero":
            frame = b"\x00" + frame
        elif fault == "merged":
            other = modbus.rtu_frame(answer_body(self.number + 1, bytes(((unit + 1) & 0xFF,)) + request[1:]))
            if below(2):
                at = self._arrive(other, at)
            else:
                self._arrive(other, at + len(frame) * timing.character)
        at = self._arrive(frame, at)
        if fault == "doubled":
            self._arrive(frame, at + below(timing.repeat))

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

    def exchange(self, request: bytes, fault: str):
        """The data of the answer; ModbusError when the guard gives none. Virtual time passes."""
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
    """What came of many exchanges."""

    def __init__(self):
        self.right = self.wrong = self.refused = 0


def run(guard, below, exchanges: int, fault_share: int = 100, timing=Timing):
    """An Account of random reads of four devices; `fault_share` percent of them are faulted."""
    line = FaultyLine(below, timing)
    master = Master(guard, line)
    account = Account()
    for _ in range(exchanges):
        # Few shapes and many addresses: most stale answers would fit if nothing but their look was checked.
        request = modbus.read_request(1 + below(3), 3 + below(2), below(200), 2 + 2 * below(2))
        fault = FAULTS[below(len(FAULTS))] if below(100) < fault_share else ""
        try:
            data = master.exchange(request, fault)
        except modbus.ModbusError:
            account.refused += 1
            continue
        if data == registers(line.number, request):
            account.right += 1
        else:
            account.wrong += 1
    return account
