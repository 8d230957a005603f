"""An actuator that some part of the gateway carries out."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from wayside.values.carrier import Carrier, CarrierError, Controllable, Reversion


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
        timer: Timer | Reversion | None = None,
    ):
        """carriers: those that there are at the moment. timer: the device's own; Reversion: that of the control."""
        self.name = f"{device} {control}"
        self.what = what
        self._device = device
        self._control = control
        self._carriers = carriers
        self._timer = timer

    async def guard(self) -> None:
        """Begin the device's own timer, where it has one: before what it guards is in force. CarrierError."""
        if isinstance(self._timer, Timer):
            await self._carrier().set(self._device, self._timer.control, self._timer.value, stays=False)

    async def write(self, value: int, *, is_guarded: bool) -> int | None:
        """What it reads after `value` was written, None where it cannot be read; CarrierError, NotKeptError."""
        reversion = self._timer if is_guarded and isinstance(self._timer, Reversion) else None
        return await self._carrier().set(self._device, self._control, value, reversion=reversion)

    async def read(self) -> int:
        """What it has."""
        return await self._carrier().get(self._device, self._control)

    def check(self, value: int) -> None:
        """ValueError when the device is known not to take it."""
        for carrier in self._carriers():
            if self._device in carrier.carries():
                carrier.check(self._device, self._control, value)

    def _carrier(self) -> Carrier:
        for carrier in self._carriers():
            if self._device in carrier.carries():
                return carrier
        raise CarrierError("nothing that speaks to it is running")
