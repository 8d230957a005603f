"""The channels of one SunSpec model: which of its points they are, and where and how their registers hold them.

What the models hold comes from the definitions in the pysunspec2 package; which of their points become channels is told
here. Values have scale factors in registers of their own, which are read with the values at every poll and may change:
the decimal exponent of a reading is that of the scale factor when the device is discovered, or a finer one that is
usual for its unit, and a value with more digits is rounded half to even.

Signs are those of the site: power and energy from the grid into the device are positive, so what an inverter feeds in
is negative power and exported energy.
"""

import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from wayside_wire import modbus, modbus_field
from wayside_wire.modbus_field import More, RegisterField

from wayside.profiles.fields import with_scale
from wayside.profiles.units import UNITS

from .sunspec_chain import Model

# Exponents of readings are at least as fine as these: a scale factor may become finer while the device runs.
_FINE = {"V": -2, "A": -3, "W": -2, "VA": -2, "var": -2, "Wh": 0, "varh": 0, "Hz": -3, "Cel": -2, "%": -2, "1": -3}


class _Point(NamedTuple):
    """A point that becomes a channel: its name in the model, the channel, its unit as in profiles, and its sign."""

    name: str
    channel: str
    unit: str
    sign: int = 1

    @property
    def is_power_factor(self) -> bool:
        """Whether devices disagree on its unit: the definitions say percent, and many write a ratio."""
        return self.name == "PF" and self.unit == "%"


def _phases(name: str, channel: str, unit: str, sign: int = 1, phases: str = "ABC") -> list[_Point]:
    return [_Point(name + phase, f"{channel}_l{i}", unit, sign) for i, phase in enumerate(phases, 1)]


