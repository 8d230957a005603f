"""What a profile file may contain, table by table and key by key; docs/profile-format.md explains each."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from wayside_wire import modbus

from wayside.toml_file import unknown

from .units import UNITS

_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TYPE = re.compile(r"([us])(16|32|64)|f(32|64)|bits(16|32)|text")

Area = Literal["input", "holding"]
Missing = int | Literal["all-ones", "max-signed", "min-signed"]
Order = Literal["big", "little"]


def _unit(text: str) -> str:
    if text not in UNITS:
        raise ValueError(unknown("unit", text, UNITS))
    return text


def _type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise ValueError(f'unknown type "{text}"; write u16 to u64, s16 to s64, f32, f64, bits16, bits32 or text')
    return text


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class About(_Table):
    """What the profile is for, where its addresses come from, and what it was checked against."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,39}$")
    title: str
    source: str
    verified: Literal["device", "dump", "document"]
    notes: str = ""


class Requests(_Table):
    """How the device wants to be asked."""

    max_registers: int = Field(ge=1, le=modbus.MAX_READ)
    min_gap_ms: int = Field(0, ge=0, le=5000)
    read_gaps: bool = True
    step: int = Field(1, ge=1, le=4)
    write_function: Literal[6, 16] = 16


class Register(_Table):
    """Where a value stands and how it is written there. What is absent comes from [registers]."""

    address: int = Field(ge=0, le=465_536)
    area: Area | None = None
    type: Annotated[str, AfterValidator(_type)] | None = None
    registers: int | None = Field(None, ge=1, le=125)
    word_order: Order | None = None
    byte_order: Order | None = None
    missing: list[Missing] | None = None


class Channel(Register):
    """A quantity that becomes a reading."""

    unit: Annotated[str, AfterValidator(_unit)]
    exponent: int = Field(0, ge=-9, le=9)
    raw_exponent: int = Field(0, ge=-9, le=9)
    scale_register: int | None = Field(None, ge=0, le=465_536)
    sign: Literal["plain", "negated", "magnitude"] = "plain"
    mask: int = Field(0, ge=0, le=0xFFFFFFFF)
    rollover: int | None = Field(None, ge=10)
    default: bool = True

    @model_validator(mode="after")
    def _exponents(self) -> "Channel":
        is_float = self.type is None or self.type.startswith("f")
        if self.raw_exponent and not is_float:
            raise ValueError("raw_exponent is for floats; an integer register counts 10^exponent of its unit")
        return self


class Control(Channel):
    """A register that may be written; `min` and `max` are in counts of 10^exponent of the unit."""

    min: int
    max: int


class Probe(_Table):
    """A register that tells this device from others: its value is one of `expect`, or lies between `min` and `max`.

    Values count what the register counts; a float is rounded to a whole number.
    """

    address: int = Field(ge=0, le=465_536)
    area: Area | None = None
    type: Annotated[str, AfterValidator(_type)] | None = None
    expect: list[int] = []
    min: int | None = None
    max: int | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Probe":
        if not self.expect and (self.min is None or self.max is None):
            raise ValueError("write expect = [value, ...], or min and max")
        return self


class Defaults(_Table):
    """What holds for every register of the file that does not say otherwise. base: what the document counts from."""

    area: Area
    base: int = Field(0, ge=0, le=400_001)
    type: Annotated[str, AfterValidator(_type)]
    word_order: Order = "big"
    byte_order: Order = "big"
    missing: list[Missing] = []


class ProfileFile(_Table):
    """The whole file."""

    profile: About
    requests: Requests
    registers: Defaults
    probe: list[Probe] = Field(min_length=1)
    channels: dict[str, Channel] = Field(min_length=1)
    identity: dict[str, Register] = {}
    controls: dict[str, Control] = {}

    @model_validator(mode="after")
    def _channel_names(self) -> "ProfileFile":
        for name in (*self.channels, *self.controls):
            if not _CHANNEL.fullmatch(name):
                raise ValueError(f'channel name "{name}" must be lower-case letters, digits and _, at most 40')
        return self
