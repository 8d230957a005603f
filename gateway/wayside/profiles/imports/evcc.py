"""evcc's templates (YAML with a Go template in `render`): every register that is read in them.

Its conventions: powers in W, energies in kWh, currents in A, voltages in V, charge in %; a generator's and a
discharging battery's power is positive there, and negative here (docs/decisions/0022).
"""

import re

from . import lines
from .draft import Draft, NothingToImportError, Value, number, whole, words
from .lines import List, Map, Text

MARKS = (re.compile(r"^template:", re.MULTILINE), re.compile(r"^render:", re.MULTILINE))

_KEYS = {
    "power": ("power_active", "W"),
    "powers": ("power_active", "W"),
    "energy": ("energy_active", "kWh"),
    "returnenergy": ("energy_active_export", "kWh"),
    "chargetotalimport": ("energy_active_import", "kWh"),
    "currents": ("current", "A"),
    "voltages": ("voltage", "V"),
    "soc": ("state_of_charge", "%"),
    "status": ("status", "1"),
    "frequency": ("frequency", "Hz"),
    "temp": ("temperature", "Cel"),
    "temperature": ("temperature", "Cel"),
}
_TYPES = {"int": "s", "uint": "u", "float": "f"}
_MISSING = {"s": lambda bits: 1 << (bits - 1), "u": lambda bits: (1 << bits) - 1}
_WRITES = ("writesingle", "writemultiple", "writeholding", "writecoil")
_REGISTER = {"address", "type", "decode", "encoding", "length"}
_PLUGIN = {"source", "register", "scale"}
_WAITING = {"timeout", "delay"}  # change no value
_SUNSPEC = {"source", "model", "value", "scale"}
_CALC = ("add", "mul", "sub", "div", "sign")
_DIRECTIVE = re.compile(r"^\s*\{\{-?\s*(.*?)\s*-?\}\}\s*$")
_USAGE = re.compile(r'\.usage "(\w+)"')


def read(text: str, unit: int | None) -> Draft:
    """The profile of the registers that the template reads; `unit` is not looked at, since a template has none."""
    root = lines.read(text)
    if not isinstance(root, Map) or not isinstance(render := root.get("render"), Text):
        raise NothingToImportError("there is no render: in this template")
    brand = [f"{each.text('brand')} {_generic(each)}".strip() for each in root.maps("products")]
    draft = Draft(brand[0] if brand else root.text("template"), f"evcc template {root.text('template')}")
    body = _Body(render, root.lines["render"])
    usages = body.usages() or [""]
    root.get("template")
    for line, text in lines.remarks(root):
        draft.leave(line, text)
    for usage in usages:
        try:
            tree = lines.read(body.text(usage))
        except lines.NoYamlError:
            raise NothingToImportError("without its conditions the template in render: is not YAML") from None
        reader = _Reader(draft, body, usage, f"_{usage}" if len(usages) > 1 else "")
        if isinstance(tree, Map):
            reader.read(tree)
        for line, text in lines.remarks(tree):
            draft.leave(body.line(line), text)
    return draft


def _generic(product: Map) -> str:
    described = product.get("description")
    return described.text("generic") if isinstance(described, Map) else ""


def _kind(register: Map) -> str:
    """Its `decode`, which newer templates call `encoding`."""
    return register.text("decode") or register.text("encoding")


def _lines(told: Map) -> list[int]:
    """The lines of all its keys."""
    return [*told.lines.values(), *(line for each in told.twice.values() for line in each)]


class _Body:
    """The text of `render` without its directives, and the conditions on which each of its lines stands there."""

    def __init__(self, render: str, line_before: int):
        self._line_before = line_before
        self._rows: list[str] = []
        self._conditions: list[tuple[str, ...]] = []
        stack: list[str] = []
        for row in render.splitlines():
            directive = _DIRECTIVE.match(row)
            if directive:
                _follow(stack, directive[1])
            self._rows.append("" if directive else re.sub(r"\{\{.*?\}\}", "TEMPLATE", row))
            self._conditions.append(tuple(stack))

    def line(self, line: int) -> int:
        """The line of the file that a line of the text is."""
        return line + self._line_before

    def usages(self) -> list[str]:
        """What a device of this template can be used for, such as grid, pv, battery; none where all is one."""
        found = (usage for each in self._conditions for one in each for usage in _USAGE.findall(one))
        return list(dict.fromkeys(found))

    def text(self, usage: str) -> str:
        """The rows that stand there for `usage`; the others are empty."""
        pairs = zip(self._rows, self._conditions, strict=True)
        return "\n".join(row if all(_is_for(usage, each) for each in conditions) else "" for row, conditions in pairs)

    def condition(self, line: int) -> str:
        """On what, beside the usage, a line of the text depends; empty when on nothing."""
        return next((each for each in self._conditions[line - 1] if not _USAGE.search(each)), "")


