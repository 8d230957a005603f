"""Home Assistant's MQTT discovery: the messages that make a channel an entity. Pure.

Facts: Home Assistant 2026.11, documentation of its integrations MQTT and sensor, and its table of units for each device
class. An entity whose unit its class does not know is not made at all.
"""

import json
from typing import Any, NamedTuple

from wayside.evidence.origin import parse_origin

from .mqtt import ROOT, device_topic
from .state_topic import OFFLINE, ONLINE

PREFIX = "homeassistant"
BIRTH_TOPIC = f"{PREFIX}/status"
BIRTH = b"online"  # what Home Assistant says there when it has started

_DERIVED = ("min", "max", "mean", "diff")
_PERIODS = ("today", "daily", "day", "week", "month", "monthly", "year", "yearly")
_BETWEEN = "-_"


class HomeAssistantUnit(NamedTuple):
    """What a SenML unit is to Home Assistant: one of its unit is `divisor` of ours."""

    device_class: str | None
    unit: str | None
    divisor: int = 1
    state_class: str = "measurement"


_KINDS = {
    "V": HomeAssistantUnit("voltage", "V"),
    "A": HomeAssistantUnit("current", "A"),
    "W": HomeAssistantUnit("power", "W"),
    "VA": HomeAssistantUnit("apparent_power", "VA"),
    "var": HomeAssistantUnit("reactive_power", "var"),
    "Hz": HomeAssistantUnit("frequency", "Hz"),
    "J": HomeAssistantUnit("energy", "kWh", 3_600_000, "total"),
    "vars": HomeAssistantUnit(None, "kvarh", 3_600_000, "total"),
    "VAs": HomeAssistantUnit(None, "kVAh", 3_600_000, "total"),
    "C": HomeAssistantUnit(None, "Ah", 3600, "total"),
    "Cel": HomeAssistantUnit("temperature", "°C"),
    "K": HomeAssistantUnit("temperature", "K"),
    "%RH": HomeAssistantUnit("humidity", "%"),
    "%EL": HomeAssistantUnit("battery", "%"),
    "/100": HomeAssistantUnit(None, "%"),
    "/": HomeAssistantUnit(None, None),
    "count": HomeAssistantUnit(None, None),
    "": HomeAssistantUnit(None, None),
    "Pa": HomeAssistantUnit("pressure", "Pa"),
    "lx": HomeAssistantUnit("illuminance", "lx"),
    "kg": HomeAssistantUnit("weight", "kg"),
    "m": HomeAssistantUnit("distance", "m"),
    "s": HomeAssistantUnit("duration", "s"),
    "m/s": HomeAssistantUnit("speed", "m/s"),
    "m3": HomeAssistantUnit("volume", "m³", 1, "total"),
    "W/m2": HomeAssistantUnit("irradiance", "W/m²"),
    "ug/m3": HomeAssistantUnit(None, "µg/m³"),
    "deg": HomeAssistantUnit(None, "°", 1, "measurement_angle"),
    "1/min": HomeAssistantUnit(None, "rpm"),
}
_BY_NAME = {  # where a unit alone does not tell
    ("water", "m3"): HomeAssistantUnit("water", "m³", 1, "total"),
    ("gas", "m3"): HomeAssistantUnit("gas", "m³", 1, "total"),
    ("volume_storage", "m3"): HomeAssistantUnit("volume_storage", "m³"),
    ("co2", "ppm"): HomeAssistantUnit("carbon_dioxide", "ppm"),
    ("moisture", "/100"): HomeAssistantUnit("moisture", "%"),
    ("pm1", "ug/m3"): HomeAssistantUnit("pm1", "µg/m³"),
    ("pm2.5", "ug/m3"): HomeAssistantUnit("pm25", "µg/m³"),
    ("pm10", "ug/m3"): HomeAssistantUnit("pm10", "µg/m³"),
    ("tvoc", "ug/m3"): HomeAssistantUnit("volatile_organic_compounds", "µg/m³"),
}


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


_SAFE = _PLAIN | frozenset(b"-. ")


def identifier(text: str) -> str:
    """`text` in the letters of a discovery topic (A-Z, a-z, 0-9, _ and -); no two texts give the same."""
    return "".join(chr(byte) if byte in _PLAIN else "--" if byte == 0x2D else f"-{byte:02x}" for byte in text.encode())


