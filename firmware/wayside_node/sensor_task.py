"""The sensors that are wired to a board with a link: one device, whose reports become packs as a meter's do."""

from micropython import const

from .selftest import check_readings

_RETRY_MS = const(1000)  # after the flash has refused a report
_FRESH_MS = const(5000)  # a report of which nothing new is said


class SensorTask:
    """Looks at the sensors at every step, and hands a report on at its rate."""

    def __init__(self, settings, drivers, packer, journal, clock):
        """settings: config.Sensors; drivers: as sensors.catalogue opens them."""
        self.device = settings.device
        self.packer = packer
        self.journal = journal
        self._report_ms = settings.report_ms
        self._drivers = drivers
        self._clock = clock
        self._due = clock.now() + settings.report_ms
        self._store_at = 0
        self._reported_at = None

    def step(self) -> None:
        for driver in self._drivers:
            driver.step()

    def report_is_due(self) -> bool:
        """While the report before cannot be stored, the next one waits."""
        return self._clock.now() >= self._due and not self.packer.busy

    def report(self) -> None:
        """May write flash: a count is durable before it is told."""
        now = self._clock.now()
        readings = [reading for driver in self._drivers for reading in driver.readings(now)]
        self.packer.take(readings)
        self._due += self._report_ms * ((now - self._due) // self._report_ms + 1)
        self._reported_at = now

    def close_is_due(self) -> bool:
        """Whether a restart wants a report before its time."""
        return not self.packer.busy and not self._is_fresh()

    def is_closed(self) -> bool:
        """Whether nothing is in memory alone."""
        return not self.packer.busy and self._is_fresh()

    def _is_fresh(self) -> bool:
        return self._reported_at is not None and self._clock.now() - self._reported_at < _FRESH_MS

    def look(self) -> list:
        """A Check of each sensor, of what it measures now. May write flash, as report()."""
        readings = [driver.readings(self._clock.now()) for driver in self._drivers]
        return [check_readings(found[0].channel, found) for found in readings]

    def store_is_due(self) -> bool:
        """Whether the packer has something that was not tried a moment ago."""
        now = self._clock.now()
        if not self.packer.busy or now < self._store_at:
            return False
        self._store_at = now + _RETRY_MS
        return True
