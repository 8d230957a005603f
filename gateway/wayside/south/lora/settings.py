"""A node's configuration over the air as people write it: JSON, in names and decimal numbers.

{"report_s", "sign_every", "sf", "trial", "channels": [name], "thresholds": {name: number}}; what is left out is as the
node's own file says. A threshold is in the channel's unit.
"""

import json
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from wayside_wire import lora_config as wire
from wayside_wire.lora_report import AirProfile, ReportChannel

from wayside.text import json_text

TRIAL = 8  # frames that may go unanswered, where nobody says

_NUMBERS = ("report_s", "sign_every", "sf", "trial")
_KEYS = (*_NUMBERS, "channels", "thresholds")


class NodeSettingsError(ValueError):
    """What is no configuration; the text says what to write."""


def parse(text: bytes, profile: AirProfile, version: int) -> bytes:
    """The bytes for the air of the configuration in `text`; NodeSettingsError otherwise."""
    try:
        data = json_text.read(text, parse_float=Decimal)
    except ValueError as error:
        raise NodeSettingsError(f"is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise NodeSettingsError("write an object, {...}")
    unknown = sorted(data.keys() - set(_KEYS))
    if unknown:
        raise NodeSettingsError(f"unknown key {unknown[0]}; over the air there are {', '.join(_KEYS)}")
    for name in _NUMBERS:
        if name in data and (not isinstance(data[name], int) or isinstance(data[name], bool)):
            raise NodeSettingsError(f"{name}: write a whole number")
    try:
        config = wire.AirConfig(
            version,
            data.get("trial", TRIAL),
            data.get("report_s"),
            data.get("sign_every"),
            data.get("sf"),
            _channels(data.get("channels"), profile),
            _thresholds(data.get("thresholds"), profile),
        )
        return bytes(wire.encode_config(profile, config))
    except NodeSettingsError:
        raise
    except ValueError as error:
        raise NodeSettingsError(str(error)) from None


def text_of(payload: bytes, profile: AirProfile) -> str:
    """The configuration in these bytes as parse() would take it."""
    config = wire.decode_config(profile, payload)
    data: dict[str, Any] = {name: getattr(config, name) for name in (*_NUMBERS, "channels")}
    if config.thresholds is not None:
        exponents = {channel.name: channel.exponent for channel in profile.channels}
        data["thresholds"] = {name: _number(step, exponents[name]) for name, step in config.thresholds.items()}
    return json.dumps({name: value for name, value in data.items() if value is not None}, indent=2)


def _number(mantissa: int, exponent: int) -> int | str:
    value = Decimal(mantissa).scaleb(exponent)
    return int(value) if value == value.to_integral_value() else str(value)


def _channels(given: object, profile: AirProfile) -> list[str] | None:
    if given is None:
        return None
    names = [channel.name for channel in profile.channels]
    if not isinstance(given, list) or not given or not all(name in names for name in given):
        raise NodeSettingsError(f"channels: write a list of one or more of {', '.join(names)}")
    return [name for name in names if name in given]


def _thresholds(given: object, profile: AirProfile) -> dict[str, int] | None:
    if given is None:
        return None
    channels = {channel.name: channel for channel in profile.channels}
    if not isinstance(given, dict) or not given.keys() <= channels.keys():
        raise NodeSettingsError(f"thresholds: write {{NAME: number}} with names of {', '.join(channels)}")
    return {name: _steps(channels[name], value) for name, value in given.items()}


def _steps(channel: ReportChannel, value: object) -> int:
    """The threshold in steps of the channel, 1 or more."""
    steps = Decimal(0)
    if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
        with suppress(InvalidOperation):
            steps = Decimal(value).scaleb(-channel.exponent)
    if not steps.is_finite() or steps < 1 or steps != steps.to_integral_value():
        step = Decimal(1).scaleb(channel.exponent)
        raise NodeSettingsError(f"thresholds: {channel.name}: write a multiple of {step:f} {channel.unit}, above 0")
    return int(steps)
