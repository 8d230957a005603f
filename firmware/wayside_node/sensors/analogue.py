"""An analogue input: a voltage that means something else, on the line through two points.

A current loop of 4 to 20 mA over 100 ohms has its points at 400 and 2000 mV. NAMUR NE 43: a transmitter says 3.8 to
20.5 mA, below 3.6 or above 21 mA it has failed or its wire is broken. 0 to 10 V behind a divider has no such room
below; with a resistor to the supply a broken wire rises above the span instead.
"""

from micropython import const
from wayside_wire.number import divide_half_even
from wayside_wire.pack import BAD, GOOD, Reading

from ..config import ConfigError
from .options import channel_of
from .state import BROKEN_WIRE, NO_VALUE, RANGE

_MOST_MV = const(5000)
_MOST = const(1000000000)


class VoltageSpan:
    """What a voltage means; all in microvolts, the values in mantissas."""

    def __init__(self, low_uv: int, high_uv: int, low: int, high: int, spill: int, broken_uv=(None, None)):
        """low, high: the values at low_uv and high_uv, which is the larger.

        spill: per mille of the span by which a value may lie outside of it; broken_uv: at or below the first, or at or
        above the second, there is no sensor on the wire; None: cannot be told.
        """
        self._low_uv = low_uv
        self._span_uv = high_uv - low_uv
        self._low = low
        self._span = high - low
        self._spill_uv = self._span_uv * spill // 1000
        self._broken_uv = broken_uv

    def wrong(self, uv: int) -> str:
        """Why this voltage is no value, empty when it is one."""
        below, above = self._broken_uv
        if (below is not None and uv <= below) or (above is not None and uv >= above):
            return BROKEN_WIRE
        return "" if -self._spill_uv <= uv - self._low_uv <= self._span_uv + self._spill_uv else RANGE

    def value(self, total_uv: int, count: int) -> int:
        """The mean of `count` voltages that add up to total_uv, on the line, rounded once and half to even."""
        above = total_uv - count * self._low_uv
        return self._low + divide_half_even(above * self._span, count * self._span_uv)


def open_driver(options, place):
    """See catalogue."""
    channel = channel_of(options)
    low_mv = options.integer("low_mv", 0, _MOST_MV)
    high_mv = options.integer("high_mv", 0, _MOST_MV)
    if high_mv <= low_mv:
        raise ConfigError("sensors: analogue: high_mv: has to be above low_mv; a falling line has its values exchanged")
    broken = [
        1000 * options.integer(key, 0, _MOST_MV) if options.has(key) else None
        for key in ("broken_below_mv", "broken_above_mv")
    ]
    span = VoltageSpan(
        1000 * low_mv,
        1000 * high_mv,
        options.integer("low", -_MOST, _MOST),
        options.integer("high", -_MOST, _MOST),
        options.integer("spill", 0, 1000, 25),
        broken,
    )
    return Analogue(place.board.open_adc(options.text("port")), channel, span, options.integer("samples", 1, 256, 16))


class Analogue:
    """The mean of the last `samples` voltages. One of them that is no value spoils it: a fault is not averaged away."""

    def __init__(self, read, channel, span, samples: int):
        """read(): microvolts."""
        self.channels = (channel,)
        self._read = read
        self._span = span
        self._samples = samples
        self._kept = []

    def step(self) -> None:
        self._kept.append(self._read())
        if len(self._kept) > self._samples:
            self._kept.pop(0)

    def readings(self, now_ms: int) -> list:
        name, unit, exponent = self.channels[0]
        reason = "" if len(self._kept) == self._samples else NO_VALUE
        for uv in self._kept:
            reason = self._span.wrong(uv) or reason
        if reason:
            return [Reading(name, unit, None, 0, BAD, reason, now_ms)]
        return [Reading(name, unit, self._span.value(sum(self._kept), len(self._kept)), exponent, GOOD, "", now_ms)]
