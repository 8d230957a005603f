"""From polls to one report: last, min, max, mean, and the exact difference of a register.

Integers only, so a node with 32-bit floats and a gateway come to the same digits. The mean is the arithmetic mean of
the samples, rounded half to even at the channel's own exponent.
"""

from . import number
from .pack import BAD, GOOD, UNCERTAIN, Reading

LAST = "last"
STATISTICS = "statistics"
REGISTER = "register"


class Aggregator:
    """Collects the readings of one device between two reports.

    `kinds` maps a channel to LAST (the default), STATISTICS (adds channel.min, .max, .mean) or REGISTER (adds
    channel.diff, the register's advance since the last good one that was reported). Every channel's exponent must stay
    the same, as a profile fixes it.

    A failed poll is never papered over: `last` is then bad with its reason; min, max and mean of the good samples are
    uncertain; with no good sample at all they are bad too. A difference waits for the next good register and spans the
    time between, so that no energy falls into the cracks.
    """

    def __init__(self, kinds: dict[str, str]):
        self._kinds = kinds
        self._channels = {}
        self._order = []  # the same in the order of arrival, which a dict does not keep on MicroPython
        self._reported = {}  # REGISTER channel -> mantissa last reported good

    def add(self, readings) -> None:
        """Takes in one poll's readings."""
        for reading in readings:
            state = self._channels.get(reading.channel)
            if state is None:
                state = self._channels[reading.channel] = _Samples()
                self._order.append(state)
            state.add(reading)

    def report(self) -> list[Reading]:
        """The readings of the report, in the order in which channels first came; starts the next interval."""
        result = []
        for state in self._order:
            if state.last is None:
                continue
            kind = self._kinds.get(state.last.channel, LAST)
            result.append(state.last)
            if kind == STATISTICS:
                result.extend(state.statistics())
            elif kind == REGISTER:
                result.extend(self._difference(state.last))
            state.clear()
        return result

    def _difference(self, last) -> list[Reading]:
        if last.quality == BAD:
            return []
        before = self._reported.get(last.channel)
        self._reported[last.channel] = last.mantissa
        if before is None:
            return []
        name = last.channel + ".diff"
        if last.mantissa < before:
            reason = "register went back"
            return [Reading(name, last.unit, None, 0, BAD, reason, last.time_ms)]
        return [Reading(name, last.unit, last.mantissa - before, last.exponent, last.quality, "", last.time_ms)]


class _Samples:
    """Sum, extremes and count of one channel's good samples."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.last = self.good = None  # the newest reading, and the newest that has a value
        self.count = self.missed = self.total = 0
        self.low = self.high = 0

    def add(self, reading) -> None:
        self.last = reading
        if reading.quality == BAD:
            self.missed += 1
            return
        value = reading.mantissa
        if not self.count or value < self.low:
            self.low = value
        if not self.count or value > self.high:
            self.high = value
        self.good = reading
        self.count += 1
        self.total += value

    def statistics(self) -> list[Reading]:
        last = self.last
        if not self.count:
            return [
                Reading(last.channel + end, last.unit, None, 0, BAD, last.reason, last.time_ms)
                for end in (".min", ".max", ".mean")
            ]
        quality = UNCERTAIN if self.missed else GOOD
        mean = number.divide_half_even(self.total, self.count)
        return [
            Reading(last.channel + end, last.unit, value, self.good.exponent, quality, "", last.time_ms)
            for end, value in ((".min", self.low), (".max", self.high), (".mean", mean))
        ]
