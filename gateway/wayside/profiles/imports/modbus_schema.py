"""Modbus Schema (YAML): the fields whose expression is one register value, scaled or not.

The addresses are the protocol's (`hr:0`, `ir:0`), or numbers that count from 1 (`4x00001`, `40001`).
"""

import re
from fractions import Fraction
from typing import NamedTuple

from . import lines
from .draft import Draft, NothingToImportError, Value, number
from .lines import Map

MARKS = (re.compile(r"^\s*(- )?blocks:", re.MULTILINE), re.compile(r"^\s*(- )?expression:", re.MULTILINE))

_FUNCTIONS = {"int": "s", "uint": "u", "ieee754_": "f"}
_VALUE = re.compile(r"(int|uint|ieee754_)(16|32|64)\s*\(([^()]*)\)")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_STEP = re.compile(
    rf"\s*([*/+\-])\s*(?:\(\s*)?(?:10\s*\^\s*\(?\s*(?P<power>-?[0-9]+|[A-Za-z_]\w*)\s*\)?|(?P<number>{_NUMBER}))\s*\)?"
)
_SPELLED = {"hr": "holding", "holding-register": "holding", "ir": "input", "input-register": "input", "4": "holding",
            "3": "input"}  # fmt: skip


class _Sum(NamedTuple):
    """A register value and what is done with it."""

    kind: str
    area: str
    registers: tuple[int, ...]
    missing: tuple[int, ...]
    scale: Fraction
    offset: Fraction


class _NotTakenError(Exception):
    pass


def read(text: str, unit: int | None) -> Draft:
    """The profile of all blocks; `unit` is not looked at, since a schema has none."""
    root = lines.read(text)
    blocks = root.maps("blocks") if isinstance(root, Map) else []
    if not isinstance(root, Map) or not blocks:
        raise NothingToImportError("there are no blocks: in this schema")
    draft = Draft(root.text("description"), f"Modbus Schema: {root.text('description')}")
    for block in blocks:
        for field in block.maps("fields"):
            name = field.text("id")
            try:
                found = _parse(field.text("expression"))
                _take(draft, field, name, found)
            except _NotTakenError as error:
                draft.leave(field.line, f"{name}: {error}")
    return draft


def _take(draft: Draft, field: Map, name: str, found: _Sum) -> None:
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
        )
    )
    if not unit and len(draft.left) == told:
        draft.leave(field.line, f"{name}: no unit is told: a plain number is taken; write the unit")


def _parse(expression: str) -> _Sum:
    value = _VALUE.match(expression.strip())
    if value is None:
        raise _NotTakenError(f"{expression.partition('(')[0].strip() or 'nothing'} is not taken over")
    bits = int(value[2])
    if (value[1], bits) == ("ieee754_", 16):
        raise _NotTakenError("a float of 16 bits is not taken over")
    scale, offset = _steps(expression.strip()[value.end() :])
    places, *missing = value[3].split(";")
    area, registers = _registers(places)
    if 16 * len(registers) != bits:
        raise _NotTakenError(f"{value[1]}{bits} does not fit {len(registers)} registers")
    contents = tuple(int("".join(_word(each) for each in one.split()), 16) for one in missing)
    return _Sum(f"{_FUNCTIONS[value[1]]}{bits}", area, registers, contents, scale, offset)


def _steps(rest: str) -> tuple[Fraction, Fraction]:
    """What follows the register value: numbers and powers of ten by which it is multiplied, divided, shifted."""
    scale, offset, at = Fraction(1), Fraction(0), 0
    while rest[at:].strip():
        step = _STEP.match(rest, at)
        if step is None:
            raise _NotTakenError(f"its expression goes on with {rest[at:].strip()[:40]}, which is not taken over")
        if step["power"] is not None:
            if not step["power"].lstrip("-").isdigit():
                raise _NotTakenError(f"is scaled by {step['power']}, another field: write scale_register there")
            by = Fraction(10) ** max(-40, min(40, int(step["power"])))
        else:
            by = number(step["number"]) or Fraction(0)
        if step[1] in "+-":
            offset += by if step[1] == "+" else -by
        elif by:
            scale, offset = (scale * by, offset * by) if step[1] == "*" else (scale / by, offset / by)
        else:
            raise _NotTakenError("its scale is 0")
        at = step.end()
    return scale, offset


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
