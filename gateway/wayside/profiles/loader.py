"""Reads a profile file, checks it whole and compiles it into register fields."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wayside_wire import modbus, modbus_field
from wayside_wire.modbus_field import Field as RegisterField

from wayside import toml_file
from wayside.toml_file import unknown

from .model import Channel, Defaults, Missing, Probe, ProfileFile, Register
from .units import UNITS

_HERE = Path(__file__).parent
_AREAS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


class ProfileError(Exception):
    """A profile that cannot be used; `problems` holds one line each: file, line, key, what is wrong, what to write."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class Limits(NamedTuple):
    """A control's register field and the counts that may be written."""

    field: RegisterField
    min: int
    max: int


class Check(NamedTuple):
    """A register and what it holds in this kind of device: one of `expect`, or min to max where that is empty."""

    field: RegisterField
    expect: frozenset[int]
    min: int
    max: int

    def fits(self, data: bytes) -> bool:
        """Whether the registers `data` are those of this kind of device."""
        value, _ = modbus_field.decode(self.field, data)
        if value is None:
            return False
        return value in self.expect if self.expect else self.min <= value <= self.max


class Profile(NamedTuple):
    """A checked profile. fields: what each channel reads; defaults: the channels reported when none are named."""

    name: str
    title: str
    verified: str
    max_registers: int
    min_gap_ms: int
    read_gaps: bool
    step: int
    write_function: int
    probe: tuple[Check, ...]
    fields: dict[str, RegisterField]
    defaults: tuple[str, ...]
    rollover: dict[str, int]
    identity: dict[str, RegisterField]
    controls: dict[str, Limits]

    def select(self, channels: Iterable[str] | None = None) -> list[RegisterField]:
        """The fields of `channels`, or of the default ones; ProfileError names a channel that is not in the profile."""
        chosen = self.defaults if channels is None else tuple(channels)
        wrong = [name for name in chosen if name not in self.fields]
        if wrong:
            raise ProfileError([f"profile {self.name}: {unknown('channel', name, self.fields)}" for name in wrong])
        return [self.fields[name] for name in chosen]


DISCOVERED = Profile(
    name="sunspec",
    title="SunSpec device, discovered",
    verified="dump",
    max_registers=modbus.MAX_READ,
    min_gap_ms=0,
    read_gaps=True,
    step=1,
    write_function=16,
    probe=(),
    fields={},
    defaults=(),
    rollover={},
    identity={},
    controls={},
)
"""Stands for a device that says itself what its registers mean; the bus fills in the fields when it has asked."""


def names() -> frozenset[str]:
    """The names of the profiles that come with Wayside."""
    return frozenset(path.stem for path in _HERE.glob("*.toml")) | {DISCOVERED.name}


@cache
def load(name: str) -> Profile:
    """The profile of this name that comes with Wayside; ProfileError when there is none or it is not valid."""
    if name not in names():
        raise ProfileError([unknown("profile", name, names())])
    if name == DISCOVERED.name:
        return DISCOVERED
    return load_file(_HERE / f"{name}.toml")


def load_file(path: Path) -> Profile:
    """The checked profile in the file at `path`; ProfileError with every problem otherwise."""
    return _compile(path, read_file(path))


def read_file(path: Path) -> ProfileFile:
    """The checked content of the file at `path`; ProfileError with every problem otherwise."""
    return toml_file.load(path, ProfileFile, "a profile", ProfileError)[0]


