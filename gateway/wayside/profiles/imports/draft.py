"""A profile in the making: what could be taken over, and a line for what could not."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NamedTuple

from pydantic import ValidationError

from wayside.profiles import lint
from wayside.profiles.lint_names import ENERGY, MISNAMED, coarsest
from wayside.profiles.model import ProfileFile
from wayside.profiles.units import UNITS
from wayside.settings.toml_file import explained

_OTHER_SPELLINGS = {
    "°C": "Cel", "℃": "Cel", "C": "Cel", "degC": "Cel", "°": "deg", "Watt": "W", "watt": "W", "Volt": "V",
    "Watts": "W", "Volts": "V", "Amps": "A", "Hours": "h", "seconds": "s", "Secs": "s", "Pct": "%",
    "Ampere": "A", "VAr": "var", "VAR": "var", "Var": "var", "kVAr": "kvar", "kVAR": "kvar", "kVar": "kvar",
    "VArh": "varh", "kVArh": "kvarh", "kVARh": "kvarh", "VARh": "varh",
    "KWh": "kWh", "kwh": "kWh", "wh": "Wh", "hz": "Hz", "sec": "s", "": "1", "Ω": "Ohm",
    "m³": "m3", "m³/h": "m3/h", "m³/s": "m3/s", "L": "l", "L/min": "l/min", "L/h": "l/h", "L/s": "l/s", "W/m²": "W/m2",
}  # fmt: skip
_PREFIXED = {"mV": ("V", -3), "mA": ("A", -3), "mW": ("W", -3), "MW": ("kW", 3), "mHz": ("Hz", -3), "GWh": ("MWh", 3)}
_COUNTED = {"J": "energy_active", "vars": "energy_reactive", "VAs": "energy_apparent"}  # by SenML unit
_LONGEST_NAME = 40
_FLOAT_EXPONENT = -3
_RESETS = re.compile(r"daily|today|monthly|yearly|tages|heute", re.IGNORECASE)


class NothingToImportError(Exception):
    """The file holds nothing that could be taken over; the text says why."""


class Left(NamedTuple):
    """What could not be taken over, or only in part: the line of the file, 0 where none is known, and why."""

    line: int
    text: str


class Value(NamedTuple):
    """What another format says of one value. scale and offset: value = register * scale + offset, in `unit`.

    registers: the addresses in the order of their significance, highest first, as the protocol counts; type: as in a
    profile; swapped: the bytes of each word; missing: contents that mean "no value".
    """

    line: int
    name: str
    area: str
    registers: tuple[int, ...]
    type: str
    unit: str
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    swapped: bool = False
    missing: tuple[int, ...] = ()
    decimals: int | None = None  # to which a float is rounded
    scale_register: int | None = None  # its content is a power of ten that multiplies
    meanings: Mapping[int, str] = {}
    counts: bool = True  # what is in a unit of energy is a counter


class Draft:
    """Channels as a profile has them, key by key, and what was left."""

    def __init__(self, title: str, source: str):
        self.title = title
        self.source = source
        self.channels: dict[str, dict[str, object]] = {}
        self.left: list[Left] = []
        self._values: dict[str, Value] = {}

    def leave(self, line: int, text: str) -> None:
        if Left(line, text) not in self.left:
            self.left.append(Left(line, text))

    def add(self, value: Value) -> None:
        """Take `value` as a channel, or say why not."""
        problem = self._take(value)
        if problem:
            self.leave(value.line, f"{value.name}: {problem}")

    def _take(self, value: Value) -> str:
        unit, power = _unit(value.unit)
        if not unit:
            return f'unit "{value.unit}" is not among {", ".join(UNITS)}'
        steps = [after - before for before, after in zip(value.registers, value.registers[1:], strict=False)]
        if any(step != 1 for step in steps) and any(step != -1 for step in steps):
            # Such a value is one request for all that lies between, and nothing tells that this may be read.
            return f"its registers {', '.join(map(str, value.registers))} stand apart; write it with read_gaps = true"
        if not all(0 <= address <= 0xFFFF for address in value.registers):
            return f"register {value.registers[0]} is not between 0 and 65535"
        factor = abs(value.scale) * Fraction(10) ** power
        exponent = _power_of_ten(factor)
        if not Fraction(1, 10**9) <= factor <= 10**9:
            return f"a scale of {float(value.scale):g} is too large or too small"
        channel: dict[str, object] = {"address": min(value.registers), "area": value.area}
        channel |= {"type": value.type, "unit": unit}
        if value.type == "bit":
            del channel["type"]
        elif exponent is None:
            channel["exponent"] = _fineness(factor)
            if value.type.startswith("f"):
                channel["exponent"] = min(_fineness(factor), coarsest(unit))
            channel["factor"] = str(factor)
        elif value.type.startswith("f"):
            decimals = _FLOAT_EXPONENT if value.decimals is None else -value.decimals
            channel["exponent"] = min(max(-9, decimals + power), coarsest(unit, exponent))
            channel["raw_exponent"] = exponent
        elif value.scale_register is not None:
            channel["exponent"] = min(exponent, _FLOAT_EXPONENT, coarsest(unit))  # its content is not known here
        else:
            channel["exponent"] = exponent
        if value.offset:
            channel["offset"] = str(value.offset * Fraction(10) ** power)
        if value.scale < 0:
            channel["sign"] = "negated"
        if steps and steps[0] < 0:
            channel["word_order"] = "little"
        if value.swapped:
            channel["byte_order"] = "little"
        if value.scale_register is not None:
            channel["scale_register"] = value.scale_register
        if value.meanings:
            channel["meanings"] = {str(key): text for key, text in sorted(value.meanings.items())}
        if value.missing:
            channel["missing"] = sorted(value.missing)
        name = self._name(value.name, unit, value.counts)
        self.channels[name] = {key: each for key, each in channel.items() if each != 0 or key != "raw_exponent"}
        self._values[name] = value
        counted = _COUNTED.get(UNITS[unit].senml)
        if counted and value.counts and slug(value.name) == "energy":
            text = f"taken as {name}; if it counts what is delivered, write {counted}_export"
            self.leave(value.line, f"{value.name}: {text}")
        if counted and value.counts and _RESETS.search(value.name):
            self.leave(value.line, f"{value.name}: taken as {name}; if this count begins anew each day, write so there")
        return ""

    def _name(self, text: str, unit: str, counts: bool) -> str:
        name = slug(text) or "value"
        counted = _COUNTED.get(UNITS[unit].senml)
        if not counts and name.startswith(ENERGY):
            name = f"value_{name}"
        elif counted and counts and not name.startswith(ENERGY):
            # Only what is called so is a counter: a bare "energy" would be watched by nobody.
            name = f"{counted}_import" if name == "energy" else f"energy_{name}"
        name = name[:_LONGEST_NAME].rstrip("_")
        number, tried = 2, name
        while tried in self.channels:
            tried = f"{name[: _LONGEST_NAME - 3]}_{number}"
            number += 1
        return tried

    def _neutral(self, channel: str, counts: bool) -> str:
        """A name for what is not the quantity that its name says."""
        unit = str(self.channels[channel]["unit"])
        counted = _COUNTED.get(UNITS[unit].senml)
        return self._name(f"{counted}_value" if counted and counts else f"value {channel}", unit, counts)

    def in_order(self) -> list[Left]:
        """What was left, from the beginning of the file to its end."""
        return sorted(self.left, key=lambda each: each.line)

    def text(self, name: str) -> str:
        """The profile's file; NothingToImportError when there is no channel in it."""
        while problem := self._problem(name):
            channel, why = problem
            value = self._values.pop(channel)
            if MISNAMED in why:
                renamed = self._neutral(channel, value.counts)
                self.leave(value.line, f"{value.name}: taken as {renamed}, for {why.partition(': ')[2]}")
                self._values[renamed] = value
                # Where it was: of two for one register the first is taken.
                self.channels = {renamed if key == channel else key: keys for key, keys in self.channels.items()}
            else:
                del self.channels[channel]
                self.leave(value.line, f"{value.name}: {why}")
        if not self.channels:
            raise NothingToImportError("nothing in this file could be taken over")
        return self._text(name)

    def _problem(self, name: str) -> tuple[str, str] | None:
        """The first channel that cannot stand in a profile as it is, and why."""
        try:
            file = ProfileFile.model_validate(tomllib.loads(self._text(name)))
        except ValidationError as error:
            found = [(each["loc"], explained(ProfileFile, each)) for each in error.errors()]
        else:
            found = [*lint.problems(file)]
        return next(((str(place[1]), why) for place, why in found if place[0] == "channels" and len(place) > 1), None)

    def _text(self, name: str) -> str:
        lines = [
            "# Made by wayside profile import. Compare every value with the device's display: docs/profile-format.md",
            "",
            "[profile]",
            f"name = {_quoted(name)}",
            f"title = {_quoted(self.title or name)}",
            f"source = {_quoted(self.source)}",
            'verified = "document"',
            "",
            "[requests]",
            "max_registers = 60",
            # The other file names single registers; that those between two of them can be read is not known.
            "read_gaps = false",
            "",
            "[registers]",
            'area = "holding"',
            'type = "u16"',
            "",
            "# Add a [[probe]], and `wayside scan` names this profile where it fits.",
            "",
            "[channels]",
        ]
        for channel, keys in self.channels.items():
            told = ", ".join(f"{key} = {_toml(value)}" for key, value in keys.items())
            lines.append(f"{channel} = {{ {told} }}")
        return "\n".join(lines) + "\n"