_INVERTER = [
    _Point("A", "current", "A"),
    *_phases("Aph", "current", "A"),
    *_phases("PhVph", "voltage", "V"),
    _Point("W", "power_active", "W", -1),
    _Point("Hz", "frequency", "Hz"),
    _Point("VA", "power_apparent", "VA"),
    _Point("VAr", "power_reactive", "var", -1),
    _Point("PF", "power_factor", "%"),
    _Point("WH", "energy_active_export", "Wh"),
    _Point("DCA", "dc_current", "A"),
    _Point("DCV", "dc_voltage", "V"),
    _Point("DCW", "dc_power", "W"),
    _Point("TmpCab", "temperature", "Cel"),
    _Point("St", "state", "1"),
]
_METER = [
    _Point("A", "current", "A"),
    *_phases("Aph", "current", "A"),
    _Point("PhV", "voltage", "V"),
    *_phases("PhVph", "voltage", "V"),
    _Point("Hz", "frequency", "Hz"),
    _Point("W", "power_active", "W"),
    *_phases("Wph", "power_active", "W"),
    _Point("VA", "power_apparent", "VA"),
    _Point("VAR", "power_reactive", "var"),
    _Point("PF", "power_factor", "%"),
    _Point("TotWhImp", "energy_active_import", "Wh"),
    _Point("TotWhExp", "energy_active_export", "Wh"),
    *_phases("TotWhImpPh", "energy_active_import", "Wh"),
    *_phases("TotWhExpPh", "energy_active_export", "Wh"),
]
_AC_MEASUREMENT = [
    _Point("InvSt", "state", "1"),
    _Point("ConnSt", "connected", "1"),
    _Point("W", "power_active", "W", -1),
    *_phases("WL", "power_active", "W", -1, "123"),
    _Point("VA", "power_apparent", "VA"),
    _Point("Var", "power_reactive", "var", -1),
    _Point("PF", "power_factor", "1"),
    _Point("A", "current", "A"),
    *_phases("AL", "current", "A", 1, "123"),
    _Point("LLV", "voltage_ll", "V"),
    _Point("LNV", "voltage", "V"),
    *_phases("VL", "voltage", "V", 1, "123"),
    _Point("Hz", "frequency", "Hz"),
    _Point("TotWhInj", "energy_active_export", "Wh"),
    _Point("TotWhAbs", "energy_active_import", "Wh"),
    _Point("TotVarhInj", "energy_reactive_export", "varh"),
    _Point("TotVarhAbs", "energy_reactive_import", "varh"),
    _Point("TmpCab", "temperature", "Cel"),
]
_CAPACITY = [
    _Point("WMaxRtg", "rating_power_active", "W"),
    _Point("VAMaxRtg", "rating_power_apparent", "VA"),
    _Point("WMax", "setting_power_active_max", "W"),
    _Point("VAMax", "setting_power_apparent_max", "VA"),
]
_NAMEPLATE = [_Point("WRtg", "rating_power_active", "W"), _Point("VARtg", "rating_power_apparent", "VA")]
_SETTINGS = [_Point("WMax", "setting_power_active_max", "W"), _Point("VAMax", "setting_power_apparent_max", "VA")]
_STORAGE_BASIC = [
    _Point("ChaState", "storage_state_of_charge", "%"),
    _Point("ChaSt", "storage_status", "1"),
]
_BATTERY = [
    _Point("WHRtg", "storage_energy_rating", "Wh"),
    _Point("SoC", "storage_state_of_charge", "%"),
    _Point("SoH", "storage_state_of_health", "%"),
    _Point("ChaSt", "storage_status", "1"),
    _Point("V", "dc_voltage", "V"),
]
_STORAGE = [
    _Point("WHRtg", "storage_energy_rating", "Wh"),
    _Point("WHAvail", "storage_energy_available", "Wh"),
    _Point("SoC", "storage_state_of_charge", "%"),
    _Point("SoH", "storage_state_of_health", "%"),
    _Point("Sta", "storage_status", "1"),
]
CHANNELS: dict[int, list[_Point]] = {
    **dict.fromkeys((101, 102, 103), _INVERTER),
    **dict.fromkeys((201, 202, 203, 204), _METER),
    # The same as floats, without the power factor: which of its two units it has is not worked out for floats.
    **{number: [point for point in _INVERTER if not point.is_power_factor] for number in (111, 112, 113)},
    **{number: [point for point in _METER if not point.is_power_factor] for number in (211, 212, 213, 214)},
    701: _AC_MEASUREMENT,
    702: _CAPACITY,
    713: _STORAGE,
    # Older ones for the same. What model 802 says of its current and power has no sign that all agree on.
    120: _NAMEPLATE,
    121: _SETTINGS,
    124: _STORAGE_BASIC,
    802: _BATTERY,
}
UNIT_OF = {point.channel: UNITS[point.unit].senml for points in CHANNELS.values() for point in points}
# A later model says the same better: what it offers is taken from it.
PREFERENCE = (701, 103, 102, 101, 113, 112, 111, 203, 204, 202, 201, 213, 214, 212, 211, 702, 713, 802, 124, 121, 120)

# Type -> kind, and the bits that mean "not implemented" as functions of the width (specification, section 4.2).
_KINDS: dict[str, tuple[str, Callable[[int], int]]] = {
    "int": (modbus_field.SIGNED, lambda width: 1 << (width - 1)),
    "uint": (modbus_field.UNSIGNED, lambda width: (1 << width) - 1),
    "enum": (modbus_field.UNSIGNED, lambda width: (1 << width) - 1),
    "bitfield": (modbus_field.BITS, lambda width: (1 << width) - 1),
    "acc": (modbus_field.UNSIGNED, lambda width: 0),
    "float": (modbus_field.FLOAT, lambda width: 0x7FC00000),
}


@cache
def definition(model: int) -> dict[str, Any]:
    """The group of points of a model as the SunSpec Alliance defines it; KeyError for one that is not defined."""
    path = resources.files("sunspec2") / "models" / "json" / f"model_{model}.json"
    try:
        group: dict[str, Any] = json.loads(path.read_text())["group"]
    except FileNotFoundError:
        raise KeyError(model) from None
    return group


def layout(model: Model) -> list[tuple[str, int, dict[str, Any]]]:
    """(name, address, definition) of the model's points that lie within its length."""
    found = []
    at = model.address
    for point in definition(model.id)["points"]:
        if at + point["size"] <= model.address + 2 + model.length:
            found.append((point["name"], at, point))
        at += point["size"]
    return found


