"""Modbus Schema (YAML): the fields whose expression is one register value, scaled or not.

The addresses are the protocol's (`hr:0`, `ir:0`), or numbers that count from 1 (`4x00001`, `40001`).
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from . import lines
from .draft import Draft, NothingToImportError, Value, number
from .lines import Map

MARKS = (re.compile(r"^\s*(- )?blocks:", re.MULTILINE), re.compile(r"^\s*(- )?expression:", re.MULTILINE))

_FUNCTIONS = {"int": "s", "uint": "u", "ieee754_": "f"}
_VALUE = re.compile(r"(?:(int|uint|ieee754_)(16|32|64)|enum|boolean)\s*\(((?:[^()']|'[^']*')*)\)")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_STEP = re.compile(
    rf"\s*([*/+\-])\s*(?:\(\s*)?(?:10\s*\^\s*\(?\s*(?P<power>-?[0-9]+|[A-Za-z_]\w*)\s*\)?|(?P<number>{_NUMBER}))\s*\)?"
)
_MEANING = re.compile(r"\s*([0-9]+)\s*->\s*'([^']*)'\s*")
_SPELLED = {"c": "coil", "coil": "coil", "di": "discrete", "discrete-input": "discrete", "hr": "holding",
            "holding-register": "holding", "ir": "input", "input-register": "input", "4": "holding",
            "3": "input"}  # fmt: skip


class _Sum(NamedTuple):
    """A register value and what is done with it."""

    kind: str
    area: str
    registers: tuple[int, ...]
    missing: tuple[int, ...]
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    scale_field: str = ""
    meanings: Mapping[int, str] = {}


class _NotTakenError(Exception):
    pass


def read(text: str, unit: int | None) -> Draft:
    """The profile of all blocks; `unit` is not looked at, since a schema has none."""
    root = lines.read(text)
    blocks = root.maps("blocks") if isinstance(root, Map) else []
    if not isinstance(root, Map) or not blocks:
        raise NothingToImportError("there are no blocks: in this schema")
    draft = Draft(root.text("description"), f"Modbus Schema: {root.text('description')}")
    root.get("schemaFeatureLevel")
    for block in blocks:
        block.get("id")
        fields = {field.text("id"): field for field in block.maps("fields")}
        for name, field in fields.items():
            try:
                found = _parse(field.text("expression"))
                scale = _scale_register(found, fields)
            except _NotTakenError as error:
                draft.leave(field.line, f"{name}: {error}")
                continue
            _take(draft, field, name, found, scale)
        for each in block.maps("fields"):
            each.get("unit")
            if fields[each.text("id")] is not each:
                draft.leave(each.line, f"{each.text('id')}: is a field a second time; the last counts")
    for line, text in lines.remarks(root):
        draft.leave(line, text)
    return draft


def _take(draft: Draft, field: Map, name: str, found: _Sum, scale_register: int | None) -> None:
    told = len(draft.left)
    unit = field.text("unit")
    draft.add(
        Value(
            line=field.line,
            name=name,
            area=found.area,
            registers=found.registers,
            type=found.kind,
            unit=unit,
            scale=found.scale,
            offset=found.offset,
            missing=found.missing,
            scale_register=scale_register,
            meanings=found.meanings,
        )
    )
    if not unit and not found.meanings and found.kind != "bit" and len(draft.left) == told:
        draft.leave(field.line, f"{name}: no unit is told: a plain number is taken; write the unit")


def _scale_register(found: _Sum, fields: dict[str, Map]) -> int | None:
    """The register of the field by whose power of ten a value is scaled, if it is by one."""
    if not found.scale_field:
        return None
    field = fields.get(found.scale_field)
    scale = _parse(field.text("expression")) if field else None
    if scale is None or scale.kind != "s16" or scale.area != found.area or scale.scale != 1 or scale.offset:
        raise _NotTakenError(f"is scaled by {found.scale_field}, which is no register s16 of the same area")
    return scale.registers[0]


def _parse(expression: str) -> _Sum:
    value = _VALUE.match(expression.strip())
    if value is None:
        raise _NotTakenError(f"{expression.partition('(')[0].strip() or 'nothing'} is not taken over")
    places, *more = value[3].split(";")
    area, registers = _registers(places)
    rest = expression.strip()[value.end() :]
    if value[1] is None:
        return _word_or_bit(value[0].startswith("enum"), area, registers, more, rest)
    bits = int(value[2])
    if (value[1], bits) == ("ieee754_", 16):
        raise _NotTakenError("a float of 16 bits is not taken over")
    if 16 * len(registers) != bits or area not in ("holding", "input"):
        raise _NotTakenError(f"{value[1]}{bits} does not fit {len(registers)} registers of {area}")
    scale, offset, scale_field = _steps(rest)
    contents = tuple(_content(one) for one in more)
    return _Sum(f"{_FUNCTIONS[value[1]]}{bits}", area, registers, contents, scale, offset, scale_field)


def _word_or_bit(is_enum: bool, area: str, registers: tuple[int, ...], more: list[str], rest: str) -> _Sum:
    if rest.strip():
        raise _NotTakenError(f"its expression goes on with {rest.strip()[:40]}, which is not taken over")
    if not is_enum:
        if area not in ("coil", "discrete") or len(registers) != 1:
            raise _NotTakenError("a bit of a register is not taken over")
        return _Sum("bit", area, registers, ())
    if area not in ("holding", "input") or len(registers) not in (1, 2, 4):
        raise _NotTakenError(f"an enumeration of {len(registers)} registers is not taken over")
    meanings = {int(each[1]): each[2] for each in map(_MEANING.fullmatch, more) if each}
    contents = tuple(_content(one) for one in more if not _MEANING.fullmatch(one))
    return _Sum(f"u{16 * len(registers)}", area, registers, contents, meanings=meanings)


def _content(text: str) -> int:
    """Register contents that mean "no value": `0x8000 0x0000`."""
    return int("".join(_word(each) for each in text.split()), 16)


def _steps(rest: str) -> tuple[Fraction, Fraction, str]:
    """What follows the register value: by what it is multiplied and shifted; the field of its power of ten, if any."""
    scale, offset, scale_field, at = Fraction(1), Fraction(0), "", 0
    while rest[at:].strip():
        step = _STEP.match(rest, at)
        if step is None or (step["power"] is not None and step[1] not in "*/"):
            raise _NotTakenError(f"its expression goes on with {rest[at:].strip()[:40]}, which is not taken over")
        at = step.end()
        if step["power"] is not None and not step["power"].lstrip("-").isdigit():
            if step[1] != "*" or scale_field or offset or scale != 1:
                raise _NotTakenError(f"is scaled by {step['power']}, and by more")
            scale_field = step["power"]
            continue
        if step["power"] is not None:
            by = Fraction(10) ** max(-40, min(40, int(step["power"])))
        else:
            by = number(step["number"]) or Fraction(0)
        if scale_field or not by:
            raise _NotTakenError("its scale is more than one power of ten, or 0")
        if step[1] in "+-":
            offset += by if step[1] == "+" else -by
        else:
            scale, offset = (scale * by, offset * by) if step[1] == "*" else (scale / by, offset / by)
    return scale, offset, scale_field


def _registers(text: str) -> tuple[str, tuple[int, ...]]:
    """(area, the addresses in the order of their significance) of such as `hr:0#2`, `hr:0..hr:1`, `hr:1, hr:0`."""
    areas: set[str] = set()
    found: list[int] = []
    for part in text.split(","):
        first, mark, last = part.strip().partition("..")
        start, _, count = first.partition("#")
        area, address = _address(start.strip())
        areas.add(area)
        end = _address(last.strip())[1] if mark else address + int(count or 1) - 1
        if not 0 <= end - address < 4:
            raise _NotTakenError(f"registers {part.strip()} are no single number")
        found += range(address, end + 1)
    if len(areas) != 1:
        raise _NotTakenError("its registers stand in several areas")
    return areas.pop(), tuple(found)


def _address(text: str) -> tuple[str, int]:
    for pattern, base in ((r"([a-z\-]+):([0-9]{1,5})", 0), (r"([34])x?([0-9]{4,5})", 1)):
        match = re.fullmatch(pattern, text)
        if match and match[1] in _SPELLED:
            return _SPELLED[match[1]], int(match[2]) - base
    raise _NotTakenError(f"address {text} is not taken over")


def _word(text: str) -> str:
    if not re.fullmatch(r"0x[0-9A-Fa-f]{1,4}", text):
        raise _NotTakenError(f"{text} is not taken over")
    return text[2:].zfill(4)
