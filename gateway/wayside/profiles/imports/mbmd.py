"""mbmd's definitions of meters (Go, meters/rs485/*.go): the measurements that a producer reads.

They are programs, so only the usual forms are known: a table of opcodes, functions `snip...` that say which registers
are read and how, and the loops of `Produce` that name function and divisor of each measurement.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .draft import Draft, NothingToImportError, Value, number, whole, words

MARKS = (re.compile(r"^package rs485", re.MULTILINE), re.compile(r"\bOpcodes\b"))

_LONGEST = 50_000
_OPCODE = re.compile(r"^\s*(\w+):\s*(0x[0-9A-Fa-f]+|[0-9]+),")
_METHOD = re.compile(r"\(p \*\w{1,60}\) (\w{1,60})\([^)\n]*\)[^{\n]*\{")
_CALL = re.compile(r"p\.(snip\w*)\((\w+)(?:,\s*([0-9][0-9.e]*))?\)")
_LOOP = re.compile(r"range \[\]Measurement\{([^{}]*)\}\s*\{([^{}]*)\n\t\}")
_CASE = re.compile(r"(?:case\s+([^:{}]{1,2000})|default):\s*([^\n]*)")
_TRANSFORM = re.compile(r"\bRTU(Uint|Int|Float|Ieee)(16|32|64|754)ToFloat64(Swapped)?\b")
_KINDS = {"Uint": "u", "Int": "s", "Float": "f", "Ieee": "f"}
_KEY = re.compile(r"^\s*(\w+):\s*\S")
_OF_OPERATION = ("FuncCode", "OpCode", "ReadLen", "Transform", "IEC61850", "Opcodes")
_AREAS = {"ReadHoldingReg": "holding", "ReadInputReg": "input"}
_QUANTITIES = {
    "Voltage": ("voltage", "V"), "Current": ("current", "A"), "Power": ("power_active", "W"),
    "ReactivePower": ("power_reactive", "var"), "ApparentPower": ("power_apparent", "VA"),
    "ImportPower": ("power_active_import", "W"), "ExportPower": ("power_active_export", "W"),
    "Cosphi": ("power_factor", "1"), "PhaseAngle": ("phase_angle", "deg"), "Frequency": ("frequency", "Hz"),
    "THD": ("thd_voltage", "%"), "Sum": ("energy_active", "kWh"), "Import": ("energy_active_import", "kWh"),
    "Export": ("energy_active_export", "kWh"), "ReactiveSum": ("energy_reactive", "kvarh"),
    "ReactiveImport": ("energy_reactive_import", "kvarh"), "ReactiveExport": ("energy_reactive_export", "kvarh"),
}  # fmt: skip


class _How(NamedTuple):
    """What a function `snip...` reads. offset: of the address from the opcode."""

    area: str
    offset: int
    kind: str  # empty where the caller tells it
    swapped: bool


def read(text: str, unit: int | None) -> Draft:
    """The profile of all measurements; `unit` is not looked at, since a definition has none."""
    if len(text) > _LONGEST:
        raise NothingToImportError(f"is longer than {_LONGEST} characters: no definition of a meter is")
    text = re.sub(r"//[^\n]*", "", _without_comments(text))
    opcodes = {
        match[1]: (line, match[2])
        for line, row in enumerate(text.splitlines(), 1)
        if (match := _OPCODE.match(row)) and match[1][0].isupper() and match[1] not in ("FuncCode", "ReadLen")
    }
    methods = dict(_methods(text))
    if not opcodes or "Produce" not in methods:
        raise NothingToImportError("there is no table of opcodes with a Produce() in this file")
    described = re.search(r'return "([^"]+)"', methods.get("Description", ""))
    title = described[1] if described else ""
    draft = Draft(title, f"mbmd definition of {title or 'a meter'}")
    for line, row in enumerate(text.splitlines(), 1):
        key = _KEY.match(row)
        if key and key[1] not in (*opcodes, *_OF_OPERATION, "default"):
            draft.leave(line, f"{key[1]}: is not taken over")
    seen: set[str] = set()
    for measurement, function, scaler in _produced(methods["Produce"], opcodes):
        if measurement not in opcodes or measurement in seen:
            continue
        seen.add(measurement)
        line, opcode = opcodes[measurement]
        how = _how(function, methods)
        name, told_unit = _quantity(measurement)
        address = whole(_decimal(opcode))
        divisor = number(_decimal(scaler))
        if how is None or not how.kind or not name or address is None or not divisor:
            draft.leave(line, f"{measurement}: how it is read is not in one of the usual forms")
            continue
        bits = int(how.kind[1:])
        for written in (opcode, scaler):
            if _decimal(written) != written:
                text = f"{written} begins with 0 and is octal there: {_decimal(written)} is taken"
                draft.leave(line, f"{measurement}: {text}")
        registers = words(address + how.offset, bits // 16, how.swapped)
        draft.add(Value(line, name, how.area, registers, how.kind, told_unit, 1 / divisor))
    for measurement, (line, _) in opcodes.items():
        if measurement not in seen:
            draft.leave(line, f"{measurement}: Produce() does not read it in one of the usual forms")
    return draft


def _decimal(written: str) -> str:
    """A number as Go takes it: what begins with 0 is octal (The Go Programming Language Specification)."""
    return str(int(written, 8)) if re.fullmatch(r"0[0-7]{1,64}", written) and int(written, 8) else written


def _without_comments(text: str) -> str:
    """The text without /* */, its lines kept."""
    first, *others = text.split("/*")
    kept = [first]
    for each in others:
        comment, _, rest = each.partition("*/")
        kept += ["\n" * comment.count("\n"), rest]
    return "".join(kept)


def _methods(text: str) -> Iterator[tuple[str, str]]:
    """Name and body of each method; a body ends with the first brace that begins a line."""
    for part in text.split("\nfunc ")[1:]:
        if match := _METHOD.match(part):
            yield match[1], part[match.end() :].partition("\n}")[0] + "\n"


def _produced(body: str, opcodes: dict[str, tuple[int, str]]) -> Iterator[tuple[str, str, str]]:
    """(measurement, function, divisor) of everything that Produce reads."""
    for loop in _LOOP.finditer(body):
        for call in _CALL.finditer(loop[2]):
            for measurement in re.findall(r"\w+", loop[1]):
                yield measurement, call[1], call[3] or "1"
    rest = _LOOP.sub("", body)
    other: list[tuple[str, str]] = []
    for case in _CASE.finditer(rest):
        found = _CALL.search(case[2])
        # What a case does in another form is not what the others get.
        function, divisor = (found[1], found[3] or "1") if found else ("", "1")
        for measurement in re.findall(r"\w+", case[1] or ""):
            yield measurement, function, divisor
        if case[1] is None:
            other.append((function, divisor))
    plain = _CASE.sub("", rest)
    for call in _CALL.finditer(plain):
        if call[2] == "op":
            other.append((call[1], call[3] or "1"))
        else:
            yield call[2], call[1], call[3] or "1"
    # What a loop over all opcodes does with those that no case names.
    for function, divisor in other[:1]:
        for measurement in opcodes:
            yield measurement, function, divisor


def _how(function: str, methods: dict[str, str], depth: int = 3) -> _How | None:
    """What `function` reads, with that of the function that it calls for it; None in another form."""
    if function not in methods or not depth:
        return None
    body = methods[function]
    if any(key[1] not in (*_OF_OPERATION, "default") for row in body.splitlines() if (key := _KEY.match(row))):
        return None
    area = re.search(r"FuncCode:\s*(\w+)", body)
    called = re.search(r"p\.(snip\w*)\(iec", body)
    inner = _how(called[1], methods, depth - 1) if called else None
    transform = _TRANSFORM.search(body)
    if area is None and inner is None:
        return None
    if transform:
        kind = _KINDS[transform[1]] + ("32" if transform[1] == "Ieee" else transform[2])
        swapped = transform[3] is not None
    elif inner is not None:
        kind, swapped = inner.kind, inner.swapped
    else:
        kind, swapped = "", False
    if area is not None:
        shift = re.search(r"OpCode:[^\n]*?([+-])\s*([0-9]+)\s*,", body)
        offset = int(shift[1] + shift[2]) if shift else 0
        # A divisor or a look at the content that the function has of its own is not among the usual forms.
        given = re.search(r"\bTransform:\s*([\w.]+)", body)
        is_usual = given is None or given[1] == "transform" or _TRANSFORM.fullmatch(given[1]) is not None
        if area[1] not in _AREAS or "MakeScaledTransform(RTU" in body or not is_usual:
            return None
        return _How(_AREAS[area[1]], offset, kind, swapped)
    assert inner is not None
    return inner._replace(kind=kind, swapped=swapped) if kind else None


def _quantity(measurement: str) -> tuple[str, str]:
    """(channel, unit) of one of mbmd's measurements; ("", "") when it is not known."""
    match = re.fullmatch(r"(\w+?)(L[123]|T[12])?", measurement)
    if match is None or match[1] not in _QUANTITIES:
        return "", ""
    name, unit = _QUANTITIES[match[1]]
    return f"{name}_{match[2].lower()}" if match[2] else name, unit
