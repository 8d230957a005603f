"""One polled device: when it is asked for what, and what its answers and silences mean. No I/O here.

The bus asks `next_request`, does the exchange and tells `answered` or `failed`; either may end the poll, which then
yields its readings. Times are seconds of the injected monotonic clock, but for time_ms, which is UTC.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from wayside_wire import modbus, modbus_field, modbus_plan
from wayside_wire.modbus_field import Field
from wayside_wire.modbus_plan import Block

from wayside.profiles import Profile
from wayside.reading import Quality, Reading, format_value

from .counters import CounterWatch, Step

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 300.0
_BUSY_PAUSE_S = 0.1
_BUSY_RETRIES = 5
_REASON_LENGTH = 64  # of a reading, in bytes


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What the site file says of a device.

    timeout_ms: to the first byte of an answer, 0 for what is usual on the bus; longest_answer_ms: how long the line is
    left alone after a timeout, None for as long as that.
    """

    name: str
    unit: int
    profile: Profile
    poll_ms: int = 1000
    channels: tuple[str, ...] | None = None
    timeout_ms: int = 0
    longest_answer_ms: int | None = None
    retries: int = 1


class EventKind(StrEnum):
    """What is worth an entry in the log."""

    UNREACHABLE = "unreachable"
    BACK = "back"
    REFUSED = "refused"
    ROLLOVER = "rollover"
    REPLACED = "replaced"


class DeviceEvent(NamedTuple):
    """Something that happened to a device. last_good_ms: UTC of its last good answer, None when there was none."""

    kind: EventKind
    device: str
    channel: str
    text: str
    time_ms: int
    last_good_ms: int | None
    before: int | None = None
    after: int | None = None


@dataclass(slots=True)
class Statistics:
    """Counts since the start. failures: by reason."""

    polls: int = 0
    good_polls: int = 0
    skipped_polls: int = 0
    requests: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    last_good_ms: int | None = None
    answer_s: deque[float] = field(default_factory=lambda: deque(maxlen=256))

    def answer_p99_s(self) -> float | None:
        """The 99th percentile of the last answer times, None before the first."""
        if not self.answer_s:
            return None
        ordered = sorted(self.answer_s)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


Outcome = tuple[list[Reading], list[DeviceEvent]]
"""What a poll yields when it ends."""


class _Cell(NamedTuple):
    """Where a field stands in a block's answer, and its scale factor: (index of its block, offset there) or None."""

    field: Field
    start: int
    end: int
    scale: tuple[int, int] | None


