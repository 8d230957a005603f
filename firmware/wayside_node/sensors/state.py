"""What every sensor driver keeps: the last value of each channel, how old it is, and why there is none."""

from wayside_wire.pack import BAD, GOOD, Reading

NO_VALUE, NO_ANSWER, WARMING_UP = "no value yet", "no answer", "warming up"
CHECKSUM, RANGE, FAULT = "checksum wrong", "out of range", "sensor fault"
BROKEN_WIRE = "broken wire"


class SensorState:
    """The readings of one sensor. Times are of the clock's now()."""

    def __init__(self, channels, began_ms: int, warm_up_ms: int, stale_ms: int):
        """warm_up_ms: from began_ms on, values do not count; stale_ms: an older value is none."""
        self._channels = channels
        self._ready_ms = began_ms + warm_up_ms
        self._stale_ms = stale_ms
        self._values = [(None, NO_VALUE)] * len(channels)
        self._at_ms = began_ms

    def warm_up(self, now_ms: int, warm_up_ms: int) -> None:
        """It begins anew: the sensor was off."""
        self._ready_ms = now_ms + warm_up_ms

    def is_silent(self, now_ms: int) -> bool:
        """Whether nothing was heard of it for so long that it may have been off."""
        return now_ms - self._at_ms > self._stale_ms

    def good(self, now_ms: int, *mantissas) -> None:
        """A value for each channel; None: this one is out of range."""
        self._values = [(mantissa, RANGE if mantissa is None else "") for mantissa in mantissas]
        self._at_ms = now_ms

    def bad(self, now_ms: int, reason: str) -> None:
        """The sensor says that nothing is right."""
        self._values = [(None, reason)] * len(self._channels)
        self._at_ms = now_ms

    def readings(self, now_ms: int) -> list:
        """One reading for each channel."""
        reason = ""
        if now_ms < self._ready_ms:
            reason = WARMING_UP
        elif self.is_silent(now_ms):
            reason = NO_ANSWER
        made = []
        for (name, unit, exponent), (mantissa, why) in zip(self._channels, self._values):
            if reason or mantissa is None:
                made.append(Reading(name, unit, None, 0, BAD, reason or why, now_ms))
            else:
                made.append(Reading(name, unit, mantissa, exponent, GOOD, "", now_ms))
        return made
