"""DEATH: what is written to a device for a set-point, and in which order.

Whenever we die between two of these writes, the device either does nothing new or falls back by its own timer: value
and time of the reversion come before what they guard (SunSpec model 704: WSetRvrt, WSetRvrtTms, WSet, WSetEna), and of
two mode registers the one that is left is reset before the other one is set.
"""

from typing import NamedTuple

from wayside.control.energy import steady
from wayside.control.energy.assets import Asset
from wayside.control.energy.cycle import SetPoint


class RegisterWrite(NamedTuple):
    """control: what it is called here; a carrier knows the device's own registers, or that it has none."""

    control: str
    value: int


REVERSION_W, REVERSION_MS, WATTS, CHARGE_W, DISCHARGE_W, VAR, PHASES, ENABLE = (
    *("reversion_w", "reversion_ms", "watts", "charge_w", "discharge_w", "var", "phases", "enable"),
)


def writes(asset: Asset, point: SetPoint) -> tuple[RegisterWrite, ...]:
    """All of them, in their order; a carrier may leave out what the device has already, but for the reversion time."""
    default_w = steady.default_w(asset, len(point.phases) < len(asset.phases))
    guard = (RegisterWrite(REVERSION_W, default_w), RegisterWrite(REVERSION_MS, point.duration_ms))
    phases = (RegisterWrite(PHASES, len(point.phases)),) if asset.single else ()
    # What it falls back to is never that of three phases while it is on one.
    guard = (*phases, *guard) if default_w == asset.default_w else (*guard, *phases)
    # Nobody asks for reactive power: what was asked before is given back.
    var = (RegisterWrite(VAR, point.var or 0),) if asset.most_var else ()
    return (*guard, *var, *_value(asset, point.watts), RegisterWrite(ENABLE, 1))


def _value(asset: Asset, watts: int) -> tuple[RegisterWrite, ...]:
    if not asset.has_modes:
        return (RegisterWrite(WATTS, watts),)
    charge, discharge = RegisterWrite(CHARGE_W, max(0, watts)), RegisterWrite(DISCHARGE_W, max(0, -watts))
    return (discharge, charge) if watts > 0 else (charge, discharge)
