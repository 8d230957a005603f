"""What carries out: the nouns between who decides over a device and who speaks to it. Imports `reading` only."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from wayside.reading import format_value

_MOST_DIGITS = 30


class Controllable(NamedTuple):
    """What a device lets others command: counts of 10^exponent of `unit`, from `least` to `most`."""

    unit: str
    exponent: int
    least: int
    most: int

    def shown(self, count: int) -> str:
        """As people read it."""
        return f"{format_value(count, self.exponent)} {self.unit}".strip()

    def counts(self, number: Decimal | str) -> int:
        """The counts of a number of the unit; ValueError when there are none, or they are not among those allowed."""
        try:
            number = Decimal(number)
            counts = number.scaleb(-self.exponent)
        except InvalidOperation:
            raise ValueError(f'"{number}" is no decimal number; write one such as -1500 or 0.5') from None
        if not number.is_finite() or abs(counts) >= 10**_MOST_DIGITS:
            raise ValueError(f'"{number}" is no number that a register has')
        if counts != counts.to_integral_value():
            raise ValueError(f"{number} lies between two steps; write a multiple of {format_value(1, self.exponent)}")
        self.check(int(counts))
        return int(counts)

    def check(self, count: int) -> None:
        """ValueError when these counts are not allowed."""
        if not self.least <= count <= self.most:
            least, most = self.shown(self.least), self.shown(self.most)
            raise ValueError(f"{self.shown(count)} is outside what it may have, {least} to {most}")


class CarrierError(Exception):
    """A device that did not do, or does not say, what was asked of it; the text says why."""


class Carrier(ABC):
    """A part that can command devices. Whatever happens, each call ends within a minute."""

    @abstractmethod
    def carries(self) -> Collection[str]:
        """The devices, by name."""

    @abstractmethod
    async def set(self, device: str, control: str, count: int) -> int | None:
        """What `control` reads after `count` was written, None where it cannot be read; CarrierError."""

    @abstractmethod
    async def get(self, device: str, control: str) -> int:
        """What `control` has, in counts; CarrierError."""
