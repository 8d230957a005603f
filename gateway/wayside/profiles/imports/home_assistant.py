"""Home Assistant's `modbus:` YAML (documentation of its integration Modbus): the sensors of one unit address."""

import re
import struct

from . import lines
from .draft import Draft, NothingToImportError, Value, number, senml_of, whole, words
from .lines import List, Map, Text

MARKS = (re.compile(r"^\s*-?\s*sensors:", re.MULTILINE), re.compile(r"^\s*-?\s*address:", re.MULTILINE))

_COUNTED = ("J", "vars", "VAs")
_AREAS = {"holding": "holding", "input": "input", "coil": "coil", "discrete_input": "discrete"}
_TYPES = {"int": "s", "uint": "u", "float": "f"}
_OTHER_ENTITIES = ("binary_sensors", "switches", "climates", "covers", "fans", "lights", "numbers", "selects")
_STRUCTURES = {"h": "s16", "H": "u16", "i": "s32", "I": "u32", "l": "s32", "L": "u32", "q": "s64", "Q": "u64",
               "f": "f32", "d": "f64"}  # fmt: skip
_TAKEN = ("name", "unique_id", "slave", "device_address", "address", "input_type", "data_type", "count", "scale",
          "offset", "swap", "precision", "unit_of_measurement", "nan_value", "structure", "state_class",
          "device_class")  # fmt: skip
# Keys that say nothing of what the registers hold, and keys that hide some values.
_NEEDLESS = ("scan_interval", "lazy_error_count", "icon", "friendly_name", "hub")
_HIDING = ("zero_suppress", "min_value", "max_value")
_OF_HUB = ("type", "host", "port", "baudrate", "bytesize", "parity", "stopbits", "method", "delay", "timeout",
           "retries", "message_wait_milliseconds", "close_comm_on_error", "retry_on_empty")  # fmt: skip
_ENDPOINT = ("type", "host", "port")
# SenML units that a device_class can have (its table in Home Assistant's documentation of sensors).
_CLASSES = {
    "apparent_power": ("VA",), "battery": ("/",), "current": ("A",), "duration": ("s",), "energy": _COUNTED,
    "energy_storage": _COUNTED, "frequency": ("Hz",), "humidity": ("/", "%RH"), "power": ("W",), "power_factor": ("/",),
    "pressure": ("Pa",), "reactive_energy": ("vars",), "reactive_power": ("var",), "temperature": ("Cel", "K"),
    "voltage": ("V",),
}  # fmt: skip


def read(text: str, unit: int | None) -> Draft:
    """The profile of the sensors at `unit`; without one, of those at the first that is named."""
    root = lines.read(text)
    hubs = _hubs(root)
    if not hubs:
        raise NothingToImportError("there is no modbus: with sensors in it")
    name = hubs[0].text("name")
    draft = Draft(name, f"Home Assistant configuration of {name or 'a Modbus hub'}")
    sensors = [(_unit_of(each), hub, each) for hub in hubs for each in hub.maps("sensors")]
    wanted = unit if unit is not None else next((number for number, _, _ in sensors), None)
    _check_one_device([hub for given, hub, _ in sensors if given == wanted], wanted)
    for given, _, sensor in sensors:
        if given == wanted:
            _take(draft, sensor)
            continue
        for key in (*_TAKEN, *_NEEDLESS, *_HIDING):
            sensor.get(key)
        draft.leave(
            sensor.line, f"{sensor.text('name')}: is at unit {given}; import again with --unit {given} --name NAME"
        )
    for hub in hubs:
        for key in _OF_HUB:
            if key in hub.items:
                hub.get(key)
                draft.leave(hub.lines[key], f"{key}: is not taken over; the site file says how to reach the device")
        for kind in _OTHER_ENTITIES:
            for each in hub.maps(kind):
                each.used.update(each.items)
                draft.leave(each.line, f"{each.text('name')}: {kind} are not taken over")
    for line, text in lines.remarks(root):
        draft.leave(line, text)
    return draft


def _check_one_device(hubs: list[Map], unit: int | None) -> None:
    """NothingToImportError where devices of several hubs have the same unit address: their values do not mix."""
    places: dict[tuple[str, ...], Map] = {}
    for hub in hubs:
        told = tuple(hub.text(key) for key in _ENDPOINT)
        places.setdefault(told if any(told) else (str(hub.line),), hub)
    if len(places) > 1:
        which = " and ".join(f"{hub.text('name') or 'a hub'} (line {hub.line})" for hub in places.values())
        raise NothingToImportError(
            f"unit {unit} is at {len(places)} hubs, {which}: these are {len(places)} devices; copy the one that is "
            "meant into a file of its own"
        )


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
    for key in _TAKEN:
        sensor.get(key)
    unknown = [key for key in sensor.lines if key not in (*_TAKEN, *_NEEDLESS, *_HIDING)]
    for key in unknown:
        # It may change what the number means, as slave_count and byte_order do.
        sensor.get(key)
        draft.leave(sensor.lines[key], f"{name}: is not taken over, because of {key}")
    nested = [key for key in _TAKEN if key in sensor.items and not isinstance(sensor.items[key], Text)]
    for key in nested:
        draft.leave(sensor.lines[key], f"{name}: its {key} is no single value")
    if unknown or nested:
        return
    for key in (*_HIDING, *_NEEDLESS):
        if key in sensor.items:
            sensor.get(key)
            draft.leave(sensor.lines[key], f"{name}: {key} is not taken over")
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
    if swap not in ("none", "byte", "word", "word_byte"):
        draft.leave(sensor.lines["swap"], f"{name}: swap {swap} is not taken over")
        return
    count = 1 if kind == "bit" else int(kind[1:]) // 16
    counts = _counts(draft, sensor, name)
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
            counts=counts,
        )
    )


def _counts(draft: Draft, sensor: Map, name: str) -> bool:
    """Whether an energy is a counter, as state_class and device_class say; what contradicts is told."""
    state, kind, unit = sensor.text("state_class"), sensor.text("device_class"), sensor.text("unit_of_measurement")
    senml = senml_of(unit)
    if senml not in _CLASSES.get(kind, (senml,)):
        line = sensor.lines["device_class"]
        draft.leave(line, f'{name}: device_class {kind} is not in "{unit}"; look which one is right')
    if state == "total_increasing" and senml not in _COUNTED:
        draft.leave(
            sensor.lines["state_class"],
            f"{name}: is a counter there ({state}), and none here: only energies are watched as counters",
        )
    if senml not in _COUNTED:
        return True
    if state == "total":
        text = "may fall there (state_class total); it is taken as a counter, whose fall is held back as bad"
        draft.leave(sensor.lines["state_class"], f"{name}: {text}")
    stored = kind == "energy_storage" or state in ("measurement", "measurement_angle")
    if stored:
        key = "state_class" if state.startswith("measurement") else "device_class"
        draft.leave(sensor.lines[key], f"{name}: is no counter ({key} {sensor.text(key)}), so nothing sums it up")
    return not stored


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
