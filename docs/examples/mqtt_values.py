"""An example of a source that listens to a broker: plain numbers on topics such as plant/tank-1/level.

Put beside the others in gateway/wayside/south/adapters, it is the kind `mqtt_values`; nothing else has to be changed:

    [[adapter]]
    name = "plant"
    kind = "mqtt_values"
    url = "mqtts://broker.example.org"
    ca_file = "ca.pem"
    options = {prefix = "plant", report_s = 60.0, sensors = {tank-1 = {level = "m"}, tank-2 = {level = "m"}}}
"""

import asyncio
import re
from collections import Counter
from collections.abc import Collection
from random import Random
from typing import ClassVar

from pydantic import Field
from wayside.runtime.backoff import Backoff
from wayside.settings.table import ChannelName
from wayside.south.adapters import Options, Services
from wayside.values.reading import Reading
from wayside_wire.pack import BAD, GOOD

_BACKOFF_S = (0.5, 60.0)
_NUMBER = re.compile(rb"-?[0-9]{1,15}(?:\.([0-9]{1,9}))?")


class Settings(Options):
    """prefix: what each topic begins with; sensors: the unit of each channel, by the name of the device."""

    needs_broker: ClassVar[bool] = True
    prefix: str = Field(pattern="^[^+#\0]{1,200}$")
    sensors: dict[str, dict[ChannelName, str]] = Field(min_length=1, max_length=100)
    report_s: float = Field(60.0, ge=0.1, le=86_400)

    def devices(self) -> Collection[str]:
        return self.sensors.keys()

    def aggregated_s(self) -> float:
        return self.report_s


def open_source(settings: Settings, services: Services) -> "MqttValues":
    """See wayside.south.adapters."""
    return MqttValues(settings, services)


class MqttValues:
    """While the broker is away every channel is bad, and says why."""

    def __init__(self, settings: Settings, services: Services):
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._services = services

    async def run(self) -> None:
        backoff = Backoff(*_BACKOFF_S, Random())
        while True:
            try:
                async with self._services.connect() as session:
                    await session.subscribe(f"{self._settings.prefix}/+/+")
                    self.counters["connected"] += 1
                    with backoff.holding(asyncio.get_running_loop().time):
                        while True:
                            message = await session.message()
                            self._take(message.topic, message.payload)
                            session.acknowledge(message)
            except OSError:
                self.counters["broker away"] += 1
                for device, channels in self._settings.sensors.items():
                    self._poll(device, [(channel, None, 0, "broker away") for channel in channels])
            await asyncio.sleep(backoff.next_s())

    def _take(self, topic: str, payload: bytes) -> None:
        device, _, channel = topic.removeprefix(f"{self._settings.prefix}/").partition("/")
        if channel not in self._settings.sensors.get(device, {}):
            self.counters["unknown device or channel"] += 1
        elif found := _NUMBER.fullmatch(payload):
            self.counters["good"] += 1
            self._poll(device, [(channel, int(payload.replace(b".", b"")), -len(found[1] or b""), "")])
        else:
            self.counters["no number"] += 1
            self._poll(device, [(channel, None, 0, "not a number")])

    def _poll(self, device: str, values: Collection[tuple[str, int | None, int, str]]) -> None:
        now_ms, units = self._services.clock.utc_ms(), self._settings.sensors[device]
        readings = [
            Reading(channel, units[channel], value, exponent, BAD if reason else GOOD, reason, now_ms)
            for channel, value, exponent, reason in values
        ]
        self._services.poll(device, readings)