class Device:
    """The state of one device's polling."""

    def __init__(self, settings: DeviceSettings, request_cost: int, start: float):
        """request_cost: see modbus_plan.request_cost; start: when its first poll is due."""
        profile = settings.profile
        self.settings = settings
        self.name = settings.name
        self.interval_s = settings.poll_ms / 1000
        self.timeout_s = settings.timeout_ms / 1000
        self.quiet_s = (settings.longest_answer_ms or settings.timeout_ms) / 1000
        self.gap_s = profile.min_gap_ms / 1000
        self.statistics = Statistics()
        self.unreachable = False
        self.due = start
        self.not_before = start
        self._fields = profile.select(settings.channels)
        self._cost = request_cost if profile.read_gaps else modbus_plan.NO_GAPS
        self._cuts: set[tuple[int, int]] = set()
        self._refused: dict[str, str] = {}
        self._pending_events: list[DeviceEvent] = []
        self._watches = {one.channel: CounterWatch(_rollover(profile, one)) for one in self._fields if _is_counter(one)}
        self._replan()
        self._answers: list[tuple[bytes, int]] = []
        self._tries = 0
        self._busy = 0
        self._failed_polls = 0
        self._resume_at: float | None = None  # not asked before this while it does not answer
        self._asking = False
        # Read after the first answer, and after the first one that follows a silence: it may be another meter's.
        self._serial_field = profile.identity.get("serial_number")
        self._serial: bytes | None = None
        self._serial_wanted = self._serial_field is not None
        self._serial_due = False

    # ---- the bus's side

    def next_request(self, now: float) -> bytes | None:
        """The body to send next; None when this poll needs none and `finish` yields its readings."""
        if not self._asking:
            self._begin_poll(now)
        if self._resume_at is not None and now < self._resume_at:
            return None
        if self._serial_due and self._serial_field is not None:
            one = self._serial_field
            return modbus.read_request(self.settings.unit, one.function, one.address, one.count)
        if len(self._answers) == len(self._requests):
            return None
        return self._requests[len(self._answers)]

    def finish(self, time_ms: int) -> list[Reading]:
        """The readings of a poll that needs no more requests: all refused, or the device is in its pause."""
        self._asking = False
        if self._resume_at is not None:
            return self._all_bad("unreachable", time_ms)
        return self._readings(time_ms, [])

    def answered(self, data: bytes, took_s: float, now: float, time_ms: int) -> Outcome | None:
        """Take the answer to the last request; readings and events when it ends the poll."""
        statistics = self.statistics
        statistics.requests += 1
        statistics.last_good_ms = time_ms
        statistics.answer_s.append(took_s)
        self.not_before = now + self.gap_s
        self._tries = self._busy = 0
        self._resume_at = None
        if self._serial_due:
            self._identified(data, time_ms)
        else:
            self._answers.append((data, time_ms))
            self._serial_due, self._serial_wanted = self._serial_wanted, False
        return self._continue(time_ms)

    def failed(self, error: modbus.ModbusError, now: float, time_ms: int) -> Outcome | None:
        """Take the failure of the last request; readings and events when it ends the poll."""
        kind = f"exception {error.code}" if error.kind == modbus.EXCEPTION else error.kind
        self.statistics.requests += 1
        self.statistics.failures[kind] = self.statistics.failures.get(kind, 0) + 1
        self.not_before = now + self.gap_s
        if self._serial_due and error.kind != modbus.LINK:
            # Not every device of a kind tells its number: that is no failure, and who never did is not asked again.
            self._serial_due = False
            if self._serial is None:
                self._serial_field = None
            return self._continue(time_ms)
        if error.kind == modbus.EXCEPTION and error.code not in (modbus.GATEWAY_PATH, modbus.GATEWAY_TARGET):
            return self._excepted(error, now, time_ms)
        if error.kind != modbus.LINK and self._resume_at is None and self._tries < self.settings.retries:
            self._tries += 1
            return None
        return self._poll_failed(error, now, time_ms)

    # ---- polls

    def _continue(self, time_ms: int) -> Outcome | None:
        """The end of the poll when nothing more is to be asked."""
        if self._serial_due or len(self._answers) < len(self._requests):
            return None
        self._asking = False
        events: list[DeviceEvent] = []
        if self.unreachable:
            events.append(self._event(EventKind.BACK, "answers again", time_ms))
        self.unreachable = False
        self._failed_polls = 0
        self.statistics.good_polls += 1
        return self._readings(time_ms, events), events

    def _begin_poll(self, now: float) -> None:
        self._asking = True
        self._answers = []
        self._tries = self._busy = 0
        self.statistics.polls += 1
        # A fixed grid, so that being late once does not shift every later poll; whole intervals missed are counted.
        missed = int((now - self.due) / self.interval_s)
        self.statistics.skipped_polls += missed
        self.due += self.interval_s * (missed + 1)

    def _poll_failed(self, error: modbus.ModbusError, now: float, time_ms: int) -> Outcome:
        self._asking = False
        self._failed_polls += 1
        self._serial_due = False
        self._serial_wanted = self._serial_field is not None
        if error.kind != modbus.LINK:
            # The line is for the others: 2 s, 4 s ... 5 min, then one probe each time.
            pause = min(_FIRST_PAUSE_S * 2 ** min(self._failed_polls - 1, 10), _LONGEST_PAUSE_S)
            self._resume_at = now + pause
        events = []
        if self._failed_polls >= 2 and not self.unreachable:
            self.unreachable = True
            events.append(self._event(EventKind.UNREACHABLE, error.text, time_ms))
        return self._all_bad(error.text, time_ms), events

    def _excepted(self, error: modbus.ModbusError, now: float, time_ms: int) -> Outcome | None:
        block = self._blocks[len(self._answers)]
        if error.code in (modbus.BUSY, modbus.ACKNOWLEDGE) and self._busy < _BUSY_RETRIES:
            self._busy += 1
            self.not_before = now + max(self.gap_s, _BUSY_PAUSE_S)
            return None
        if error.code in (modbus.ILLEGAL_ADDRESS, modbus.ILLEGAL_VALUE):
            cut = modbus_plan.cut(block)
            if cut is not None and cut not in self._cuts:
                self._cuts.add(cut)
                self._replan()
                self._answers = []
                return None
        if error.code in (modbus.ILLEGAL_ADDRESS, modbus.ILLEGAL_VALUE, modbus.ILLEGAL_FUNCTION):
            events = [self._event(EventKind.REFUSED, error.text, time_ms, one.channel) for one in block.fields]
            self._refused.update((one.channel, error.text) for one in block.fields)
            self._replan()
            self._answers = []
            if self._requests:
                # The events are not lost: they come with the readings of a poll that ends here.
                self._pending_events.extend(events)
                return None
            self._asking = False
            return self._readings(time_ms, events), events
        return self._poll_failed(error, now, time_ms)

    def _identified(self, serial: bytes, time_ms: int) -> None:
        self._serial_due = False
        before, self._serial = self._serial, serial
        if before is None or before == serial:
            return
        text = f"serial number {before.hex()} before, {serial.hex()} now"
        self._pending_events.append(self._event(EventKind.REPLACED, text, time_ms))
        for one in self._fields:
            last = self._watches[one.channel].restart() if one.channel in self._watches else None
            if last is not None:
                text = f"the old meter's last count: {format_value(last, one.exponent)} {one.unit}"
                event = self._event(EventKind.REPLACED, text, time_ms, one.channel)
                self._pending_events.append(event._replace(before=last))

    # ---- plan and decode

    def _replan(self) -> None:
        profile = self.settings.profile
        wanted = [one for one in self._fields if one.channel not in self._refused]
        self._blocks = modbus_plan.plan(wanted, profile.max_registers, self._cost, self._cuts, profile.step)
        self._requests = [
            modbus.read_request(self.settings.unit, block.function, block.address, block.count)
            for block in self._blocks
        ]
        self._cells = [self._cells_of(block) for block in self._blocks]

    def _cells_of(self, block: Block) -> list[_Cell]:
        cells = []
        for one in block.fields:
            start = 2 * (one.address - block.address)
            cells.append(_Cell(one, start, start + 2 * one.count, self._scale_place(one)))
        return cells

    def _scale_place(self, one: Field) -> tuple[int, int] | None:
        if one.scale is None:
            return None
        for index, block in enumerate(self._blocks):
            if block.function == one.function and block.address <= one.scale < block.address + block.count:
                return index, 2 * (one.scale - block.address)
        raise AssertionError("the planner covers every scale register")

    def _readings(self, time_ms: int, events: list[DeviceEvent]) -> list[Reading]:
        readings = [
            self._reading(cell, data, at_ms)
            for cells, (data, at_ms) in zip(self._cells, self._answers, strict=True)
            for cell in cells
        ]
        for one in self._fields:
            if one.channel in self._refused:
                readings.append(_bad(one, self._refused[one.channel], time_ms))
        events.extend(self._pending_events)
        self._pending_events = []
        if self._watches:
            readings = [self._watched(reading, events) for reading in readings]
        return readings

    def _reading(self, cell: _Cell, data: bytes, time_ms: int) -> Reading:
        one = cell.field
        scale = 0
        if cell.scale is not None:
            index, at = cell.scale
            scale = modbus_field.signed(int.from_bytes(self._answers[index][0][at : at + 2], "big"), 16)
        mantissa, reason = modbus_field.decode(one, data[cell.start : cell.end], scale)
        if mantissa is None:
            return _bad(one, reason, time_ms)
        return Reading(one.channel, one.unit, mantissa, one.exponent, Quality.GOOD, "", time_ms)

    def _watched(self, reading: Reading, events: list[DeviceEvent]) -> Reading:
        watch = self._watches.get(reading.channel)
        if watch is None:
            return reading
        reading, change = watch.check(reading)
        if change is not None:
            rolled = change.step is Step.ROLLOVER
            before, after = (format_value(count, reading.exponent) for count in (change.before, change.after))
            what = "counter rolled over" if rolled else "counter went back, meter replaced or reset"
            text = f"{what}: {before} {reading.unit}, then {after}"
            kind = EventKind.ROLLOVER if rolled else EventKind.REPLACED
            event = self._event(kind, text, reading.time_ms, reading.channel)
            events.append(event._replace(before=change.before, after=change.after))
        return reading

    def _all_bad(self, reason: str, time_ms: int) -> list[Reading]:
        return [_bad(one, reason, time_ms) for one in self._fields]

    def _event(self, kind: EventKind, text: str, time_ms: int, channel: str = "") -> DeviceEvent:
        return DeviceEvent(kind, self.name, channel, text, time_ms, self.statistics.last_good_ms)


def _bad(one: Field, reason: str, time_ms: int) -> Reading:
    return Reading(one.channel, one.unit, None, 0, Quality.BAD, reason[:_REASON_LENGTH], time_ms)


def _is_counter(one: Field) -> bool:
    return str(one.channel).startswith("energy_")


def _rollover(profile: Profile, one: Field) -> int | None:
    counts = profile.rollover.get(one.channel)
    return None if counts is None else counts * one.factor
