"""Digital and analogue inputs.

An analogue input is linear between two points of the converter. A current loop of 4 to 20 mA that is broken or shorted
lies outside of 3.6 to 21 mA (NAMUR NE 43): such a value is none.
"""

from wayside_wire.lora_report import Channel
from wayside_wire.number import divide_half_even
from wayside_wire.pack import BAD, GOOD, Reading

from .contact import Debounce
from .state import RANGE


class Digital:
    """A contact as 0 or 1."""

    def __init__(self, pin, clock, name: str, least_ms: int = 20):
        self._pin = pin
        self._clock = clock
        self.channels = (Channel(name, "/", 0),)
        self._debounce = Debounce(least_ms, pin())

    def step(self) -> None:
        self._debounce.edge(self._pin(), self._clock.now())

    def readings(self, now_ms: int) -> list:
        active = self._debounce.settle(now_ms)
        return [Reading(self.channels[0].name, "/", 1 if active else 0, 0, GOOD, "", now_ms)]


def linear(raw: int, low_raw: int, high_raw: int, low: int, high: int) -> int:
    """The value on the line through (low_raw, low) and (high_raw, high), rounded half to even."""
    return low + divide_half_even((raw - low_raw) * (high - low), high_raw - low_raw)


class Analogue:
    """read() gives the converter's number. Values beyond the span by more than `spill` per mille of it are none."""

    def __init__(self, read, channel, low_raw: int, high_raw: int, low: int, high: int, spill: int = 25):
        """channel: a Channel; low, high: mantissas at low_raw and high_raw, which is the larger."""
        self._read = read
        self.channels = (channel,)
        self._points = (low_raw, high_raw, low, high)
        margin = (high_raw - low_raw) * spill // 1000
        self._least, self._most = low_raw - margin, high_raw + margin

    def step(self) -> None:
        """Nothing to do between reports."""

    def readings(self, now_ms: int) -> list:
        name, unit, exponent = self.channels[0]
        raw = self._read()
        if not self._least <= raw <= self._most:
            return [Reading(name, unit, None, 0, BAD, RANGE, now_ms)]
        return [Reading(name, unit, linear(raw, *self._points), exponent, GOOD, "", now_ms)]
