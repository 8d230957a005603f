"""The Environmental Sensing Service (UUID 181A): values that are read over a connection.

Environmental Sensing Profile 1.0; formats of the characteristics from the GATT Specification Supplement. Integers only.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from wayside_wire.pack import BAD, GOOD

from wayside.clock import Clock
from wayside.reading import Reading
from wayside.south.ble.scanner import ScannerError, uuid16

SERVICE = uuid16(0x181A)

CHARACTERISTICS: Mapping[int, tuple[str, str, int, bool, int, int | None]] = {
    0x2A6D: ("pressure", "Pa", 4, False, -1, None),
    0x2A6E: ("temperature", "Cel", 2, True, -2, -0x8000),
    0x2A6F: ("humidity", "%RH", 2, False, -2, 0xFFFF),
    0x2A77: ("irradiance", "W/m2", 2, False, -1, None),
    0x2A76: ("uv_index", "", 1, False, 0, None),
    0x2A7B: ("dew_point", "Cel", 1, True, 0, None),
    0x2A72: ("wind_speed", "m/s", 2, False, -2, None),
    0x2A73: ("wind_direction", "deg", 2, False, -2, None),
    0x2A78: ("rainfall", "m", 2, False, -3, None),
    0x2A7A: ("heat_index", "Cel", 1, True, 0, None),
}
"""UUID: (channel, unit, bytes, signed, exponent, the raw value that means "not known")."""


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
    name, unit, size, signed, exponent, unknown = CHARACTERISTICS[number]
    if len(data) != size:
        return Reading(name, unit, None, 0, BAD, f"{len(data)} bytes instead of {size}", time_ms)
    value = int.from_bytes(data, "little", signed=signed)
    if value == unknown:
        return Reading(name, unit, None, 0, BAD, "value is not known", time_ms)
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

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._report(await self._poll())
            await asyncio.sleep(self._every_s)

    async def _poll(self) -> list[Reading]:
        now = self._clock.utc_ms()
        try:
            async with asyncio.timeout(_CONNECT_S), self._connect() as device:
                self.counters["connections"] += 1
                return await read(device, self._numbers, now)
        except (ScannerError, TimeoutError):
            self.counters["not reached"] += 1
            rows = [CHARACTERISTICS[number] for number in self._numbers]
            return [Reading(name, unit, None, 0, BAD, "no answer", now) for name, unit, *_ in rows]


async def read(device: Peripheral, numbers: list[int], time_ms: int) -> list[Reading]:
    """A reading for each of the characteristics; what cannot be read is bad, and the others are read on."""
    readings = []
    for number in numbers:
        try:
            readings.append(decode(number, await device.read(uuid16(number)), time_ms))
        except ScannerError as error:
            name, unit = CHARACTERISTICS[number][:2]
            readings.append(Reading(name, unit, None, 0, BAD, str(error)[:64] or "no answer", time_ms))
    return readings
