"""What several sensors take from a configuration in the same way."""

from wayside_wire.lora_report import Channel

from ..config import ConfigError


def channel_of(options) -> Channel:
    """The Channel in `channel`, `unit` and `exponent`."""
    name = options.name("channel")
    unit = options.text("unit")
    if len(unit) > 12:
        raise ConfigError("sensors: %s: unit: %s; write a SenML unit, RFC 8428 section 12.1" % (name, unit))
    return Channel(name, unit, options.integer("exponent", -24, 24))
