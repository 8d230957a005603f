"""The Environmental Sensing Service: values that are read over a connection (Environmental Sensing Profile 1.0)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from wayside_wire import environment
from wayside_wire.environment import CHARACTERISTICS
from wayside_wire.pack import BAD, GOOD

from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.south.ble.scanner import ScannerError, uuid16
from wayside.values.reading import Reading

_CONNECT_S = 30.0  # to connect and read all


class Peripheral(Protocol):
    """A connected device."""

    async def read(self, uuid: str) -> bytes:
        """The value of a characteristic; ScannerError when it cannot be read."""


Connect = Callable[[], AbstractAsyncContextManager[Peripheral]]
"""Entering it connects, leaving it disconnects; ScannerError when the device is not there."""

Report = Callable[[Sequence[Reading]], None]


def decode(number: int, data: bytes, time_ms: int) -> Reading:
    """The reading in the value of a characteristic; a bad one for what it does not say."""
    name, unit, _, _, exponent, _ = CHARACTERISTICS[number]
    value, reason = environment.decode(number, data)
    if value is None:
        return Reading(name, unit, None, 0, BAD, reason, time_ms)
    return Reading(name, unit, value, exponent, GOOD, "", time_ms)


def number_of(channel: str) -> int:
    """The characteristic of a channel; ValueError for one that the service does not have."""
    for number, row in CHARACTERISTICS.items():
        if row[0] == channel:
            return number
    known = ", ".join(row[0] for row in CHARACTERISTICS.values())
    raise ValueError(f"{channel}: the Environmental Sensing Service has {known}")


class Poller:
    """Connects to one device now and then, reads, and lets it sleep. A device that does not answer reads bad."""

    def __init__(self, connect: Connect, channels: Sequence[str], every_s: float, clock: Clock, report: Report):
        """ValueError for a channel that the service does not have."""
        self.counters: Counter[str] = Counter()
        self._connect = connect
        self._numbers = [number_of(channel) for channel in channels]
        self._every_s = every_s
        self._clock = clock
        self._report = report
        self._polls = 0

    def pulse(self, name: str) -> Pulse:
        """Of run(), as the task `name`."""
        return Pulse(name, lambda: self._polls, within_s=self._every_s + OUTSIDE_S)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._polls += 1
            self._report(await self._poll())
            await asyncio.sleep(self._every_s)

    async def _poll(self) -> list[Reading]:
        try:
            async with asyncio.timeout(_CONNECT_S), self._connect() as device:
                self.counters["connections"] += 1
                return await read(device, self._numbers, self._clock.utc_ms)
        except (ScannerError, TimeoutError):
            self.counters["not reached"] += 1
            now = self._clock.utc_ms()
            rows = [CHARACTERISTICS[number] for number in self._numbers]
            return [Reading(name, unit, None, 0, BAD, "no answer", now) for name, unit, *_ in rows]


async def read(device: Peripheral, numbers: list[int], utc_ms: Callable[[], int]) -> list[Reading]:
    """A reading for each of the characteristics; what cannot be read is bad, and the others are read on.

    utc_ms: what time it is: to connect alone may take half a minute.
    """
    readings = []
    for number in numbers:
        try:
            data = await device.read(uuid16(number))
            readings.append(decode(number, data, utc_ms()))
        except ScannerError as error:
            name, unit = CHARACTERISTICS[number][:2]
            readings.append(Reading(name, unit, None, 0, BAD, str(error)[:64] or "no answer", utc_ms()))
    return readings
