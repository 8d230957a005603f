"""What a SunSpec device may be told, whatever its registers are: known before it was ever asked.

A function of a model becomes a control: the point that holds its value, and the points around it that the order of
writing needs (SunSpec DER Information Model Specification, section 3.2, reversion timers; models 123, 124, 703, 704).
Units and decimal exponents are fixed here; the scale factors are the device's, and what it cannot hold exactly is
rounded towards 0. Signs are those of the site: from the grid into the device is positive, so a battery that discharges
has a negative active power, whereas SunSpec counts what is generated.
"""

from collections.abc import Mapping
from typing import NamedTuple

from wayside.values.carrier import Controllable

_MEGAWATTS = 100_000_000


class Function(NamedTuple):
    """One function of a model. value: the point that is commanded, in units of 10^`exponent` `unit`.

    sign: -1 where the model counts the other way. side: the enumerated point behind the value that holds its sign.
    enable: the point that puts it in force, and `bit` of it where several functions share one; mode: a point, and what
    it must hold. window: a random delay, to be 0. seconds, left: the reversion time, and how much of it is left.
    reverts_to, reverts_enabled: what is in force after it. free: the count that restricts nothing, if there is one.
    bounds: the points of model 702 that bound it from below and above, the first that the device has of each.
    """

    model: int
    unit: str
    exponent: int
    least: int
    most: int
    value: str
    sign: int = 1
    side: str = ""
    enable: str = ""
    bit: int | None = None
    mode: tuple[str, int] | None = None
    window: str = ""
    seconds: str = ""
    left: str = ""
    reverts_to: str = ""
    reverts_enabled: str = ""
    free: int | None = None
    bounds: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class Offer(NamedTuple):
    """A function as one device has it: where its model begins, how long it is, and what the device takes, in counts."""

    function: Function
    address: int
    length: int
    least: int
    most: int


def _der(value: str, unit: str, exponent: int, most: int, *, sign: int = 1, mode: int | None = None) -> Function:
    """A function of model 704 whose points are named after it."""
    enabled = value.removesuffix("Pct") if value != "WMaxLimPct" else value
    return Function(
        704,
        unit,
        exponent,
        -most,
        most,
        value,
        sign,
        enable=f"{enabled}Ena",
        mode=None if mode is None else (f"{enabled}Mod", mode),
        seconds=f"{enabled}RvrtTms",
        left=f"{enabled}RvrtRem",
        reverts_to=f"{value}Rvrt",
        reverts_enabled=f"{enabled}EnaRvrt",
    )


def _storage(value: str, bit: int) -> Function:
    """Of model 124: below 0 the battery is forced the other way."""
    return Function(
        124,
        "%",
        -2,
        -10_000,
        10_000,
        value,
        enable="StorCtl_Mod",
        bit=bit,
        window="InOutWRte_WinTms",
        seconds="InOutWRte_RvrtTms",
        free=10_000,
    )


_DISCHARGE = ("WDisChaRteMax", "WMax", "WDisChaRteMaxRtg", "WMaxRtg")
_CHARGE = ("WChaRteMax", "WChaRteMaxRtg", "WMax", "WMaxRtg")
_VAR = ("VarMaxInj", "VarMaxInjRtg"), ("VarMaxAbs", "VarMaxAbsRtg")

FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "active_power": (_der("WSet", "W", 0, _MEGAWATTS, sign=-1, mode=1)._replace(bounds=(_DISCHARGE, _CHARGE)),),
    "active_power_percent": (_der("WSetPct", "%", -2, 10_000, sign=-1, mode=0),),
    "power_limit": (
        _der("WMaxLimPct", "%", -2, 10_000)._replace(least=0, free=10_000),
        Function(
            123,
            "%",
            -2,
            0,
            10_000,
            "WMaxLimPct",
            enable="WMaxLim_Ena",
            window="WMaxLimPct_WinTms",
            seconds="WMaxLimPct_RvrtTms",
            free=10_000,
        ),
    ),
    "reactive_power": (_der("VarSet", "var", 0, _MEGAWATTS, sign=-1, mode=4)._replace(bounds=_VAR),),
    "reactive_power_percent": (_der("VarSetPct", "%", -2, 10_000, sign=-1, mode=1),),
    "power_factor": (
        Function(
            704,
            "",
            -3,
            -1000,
            1000,
            "PFWInj.PF",
            side="PFWInj.Ext",
            enable="PFWInjEna",
            seconds="PFWInjRvrtTms",
            left="PFWInjRvrtRem",
            reverts_to="PFWInjRvrt.PF",
            reverts_enabled="PFWInjEnaRvrt",
        ),
    ),
    "connect": (
        Function(703, "", 0, 0, 1, "ES"),
        Function(123, "", 0, 0, 1, "Conn", window="Conn_WinTms"),
    ),
    "charge_limit": (_storage("InWRte", 0),),
    "discharge_limit": (_storage("OutWRte", 1),),
    "charge_from_grid": (Function(124, "", 0, 0, 1, "ChaGriSet"),),
    "storage_reserve": (Function(124, "%", -2, 0, 10_000, "MinRsvPct"),),
}
"""By the name of the control, the newer model first."""


def _what(function: Function) -> Controllable:
    timed, releases = bool(function.seconds), bool(function.enable)
    place = f"SunSpec {function.value}"
    enable = f"SunSpec {function.enable}" + ("" if function.bit is None else f" bit {function.bit}")
    cells = frozenset({place, enable} if function.enable else {place})
    what = Controllable(function.unit, function.exponent, function.least, function.most, None, place, releases, timed)
    return what._replace(cells=cells)


CONTROLS: Mapping[str, Controllable] = {name: _what(known[0]) for name, known in FUNCTIONS.items()}
"""What may be commanded of a SunSpec device; which of it a device has, it says itself."""
