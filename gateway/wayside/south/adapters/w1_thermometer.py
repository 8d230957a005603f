"""Thermometers on the gateway's own 1-Wire bus (DS18B20), as Linux shows them: /sys/bus/w1/devices/28-.../w1_slave.

Linux documentation w1_therm: two lines, "... crc=NN YES" and "... t=MILLIDEGREES". DS18B20 datasheet: -55 to 125
degrees; 85 is what it says after power-up before it has measured.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from wayside_wire.pack import BAD, GOOD

from wayside.runtime.threads import in_thread
from wayside.settings.table import ChannelName, once
from wayside.south.adapters import Options, Services
from wayside.values.reading import Reading

_ANSWER_S = 5.0  # each takes the kernel 0.75 s; on a bus that hangs it may take for ever
_LOST_S = 30.0  # in one round, on those that did not answer; then the others are waited for less long
_IMPATIENT_S = 2.0
_SILENT = "no answer"
_POWER_UP = 85_000
_RANGE = range(-55_000, 125_001)


class Settings(Options):
    """thermometers: number of each, by the name of its channel."""

    thermometers: dict[ChannelName, Annotated[str, Field(pattern="^28-[0-9a-f]{12}$")]] = Field(
        min_length=1, max_length=100
    )
    every_s: float = Field(60.0, ge=0.1, le=86_400)
    folder: str = "/sys/bus/w1/devices"

    @field_validator("thermometers")
    @classmethod
    def _has_one_name_each(cls, thermometers: dict[str, str]) -> dict[str, str]:
        once("thermometer", thermometers.values())
        return thermometers

    def channels(self, device: str) -> Collection[str]:
        return self.thermometers.keys()


def decode(text: str) -> tuple[int | None, str]:
    """(thousandths of a degree, "") of a w1_slave file, or (None, reason)."""
    found = re.fullmatch(r"(?:[0-9a-f]{2} ){9}: crc=[0-9a-f]{2} (YES|NO)\n(?:[0-9a-f]{2} ){9}t=(-?\d{1,6})\n", text)
    if not found:
        return None, "not understood"
    if found[1] == "NO":
        return None, "checksum wrong"
    value = int(found[2])
    if value == _POWER_UP:
        return None, "no value yet"
    return (value, "") if value in _RANGE else (None, "out of range")


def open_source(settings: Settings, services: Services) -> "Thermometers":
    """See wayside.south.adapters."""
    return Thermometers(settings, services)


class Thermometers:
    """Reads them all now and then, each in a thread; one that hangs is not asked anew before it has answered."""

    def __init__(self, settings: Settings, services: Services):
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._clock = services.clock
        self._report = services.report
        (self._device,) = services.devices
        self._asked: dict[str, asyncio.Task[tuple[int | None, str]]] = {}

    async def run(self) -> None:
        while True:
            self._report(self._device, await self._read())
            await asyncio.sleep(self._settings.every_s)

    async def _read(self) -> Sequence[Reading]:
        found, lost_s, now_s = [], 0.0, asyncio.get_running_loop().time
        for channel, number in self._settings.thermometers.items():
            asked_s, patience_s = now_s(), _ANSWER_S if lost_s < _LOST_S else _IMPATIENT_S
            value, reason = await self._answer(Path(self._settings.folder) / number / "w1_slave", channel, patience_s)
            lost_s += now_s() - asked_s if reason == _SILENT else 0.0
            self.counters[reason or "good"] += 1
            quality, exponent = (BAD, 0) if value is None else (GOOD, -3)
            found.append(Reading(channel, "Cel", value, exponent, quality, reason, self._clock.utc_ms()))
        return found

    async def _answer(self, path: Path, channel: str, patience_s: float) -> tuple[int | None, str]:
        if channel in self._asked and not self._asked[channel].done():
            return None, _SILENT
        # What one that hung may have said meanwhile is old.
        asked = self._asked[channel] = asyncio.create_task(in_thread(partial(self._ask, path)))
        await asyncio.wait([asked], timeout=patience_s)
        return asked.result() if asked.done() else (None, _SILENT)

    def _ask(self, path: Path) -> tuple[int | None, str]:
        try:
            return decode(path.read_text())
        except (OSError, UnicodeDecodeError):
            return None, _SILENT
