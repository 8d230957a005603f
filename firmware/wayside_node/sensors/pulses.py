"""A meter's pulse output: S0 of electricity meters, reed contacts of water and gas meters.

IEC 62053-31 class A: a pulse is on for 30 ms at least, and off for as long.
"""

from micropython import const
from wayside_wire.pack import BAD, GOOD, Reading

from .contact import Debounce, DurableCount
from .options import channel_of
from .state import FAULT

_S0_MS = const(30)


def open_driver(options, place):
    """See catalogue."""
    pin = place.board.open_pin(options.text("port"))
    channel = channel_of(options)
    register = DurableCount(place.files, "%s/pulses-%s" % (place.state, channel.name))
    factor = options.integer("factor", 1, 1000000000)
    return PulseSensor(pin, place.clock, register, channel, factor, options.integer("least_ms", 1, 10000, _S0_MS))


class PulseSensor:
    """A meter's pulse output: its register in the unit of `channel`, `factor` of it to a pulse."""

    def __init__(self, pin, clock, register, channel, factor: int, least_ms: int = _S0_MS):
        """pin(): whether the contact is closed; channel: a Channel; factor: 3600 for 1000 pulses per kWh in J."""
        self._pin = pin
        self._clock = clock
        self._register = register
        self._factor = factor
        self._told = 0
        self.channels = (channel,)
        self.debounce = Debounce(least_ms, pin())

    def step(self) -> None:
        self.debounce.edge(self._pin(), self._clock.now())

    def readings(self, now_ms: int) -> list:
        name, unit, exponent = self.channels[0]
        try:
            fresh = self.debounce.count - self._told
            value = self._register.add(fresh)
            self._told += fresh
        except OSError:
            return [Reading(name, unit, None, 0, BAD, FAULT, now_ms)]
        if self._register.lost:
            return [Reading(name, unit, None, 0, BAD, FAULT, now_ms)]
        return [Reading(name, unit, value * self._factor, exponent, GOOD, "", now_ms)]
