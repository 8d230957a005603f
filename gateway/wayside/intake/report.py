"""From the polls of a meter that the gateway reads itself to its reports."""

from collections.abc import Callable, Sequence

from wayside_wire.aggregate import LAST, STATISTICS, Aggregator

from wayside.values.reading import Reading

KindOf = Callable[[str, str], str]
"""(channel, unit) -> kind of wayside_wire.aggregate"""


class Reporter:
    """Aggregates `polls` polls of one device into a report. Channels may come and go, as discovery finds them."""

    def __init__(self, kind_of: KindOf, polls: int, deliver: Callable[[Sequence[Reading]], None]):
        self._kind_of = kind_of
        self._kinds: dict[str, str] = {}
        self._aggregator = Aggregator(self._kinds)
        self._polls = polls
        self._taken = 0
        self._deliver = deliver

    def add(self, readings: Sequence[Reading]) -> None:
        """The readings of one poll, good or bad."""
        for reading in readings:
            if reading.channel not in self._kinds:
                self._kinds[reading.channel] = self._kind(reading)
        try:
            self._aggregator.add(readings)
        except ValueError:
            # Found anew, a device counts in other steps: nothing of before may be summed with that.
            self.finish()
            self._aggregator = Aggregator(self._kinds)
            self._aggregator.add(readings)
        self._taken += 1
        if self._taken >= self._polls:
            self.finish()

    def finish(self) -> None:
        """Report now what was polled since the last report."""
        self._taken = 0
        report = self._aggregator.report()
        if report:
            self._deliver(report)

    def _kind(self, reading: Reading) -> str:
        kind = self._kind_of(reading.channel, reading.unit)
        # Least, greatest and mean of one sample are that sample.
        return LAST if self._polls == 1 and kind == STATISTICS else kind
