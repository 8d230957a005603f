"""An example of a source in one file: devices that send lines such as "tank-1 level 17.5" to a UDP port.

Put beside the others in gateway/wayside/south/adapters, it is the kind `udp_lines`; nothing else has to be changed:

    [[adapter]]
    name = "tanks"
    kind = "udp_lines"
    options = {port = 4567, report_s = 60.0, sensors = {tank-1 = {level = "m"}, tank-2 = {level = "m", power = "W"}}}
"""

import asyncio
import re
from collections import Counter
from collections.abc import Collection

from pydantic import Field
from wayside.settings.table import ChannelName
from wayside.south.adapters import Options, Services
from wayside.values.reading import Reading
from wayside_wire.pack import BAD, GOOD

_LINE = re.compile(rb"([!-~]{1,40}) ([!-~]{1,40}) (\S{1,20})\n?")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.(\d{1,9}))?", re.ASCII)


class Settings(Options):
    """sensors: the unit of each channel, by the name of the device. host: of this machine, on which it listens."""

    port: int = Field(ge=1, le=65535)
    host: str = "127.0.0.1"
    sensors: dict[str, dict[ChannelName, str]] = Field(min_length=1, max_length=100)
    report_s: float = Field(60.0, ge=0.1, le=86_400)

    def devices(self) -> Collection[str]:
        return self.sensors.keys()

    def aggregated_s(self) -> float:
        return self.report_s


def open_source(settings: Settings, services: Services) -> "UdpLines":
    """See wayside.south.adapters."""
    return UdpLines(settings, services)


class UdpLines(asyncio.DatagramProtocol):
    """Anybody may send to the port: what is not understood is counted, and costs nothing else."""

    def __init__(self, settings: Settings, services: Services):
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._services = services

    async def run(self) -> None:
        loop, address = asyncio.get_running_loop(), (self._settings.host, self._settings.port)
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        try:
            await loop.create_future()
        finally:
            transport.close()

    def datagram_received(self, data: bytes, _sender: object) -> None:
        line = _LINE.fullmatch(data)
        device, channel, value = (part.decode("ascii", "replace") for part in line.groups()) if line else ("", "", "")
        unit = self._settings.sensors.get(device, {}).get(channel)
        if unit is None:
            self.counters["not understood" if line is None else "unknown device or channel"] += 1
            return
        now_ms, number = self._services.clock.utc_ms(), _NUMBER.fullmatch(value)
        if number is None:
            self.counters["no number"] += 1
            reading = Reading(channel, unit, None, 0, BAD, "not a number", now_ms)
        else:
            self.counters["good"] += 1
            decimals = len(number[1] or "")
            reading = Reading(channel, unit, int(value.replace(".", "")), -decimals, GOOD, "", now_ms)
        self._services.poll(device, [reading])