def _follow(stack: list[str], directive: str) -> None:
    word = directive.split(" ", 1)[0]
    if word in ("if", "range", "with", "define", "block"):
        stack.append(directive)
    elif word == "else" and stack:
        stack[-1] = f"not {stack[-1]}" if directive == "else" else directive.removeprefix("else ")
    elif word == "end" and stack:
        stack.pop()


def _is_for(usage: str, condition: str) -> bool:
    named = _USAGE.findall(condition)
    return not named or (usage in named) != condition.startswith("not ")


class _Reader:
    """Walks through what stands there for one usage. which: the end of the names of its channels."""

    def __init__(self, draft: Draft, body: _Body, usage: str, which: str):
        self._draft = draft
        self._body = body
        self._usage = usage
        self._which = which

    def read(self, tree: Map) -> None:
        """Every value of the first level."""
        tree.get("type")
        for key, value in tree.items.items():
            if isinstance(value, Map | List):
                tree.get(key)
                self.walk(key, value, "")

    def walk(self, key: str, value: object, phase: str) -> None:
        if isinstance(value, List):
            for count, each in enumerate(value.items, 1):
                self.walk(key, each, f"_l{count}")
        if not isinstance(value, Map):
            return
        register, source, line = value.get("register"), value.text("source"), self._body.line(value.line)
        if isinstance(register, Map):
            if problem := self._take(key, phase, value, register):
                self._draft.leave(self._body.line(register.line), f"{key}{self._which}{phase}: {problem}")
            return
        if source == "calc":
            self._draft.leave(line, f"{key}{self._which}: is worked out of several values, which are taken one by one")
            for part in (each for name in _CALC for each in value.maps(name)):
                self.walk(f"{key} part", part, phase)
            return
        # Of what follows the whole is named.
        value.used.update(_SUNSPEC if source in ("sunspec", "modbus") else value.items if source else ())
        if source in ("sunspec", "modbus") and "model" not in value.items:
            self._draft.leave(line, f'{key}: is a SunSpec point; such a device is read with profile = "sunspec"')
        elif source == "modbus":
            model = value.text("model")
            self._draft.leave(line, f"{key}: names the meter model {model}, no register; see wayside profile list")
        elif source:
            self._draft.leave(line, f"{key}{self._which}: source {source} is not taken over")

    def _take(self, key: str, phase: str, plugin: Map, register: Map) -> str:
        """Why the register is not taken over; empty when it is."""
        register.used.update(_REGISTER)
        plugin.used.update(_PLUGIN | _WAITING)
        for line in (register.line, *_lines(register), *_lines(plugin)):
            if condition := self._body.condition(line):
                return f"stands there only on a condition: {condition}"
        what = key.removesuffix(" part")
        if twice := [*register.twice, *plugin.twice]:
            return f"{', '.join(twice)} stands there twice"
        area, kind, address = register.text("type"), _kind(register), whole(register.text("address", "?"))
        if area not in ("holding", "input"):
            return f"register type {area or 'unknown'} is not taken over"
        if unknown := register.items.keys() - _REGISTER:
            return f"{', '.join(sorted(unknown))} of its register is not taken over"
        if unknown := plugin.items.keys() - _PLUGIN - _WAITING:
            # Another device, or another value than stands in the register.
            return f"{', '.join(sorted(unknown))} of its source is not taken over"
        match = re.fullmatch(r"(u?int|float)(16|32|64)(s?)(nan)?(s?)", kind)
        if match is None or kind.startswith("float16"):
            return f"decode {kind or 'unknown'} is not taken over"
        scale = number(plugin.text("scale", "1"))
        if address is None or not scale:
            return "its address or scale is not a number"
        name, unit = _KEYS.get(what, (what, "1"))
        line = self._body.line(register.line)
        if what not in _KEYS:
            self._draft.leave(line, f"{what}: a plain number is taken, since no unit is told; write the unit")
        if self._usage in ("pv", "battery") and name == "power_active":
            scale = -scale
        if name == "energy_active":
            name += "_export" if self._usage in ("pv", "battery") else "_import"
        letter, bits = _TYPES[match[1]], int(match[2])
        missing = (_MISSING[letter](bits),) if match[4] and letter in _MISSING else ()
        part = "_part" if what != key else ""
        registers = words(address, bits // 16, bool(match[3] or match[5]))
        self._draft.add(
            Value(
                line,
                f"{name}{part}{self._which}{phase}",
                area,
                registers,
                f"{letter}{bits}",
                unit,
                scale,
                missing=missing,
            )
        )
        return ""
