"""What a bus owes while its task is down: bad readings with the reason, at the rate of its polls."""

import asyncio

from wayside.runtime.clock import Clock
from wayside.runtime.pulse import Pulse

from .bus import ModbusBus
from .device import OnReadings, PolledDevice, Undiscovered

_LOOK_S = 0.5
_STANDS_S = 10.0  # without anything done, beyond the longest time that an exchange may take


class BusWatch:
    """Runs a bus, and speaks for its devices while it does not.

    reason: why it is down, empty while it runs.
    """

    def __init__(self, bus: ModbusBus, clock: Clock, on_readings: OnReadings):
        self.reason = ""
        self._looks = 0
        self._bus = bus
        self._clock = clock
        self._on_readings = on_readings
        self._turns = -1
        self._moved = clock.monotonic()

    def pulse(self) -> Pulse:
        return Pulse(f"watch over bus {self._bus.name}", lambda: self._looks)

    async def run_bus(self) -> None:
        """The bus's own task. What ends it is told, and raised for the supervisor, who starts it again."""
        try:
            await self._bus.run()
        except Exception as error:
            self.reason = f"bus down: {type(error).__name__}: {error}"
            self._turns = self._bus.turns
            raise

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._looks += 1
            self.look()

    def look(self) -> None:
        """Deliver bad readings for every poll that is due and that nobody makes."""
        now = self._clock.monotonic()
        if self._bus.turns != self._turns:
            self._turns, self._moved, self.reason = self._bus.turns, now, ""
        elif not self._bus.overdue(now):
            self._moved = now  # it has nothing to do
        if not self.reason and now - self._moved > _STANDS_S + self._longest_s():
            self.reason = "bus down: it stands still"
        if not self.reason:
            return
        silent: list[PolledDevice | Undiscovered] = [*self._bus.devices.values(), *self._bus.undiscovered.values()]
        for device in silent:
            if device.due <= now:
                self._on_readings(device.name, device.not_asked(self.reason, now, self._clock.utc_ms()))

    def _longest_s(self) -> float:
        return max((device.timeout_s + device.quiet_s for device in self._bus.devices.values()), default=0.0)
