"""Run by Home Assistant's own Python, not by ours: announcements against its schema, templates by its engine.

In: a JSON list of [kind, announcement, [messages]] on stdin. Out: for each, [problem or null, the rendered messages].
"""

import asyncio
import json
import sys
import tempfile
from typing import Any

from homeassistant.components.mqtt import binary_sensor, sensor
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES
from homeassistant.core import HomeAssistant
from homeassistant.helpers import frame
from homeassistant.helpers.template import Template


async def judge(
    hass: HomeAssistant, kind: str, about: dict[str, Any], messages: list[str]
) -> tuple[str | None, list[str]]:
    try:
        config = {"sensor": sensor, "binary_sensor": binary_sensor}[kind].DISCOVERY_SCHEMA(about)
    except Exception as error:
        return f"{type(error).__name__}: {error}", []
    if dropped := set(about) - set(config):
        return f"not known: {dropped}", []
    state, of_class = about.get("state_class"), about.get("device_class")
    if state and of_class and state not in DEVICE_CLASS_STATE_CLASSES[of_class]:
        return f"{of_class} has no {state}", []
    template = Template(about.get("value_template", ""), hass)
    return None, [template.async_render_with_possible_json_value(message, "ERROR") for message in messages]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        hass = HomeAssistant(folder)
        frame.async_setup(hass)
        json.dump([await judge(hass, *each) for each in json.load(sys.stdin)], sys.stdout)


asyncio.run(main())
