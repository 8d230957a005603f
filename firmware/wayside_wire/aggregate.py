"""From polls to one report: last, min, max, mean, and the exact difference of a register.

Integers only, so a node with 32-bit floats and a gateway come to the same digits. The mean is the arithmetic mean of
the samples, rounded half to even at the channel's own exponent.
"""

from . import number
from .senml import BAD, GOOD, UNCERTAIN, Reading

LAST = "last"
STATISTICS = "statistics"
REGISTER = "register"

NEW_COUNT = "new count"
"""How the reason of a bad "<channel>.diff" begins when the register does not continue what it said before."""

WENT_BACK = "counter went back"
JUMPED = "counter jumped"
"""What stands behind NEW_COUNT where nothing but the register itself says so."""

DIFFERENCE = ".diff"
"""What is behind the channel of a register in the name of its difference."""


def is_other_count(reason: str) -> bool:
    """Whether a reason that begins with NEW_COUNT says more than the register does: another count begins (another
    meter, unit or ratio, the end of the range), or may have begun while nobody watched."""
    return reason.startswith(NEW_COUNT) and not reason.endswith((WENT_BACK, JUMPED))


def derived(channel: str, kind: str) -> tuple:
    """The names of the channels that an Aggregator adds to one of this kind."""
    ends = {STATISTICS: (".min", ".max", ".mean"), REGISTER: (DIFFERENCE,)}.get(kind, ())
    return tuple([channel + end for end in ends])


class Aggregator:
    """Collects the readings of one device between two reports.

    `kinds` maps a channel to LAST (the default), STATISTICS (adds channel.min, .max, .mean) or REGISTER (adds
    channel.diff, the register's advance since the last good one that was reported). A channel's unit and exponent must
    stay the same, as a profile fixes them.

    A failed poll is never papered over: `last` is then bad with its reason; min, max and mean of the samples that have
    a value are uncertain, as they are when one of these is; with no value at all they are bad too. A difference waits
    for the next good register and spans the time between, so that no energy falls into the cracks.

    Where a counter begins anew a poll has a bad "<channel>.diff" whose reason begins with NEW_COUNT. It stands in the
    report with the next good register, in front of it, instead of the difference.
    """

    def __init__(self, kinds: dict[str, str]):
        self._kinds = kinds
        self._channels = {}
        self._order = []  # the same in the order of arrival, which a dict does not keep on MicroPython
        self._reported = {}  # REGISTER channel -> mantissa last reported good
        self._new_counts = {}  # REGISTER channel -> why it begins anew

    def add(self, readings) -> None:
        """Takes in one poll's readings."""
        for reading in readings:
            if reading.quality == BAD and reading.channel.endswith(DIFFERENCE):
                channel = reading.channel[: -len(DIFFERENCE)]
                if is_other_count(reading.reason) or channel not in self._new_counts:
                    self._new_counts[channel] = reading.reason
                continue
            state = self._channels.get(reading.channel)
            if state is None:
                state = self._channels[reading.channel] = _Samples()
                self._order.append(state)
            state.add(reading)

    @property
    def has_new_count(self) -> bool:
        """Whether a counter that began anew is not in a report yet."""
        return bool(self._new_counts)

    def is_empty(self) -> bool:
        """Whether nothing has been added since the last report."""
        return all([state.last is None for state in self._order])

    def report(self) -> list[Reading]:
        """The readings of the report, in the order in which channels first came; starts the next interval."""
        result = []
        for state in self._order:
            if state.last is None:
                continue
            kind = self._kinds.get(state.last.channel, LAST)
            if kind == REGISTER:
                result.extend(self._register(state.last))
            else:
                result.append(state.last)
                if kind == STATISTICS:
                    result.extend(state.statistics())
            state.clear()
        return result

    def _register(self, last) -> list[Reading]:
        if last.quality == BAD:
            return [last]
        before = self._reported.get(last.channel)
        self._reported[last.channel] = last.mantissa
        name = last.channel + DIFFERENCE
        reason = self._new_counts.pop(last.channel, "")
        if reason:
            return [Reading(name, last.unit, None, 0, BAD, reason, last.time_ms), last]
        if before is None:
            return [last]
        if last.mantissa < before:
            return [last, Reading(name, last.unit, None, 0, BAD, "register went back", last.time_ms)]
        return [last, Reading(name, last.unit, last.mantissa - before, last.exponent, last.quality, "", last.time_ms)]


class _Samples:
    """Sum, extremes and count of one channel's samples with a value."""

    def __init__(self):
        self._unit = ""
        self._exponent = None  # of the first sample with a value
        self._names = None  # of channel.min, .max and .mean, made once: they are the same in every report
        self.clear()

    def clear(self) -> None:
        """Starts the next interval."""
        self.last = self._low = self._high = None
        self._count = self._total = 0
        self._quality = GOOD  # the worst of the interval

    def add(self, reading) -> None:
        """Takes in one sample; ValueError where a sum with those before it would mean nothing."""
        if reading.quality != BAD:
            self._count_in(reading)
        self._quality = max(self._quality, reading.quality)
        self.last = reading

    def _count_in(self, reading) -> None:
        if self._exponent is None:
            self._unit, self._exponent = reading.unit, reading.exponent
        elif (self._unit, self._exponent) != (reading.unit, reading.exponent):
            raise ValueError("%s: unit and exponent of a channel must stay the same" % reading.channel)
        value = reading.mantissa
        if not self._count or value < self._low:
            self._low = value
        if not self._count or value > self._high:
            self._high = value
        self._count += 1
        self._total += value

    def statistics(self) -> list[Reading]:
        """channel.min, .max and .mean."""
        last = self.last
        if self._names is None:
            self._names = derived(last.channel, STATISTICS)
        if not self._count:
            return [Reading(name, last.unit, None, 0, BAD, last.reason, last.time_ms) for name in self._names]
        quality = UNCERTAIN if self._quality != GOOD else GOOD
        low, high, mean = self._names
        unit, exponent, time_ms = last.unit, self._exponent, last.time_ms
        average = number.divide_half_even(self._total, self._count)
        return [
            Reading(low, unit, self._low, exponent, quality, "", time_ms),
            Reading(high, unit, self._high, exponent, quality, "", time_ms),
            Reading(mean, unit, average, exponent, quality, "", time_ms),
        ]