def _compile(path: Path, file: ProfileFile) -> Profile:
    problems: list[str] = []

    def field(name: str, register: Register) -> RegisterField | None:
        try:
            return _field(name.rpartition(".")[2], register, file.registers)
        except ValueError as error:
            problems.append(f"{path}: {name}: {error}")
            return None

    channels = {name: field(f"channels.{name}", channel) for name, channel in file.channels.items()}
    identity = {name: field(f"identity.{name}", register) for name, register in file.identity.items()}
    controls = {name: field(f"controls.{name}", control) for name, control in file.controls.items()}
    checks = [_check(field(f"probe[{i + 1}]", _probe_register(probe)), probe) for i, probe in enumerate(file.probe)]
    for name, one in channels.items():
        if one is not None and one.count > file.requests.max_registers:
            problems.append(f"{path}: channels.{name}: needs {one.count} registers, requests.max_registers allows less")
    if problems:
        raise ProfileError(problems)
    return Profile(
        name=file.profile.name,
        title=file.profile.title,
        verified=file.profile.verified,
        max_registers=file.requests.max_registers,
        min_gap_ms=file.requests.min_gap_ms,
        read_gaps=file.requests.read_gaps,
        step=file.requests.step,
        write_function=file.requests.write_function,
        probe=tuple(check for check in checks if check is not None),
        fields={name: one for name, one in channels.items() if one is not None},
        defaults=tuple(name for name, channel in file.channels.items() if channel.default),
        rollover={name: channel.rollover for name, channel in file.channels.items() if channel.rollover},
        identity={name: one for name, one in identity.items() if one is not None},
        controls={
            name: Limits(one, file.controls[name].min, file.controls[name].max)
            for name, one in controls.items()
            if one is not None
        },
    )


def _probe_register(probe: Probe) -> Register:
    return Register(address=probe.address, area=probe.area, type=probe.type)


def _check(field: RegisterField | None, probe: Probe) -> Check | None:
    return None if field is None else Check(field, frozenset(probe.expect), probe.min or 0, probe.max or 0)


def _field(name: str, register: Register, defaults: Defaults) -> RegisterField:
    kind, count = _kind(register, register.type or defaults.type)
    senml, factor, power = UNITS[register.unit] if isinstance(register, Channel) else ("", 1, 0)
    exponent = shift = mask = 0
    scale = None
    if isinstance(register, Channel):
        exponent = register.exponent
        # An integer counts 10**exponent of its unit; a float counts 10**raw_exponent and is rounded to 10**exponent.
        # With a scale register an integer counts 10**(its content).
        if kind == modbus_field.FLOAT:
            shift = register.raw_exponent - exponent
        if register.scale_register is not None:
            shift = -exponent
            scale = _protocol_address(register.scale_register, defaults.base)
        if register.sign == "negated":
            factor = -factor
        elif register.sign == "magnitude":
            kind = modbus_field.MAGNITUDE
        mask = register.mask
    return RegisterField(
        channel=name,
        unit=senml,
        exponent=exponent + power,
        function=_AREAS[register.area or defaults.area],
        address=_protocol_address(register.address, defaults.base),
        count=count,
        kind=kind,
        words_low_first=(register.word_order or defaults.word_order) == "little",
        bytes_low_first=(register.byte_order or defaults.byte_order) == "little",
        shift=shift,
        factor=factor,
        missing=frozenset(
            _missing(one, 16 * count) for one in (defaults.missing if register.missing is None else register.missing)
        ),
        scale=scale,
        mask=mask,
    )


def _kind(register: Register, text: str) -> tuple[str, int]:
    if text == "text":
        if register.registers is None:
            raise ValueError("a text needs its length: write registers = N")
        return modbus_field.TEXT, register.registers
    if text.startswith("bits"):
        return modbus_field.BITS, int(text[4:]) // 16
    return text[0], int(text[1:]) // 16


def _missing(value: Missing, width: int) -> int:
    """The register bits that mean "no value"."""
    if isinstance(value, int):
        return value
    ones = (1 << width) - 1
    return {"all-ones": ones, "max-signed": ones >> 1, "min-signed": (ones >> 1) + 1}[value]


def _protocol_address(address: int, base: int) -> int:
    if not base <= address < base + 65536:
        raise ValueError(f"address {address:#06x} is not between base {base} and base + 65535")
    return address - base
