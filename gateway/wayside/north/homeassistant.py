"""Plain MQTT with Home Assistant's discovery: the reports of `PlainMqtt`, and for each channel, before its
first report, a retained message that says what it is (Home Assistant, MQTT integration, MQTT discovery).
"""

import json
import re
from collections import defaultdict
from typing import Any

from wayside.evidence.origin import parse_origin

from .broker import Broker
from .mqtt import PlainMqtt, device_topic
from .report import report
from .sink import Batch, LogReader

_CLASSES = {
    "V": "voltage",
    "A": "current",
    "W": "power",
    "VA": "apparent_power",
    "var": "reactive_power",
    "Hz": "frequency",
    "J": "energy",
    "Cel": "temperature",
}
_MAX_CHANNELS = 512  # of a device: who makes up names must not fill the broker's disk with announcements
_UNITS = {"Cel": "°C"}  # SenML's spelling, and people's


class HomeAssistant(PlainMqtt):
    """Announces each channel once in a process, of a device so many; what is retained is replaced by the same."""

    def __init__(self, broker: Broker, log: LogReader, client_id: str = "") -> None:
        super().__init__(broker, log, client_id)
        self._announced: defaultdict[str, set[str]] = defaultdict(set)

    async def send(self, batch: Batch) -> str | None:
        for record in batch.records:
            if made := report(self._log.origin, record):
                device, text = made
                for channel, reading in json.loads(text, parse_float=str)["readings"].items():
                    await self._announce(device, channel, reading["unit"])
        return await super().send(batch)

    async def _announce(self, device: str, channel: str, unit: str) -> None:
        if channel in self._announced[device] or len(self._announced[device]) >= _MAX_CHANNELS:
            return
        topic, payload = announcement(self._log.origin, device, channel, unit)
        await self._connected.publish(topic, payload, retain=True)
        self._announced[device].add(channel)


def announcement(origin: str, device: str, channel: str, unit: str) -> tuple[str, bytes]:
    """Topic and payload that make a channel an entity of its device. A bad reading has no value: "unknown" there."""
    site = parse_origin(origin).site
    whose = _identifier(f"wayside_{site}_{device}")
    about: dict[str, Any] = {
        "name": channel,
        "unique_id": f"{whose}_{_identifier(channel)}",
        "state_topic": device_topic(origin, device, late=False),
        "value_template": f"{{{{ value_json.readings['{channel}'].value }}}}",
        "device": {"identifiers": [whose], "name": device, "manufacturer": "Wayside", "via_device": site},
    }
    derived = channel.rpartition(".")[2] in ("min", "max", "mean", "diff")
    if unit in _CLASSES:
        about["device_class"] = _CLASSES[unit]
        about["unit_of_measurement"] = _UNITS.get(unit, unit)
    if not derived:
        about["state_class"] = "total_increasing" if unit == "J" else "measurement"
    return f"homeassistant/sensor/{whose}/{_identifier(channel)}/config", json.dumps(about).encode()


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
