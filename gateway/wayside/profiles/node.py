"""A profile as a node's configuration wants it, and how each channel is aggregated. Format: docs/node.md."""

from collections.abc import Iterable
from typing import Any

from wayside_wire import aggregate
from wayside_wire.modbus_field import RegisterField

from .loader import Profile

_STATISTICS_UNITS = ("V", "W", "var", "VA")


def aggregate_kind(channel: str, unit: str) -> str:
    """The kind of wayside_wire.aggregate for one channel."""
    if channel.startswith("energy"):
        return aggregate.REGISTER
    return aggregate.STATISTICS if unit in _STATISTICS_UNITS else aggregate.LAST


def for_node(profile: Profile, channels: Iterable[str] | None = None) -> dict[str, Any]:
    """The `profile` object of a meter in a node's configuration; `channels` as in Profile.select()."""
    fields = profile.select(channels)
    made: dict[str, Any] = {
        "name": profile.name,
        "max_registers": profile.max_registers,
        "min_gap_ms": profile.min_gap_ms,
        "read_gaps": profile.read_gaps,
        "step": profile.step,
        "channels": [_row(field, aggregate_kind(field.channel, field.unit)) for field in fields],
    }
    # What an older firmware does not know is written only where the profile says it.
    if serial := profile.identity.get("serial_number"):
        made["serial"] = [serial.function, serial.address, serial.count]
    if rollover := profile.ends(fields):
        made["rollover"] = rollover
    if resets := [field.channel for field in fields if field.channel in profile.resets]:
        made["resets"] = resets
    if profile.max_power_w:
        made["max_power_w"] = profile.max_power_w
    return made


def _row(field: RegisterField, kind: str) -> list[Any]:
    """The columns of the field but the last, the kind of aggregate, and the last column where there is something."""
    *row, more = (sorted(value) if isinstance(value, frozenset) else value for value in field)
    if more is None:
        return [*row, kind]
    divisor, offset, words, terms = more
    return [*row, kind, [divisor, offset, list(words), [_row(term, aggregate.LAST) for term in terms]]]