def text_of(made: str) -> str:
    """The text of an `identifier`; ValueError when it is none."""
    found, at = bytearray(), 0
    while at < len(made):
        if made[at] != "-":
            found += made[at].encode()
            at += 1
        elif made[at + 1 : at + 2] == "-":
            found += b"-"
            at += 2
        else:
            found.append(int(made[at + 1 : at + 3], 16))
            at += 3
    text = found.decode()
    if identifier(text) != made:
        raise ValueError(f"{made} is no identifier")
    return text


def availability_topic(site: str) -> str:
    """Where a retained message says whether the gateway of `site` is connected."""
    return f"{ROOT}/{site}/availability"


def config_topic(site: str, device: str, channel: str) -> str:
    """Where a channel is announced."""
    return f"{PREFIX}/sensor/{identifier(site)}/{identifier(device)}{_BETWEEN}{identifier(channel)}/config"


def config_filter(site: str) -> str:
    """All topics of channels of `site`."""
    return f"{PREFIX}/sensor/{identifier(site)}/+/config"


def channel_of(topic: str) -> tuple[str, str]:
    """Device and channel of a `config_topic`; ValueError when it is none of ours."""
    device, _, channel = topic.split("/")[3].partition(_BETWEEN)
    return text_of(device), text_of(channel)


def gateway_announcement(site: str) -> tuple[str, bytes]:
    """Topic and payload that make the gateway a device of its own, through which all others are reached."""
    about = {
        "name": "connection",
        "unique_id": f"wayside{_BETWEEN}{identifier(site)}",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": availability_topic(site),
        "payload_on": ONLINE.decode(),
        "payload_off": OFFLINE.decode(),
        "device": {"identifiers": [_gateway(site)], "name": site, "manufacturer": "Wayside"},
        "origin": {"name": "Wayside"},
    }
    return f"{PREFIX}/binary_sensor/{identifier(site)}/connection/config", json.dumps(about).encode()


def announcement(origin: str, device: str, channel: str, unit: str, expire_s: int) -> tuple[str, bytes]:
    """Topic and payload that make a channel an entity of its device, unavailable after `expire_s` without a report."""
    site = parse_origin(origin).site
    whose = f"{_gateway(site)}{_BETWEEN}{identifier(device)}"
    kind = _kind(channel, unit)
    about: dict[str, Any] = {
        "name": channel,
        "unique_id": f"{whose}{_BETWEEN}{identifier(channel)}",
        "state_topic": device_topic(origin, device, late=False),
        "value_template": _template(channel, kind.divisor),
        "availability_topic": availability_topic(site),
        "expire_after": expire_s,
        "device": {
            "identifiers": [whose],
            "name": device,
            "manufacturer": "Wayside",
            "via_device": _gateway(site),
        },
        "origin": {"name": "Wayside"},
    }
    if kind.device_class:
        about["device_class"] = kind.device_class
    if kind.unit:
        about["unit_of_measurement"] = kind.unit
    if _has_history(channel, kind):
        about["state_class"] = kind.state_class
    return config_topic(site, device, channel), json.dumps(about).encode()


def _gateway(site: str) -> str:
    return f"wayside{_BETWEEN}{identifier(site)}"


def _kind(channel: str, unit: str) -> HomeAssistantUnit:
    base, _, last = channel.rpartition(".")
    name = base if base and last in _DERIVED else channel
    if unit == "/" and name.startswith("power_factor"):
        return HomeAssistantUnit("power_factor", None)
    return _BY_NAME.get((name, unit)) or _KINDS.get(unit) or HomeAssistantUnit(None, unit)


def _has_history(channel: str, kind: HomeAssistantUnit) -> bool:
    """Whether Home Assistant may make statistics of it.

    Never `total_increasing`: a register that is 0 for a second would be counted once more from 0. `total` follows a
    register down and up again. Of a counter that begins anew each day it would count every evening as used backwards,
    so such ones have none, nor has what is derived from another channel.
    """
    if channel.rpartition(".")[2] in _DERIVED:
        return False
    return kind.state_class != "total" or not any(word in _PERIODS for word in channel.split("_"))


def _template(channel: str, divisor: int) -> str:
    """The channel's value: nothing where a message does not have it, which changes nothing; None where it is bad."""
    value = "reading['value']"
    if divisor != 1:
        value = f"none if {value} is none else ({value} / {divisor}) | round(9)"
    has = f"{{% set reading = value_json['readings'].get({_literal(channel)}) %}}"
    return f"{has}{{% if reading %}}{{{{ {value} }}}}{{% endif %}}"


def _literal(text: str) -> str:
    """A string of Jinja, whatever is in a name. Jinja reads escapes as Python does."""
    return "'" + "".join(letter if ord(letter) in _SAFE else f"\\U{ord(letter):08x}" for letter in text) + "'"
