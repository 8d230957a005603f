"""What a profile file may contain, table by table and key by key; docs/profile-format.md explains each.

Here each key is looked at alone; `lint` compares them with each other.
"""

import re
from fractions import Fraction
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator
from wayside_wire import modbus

from wayside.settings.table import CHANNEL, Table
from wayside.text.unknown import unknown

from .units import UNITS

_NAME = re.compile(r"[a-z0-9][a-z0-9\-]{0,39}")
_TYPE = re.compile(r"([us])(16|32|48|64)|f(32|64)|bits(16|32)|bcd(16|32|48|64)|bit|text")
_FRACTION = re.compile(r"(-?\d{1,15}(?:\.\d{1,15})?)(?:/(\d{1,15}(?:\.\d{1,15})?))?")

_LAST_ADDRESS = 465_536  # of the highest numbering, from 400001
_MISSING = ("all-ones", "max-signed", "min-signed")

Address = Annotated[int, Field(ge=0, le=_LAST_ADDRESS)]
Area = Literal["input", "holding", "coil", "discrete"]
Exponent = Annotated[int, Field(ge=-9, le=9)]
Order = Literal["big", "little"]
Ratio = Literal["ct", "vt", "ct*vt"]


def _unit(text: str) -> str:
    if text not in UNITS:
        raise ValueError(unknown("unit", text, UNITS))
    return text


def _type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise ValueError(
            f'unknown type "{text}"; write u16 to u64, s16 to s64, f32, f64, bits16, bits32, bcd16 to bcd64, or text'
        )
    return text


def fraction(value: Any) -> Fraction:
    """The number that a key says: 5, "0.5", "1/32000", "1000/3". ValueError: none of these; a float is not exact."""
    if type(value) is int and abs(value) < 10**15:
        return Fraction(value)
    match = _FRACTION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        quoted = f'"{value}"' if isinstance(value, float) and isfinite(value) else '"1/32000"'
        raise ValueError(f"{value!r}: write a whole number, or a decimal or a fraction in quotes, such as {quoted}")
    above, below = Fraction(match[1]), Fraction(match[2] or 1)
    if not below:
        raise ValueError(f'"{value}": nothing can be divided by 0')
    return above / below


def _factor(value: Any) -> Fraction:
    number = fraction(value)
    if number <= 0:
        raise ValueError(f'{value!r}: a factor is more than 0; write sign = "negated" where the device counts down')
    return number


def _places(value: Any) -> int | list[int]:
    """The address of the first register, or of each."""
    each = value if isinstance(value, list) else [value]
    if not all(type(one) is int and 0 <= one <= _LAST_ADDRESS for one in each):
        raise ValueError(f"{value!r}: write the number of the register as the manual has it, 0 to {_LAST_ADDRESS}")
    if isinstance(value, list) and not 2 <= len(value) <= 4:
        raise ValueError("write the number of the first register, or a list of the 2 to 4 that stand apart")
    return value if isinstance(value, list) else int(value)


def _missing(value: Any) -> int | str:
    if type(value) is not int and value not in _MISSING:
        words = '", "'.join(_MISSING)
        raise ValueError(f'{value!r}: write the content of the register as a whole number, or "{words}"')
    return int(value) if isinstance(value, int) else str(value)


def _base(value: Any) -> "int | BasesTable":
    each = value if isinstance(value, dict) else {"input": value}
    for area, base in each.items():
        if area not in BasesTable.model_fields:
            raise ValueError(unknown("area", str(area), BasesTable.model_fields))
        if type(base) is not int or not 0 <= base <= 400_001:
            raise ValueError(f"{base!r}: write the number of the first register, such as 0, 1, 30001 or 40001")
    return BasesTable(**value) if isinstance(value, dict) else int(value)


