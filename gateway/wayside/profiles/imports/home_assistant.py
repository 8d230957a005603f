"""Home Assistant's `modbus:` YAML (documentation of its integration Modbus): the sensors of one unit address."""

import re
import struct

from . import lines
from .draft import Draft, NothingToImportError, Value, number, whole, words
from .lines import List, Map, Text

MARKS = (re.compile(r"^\s*-?\s*sensors:", re.MULTILINE), re.compile(r"^\s*-?\s*address:", re.MULTILINE))

_AREAS = {"holding": "holding", "input": "input", "coil": "coil", "discrete_input": "discrete"}
_TYPES = {"int": "s", "uint": "u", "float": "f"}
_OTHER_ENTITIES = ("binary_sensors", "switches", "climates", "covers", "fans", "lights", "numbers", "selects")
_STRUCTURES = {"h": "s16", "H": "u16", "i": "s32", "I": "u32", "l": "s32", "L": "u32", "q": "s64", "Q": "u64",
               "f": "f32", "d": "f64"}  # fmt: skip
_TAKEN = ("name", "unique_id", "slave", "device_address", "address", "input_type", "data_type", "count", "scale",
          "offset", "swap", "precision", "unit_of_measurement", "nan_value", "structure")  # fmt: skip
# Keys that say nothing of what the registers hold, and keys that hide some values.
_NEEDLESS = ("scan_interval", "device_class", "state_class", "lazy_error_count", "icon", "friendly_name", "hub")
_HIDING = ("zero_suppress", "min_value", "max_value")


def read(text: str, unit: int | None) -> Draft:
    """The profile of the sensors at `unit`; without one, of those at the first that is named."""
    root = lines.read(text)
    hubs = _hubs(root)
    if not hubs:
        raise NothingToImportError("there is no modbus: with sensors in it")
    name = hubs[0].text("name")
    draft = Draft(name, f"Home Assistant configuration of {name or 'a Modbus hub'}")
    sensors = [(_unit_of(each), each) for hub in hubs for each in hub.maps("sensors")]
    wanted = unit if unit is not None else next((number for number, _ in sensors), None)
    for given, sensor in sensors:
        if given == wanted:
            _take(draft, sensor)
        else:
            draft.leave(
                sensor.line, f"{sensor.text('name')}: is at unit {given}; import again with --unit {given} --name NAME"
            )
    for hub in hubs:
        for kind in _OTHER_ENTITIES:
            for each in hub.maps(kind):
                draft.leave(each.line, f"{each.text('name')}: {kind} are not taken over")
    return draft


def _hubs(root: object) -> list[Map]:
    """The hubs: under `modbus:`, in a package, or as the whole file where it is included."""
    if isinstance(root, Map):
        return root.maps("modbus") or [root] if root.get("sensors") or root.get("modbus") else []
    return [each for each in root.items if isinstance(each, Map)] if isinstance(root, List) else []


def _unit_of(sensor: Map) -> int:
    for key in ("slave", "device_address"):
        given = whole(sensor.text(key, "?"))
        if given is not None:
            return given
    return 0


def _take(draft: Draft, sensor: Map) -> None:
    name = sensor.text("name") or sensor.text("unique_id")
    address = whole(sensor.text("address", "?"))
    if address is None:
        draft.leave(sensor.line, f"{name}: its address is not a number")
        return
    area = _AREAS.get(sensor.text("input_type", "holding"))
    if area is None:
        draft.leave(sensor.line, f"{name}: input_type {sensor.text('input_type')} is not taken over")
        return
    kind = _type(sensor) if area in ("holding", "input") else "bit"
    if kind is None:
        draft.leave(sensor.line, f"{name}: {_said(sensor)} is not taken over")
        return
    scale, offset = (number(sensor.text(key, default)) for key, default in (("scale", "1"), ("offset", "0")))
    if scale is None or offset is None:
        draft.leave(sensor.line, f"{name}: scale or offset is not a number")
        return
    swap = sensor.text("swap", "none")
    count = 1 if kind == "bit" else int(kind[1:]) // 16
    unknown = [key for key in sensor.lines if key not in (*_TAKEN, *_NEEDLESS, *_HIDING)]
    if unknown:
        # It may change what the number means, as slave_count and byte_order do.
        draft.leave(sensor.lines[unknown[0]], f"{name}: is not taken over, because of {', '.join(unknown)}")
        return
    for key in _HIDING:
        if key in sensor.items:
            draft.leave(sensor.lines[key], f"{name}: {key} is not taken over")
    for line in sensor.twice:
        draft.leave(line, f"{name}: a key stands there twice; the first counts")
    draft.add(
        Value(
            line=sensor.line,
            name=name,
            area=area,
            registers=words(address, count, swap in ("word", "word_byte")),
            type=kind,
            unit=sensor.text("unit_of_measurement"),
            scale=scale,
            offset=offset,
            swapped=swap in ("byte", "word_byte"),
            missing=_missing(sensor, 16 * count),
            decimals=whole(sensor.text("precision", "?")),
        )
    )


def _type(sensor: Map) -> str | None:
    """The type as a profile says it; None for what has none."""
    given = sensor.text("data_type", "int16")
    match = re.fullmatch(r"(u?int|float)(16|32|64)?", given)
    if match is None:
        return _structure(sensor) if given == "custom" else None
    # Of older versions: int, uint and float, their length in `count`.
    usual = 2 if match[1] == "float" else 1
    bits = int(match[2] or 16 * (whole(sensor.text("count", str(usual))) or 0))
    made = f"{_TYPES[match[1]]}{bits}"
    # A count that is not the type's has meant another type in one version, and an error in the next.
    is_clear = whole(sensor.text("count", str(bits // 16))) == bits // 16
    return made if bits in (16, 32, 64) and made != "f16" and is_clear else None


def _structure(sensor: Map) -> str | None:
    """Of a structure with one number in it; its count has to be that of the number."""
    match = re.fullmatch(r"[>!]1?([hHiIlLqQfd])", sensor.text("structure"))
    count = whole(sensor.text("count", "1"))
    if match is None or struct.calcsize(">" + match[1]) != 2 * (count or 0):
        return None
    return _STRUCTURES[match[1]]


def _said(sensor: Map) -> str:
    more = "".join(f" with {key} {sensor.text(key)}" for key in ("structure", "count") if key in sensor.items)
    return f"data_type {sensor.text('data_type', 'int16')}{more}"


def _missing(sensor: Map, bits: int) -> tuple[int, ...]:
    given = sensor.get("nan_value")
    value = whole(given) if isinstance(given, Text) else None
    return () if value is None else (value & ((1 << bits) - 1),)
