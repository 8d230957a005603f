"""Watches energy registers: they only grow, start again at their end, or belong to another meter now."""

from enum import StrEnum
from typing import NamedTuple

from wayside.reading import Quality, Reading


class Step(StrEnum):
    """What happened to a counter that went back."""

    ROLLOVER = "rollover"
    REPLACED = "replaced"


class Change(NamedTuple):
    """A counter that went back, with the mantissas before and after it did."""

    step: Step
    before: int
    after: int


class CounterWatch:
    """One counter. A single step back is not believed: a busy device that says 0 once is not a new meter."""

    # Shares of the register's range: a counter that rolls over was near its end and is near its start.
    _NEAR = 50

    def __init__(self, rollover: int | None):
        """rollover: the mantissa at which the register starts again from 0, None where it does not or nobody knows."""
        self._rollover = rollover
        self._last: int | None = None
        self._doubted: int | None = None

    def check(self, reading: Reading) -> tuple[Reading, Change | None]:
        """The reading as it may be reported, and the change that it confirms."""
        value = reading.mantissa
        if value is None:
            return reading, None
        last, doubted = self._last, self._doubted
        if last is None or value >= last:
            # Back where it was: what was doubted was wrong.
            self._last, self._doubted = value, None
            return reading, None
        if doubted is not None and value >= doubted:
            self._last, self._doubted = value, None
            rolled = self._rollover is not None and last - value > self._rollover - self._rollover // self._NEAR
            return reading, Change(Step.ROLLOVER if rolled else Step.REPLACED, last, doubted)
        self._doubted = value
        return reading._replace(mantissa=None, quality=Quality.BAD, reason="counter went back, not confirmed"), None

    def restart(self) -> int | None:
        """Another meter, known by its serial number: what it counts is right. Returns the old meter's last value."""
        last, self._last, self._doubted = self._last, None, None
        return last
