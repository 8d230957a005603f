"""One meter's polls and reports, in time."""

from wayside_wire.aggregate import Aggregator


class MeterTask:
    """Polls one meter at its rate and hands a report on at its rate."""

    def __init__(self, settings, meter, packer, journal, clock, memory):
        """memory: the meter's MeterMemory."""
        self._memory = memory
        self._reported = meter.serial  # the serial number as it was at the last report
        self._poll_ms = settings.poll_ms
        self._report_ms = settings.report_ms
        self._meter = meter
        self._clock = clock
        self.device = settings.device
        self.packer = packer
        self.journal = journal
        self._aggregator = Aggregator(settings.profile.kinds)
        self.next_poll = clock.now()
        self._next_report = clock.now() + settings.report_ms

    async def poll(self) -> None:
        """One poll; with the last one of the interval the packer has a report."""
        self._take(await self._meter.poll())

    def not_asked(self, reason: str) -> None:
        """In the place of polls while the bus cannot be used."""
        if self._clock.now() >= self.next_poll:
            self._take(self._meter.not_asked(reason))

    def keep_is_due(self) -> bool:
        """Whether keep() has something to write: once the report that tells of another meter is stored."""
        return not self.packer.busy and self._reported not in (None, self._memory.serial)

    def keep(self) -> None:
        """Make the serial number durable: writes flash."""
        self._memory.keep(self._reported)

    def close(self) -> None:
        """Hand on what was polled since the last report, before its time."""
        if not self.packer.busy and not self._aggregator.is_empty():
            self._hand_on()

    def is_closed(self) -> bool:
        """Whether nothing is in memory alone."""
        return self._aggregator.is_empty() and not self.packer.busy

    def _take(self, readings) -> None:
        self._aggregator.add(readings)
        now = self._clock.now()
        self.next_poll = _after(self.next_poll, self._poll_ms, now)
        # While the report before cannot be stored, this one gets longer: nothing falls into the cracks.
        if now >= self._next_report and not self.packer.busy:
            self._hand_on()
            self._next_report = _after(self._next_report, self._report_ms, now)

    def _hand_on(self) -> None:
        self.packer.take(self._aggregator.report())
        if not self._aggregator.has_new_count:
            self._reported = self._meter.serial


def _after(due: int, period: int, now: int) -> int:
    """The next time on the grid of `due` and `period` that lies behind `now`: a late task does not run twice."""
    return due + period * max(1, (now - due) // period + 1)
