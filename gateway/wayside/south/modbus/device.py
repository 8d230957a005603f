"""One polled device of a bus: when it is asked for what. No I/O here.

What its answers and silences mean is wayside_wire.modbus_poll's to say, whose counts they are modbus_counts', the same
on the gateway and on a node.

The bus asks `next_request`, does the exchange and tells `answered` or `failed`; either may end the poll, which then
yields its readings. Times are seconds of the injected monotonic clock, but for time_ms, which is UTC.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from wayside_wire import counter, modbus, modbus_counts, modbus_plan, modbus_poll

from wayside.profiles import Profile
from wayside.values.reading import Quality, Reading, format_value


class Known(NamedTuple):
    """What is known of a device before it is asked: its serial number's registers, its channels' last values.

    counts: (mantissa, exponent) by channel; at_ms: when they were read, on the monotonic clock, None: nobody knows;
    doubted: channels of which something else was held back since.
    """

    serial: bytes | None
    counts: Mapping[str, tuple[int, int]]
    at_ms: int | None
    doubted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What the site file says of a device.

    timeout_ms: to the first byte of an answer, 0 for what is usual on the bus; longest_answer_ms: how long the line is
    left alone after a timeout, None for as long as that; max_power_w: what its circuit carries, None for what the
    profile says; known: from before this start, None where it was never asked before.
    """

    name: str
    unit: int
    profile: Profile
    poll_ms: int = 1000
    channels: tuple[str, ...] | None = None
    timeout_ms: int = 0
    longest_answer_ms: int | None = None
    retries: int = 1
    max_power_w: int | None = None
    known: Known | None = None


class EventKind(StrEnum):
    """What is worth an entry in the log."""

    UNREACHABLE = modbus_poll.UNREACHABLE
    BACK = modbus_poll.BACK
    REFUSED = modbus_poll.REFUSED
    IDENTIFIED = modbus_counts.IDENTIFIED
    REPLACED = modbus_counts.REPLACED
    UNWATCHED = modbus_counts.UNWATCHED
    ROLLOVER = counter.ROLLOVER
    RESET = counter.RESET
    CHANGED = "changed"


class DeviceEvent(NamedTuple):
    """Something that happened to a device. last_good_ms: UTC of its last good answer, None when there was none.

    before, after: mantissas of a counter's values; serial: the registers of a serial number that is new.
    """

    kind: EventKind
    device: str
    channel: str
    text: str
    time_ms: int
    last_good_ms: int | None
    before: int | None = None
    after: int | None = None
    serial: bytes = b""


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


OnReadings = Callable[[str, list[Reading]], None]
"""on_readings(device, readings) is told of every poll."""
OnEvent = Callable[[DeviceEvent], None]

_CHANGED = "its registers mean something else now"

Outcome = tuple[list[Reading], list[DeviceEvent]]
"""What a poll yields when it ends."""