def fields_of(model: Model, content: bytes) -> list[tuple[RegisterField, dict[int, str]]]:
    """The model's channels, and what the numbers of each mean. content: its registers, as they are now."""
    points = {name: (at, point) for name, at, point in layout(model)}

    def bits(name: str) -> int:
        at, point = points[name]
        start = 2 * (at - model.address)
        return int.from_bytes(content[start : start + 2 * point["size"]], "big")

    scales = {name: modbus_field.signed(bits(name), 16) for name, (_, one) in points.items() if one["type"] == "sunssf"}
    fields = []
    for wanted in CHANNELS[model.id]:
        if wanted.name not in points:
            continue
        at, point = points[wanted.name]
        kind, missing = _KINDS[point["type"].rstrip("0123456789")]
        absent = missing(16 * point["size"])
        scale_name = point.get("sf")
        field = _field(wanted, at, point, kind, absent)
        if isinstance(scale_name, str):
            if scale_name not in scales:
                continue  # the model is too short for its scale factor: the value means nothing
            if bits(wanted.name) == absent and abs(scales[scale_name]) > modbus_field.MOST_SCALE:
                continue  # neither a value nor a scale factor: this device does not have the point
            field = _scaled(field, wanted, points[scale_name][0], scales[scale_name])
            if wanted.is_power_factor:
                field = _power_factor(field, points)
        fields.append((field, {one["value"]: one["name"] for one in point.get("symbols", ())}))
    return fields


def _field(wanted: _Point, at: int, point: dict[str, Any], kind: str, absent: int) -> RegisterField:
    """The field of a point, with the scale factor that its definition says, if any."""
    unit = UNITS[wanted.unit]
    fixed = point.get("sf")
    is_float = kind == modbus_field.FLOAT
    exponent = _FINE[wanted.unit] if is_float else fixed if isinstance(fixed, int) else 0
    return RegisterField(
        channel=wanted.channel,
        unit=unit.senml,
        exponent=exponent + unit.power,
        function=modbus.READ_HOLDING,
        address=at,
        count=point["size"],
        kind=kind,
        words_low_first=False,
        bytes_low_first=False,
        shift=-exponent if is_float else 0,
        factor=unit.factor * wanted.sign,
        missing=frozenset((absent,)),
        scale=None,
        mask=0,
        more=None,
    )


def _scaled(field: RegisterField, wanted: _Point, scale_address: int, scale: int) -> RegisterField:
    """The field with its scale register, which holds `scale` now.

    Both come in one answer: a value of before and the scale factor of now are no value.
    """
    fine = _FINE[wanted.unit]
    exponent = min(scale, fine) if abs(scale) <= modbus_field.MOST_SCALE else fine
    field = field._replace(exponent=field.exponent + exponent, shift=-exponent, scale=scale_address)
    return with_scale(field)


def _power_factor(field: RegisterField, points: dict[str, tuple[int, dict[str, Any]]]) -> RegisterField:
    """The field over active power, apparent power and power factor: their quotient says which unit it has."""
    if not {"W", "VA", "W_SF", "VA_SF", "PF_SF"} <= points.keys():
        return field
    at = points["PF"][0]
    places = {name: points[name][0] for name in ("W", "W_SF", "VA", "VA_SF")}
    first = min(at, *places.values())
    last = max(points["PF_SF"][0], *places.values())
    # A ratio has two digits more than a percentage: four do for both.
    exponent = min(field.exponent - UNITS["%"].power, _FINE["%"] + UNITS["%"].power)
    own = field._replace(channel="", address=at - first, count=1, shift=-exponent, scale=None, more=None)
    power = own._replace(shift=0, factor=1, missing=frozenset((0x8000,)))
    more = More(1, 0, (), (own, *(power._replace(address=place - first) for place in places.values())))
    return field._replace(
        address=first,
        count=last - first + 1,
        kind=modbus_field.POWER_FACTOR,
        exponent=exponent,
        shift=0,
        more=more,
    )
