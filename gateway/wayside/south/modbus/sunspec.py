"""Finds out what a SunSpec device offers and makes a profile of it.

A device has a chain of models from one of three base addresses on, each with its number and length (SunSpec Device
Information Model Specification 1.1, section 4). What the models hold comes from the definitions in the pysunspec2
package; which of their points become channels is told here. Values have scale factors in registers of their own: these
are read with the values at every poll, and fix the decimal exponent of the readings when the device is discovered.

Signs are those of the site: power and energy from the grid into the device are positive, so what an inverter feeds in
is negative power and exported energy.
"""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from wayside_wire import modbus, modbus_field
from wayside_wire.modbus_field import Field

from wayside.profiles import DISCOVERED, Profile
from wayside.profiles.units import UNITS

ReadRegisters = Callable[[int, int], Awaitable[bytes]]
"""read(address, count) of holding registers; ModbusError where there are none."""

BASES = (40000, 50000, 0)
_MARK = b"SunS"
_END = 0xFFFF
_MOST_MODELS = 64
_MAX_READ = 100  # registers; inverters with less than Modbus allows are common


class NotSunSpec(Exception):
    """No chain of models was found, or it makes no sense."""


class Model(NamedTuple):
    """A model in a device: `address` is that of its number, `length` counts the registers after the length."""

    id: int
    address: int
    length: int


class _Point(NamedTuple):
    """A point that becomes a channel: its name in the model, the channel, its unit as in profiles, and its sign."""

    name: str
    channel: str
    unit: str
    sign: int = 1


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
_STORAGE = [
    _Point("WHRtg", "storage_energy_rating", "Wh"),
    _Point("WHAvail", "storage_energy_available", "Wh"),
    _Point("SoC", "storage_state_of_charge", "%"),
    _Point("SoH", "storage_state_of_health", "%"),
    _Point("Sta", "storage_status", "1"),
]
_CHANNELS: dict[int, list[_Point]] = {
    **dict.fromkeys((101, 102, 103), _INVERTER),
    **dict.fromkeys((201, 202, 203, 204), _METER),
    701: _AC_MEASUREMENT,
    702: _CAPACITY,
    713: _STORAGE,
}
# A later model says the same better: what it offers is taken from it.
_PREFERENCE = (701, 103, 102, 101, 203, 204, 202, 201, 702, 713)
# What changes seldom is reported only when it is asked for.
_SELDOM = ("rating_", "setting_", "storage_energy_rating")

# Type -> kind, and the bits that mean "not implemented" as functions of the width (specification, section 4.2).
_KINDS: dict[str, tuple[str, Callable[[int], int]]] = {
    "int": (modbus_field.SIGNED, lambda width: 1 << (width - 1)),
    "uint": (modbus_field.UNSIGNED, lambda width: (1 << width) - 1),
    "enum": (modbus_field.UNSIGNED, lambda width: (1 << width) - 1),
    "bitfield": (modbus_field.BITS, lambda width: (1 << width) - 1),
    "acc": (modbus_field.UNSIGNED, lambda width: 0),
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


async def find_models(read: ReadRegisters) -> list[Model]:
    """The chain of models; NotSunSpec where there is none, or one without an end."""
    for base in BASES:
        try:
            if await read(base, 2) == _MARK:
                return await _walk(read, base + 2)
        except modbus.ModbusError as error:
            if error.kind != modbus.EXCEPTION:
                raise
    raise NotSunSpec("no SunSpec mark at " + ", ".join(map(str, BASES)))


async def _walk(read: ReadRegisters, address: int) -> list[Model]:
    models: list[Model] = []
    while len(models) < _MOST_MODELS and address < 65_534:
        head = await read(address, 2)
        number, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
        if number == _END:
            return models
        models.append(Model(number, address, length))
        address += 2 + length
    raise NotSunSpec("the chain of models has no end")


async def discover(read: ReadRegisters) -> Profile:
    """The profile of the device behind `read`; NotSunSpec or ModbusError when there is none to be had."""
    models = await find_models(read)
    fields: dict[str, Field] = {}
    for number in _PREFERENCE:
        for model in models:
            if model.id == number:
                for field in await _fields(read, model):
                    fields.setdefault(field.channel, field)
    if not fields:
        known = ", ".join(str(model.id) for model in models)
        raise NotSunSpec(f"models {known}: none that is supported ({', '.join(map(str, sorted(_CHANNELS)))})")
    identity = {}
    for model in models:
        if model.id == 1:
            points = {name: (at, point) for name, at, point in _layout(model)}
            for key, name in (("manufacturer", "Mn"), ("model", "Md"), ("serial_number", "SN")):
                if name in points:
                    at, point = points[name]
                    identity[key] = _text(key, at, point["size"])
    return DISCOVERED._replace(
        fields=fields,
        defaults=tuple(name for name in fields if not name.startswith(_SELDOM)),
        identity=identity,
        max_registers=_MAX_READ,
    )


def _layout(model: Model) -> list[tuple[str, int, dict[str, Any]]]:
    """(name, address, definition) of the model's points that lie within its length."""
    found = []
    at = model.address
    for point in definition(model.id)["points"]:
        if at + point["size"] <= model.address + 2 + model.length:
            found.append((point["name"], at, point))
        at += point["size"]
    return found


async def _fields(read: ReadRegisters, model: Model) -> list[Field]:
    points = {name: (at, point) for name, at, point in _layout(model)}
    scales: dict[str, int] = {}
    for name, (at, point) in points.items():
        if point["type"] == "sunssf":
            scale = modbus_field.signed(int.from_bytes(await read(at, 1), "big"), 16)
            if abs(scale) <= modbus_field.MOST_SCALE:
                scales[name] = scale
    fields = []
    for wanted in _CHANNELS[model.id]:
        if wanted.name not in points:
            continue
        at, point = points[wanted.name]
        scale_name = point.get("sf")
        if isinstance(scale_name, str) and scale_name not in scales:
            continue  # without its scale factor the value means nothing
        fields.append(_field(wanted, at, point, scales, points))
    return fields


def _field(
    wanted: _Point,
    at: int,
    point: dict[str, Any],
    scales: dict[str, int],
    points: dict[str, tuple[int, dict[str, Any]]],
) -> Field:
    unit = UNITS[wanted.unit]
    width = 16 * point["size"]
    kind, missing = _KINDS[point["type"].rstrip("0123456789")]
    scale_name = point.get("sf")
    exponent = scales[scale_name] if isinstance(scale_name, str) else scale_name or 0
    return Field(
        channel=wanted.channel,
        unit=unit.senml,
        exponent=exponent + unit.power,
        function=modbus.READ_HOLDING,
        address=at,
        count=point["size"],
        kind=kind,
        words_low_first=False,
        bytes_low_first=False,
        shift=-exponent if isinstance(scale_name, str) else 0,
        factor=unit.factor * wanted.sign,
        missing=frozenset((missing(width),)),
        scale=points[scale_name][0] if isinstance(scale_name, str) else None,
        mask=0,
        more=None,
    )


def _text(name: str, at: int, size: int) -> Field:
    kind = modbus_field.TEXT
    return Field(name, "", 0, modbus.READ_HOLDING, at, size, kind, False, False, 0, 1, frozenset(), None, 0, None)
