"""Telegraf's TOML, its plug-in inputs.modbus in all three styles: `register`, `request` and `metric`."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

from wayside.settings import toml_bounds

from .draft import Draft, NothingToImportError, Value, guessed_unit, number

MARKS = (re.compile(r"^\s*\[\[\s*inputs\.modbus", re.MULTILINE),)

_TABLES = {"holding_registers": "holding", "input_registers": "input", "coils": "coil", "discrete_inputs": "discrete"}
_TYPES = {"INT": "s", "UINT": "u", "FLOAT": "f"}
_ORDERS = {"AB": (False, False), "BA": (False, True), "ABCD": (False, False), "CDAB": (True, False),
           "BADC": (False, True), "DCBA": (True, True), "ABCDEFGH": (False, False), "GHEFCDAB": (True, False),
           "BADCFEHG": (False, True), "HGFEDCBA": (True, True)}  # fmt: skip
"""(the word with the low bits comes first, the bytes of each word are swapped)"""
_PLUGIN = ("name", "slave_id", "controller", "configuration_type", "request", "metric", *_TABLES)
_REQUEST = ("slave_id", "byte_order", "register", "fields")
_FIELD = ("name", "address", "data_type", "type", "scale", "byte_order", "register", "omit", "length", "bit")
_NAMING = ("measurement", "tags", "output")  # say what becomes of a value behind the register


class _Row(NamedTuple):
    unit: int
    controller: str
    area: str
    order: str
    field: dict[str, Any]


def read(text: str, unit: int | None) -> Draft:
    """The profile of the fields at slave `unit`; without one, of those at the first that is named."""
    try:
        toml_bounds.check(text)
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NothingToImportError(f"is not TOML: {error}") from None
    inputs = data.get("inputs")
    plugins = inputs.get("modbus") if isinstance(inputs, dict) else None
    rows = [row for each in plugins or [] if isinstance(each, dict) for row in _rows(each)]
    if not rows:
        raise NothingToImportError("there is no [[inputs.modbus]] with fields in it")
    name = next((str(each["name"]) for each in plugins or [] if "name" in each), "")
    draft = Draft(name, f"Telegraf configuration of {name or 'a Modbus device'}")
    wanted = rows[0].unit if unit is None else unit
    _check_one_device([row.controller for row in rows if row.unit == wanted], wanted)
    places = _Lines(text)
    for key in _not_taken(data):
        draft.leave(places.of_key(key), f"{key}: is not taken over")
    for row in rows:
        line, called = places.next(str(row.field.get("name", ""))), str(row.field.get("name", "a field"))
        unknown = [key for key in row.field if key not in _FIELD]
        for key in unknown:
            draft.leave(places.of_key(key) or line, f"{called}: {key} is not taken over")
        if row.unit != wanted:
            draft.leave(line, f"{called}: is at unit {row.unit}; import again with --unit {row.unit} --name NAME")
        elif changing := [key for key in unknown if key not in _NAMING]:
            draft.leave(line, f"{called}: is not taken over, because of {', '.join(changing)}")
        elif problem := _take(draft, row, line, called):
            draft.leave(line, f"{called}: {problem}")
    return draft


def _check_one_device(controllers: list[str], unit: int) -> None:
    """NothingToImportError where devices at several controllers have the same unit address."""
    told = list(dict.fromkeys(each for each in controllers if each))
    if len(told) > 1:
        raise NothingToImportError(
            f"unit {unit} is at {len(told)} controllers, {' and '.join(told)}: these are {len(told)} devices; copy the "
            "[[inputs.modbus]] that is meant into a file of its own"
        )


def _not_taken(data: dict[str, Any]) -> Iterator[str]:
    """Every key but those of fields that is not taken over; what is below such a key is named with it."""
    for key, value in data.items():
        if key != "inputs" or not isinstance(value, dict):
            yield key
            continue
        yield from (below for below in value if below != "modbus")
        for plugin in _dicts(value.get("modbus")):
            yield from (key for key in plugin if key not in _PLUGIN)
            for request in (each for kind in ("request", "metric") for each in _dicts(plugin.get(kind))):
                yield from (key for key in request if key not in _REQUEST)


class _Lines:
    """The line of each field, by its name, and of each key, in the order of the file."""

    def __init__(self, text: str):
        self._at: dict[str, list[int]] = {}
        self._keys: dict[str, list[int]] = {}
        for count, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("#"):
                continue
            if table := re.match(r"\s*\[+([^\]]*)\]", line):
                for part in table[1].split("."):
                    self._keys.setdefault(part.strip(" \"'"), []).append(count)
            for match in re.finditer(r"(?:\"([^\"]*)\"|'([^']*)'|([\w.-]+))\s*=", line):
                for part in (match[1] or match[2] or match[3] or "").split("."):
                    self._keys.setdefault(part, []).append(count)
            for match in re.finditer(r'\bname\s*=\s*["\']([^"\']*)["\']', line):
                self._at.setdefault(match[1], []).append(count)

    def next(self, name: str) -> int:
        known = self._at.get(name)
        return known.pop(0) if known else 0


    def of_key(self, key: str) -> int:
        """The next line with this key; 0 when it is written in a way that is not known here."""
        known = self._keys.get(key)
        return (known.pop(0) if len(known) > 1 else known[0]) if known else 0


def _rows(plugin: dict[str, Any]) -> Iterator[_Row]:
    unit, controller = plugin.get("slave_id", 1), str(plugin.get("controller", ""))
    for table, area in _TABLES.items():
        for field in _dicts(plugin.get(table)):
            yield _Row(unit, controller, area, str(field.get("byte_order", "ABCD")), field)
    for kind in ("request", "metric"):
        for request in _dicts(plugin.get(kind)):
            order = str(request.get("byte_order", "ABCD"))
            for field in _dicts(request.get("fields")):
                place = request if kind == "request" else field
                area = str(place.get("register", "holding"))
                yield _Row(request.get("slave_id", 1), controller, area, order, field)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _take(draft: Draft, row: _Row, line: int, name: str) -> str:
    """Why the field is not taken over; empty when it is."""
    if row.field.get("omit"):
        return "is omitted there, too"
    if row.area not in ("holding", "input", "coil", "discrete"):
        return f"register {row.area} is unknown"
    address: Any = row.field.get("address")
    registers: list[Any] = address if isinstance(address, list) else [address]
    if not registers or not all(isinstance(each, int) for each in registers):
        return "its address is not a number"
    given = str(row.field.get("data_type") or row.field.get("type", ""))
    if given == "FLOAT32" and len(registers) > 1:
        return "FLOAT32 is an unsigned whole number in this style; write FLOAT32-IEEE, or UFIXED, whichever it is"
    kind = _type(given, len(registers)) if row.area in ("holding", "input") else "bit"
    if kind is None:
        return f"type {given or 'unknown'} is not taken over"
    count = 1 if kind == "bit" else int(kind[1:]) // 16
    if not isinstance(address, list):
        registers = list(range(address, address + count))
    if len(registers) != count:
        return f"type {given} has {count} registers, and {len(registers)} are named"
    if row.order not in _ORDERS:
        return f"byte_order {row.order} is unknown"
    words_low, bytes_low = _ORDERS[row.order]
    # A register's pair of bytes in an order for four, such as CDAB, is in the usual one.
    if count == 1 and len(row.order) > 2:
        words_low = False
    scale = number(str(row.field.get("scale", 1)))
    if scale is None or scale == 0:
        return "its scale is not a number"
    unit, word = guessed_unit(name)
    order = registers[::-1] if words_low else registers
    told = len(draft.left)
    draft.add(Value(line, name, row.area, tuple(order), kind, unit, scale, swapped=bytes_low))
    if len(draft.left) == told:
        why = f"{unit} is taken, since its name says {word}" if word else "a plain number is taken; write the unit"
        draft.leave(line, f"{name}: this format tells no unit: {why}")
    return ""


def _type(given: str, count: int) -> str | None:
    """The type as a profile says it. FIXED and UFIXED are integers as long as the address says."""
    if given in ("FIXED", "UFIXED"):
        return f"{'s' if given == 'FIXED' else 'u'}{16 * count}" if count in (1, 2, 4) else None
    match = re.fullmatch(r"(U?INT|FLOAT)(16|32|64)(-IEEE)?", given)
    if match is None or match[1] + match[2] == "FLOAT16":
        return None
    return f"{_TYPES[match[1]]}{match[2]}"