def profile_name(text: str) -> str:
    """`text`, if a profile can be called so; ValueError otherwise."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            f'"{text}": a profile\'s name has 1 to 40 of a-z, 0-9 and -, and begins with a letter or digit'
        )
    return text


Places = Annotated[int | list[int], PlainValidator(_places)]
Missing = Annotated[int | str, PlainValidator(_missing)]
Factor = Annotated[Fraction, PlainValidator(_factor)]
Type = Annotated[str, AfterValidator(_type)]
Unit = Annotated[str, AfterValidator(_unit)]


class AboutTable(Table):
    """What the profile is for, where its addresses come from, and what it was checked against."""

    name: Annotated[str, AfterValidator(profile_name)]
    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    verified: Literal["device", "dump", "document"]
    notes: str = ""
    max_power_w: int | None = Field(None, ge=1, le=10**12)


class RequestsTable(Table):
    """How the device wants to be asked."""

    max_registers: int = Field(ge=1, le=modbus.MAX_READ)
    min_gap_ms: int = Field(0, ge=0, le=5000)
    read_gaps: bool = True
    step: int = Field(1, ge=1, le=4)
    write_function: Literal[6, 16] = 16


class RegisterTable(Table):
    """Where a value stands and how it is written there. What is absent comes from [registers].

    address: of the first register, or of each where they stand apart, in the order in which they make the value.
    """

    address: Places
    area: Area | None = None
    type: Type | None = None
    registers: int | None = Field(None, ge=1, le=125)
    word_order: Order | None = None
    byte_order: Order | None = None
    missing: list[Missing] | None = None


class TermTable(RegisterTable):
    """A register that is added to a channel's own. unit: the channel's, where it says none."""

    unit: Unit | None = None
    exponent: Exponent = 0
    raw_exponent: Exponent = 0
    factor: Factor | None = None
    offset: Annotated[Fraction, PlainValidator(fraction)] = Fraction(0)
    sign: Literal["plain", "negated", "magnitude"] = "plain"
    mask: int = Field(0, ge=0, le=0xFFFFFFFFFFFFFFFF)


class ChannelTable(TermTable):
    """A quantity that becomes a reading."""

    unit: Unit
    scale_register: Address | None = None
    plus: list[TermTable] = Field([], max_length=8)
    ratio: Ratio | None = None
    stride: int | None = Field(None, ge=0, le=65_535)
    rollover: int | None = Field(None, ge=10)
    meanings: dict[str, str] = {}
    resets: Literal["daily", "monthly", "yearly"] | None = None
    default: bool = True


class Written(Table):
    """A register that may be written."""

    address: Address
    area: Literal["holding"] | None = None
    type: Type | None = None
    word_order: Order | None = None
    byte_order: Order | None = None


class ModeTable(Written):
    """A register that puts a control in force: `on` is written behind the value, `off` gives the device back.

    unlocks: written before the value, which cannot be written otherwise, and alone puts nothing in force.
    read: false where the device lets nobody read it.
    """

    on: int
    off: int
    unlocks: bool = False
    read: bool = True


class ControlTable(Written):
    """A register that is commanded; `min` and `max` are in counts of 10^exponent of the unit.

    sign: "negated" where the register counts the other way. mode: written behind the value, in this order, and given
    back in the other. read: false where the device lets nobody read it. lapses: the device ends it by itself when
    nothing is written for a time that is set in the device.
    """

    unit: Unit
    exponent: Exponent = 0
    sign: Literal["plain", "negated"] = "plain"
    read: bool = True
    lapses: bool = False
    mode: list[ModeTable] = Field([], max_length=4)
    stride: int | None = Field(None, ge=0, le=65_535)
    min: int
    max: int


class ProbeTable(Table):
    """A register that tells this device from others: its value is one of `expect`, or lies between `min` and `max`.

    Values count what the register counts; a float is rounded to a whole number.
    """

    address: Address
    area: Area | None = None
    type: Type | None = None
    expect: list[int] = []
    min: int | None = None
    max: int | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "ProbeTable":
        if not self.expect and (self.min is None or self.max is None):
            raise ValueError("write expect = [value, ...], or min and max")
        return self


class BasesTable(Table):
    """The number of each area's first register in the manual, where it is not the same for all."""

    input: int | None = Field(None, ge=0, le=400_001)
    holding: int | None = Field(None, ge=0, le=400_001)
    coil: int | None = Field(None, ge=0, le=400_001)
    discrete: int | None = Field(None, ge=0, le=400_001)


class DefaultsTable(Table):
    """What holds for every register of the file that does not say otherwise. base: what the document counts from."""

    area: Area
    base: Annotated[int | BasesTable, PlainValidator(_base)] = 0
    type: Type
    word_order: Order = "big"
    byte_order: Order = "big"
    missing: list[Missing] = []


class PartsTable(Table):
    """Several meters in one device: how many, and how many registers from a value of one to that of the next."""

    count: int = Field(ge=2, le=100)
    stride: int = Field(ge=1, le=65_535)


class ProfileFile(Table):
    """The whole file."""

    profile: AboutTable
    requests: RequestsTable
    registers: DefaultsTable
    parts: PartsTable | None = None
    probe: list[ProbeTable] = []
    channels: dict[str, ChannelTable] = Field(min_length=1)
    identity: dict[str, RegisterTable] = {}
    controls: dict[str, ControlTable] = {}

    @model_validator(mode="after")
    def _channel_names(self) -> "ProfileFile":
        for name in (*self.channels, *self.controls):
            if not CHANNEL.fullmatch(name):
                raise ValueError(f'channel name "{name}" must be lower-case letters, digits and _, at most 40')
        for name, channel in self.channels.items():
            if channel.resets and not name.startswith("energy_"):
                raise ValueError(f"channels.{name}: resets is for counters, whose names begin with energy_")
        return self
