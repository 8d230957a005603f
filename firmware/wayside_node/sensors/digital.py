"""A digital input: a contact as 0 or 1."""

from micropython import const
from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import GOOD, Reading

from .contact import Debounce

_LEAST_MS = const(20)


def open_driver(options, place):
    """See catalogue."""
    pin = place.board.open_pin(options.text("port"))
    return Digital(pin, place.clock, options.name("name"), options.integer("least_ms", 1, 10000, _LEAST_MS))


class Digital:
    """A contact as 0 or 1."""

    def __init__(self, pin, clock, name: str, least_ms: int = _LEAST_MS):
        self._pin = pin
        self._clock = clock
        self.channels = (ReportChannel(name, "/", 0),)
        self._debounce = Debounce(least_ms, pin())

    def step(self) -> None:
        self._debounce.edge(self._pin(), self._clock.now())

    def readings(self, now_ms: int) -> list:
        active = self._debounce.settle(now_ms)
        return [Reading(self.channels[0].name, "/", 1 if active else 0, 0, GOOD, "", now_ms)]
