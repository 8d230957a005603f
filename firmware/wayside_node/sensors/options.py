"""What several sensors take from a configuration in the same way."""

from wayside_wire.lora_report import ReportChannel
from wayside_wire.senml import is_unit

from ..config import ConfigError


def channel_of(options) -> ReportChannel:
    """The ReportChannel in `channel`, `unit` and `exponent`."""
    name = options.name("channel")
    unit = options.text("unit")
    if not is_unit(unit):
        raise ConfigError("sensors: %s: unit: %s; write a SenML unit, RFC 8428 section 12.1" % (name, unit))
    return ReportChannel(name, unit, options.integer("exponent", -24, 24))
