"""A vehicle loop's relay: counts, and presence."""

from micropython import const
from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import BAD, GOOD, Reading

from .contact import Debounce
from .state import FAULT

CHANNELS = (ReportChannel("vehicles", "count", 0), ReportChannel("presence", "/", 0))
_LOOP_MS = const(60)
_STUCK_MS = const(1800000)


def open_driver(options, place):
    """See catalogue."""
    pin = place.board.open_pin(options.text("port"))
    least_ms = options.integer("least_ms", 1, 10000, _LOOP_MS)
    return LoopSensor(pin, place.clock, least_ms, options.integer("stuck_ms", 1000, 86400000, _STUCK_MS))


class LoopSensor:
    """A vehicle loop's relay: how many came since the start, and whether one stands there now."""

    def __init__(self, pin, clock, least_ms: int = _LOOP_MS, stuck_ms: int = _STUCK_MS):
        """stuck_ms: a vehicle for longer than this is a broken loop, which detectors report as one."""
        self.channels = CHANNELS
        self._pin = pin
        self._clock = clock
        self._stuck_ms = stuck_ms
        self._since = clock.now()
        self.debounce = Debounce(least_ms, pin())

    def step(self) -> None:
        now = self._clock.now()
        before = self.debounce.active
        self.debounce.edge(self._pin(), now)
        if self.debounce.settle(now) != before:
            self._since = now

    def readings(self, now_ms: int) -> list:
        if self.debounce.active and now_ms - self._since > self._stuck_ms:
            return [Reading(name, unit, None, 0, BAD, FAULT, now_ms) for name, unit, _ in CHANNELS]
        values = (self.debounce.count, 1 if self.debounce.active else 0)
        return [Reading(name, unit, value, 0, GOOD, "", now_ms) for (name, unit, _), value in zip(CHANNELS, values)]
