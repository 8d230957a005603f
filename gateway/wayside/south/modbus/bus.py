"""The owner of one bus: a single task that decides what goes out next and is the only one to talk to the link.

Four priorities: control writes, reads at a high rate, other reads, probes of devices that do not answer. A job waits at
most for the one request in flight and for those before it in its order. Whoever asks for something may go away at any
time: the request in flight is finished all the same, so a cancelled caller never leaves an answer on the line.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from wayside_wire import modbus, modbus_field, modbus_plan
from wayside_wire.modbus_field import RegisterField

from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse

from .device import DeviceSettings, OnEvent, OnReadings, PolledDevice, Undiscovered
from .discovery import Discovery
from .link import ModbusLink
from .written import Outcome, WriteResult, acknowledgement, may_settle, only_acknowledged, written

_RECONNECT_S = 1.0
_SERIAL_TIMEOUT_MS = 300
_TCP_TIMEOUT_MS = 1000  # inverters on a wireless network take their time
_HIGH_RATE_S = 0.25
_TURNAROUND_US = 10_000  # what a meter takes to answer, for planning only
_NO_LINE_COST = 128  # registers; without a line's byte times a request is always dearer than a gap
_CONTROLS = 2  # writes in a row, or whoever writes without end would keep the bus from its polls
_FAIR_TURNS = 8  # of so many turns one goes to who waits longest, or a full bus would never probe a dead device
_HALF_OPEN = 2  # timeouts in a row after which a connection is made anew
_SETTLES_S = 2.0  # after a write a register shows the new value within this time
_LOOK_AGAIN_S = 0.2


class Priority(IntEnum):
    """Lower goes first."""

    CONTROL = 0
    HIGH_RATE = 1
    NORMAL = 2
    PROBE = 3


@dataclass(slots=True)
class _Request:
    """Requests from outside: a read for the command line or the proxy, or a write and the reads that check it.

    answer: the outcome of each; of those behind a lost connection there is none.
    """

    bodies: tuple[bytes, ...]
    priority: Priority
    asked: float
    deadline: float
    timeout_s: float
    quiet_s: float
    answer: asyncio.Future[list[Outcome]]


class ModbusBus:
    """One RS-485 line or one TCP connection with the devices on it. `run` is its task."""

    def __init__(
        self,
        name: str,
        link: ModbusLink,
        devices: Iterable[DeviceSettings],
        clock: Clock,
        on_readings: OnReadings,
        on_event: OnEvent = lambda event: None,
    ):
        """on_readings(device, readings) comes after every poll, in the bus's task: it must be quick."""
        self.name = name
        self.link = link
        self.connects = 0
        self.last_error = ""  # why there is no connection, or no use in it
        self.control_waits_s: deque[float] = deque(maxlen=1024)  # of the last control writes, until they were sent
        self._clock = clock
        self._on_readings = on_readings
        self._on_event = on_event
        usual_ms = _SERIAL_TIMEOUT_MS if link.character_us else _TCP_TIMEOUT_MS
        settings = [replace(one, timeout_ms=one.timeout_ms or usual_ms) for one in devices]
        self._cost = modbus_plan.request_cost(link.character_us, _TURNAROUND_US) if link.character_us else _NO_LINE_COST
        self._gaps_s = {one.unit: one.profile.min_gap_ms / 1000 for one in settings}
        now = clock.monotonic()
        # First polls are spread over their interval, so that devices of one rate do not stand in line together.
        self.devices = {
            one.name: PolledDevice(one, self._cost, now + i * one.poll_ms / 1000 / len(settings))
            for i, one in enumerate(settings)
            if one.profile.fields
        }
        described = [one for one in settings if not one.profile.fields]
        self._discovery = Discovery(described, self._cost, clock, self._probe, self._found, on_readings, on_event)
        self._number = itertools.count()
        self._waiting: list[tuple[float, int, PolledDevice]] = []
        self._ready: list[tuple[int, float, int, PolledDevice | _Request]] = []
        self._wake: asyncio.Future[None] | None = None
        self._timeouts = 0
        self._answered = False  # whether anybody has answered on this connection
        self._silent: set[int] = set()  # units that did not answer what they were asked last
        self._heard_s: dict[int, float] = {}  # by unit, when it answered last
        self._turns = 0
        self._controls = 0  # in a row
        self._done = 0  # jobs, also those that there were not
        self._next_connect = now

    # ---- for others

    @property
    def turns(self) -> int:
        """Counts what it gets done: exchanges that ended, jobs, and times when there was nothing to do."""
        return self._done + self.link.ended

    @property
    def undiscovered(self) -> Mapping[str, Undiscovered]:
        """The devices that have not said yet what they have, by name."""
        return self._discovery.undiscovered

    def pulse(self) -> Pulse:
        return Pulse(f"bus {self.name}", lambda: self.turns, lambda: self.overdue(self._clock.monotonic()), OUTSIDE_S)

    def overdue(self, now: float) -> bool:
        """Whether, at the monotonic time `now` in seconds, its task has something in hand or should have."""
        return self._wake is None or bool(self._ready) or any(due <= now for due, _, _ in self._waiting[:1])

    async def request(
        self,
        body: bytes,
        priority: Priority = Priority.NORMAL,
        deadline_s: float = 5.0,
        timeout_s: float = 0.5,
        quiet_s: float = 0.5,
    ) -> bytes:
        """The data that answers `body`; ModbusError when it fails or has not been sent within `deadline_s`."""
        (outcome,) = await self._ask((body,), priority, deadline_s, timeout_s, quiet_s)
        if isinstance(outcome, modbus.ModbusError):
            raise outcome
        return outcome

    async def _ask(
        self, bodies: tuple[bytes, ...], priority: Priority, deadline_s: float, timeout_s: float, quiet_s: float
    ) -> list[Outcome]:
        now = self._clock.monotonic()
        answer: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        job = _Request(bodies, priority, now, now + deadline_s, timeout_s, quiet_s, answer)
        heapq.heappush(self._ready, (priority, now, next(self._number), job))
        self._wake_up()
        return await answer

    async def write(
        self,
        unit: int,
        address: int,
        registers: bytes,
        function: int = modbus.WRITE_REGISTERS,
        deadline_s: float = 5.0,
        timeout_s: float = 0.5,
        settle_s: float = _SETTLES_S,
        stays: bool = True,
    ) -> WriteResult:
        """Write holding registers before anything else and read them back.

        ModbusError when they did not take, or nobody can tell: its text says whether the write was acknowledged.
        deadline_s: a write that could not be sent by then is not sent any more; settle_s: how long the register may go
        on to show something else; stays: False for what does not read as it was written: to be acknowledged is enough.
        A write is never sent twice.
        """
        if function == modbus.WRITE_REGISTER:
            body = modbus.write_one_request(unit, address, registers)
        else:
            body = modbus.write_request(unit, address, registers)
        read = modbus.read_request(unit, modbus.READ_HOLDING, address, len(registers) // 2)
        # The answer to function 6 is the request once more: whether the adapter echoes has to be known before.
        is_unsure = function == modbus.WRITE_REGISTER and self.link.guard.echoes is None
        bodies = ((read,) if is_unsure else ()) + ((body, read) if stays else (body,))
        outcomes = await self._ask(bodies, Priority.CONTROL, deadline_s, timeout_s, timeout_s)
        if not stays:
            return only_acknowledged(outcomes[-1])
        wrote, found = outcomes[-2:] if len(outcomes) == len(bodies) else (outcomes[-1], outcomes[-1])
        how = acknowledgement(wrote)
        end = self._clock.monotonic() + settle_s
        while may_settle(found, registers) and self._clock.monotonic() < end:
            await asyncio.sleep(_LOOK_AGAIN_S)
            (found,) = await self._ask((read,), Priority.CONTROL, deadline_s, timeout_s, timeout_s)
        return written(how, found, registers, settle_s)

    async def control(self, device: str, name: str, count: int, *, stays: bool = True) -> WriteResult:
        """Write `count`, in counts of its register, to a control of the device's profile, and read it back where it
        `stays` as it is written.

        KeyError: the profile has no such control; ValueError: outside its limits; ModbusError: it did not take, of the
        kind COUNT when it was acknowledged and something else is read.
        """
        settings = self.devices[device].settings
        limits = settings.profile.controls[name]
        if not limits.min <= count <= limits.max:
            raise ValueError(f"{device} {name} = {count}: write {limits.min} to {limits.max}")
        registers = modbus_field.encode(limits.field, limits.sign * count)
        timeout_s = self.devices[device].timeout_s
        function = settings.profile.write_function
        address = limits.field.address
        return await self.write(settings.unit, address, registers, function, timeout_s=timeout_s, stays=stays)

    async def controlled(self, device: str, name: str) -> int:
        """What a control of the device's profile reads, in counts of its register; KeyError, ModbusError."""
        limits = self.devices[device].settings.profile.controls[name]
        return limits.sign * await self.read_field(device, limits.field)

    async def read_field(self, device: str, field: RegisterField) -> int:
        """What the registers of a field read, in counts; ModbusError."""
        asked = self.devices[device]
        body = modbus.read_request(asked.settings.unit, modbus.READ_HOLDING, field.address, field.count)
        data = await self.request(body, timeout_s=asked.timeout_s, quiet_s=asked.quiet_s)
        bits = modbus_field.raw_bits(field, data)
        return modbus_field.signed(bits, 8 * len(data)) if field.kind == modbus_field.SIGNED else bits

    # ---- the task

    async def run(self) -> None:
        """Poll for ever; ends only by being cancelled, and leaves the line closed."""
        self._waiting = [(device.due, next(self._number), device) for device in self.devices.values()]
        heapq.heapify(self._waiting)
        self._discovery.start()
        try:
            while True:
                # A connection that was good is made anew at once, one that brought nothing after a while.
                if self.link.broken and (self._answered or self._clock.monotonic() >= self._next_connect):
                    await self._connect()
                # Who goes next is decided when somebody may: a control write that comes meanwhile is the first then.
                if self.link.connected and (wait_s := self.link.free_wait_s()) > 0:
                    await asyncio.sleep(wait_s)
                    continue
                job = self._take()
                if job is None:
                    self._done += 1
                    await self._sleep()
                elif isinstance(job, PolledDevice):
                    await self._poll(job)
                else:
                    await self._serve(job)
                    self._done += 1
        finally:
            self._discovery.stop()
            self.link.close()
            for _, _, _, job in self._ready:
                if isinstance(job, _Request) and not job.answer.done():
                    job.answer.set_exception(modbus.ModbusError(modbus.LINK, "not sent: the bus was stopped"))
            self._ready.clear()  # a supervisor may run it again

    async def _probe(self, body: bytes, timeout_s: float) -> bytes:
        return await self.request(body, Priority.PROBE, 60.0, timeout_s, timeout_s)

    def _found(self, device: PolledDevice) -> None:
        """A device that describes itself: for the first time, or with something else than before."""
        self.devices[device.name] = device
        heapq.heappush(self._waiting, (device.due, next(self._number), device))
        self._wake_up()

    async def _connect(self) -> None:
        self.link.close()
        self._answered = False
        self._next_connect = self._clock.monotonic() + _RECONNECT_S
        try:
            await self.link.open()
        except OSError as error:
            self.last_error = str(error)
            return
        self.last_error = ""
        self.connects += 1
        self._timeouts = 0

    def _take(self) -> PolledDevice | _Request | None:
        """The next job that may go out now."""
        now = self._clock.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            due, _, device = heapq.heappop(self._waiting)
            heapq.heappush(self._ready, (self._priority(device), due, next(self._number), device))
        if not self._ready:
            return None
        self._turns += 1
        is_control = self._ready[0][0] is Priority.CONTROL
        others = [job for job in self._ready if job[0] is not Priority.CONTROL] if is_control else self._ready
        is_fair = self._controls >= _CONTROLS if is_control else self._turns % _FAIR_TURNS == 0
        if is_fair and others:
            self._controls = 0
            oldest = min(others, key=lambda job: job[1])
            self._ready.remove(oldest)
            heapq.heapify(self._ready)
            return oldest[3]
        self._controls = self._controls + 1 if is_control else 0
        if not is_control:
            return heapq.heappop(self._ready)[3]
        # Of writes the first to a device that answers: one that does not takes a time-out from those behind it.
        first = min(self._ready, key=lambda job: (job[0], *self._doubt(job[3]), job[1:3]))
        self._ready.remove(first)
        heapq.heapify(self._ready)
        return first[3]

    def _doubt(self, job: PolledDevice | _Request) -> tuple[bool, float]:
        """Whether its unit was silent last; and, while any is, when it was heard: others may be dead by now."""
        if not self._silent or not isinstance(job, _Request):
            return False, 0.0
        unit = job.bodies[0][0]
        return unit in self._silent, -self._heard_s.get(unit, 0.0)

    def _priority(self, device: PolledDevice) -> Priority:
        if device.unreachable:
            return Priority.PROBE
        return Priority.HIGH_RATE if device.interval_s <= _HIGH_RATE_S else Priority.NORMAL

    async def _sleep(self) -> None:
        """Until a poll or a reconnect is due, or somebody brings a job."""
        loop = asyncio.get_running_loop()
        at = [self._waiting[0][0]] if self._waiting else []
        if self.link.broken:
            at.append(self._next_connect)
        self._wake = loop.create_future()
        timer = loop.call_later(max(0.0, min(at) - self._clock.monotonic()), self._wake_up) if at else None
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _poll(self, device: PolledDevice) -> None:
        """One request of the device's poll."""
        if self.devices[device.name] is not device:
            return  # another took its place
        clock = self._clock
        request = device.next_request(clock.monotonic())
        if request is None:
            self._done += 1
            self._on_readings(device.name, device.finish(clock.utc_ms()))
            heapq.heappush(self._waiting, (device.due, next(self._number), device))
            return
        if self.link.connected and (wait_s := self.link.repeat_wait_s(request)) > 0:
            heapq.heappush(self._waiting, (clock.monotonic() + wait_s, next(self._number), device))
            return
        try:
            data = await self._exchange(request, device.timeout_s, device.quiet_s)
        except modbus.ModbusError as error:
            outcome = device.failed(error, clock.monotonic(), clock.utc_ms())
        else:
            data = modbus_field.as_registers(request[1], request[4] << 8 | request[5], data)
            outcome = device.answered(data, self.link.answer_s, clock.monotonic(), clock.utc_ms())
        if outcome is None:
            heapq.heappush(self._waiting, (device.not_before, next(self._number), device))
            return
        readings, events = outcome
        for event in events:
            self._on_event(event)
        self._done += 1
        self._on_readings(device.name, readings)
        self._discovery.polled(device, events)
        heapq.heappush(self._waiting, (max(device.due, device.not_before), next(self._number), device))

    async def _serve(self, job: _Request) -> None:
        if job.answer.done():  # whoever asked has gone
            return
        now = self._clock.monotonic()
        if now > job.deadline:
            job.answer.set_exception(modbus.ModbusError(modbus.TIMEOUT, "the bus had no time for it"))
            return
        if job.priority is Priority.CONTROL:
            self.control_waits_s.append(now - job.asked)
        outcomes: list[Outcome] = []
        try:
            for body in job.bodies:
                if outcomes:
                    await asyncio.sleep(self._gaps_s.get(body[0], 0.0))
                was_silent = body[0] in self._silent
                outcomes.append(await self._outcome(body, job))
                if _is_in_vain(body, outcomes[-1], was_silent):
                    break
        except asyncio.CancelledError:
            if not job.answer.done():
                job.answer.set_exception(modbus.ModbusError(modbus.LINK, "the bus was stopped meanwhile"))
            raise
        if not job.answer.done():
            job.answer.set_result(outcomes)

    async def _outcome(self, body: bytes, job: _Request) -> Outcome:
        try:
            return await self._exchange(body, job.timeout_s, job.quiet_s)
        except modbus.ModbusError as error:
            return error

    async def _exchange(self, request: bytes, timeout_s: float, quiet_s: float) -> bytes:
        """One request; what was lost with a connection that was good before, or could not be asked on it because of
        another's answer, is asked again on a new one."""
        try:
            return await self._try(request, timeout_s, quiet_s)
        except modbus.ModbusError as error:
            is_new_of_use = self._answered or error.kind == modbus.DOUBTFUL
            if request[1] > modbus.READ_INPUT or not (self.link.broken and is_new_of_use):
                raise
            await self._connect()
            if self.link.broken:
                raise
        return await self._try(request, timeout_s, quiet_s)

    async def _try(self, request: bytes, timeout_s: float, quiet_s: float) -> bytes:
        try:
            data = await self.link.exchange(request, timeout_s, quiet_s, self._gaps_s.get(request[0], 0.0))
        except modbus.ModbusError as error:
            if error.kind == modbus.TIMEOUT or error.code in modbus.IN_ITS_STEAD:
                self._silent.add(request[0])
            elif error.kind == modbus.EXCEPTION:
                self._heard(request[0])
            # A connection that is half open takes requests for ever and never answers.
            if error.kind != modbus.DOUBTFUL:  # nothing was sent, or something was heard
                self._timeouts = self._timeouts + 1 if error.kind == modbus.TIMEOUT else 0
            if self._timeouts >= _HALF_OPEN and not self.link.character_us:
                self.link.close()
            self._answered = self._answered or error.kind == modbus.EXCEPTION
            if self.link.connected:
                self.last_error = error.text if error.kind == modbus.NEVER_SILENT else ""
            raise
        self._timeouts = 0
        self.last_error = ""
        self._answered = True
        self._heard(request[0])
        return data

    def _heard(self, unit: int) -> None:
        self._silent.discard(unit)
        self._heard_s[unit] = self._clock.monotonic()


def _is_in_vain(body: bytes, outcome: Outcome, was_silent: bool) -> bool:
    """Whether what is to be asked behind `body` gets no answer either."""
    if not isinstance(outcome, modbus.ModbusError):
        return False
    is_write = body[1] > modbus.READ_INPUT
    return outcome.kind == modbus.LINK or (is_write and was_silent and outcome.kind == modbus.TIMEOUT)
