"""What carries out: the nouns between who decides over a device and who speaks to it. Imports `reading` only."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from wayside.values.reading import format_value

_MOST_DIGITS = 30
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,6})?")  # Decimal takes 1_5_0 and digits of all scripts

RELEASED = -(1 << 80)
"""Instead of counts: what the control commands is not in force, the device decides."""


class Controllable(NamedTuple):
    """What a device lets others command: counts of 10^exponent of `unit`, from `least` to `most`.

    unit: as the device's profile writes it. seconds: how long one of it is; None: it is no unit of time. place: where
    it is written to; another place is another control, whatever it is called. releases: it can be given back, set to
    RELEASED; reverts: the device has a timer for it alone, which is begun with a value (Reversion). names: of each
    count, from 0 on, where what it has is no number. cells: the smallest things there that are written; two controls
    with one of these in common overwrite each other.
    """

    unit: str
    exponent: int
    least: int
    most: int
    seconds: Fraction | None = None
    place: str = ""
    releases: bool = False
    reverts: bool = False
    names: tuple[str, ...] = ()
    cells: frozenset[str] = frozenset()

    @classmethod
    def named(cls, *names: str) -> "Controllable":
        """What has one of these, and no number."""
        return cls("", 0, 0, len(names) - 1, names=names)

    def text(self, count: int) -> str:
        """As people and programs write it, without the unit: counts() of it are these counts."""
        return self.names[count] if self.names else format_value(count, self.exponent)

    def at(self, place: str) -> "Controllable":
        """The same, to be reached at `place`."""
        return self._replace(place=f"{place} {self.place}", cells=frozenset(f"{place} {cell}" for cell in self.cells))

    def shown(self, count: int) -> str:
        """As people read it."""
        if count == RELEASED:
            return "what the device decides"
        return f"{self.text(count)} {self.unit}".strip()

    def counts(self, number: Decimal | str) -> int:
        """The counts of a number of the unit, or of a name; ValueError when there are none, or none that is allowed."""
        if self.names:
            if number not in self.names:
                raise ValueError(f'"{number}" is nothing that it does; write one of {", ".join(self.names)}')
            return self.names.index(str(number))
        if isinstance(number, str):
            if not _NUMBER.fullmatch(number):
                raise ValueError(f'"{number}" is no decimal number; write one such as -1500 or 0.5')
            number = Decimal(number)
        if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
            raise ValueError(f'"{number}" is no number that a register has')
        return self._counts(Fraction(number), str(number))

    def counts_of_seconds(self, seconds: int) -> int:
        """The counts of a time; ValueError as counts(), and when it is no unit of time."""
        if self.seconds is None:
            raise ValueError(f"the control counts {self.unit}, which is no time")
        return self._counts(seconds / self.seconds, f"{seconds} s")

    def _counts(self, number: Fraction, text: str) -> int:
        counts = number / Fraction(10) ** self.exponent
        if counts.denominator != 1:
            raise ValueError(f"{text} lies between two steps; write a multiple of {self.shown(1)}")
        self.check(int(counts))
        return int(counts)

    def check(self, count: int) -> None:
        """ValueError when these counts are not allowed."""
        if not self.least <= count <= self.most:
            least, most = self.shown(self.least), self.shown(self.most)
            raise ValueError(f"{self.shown(count)} is outside what it may have, {least} to {most}")


class Reversion(NamedTuple):
    """The device's own timer, begun with a value: `seconds` later it has `then`, counts or RELEASED, by itself."""

    seconds: int
    then: int


class CarrierError(Exception):
    """A device that did not do, or does not say, what was asked of it; the text says why."""


class NotKeptError(CarrierError):
    """A device that acknowledged a value and has another one: `found`, in counts."""

    def __init__(self, found: int):
        super().__init__("it did not keep the value")
        self.found = found


class Carrier(ABC):
    """A part that can command devices. Whatever happens, each call ends within a minute."""

    @abstractmethod
    def carries(self) -> Collection[str]:
        """The devices, by name."""

    @abstractmethod
    async def set(
        self, device: str, control: str, count: int, *, stays: bool = True, reversion: Reversion | None = None
    ) -> int | None:
        """What `control` reads after `count` was written, None where it cannot be read; CarrierError, NotKeptError.

        count: or RELEASED, where it `releases`; what it reads may be less than `count` where the device has coarser
        steps. stays: False for what a device counts down or clears by itself: to be acknowledged is enough. reversion:
        where it `reverts`; the timer runs before the value is in force. None: the value stays.
        """

    @abstractmethod
    async def get(self, device: str, control: str) -> int:
        """What `control` has, in counts, or RELEASED; CarrierError."""

    @abstractmethod
    def check(self, device: str, control: str, count: int) -> None:
        """ValueError when the device is known not to take these counts, though others of its kind do."""
