"""From the polls of a meter that the gateway reads itself to its reports."""

from collections.abc import Callable, Sequence

from wayside_wire.aggregate import STATISTICS, Aggregator

from wayside.reading import Reading


class Reporter:
    """Aggregates `polls` polls of one device into a report; `kinds` as in wayside_wire.aggregate."""

    def __init__(self, kinds: dict[str, str], polls: int, deliver: Callable[[Sequence[Reading]], None]):
        if polls == 1:
            # Least, greatest and mean of one sample are that sample.
            kinds = {channel: kind for channel, kind in kinds.items() if kind != STATISTICS}
        self._aggregator = Aggregator(kinds)
        self._polls = polls
        self._taken = 0
        self._deliver = deliver

    def add(self, readings: Sequence[Reading]) -> None:
        """The readings of one poll, good or bad."""
        self._aggregator.add(readings)
        self._taken += 1
        if self._taken >= self._polls:
            self._taken = 0
            self._deliver(self._aggregator.report())