class PolledDevice:
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
        self.due = start
        self.not_before = start
        self._asking = False
        self._now_ms = 0
        self.is_changed = False  # it says that its registers mean something else now
        self._before: Known | None = None
        self._fields = profile.select(settings.channels)
        self._heads = {one.field.channel: one for one in profile.heads}
        self._units = {one.channel: (one.unit, one.exponent) for one in self._fields}
        self._poll = self._make_poll(request_cost)
        if settings.known:
            exponents = {one.channel: one.exponent for one in self._fields}
            told = settings.known.counts.items()
            counts = {name: count for name, (count, exponent) in told if exponents.get(name) == exponent}
            self._poll.restore(settings.known.serial, counts, settings.known.at_ms, settings.known.doubted)

    def _make_poll(self, request_cost: int) -> modbus_poll.Poll:
        settings, profile = self.settings, self.settings.profile
        power = settings.max_power_w or profile.max_power_w or counter.MAX_POWER_W
        limits = modbus_poll.PollLimits(
            profile.max_registers,
            request_cost if profile.read_gaps else modbus_plan.NO_GAPS,
            profile.step,
            settings.retries,
            settings.poll_ms,
        )
        return modbus_poll.Poll(
            [*self._fields, *(one.field for one in self._heads.values())],
            limits,
            profile.identity.get("serial_number"),
            modbus_counts.counters(self._fields, profile.ends(self._fields), profile.resets, power),
        )

    @property
    def unreachable(self) -> bool:
        return bool(self._poll.unreachable)

    def known(self) -> Known | None:
        """What the next PolledDevice of this meter is to know, None where nothing is known."""
        if self.is_changed:
            return self._before  # the poll that saw it may have taken anything for a count
        serial, counts, at_ms, doubted = self._poll.known()
        if serial is None and not counts:
            return self.settings.known
        exponents = {one.channel: one.exponent for one in self._fields}
        told = {name: (count, exponents[name]) for name, count in counts.items()}
        return Known(serial, told, at_ms, frozenset(doubted))

    # ---- the bus's side

    def next_request(self, now: float) -> bytes | None:
        """The body to send next; None when this poll needs none and `finish` yields its readings."""
        self._now_ms = round(now * 1000)
        if not self._asking:
            self._begin_poll(now)
        if self.is_changed:
            return None
        block = self._poll.next()
        if block is None:
            return None
        return modbus.read_request(self.settings.unit, block.function, block.address, block.count)

    def finish(self, time_ms: int) -> list[Reading]:
        """The readings of a poll that needs no more requests: nothing of the device is to be asked now."""
        self._asking = False
        return self._readings(time_ms)

    def answered(self, data: bytes, took_s: float, now: float, time_ms: int) -> Outcome | None:
        """Take the answer to the last request; readings and events when it ends the poll."""
        statistics = self.statistics
        statistics.requests += 1
        statistics.last_good_ms = time_ms
        statistics.answer_s.append(took_s)
        self.not_before = now + self.gap_s
        self._poll.answered(data, round(now * 1000), time_ms)
        return self._outcome(now, time_ms)

    def failed(self, error: modbus.ModbusError, now: float, time_ms: int) -> Outcome | None:
        """Take the failure of the last request; readings and events when it ends the poll."""
        kind = f"exception {error.code}" if error.kind == modbus.EXCEPTION else error.kind
        self.statistics.requests += 1
        self.statistics.failures[kind] = self.statistics.failures.get(kind, 0) + 1
        self._poll.failed(error, round(now * 1000))
        self.not_before = max(now + self.gap_s, self._poll.not_before / 1000)
        return self._outcome(now, time_ms)

    def not_asked(self, reason: str, now: float, time_ms: int) -> list[Reading]:
        """Bad readings in the place of the polls that are overdue: nobody asks the device."""
        self._asking = False
        self._next_due(now)
        return [_bad(one.channel, one.unit, reason, time_ms) for one in self._fields]

    # ---- polls

    def _begin_poll(self, now: float) -> None:
        self._asking = True
        if self._heads and not self.is_changed:
            self._before = self.known()
        self.statistics.polls += 1
        self.statistics.skipped_polls += self._next_due(now)
        self._poll.begin(round(now * 1000))

    def _next_due(self, now: float) -> int:
        """Go on to the next poll; how many have been missed."""
        # A fixed grid, so that being late once does not shift every later poll; whole intervals missed are counted.
        missed = max(0, int((now - self.due) / self.interval_s))
        self.due += self.interval_s * (missed + 1)
        return missed

    def _outcome(self, now: float, time_ms: int) -> Outcome | None:
        self._now_ms = round(now * 1000)
        if self._poll.next() is not None:
            return None
        self._asking = False
        readings = self._readings(time_ms)
        self.statistics.good_polls += self._poll.is_good
        events = [self._event(event, time_ms) for event in self._poll.events]
        self._poll.events = []
        return readings, events

    def _readings(self, time_ms: int) -> list[Reading]:
        if self.is_changed:
            return [_bad(one.channel, one.unit, _CHANGED, time_ms) for one in self._fields]
        readings: list[Reading] = self._poll.readings(self._now_ms, time_ms)
        return self._behind_heads(readings, time_ms) if self._heads else readings

    def _behind_heads(self, readings: list[Reading], time_ms: int) -> list[Reading]:
        """Only what stands behind a head that was read in this poll, and says what it said at the discovery."""
        found = {one.channel: one for one in readings if one.channel in self._heads}
        for name, one in found.items():
            self.is_changed |= one.mantissa is not None and one.mantissa not in self._heads[name].expect
        if self.is_changed:
            return self._readings(time_ms)
        made = []
        for one in readings:
            head = found.get(self._head_of(one.channel))
            if one.channel not in found:
                wrong = head is not None and head.mantissa is None and one.mantissa is not None
                made.append(_bad(one.channel, one.unit, head.reason, time_ms) if head and wrong else one)
        return made

    def _head_of(self, channel: str) -> str:
        """The name of the head that a channel stands behind."""
        address = next((one.address for one in self._fields if one.channel == channel), 0)
        above = [(one.field.address, name) for name, one in self._heads.items() if one.field.address <= address]
        return max(above)[1] if above else ""

    def _event(self, event: modbus_poll.Event, time_ms: int) -> DeviceEvent:
        kind = EventKind(event.kind)
        text = event.text
        if event.before is not None:
            unit, exponent = self._units[event.channel]
            values = [event.before] if event.after is None else [event.before, event.after]
            text += ": " + ", then ".join(f"{format_value(value, exponent)} {unit}" for value in values)
        is_new = not event.channel and kind in (EventKind.IDENTIFIED, EventKind.REPLACED)
        serial = self._poll.serial or b"" if is_new else b""
        last_good_ms = self.statistics.last_good_ms
        return DeviceEvent(
            kind, self.name, event.channel, text, time_ms, last_good_ms, event.before, event.after, serial
        )


class Undiscovered:
    """Speaks for a device that has not said yet what it has."""

    def __init__(self, name: str, units: Mapping[str, str], interval_s: float, start: float):
        """units: unit of each channel that it is expected to have; start: when it owes its first reading."""
        self.name = name
        self.due = start
        self.reason = ""  # why it is not known, empty before the first attempt ended
        self._units = units
        self._interval_s = interval_s

    def not_asked(self, reason: str, now: float, time_ms: int) -> list[Reading]:
        """As PolledDevice.not_asked."""
        self.due += self._interval_s * (max(0, int((now - self.due) / self._interval_s)) + 1)
        return [_bad(channel, unit, reason, time_ms) for channel, unit in self._units.items()]


def _bad(channel: str, unit: str, reason: str, time_ms: int) -> Reading:
    return Reading(channel, unit, None, 0, Quality.BAD, reason, time_ms)