def slug(text: str) -> str:
    """Lower-case letters, digits and _ of a name, beginning with a letter; empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_").lstrip("0123456789_")


_LONGEST = 64  # characters of a number: what is computed from it can be shown again


def number(text: str) -> Fraction | None:
    """The number that a scalar is, exactly as it is written; None for anything else, and for one that is too long."""
    if len(text) > _LONGEST:
        return None
    try:
        return Fraction(int(text, 0)) if re.fullmatch(r"[+-]?0[xXoObB][0-9a-fA-F]+", text) else _decimal(text)
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _decimal(text: str) -> Fraction | None:
    given = Decimal(text.replace("_", ""))
    # An exponent of a million makes an integer of a million digits.
    return Fraction(given) if given.is_finite() and abs(given.adjusted()) < 40 else None


def whole(text: str) -> int | None:
    """As `number`, of a whole number."""
    given = number(text)
    return int(given) if given is not None and given.denominator == 1 else None


def words(first: int, count: int, low_first: bool = False) -> tuple[int, ...]:
    """The addresses of `count` registers from `first` on, in the order of their significance."""
    registers = tuple(range(first, first + count))
    return registers[::-1] if low_first else registers


def guessed_unit(name: str) -> tuple[str, str]:
    """(unit, the word of the name that tells it) where a format has no units; ("1", "") when nothing tells.

    Only units that everybody uses for that quantity: powers and energies are counted in W and kW, in Wh and kWh.
    """
    parts = re.split(r"[^A-Za-z0-9%°]+", name)
    for unit in (*UNITS, *_PREFIXED):
        if len(parts) > 1 and unit.lower() == parts[-1].lower() and unit not in ("1", "s", "min", "deg"):
            return unit, parts[-1]
    plain = name.lower()
    for word, unit in (("voltage", "V"), ("current", "A"), ("frequency", "Hz")):
        if word in plain:
            return unit, word
    return "1", ""


def senml_of(text: str) -> str:
    """The SenML unit that readings of a unit of the other format have; empty when it is not known."""
    unit, _ = _unit(text)
    return UNITS[unit].senml if unit else ""


def _unit(text: str) -> tuple[str, int]:
    """(the unit as in profiles, the power of ten that one of the other is of it); ("", 0) when it is not known."""
    text = text.strip()
    if text in _PREFIXED:
        return _PREFIXED[text]
    unit = _OTHER_SPELLINGS.get(text, text)
    return (unit, 0) if unit in UNITS else ("", 0)


def _power_of_ten(scale: Fraction) -> int | None:
    for exponent in range(-18, 19):
        if scale == Fraction(10) ** exponent:
            return exponent
    return None


def _fineness(factor: Fraction) -> int:
    """The exponent of a reading's last digit: as fine as the factor's decimals, or a hundredth of it."""
    for exponent in range(0, -10, -1):
        if (factor / Fraction(10) ** exponent).denominator == 1:
            return exponent
    return max(-9, len(str(int(factor))) - 3 if factor >= 1 else -len(str(int(1 / factor))) - 2)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_quoted(text)}' for key, text in value.items())} }}"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    shown = "".join(each if each.isprintable() else "?" for each in text)[:200]
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
