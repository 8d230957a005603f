"""An actuator that some part of the gateway carries out."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from wayside.carrier import Carrier, CarrierError, Controllable


class Timer(NamedTuple):
    """A control that begins the device's own reversion timer: its name, and what to write before each value."""

    control: str
    value: int


class Carried:
    """One control of one device, by whichever part has the device at the moment."""

    def __init__(
        self,
        device: str,
        control: str,
        what: Controllable,
        carriers: Callable[[], Sequence[Carrier]],
        timer: Timer | None = None,
    ):
        """carriers: those that there are at the moment."""
        self.name = f"{device} {control}"
        self.what = what
        self._device = device
        self._control = control
        self._carriers = carriers
        self._timer = timer

    async def write(self, value: int) -> int | None:
        """What it reads after `value` was written; the timer first: what it guards is never in force without it."""
        carrier = self._carrier()
        if self._timer:
            await carrier.set(self._device, self._timer.control, self._timer.value)
        return await carrier.set(self._device, self._control, value)

    async def read(self) -> int:
        """What it has."""
        return await self._carrier().get(self._device, self._control)

    def _carrier(self) -> Carrier:
        for carrier in self._carriers():
            if self._device in carrier.carries():
                return carrier
        raise CarrierError("nothing that speaks to it is running")
