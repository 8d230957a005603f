"""Reads a profile file, checks it whole and compiles it into register fields."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from wayside_wire import modbus, modbus_field
from wayside_wire.modbus_field import RegisterField

from wayside.settings import toml_file
from wayside.settings.toml_file import TomlSource
from wayside.text.unknown import unknown

from . import lint
from .fields import AREAS, base_of, compile_control, compile_mode, compile_register, times
from .model import BasesTable, ControlTable, DefaultsTable, ProfileFile, Ratio, RegisterTable
from .sunspec_controls import Offer

_HERE = Path(__file__).parent
_MOST_PARTS = 64  # of a device that says itself how many it has


class ProfileError(Exception):
    """A profile that cannot be used; `problems` holds one line each: file, line, key, what is wrong, what to write."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class ControlMode(NamedTuple):
    """A register that puts a control in force: what is written to it behind the value, and to give the device back.

    unlocks: it is written before the value; is_read: whether the device lets it be read.
    """

    field: RegisterField
    on: int
    off: int
    unlocks: bool
    is_read: bool


class ControlLimits(NamedTuple):
    """A control's register field, and the counts of 10^exponent of `unit`, as the file writes it, that may be written.

    The field's own unit and exponent are those of a reading. sign: -1 where the register
    counts the other way. modes: written behind the value, in this order. is_read: whether the device lets it be read;
    lapses: whether the device ends it by itself.
    """

    field: RegisterField
    min: int
    max: int
    unit: str
    exponent: int
    sign: int
    modes: tuple[ControlMode, ...]
    is_read: bool
    lapses: bool


class ProfileCheck(NamedTuple):
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
    """A checked profile. fields: what each channel reads; defaults: the channels reported when none are named.

    rollover: where a channel starts again from 0, times the factor of its field; ratios: which ratio of the site's
    transformers a channel has to be multiplied by, and has not been yet; meanings: of a channel's values, of bits by
    their number; bases: function -> the number of its first register in the manual; parts: how many meters there are in
    one device, part: which one of them this is, and strides: how many registers a channel or control of one is from the
    same of the next; heads: registers that say what stands behind them, read with the fields; offers: what a SunSpec
    device may be told, instead of controls.
    """

    name: str
    title: str
    verified: str
    max_registers: int
    min_gap_ms: int
    read_gaps: bool
    step: int
    write_function: int
    probe: tuple[ProfileCheck, ...]
    fields: dict[str, RegisterField]
    defaults: tuple[str, ...]
    rollover: dict[str, int]
    identity: dict[str, RegisterField]
    controls: dict[str, ControlLimits]
    ratios: dict[str, Ratio]
    meanings: dict[str, dict[int, str]]
    bases: dict[int, int]
    parts: int
    part: int
    strides: dict[str, int]
    resets: frozenset[str]
    max_power_w: int | None
    heads: tuple[ProfileCheck, ...] = ()
    offers: Mapping[str, Offer] = MappingProxyType({})

    def select(self, channels: Iterable[str] | None = None) -> list[RegisterField]:
        """The fields of `channels`, or of the default ones; ProfileError names a channel that cannot be had."""
        chosen = self.defaults if channels is None else tuple(channels)
        absent = [name for name in chosen if name not in self.fields]
        wrong = [f"profile {self.name}: {unknown('channel', name, self.fields)}" for name in absent]
        for ratio in ("ct", "vt"):
            lacking = [name for name in chosen if ratio in self.ratios.get(name, "")]
            if lacking:
                wrong.append(
                    f"profile {self.name}: {lacking[0]} is what the meter sees behind a transformer; write "
                    f'{ratio}_ratio = "PRIMARY/SECONDARY" at the device, 1 where there is none'
                )
        if wrong:
            raise ProfileError(wrong)
        return [self.fields[name] for name in chosen]

    def for_site(self, ct: Fraction | None = None, vt: Fraction | None = None, part: int = 1) -> "Profile":
        """The profile as it holds at a site: with its transformers' ratios, for one of the meters in the device.

        ProfileError: there is no such part, or no channel that a ratio changes.
        """
        problems = [
            f"profile {self.name}: no channel has to be multiplied by {name}_ratio; remove it"
            for name, given in (("ct", ct), ("vt", vt))
            if given not in (None, 1) and not any(name in ratio for ratio in self.ratios.values())
        ]
        if not 1 <= part <= self.parts:
            write = f"write 1 to {self.parts}" if self.parts > 1 else "remove it"
            problems.append(f"profile {self.name}: part = {part}: the device has {self.parts}; {write}")
        if problems:
            raise ProfileError(problems)
        factors = {"ct": ct, "vt": vt, "ct*vt": None if ct is None or vt is None else ct * vt}
        given = {name: factor for name, ratio in self.ratios.items() if (factor := factors[ratio]) is not None}
        fields = {
            name: _moved(times(field, given[name]) if name in given else field, (part - 1) * self.strides.get(name, 0))
            for name, field in self.fields.items()
        }
        controls = {
            name: _moved_control(limits, (part - 1) * self.strides.get(name, 0))
            for name, limits in self.controls.items()
        }
        # The register's count, times the divisor of the old field, without that of the new one.
        counts = {name: count * _divisor(self.fields[name]) for name, count in self.rollover.items()}
        return self._replace(
            fields=fields,
            rollover={name: count // _divisor(fields[name]) for name, count in counts.items()},
            controls=controls,
            part=part,
            ratios={name: ratio for name, ratio in self.ratios.items() if name not in given},
            max_power_w=None if self.max_power_w is None else ceil(self.max_power_w * (ct or 1) * (vt or 1)),
        )

    def ends(self, fields: Iterable[RegisterField]) -> dict[str, int]:
        """By channel, the mantissa at which its register starts again from 0, where the profile knows it."""
        return {one.channel: self.rollover[one.channel] * one.factor for one in fields if one.channel in self.rollover}

    def numbered(self, function: int, address: int) -> int:
        """The number that the device's manual gives to the register with this protocol address."""
        return address + self.bases.get(function, 0)

    def meaning(self, channel: str, value: int) -> str:
        """What the value of a channel means, "" where the profile does not say."""
        known = self.meanings.get(channel, {})
        if channel not in self.fields or self.fields[channel].kind != modbus_field.BITS:
            return known.get(value, "")
        return ", ".join(text for bit, text in sorted(known.items()) if value >> bit & 1)


def _divisor(field: RegisterField) -> int:
    return field.more.divisor if field.more else 1


def _moved(field: RegisterField, registers: int) -> RegisterField:
    scale = None if field.scale is None else field.scale + registers
    return field._replace(address=field.address + registers, scale=scale) if registers else field


def _moved_control(limits: ControlLimits, registers: int) -> ControlLimits:
    modes = tuple(one._replace(field=_moved(one.field, registers)) for one in limits.modes)
    return limits._replace(field=_moved(limits.field, registers), modes=modes)


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
    ratios={},
    meanings={},
    bases={},
    parts=_MOST_PARTS,
    part=1,
    strides={},
    resets=frozenset(),
    max_power_w=None,
)
"""Stands for a device that says itself what its registers mean; the bus fills in the fields when it has asked."""


def names() -> frozenset[str]:
    """The names of the profiles that come with Wayside."""
    return frozenset(path.stem for path in _HERE.glob("*.toml")) | {DISCOVERED.name}


@cache
def load(name: str) -> Profile:
    """The profile of this name that comes with Wayside; ProfileError when there is none or it is not valid."""
    if name not in names():
        raise ProfileError([unknown("profile", name, names(), "`wayside profile list` shows all")])
    if name == DISCOVERED.name:
        return DISCOVERED
    return load_file(_HERE / f"{name}.toml")


def load_file(path: Path) -> Profile:
    """The checked profile in the file at `path`; ProfileError with every problem otherwise."""
    file, source = toml_file.load(path, ProfileFile, "a profile", ProfileError)
    return _compile(file, source)


def _compile(file: ProfileFile, source: TomlSource) -> Profile:
    problems = [source.problem(place, text) for place, text in lint.problems(file)]
    if problems:
        raise ProfileError(problems)
    defaults, parts = file.registers, file.parts
    strides: dict[str, int] = {}
    if parts is not None:
        own = [(name, one.stride) for table in (file.channels, file.controls) for name, one in table.items()]
        strides = {name: parts.stride if stride is None else stride for name, stride in own}
    fields = {name: compile_register(name, channel, defaults) for name, channel in file.channels.items()}
    return Profile(
        name=file.profile.name,
        title=file.profile.title,
        verified=file.profile.verified,
        max_registers=file.requests.max_registers,
        min_gap_ms=file.requests.min_gap_ms,
        read_gaps=file.requests.read_gaps,
        step=file.requests.step,
        write_function=file.requests.write_function,
        probe=tuple(
            ProfileCheck(
                compile_register("", RegisterTable(address=probe.address, area=probe.area, type=probe.type), defaults),
                frozenset(probe.expect),
                probe.min or 0,
                probe.max or 0,
            )
            for probe in file.probe
        ),
        fields=fields,
        defaults=tuple(name for name, channel in file.channels.items() if channel.default),
        rollover={
            name: channel.rollover // _divisor(fields[name])
            for name, channel in file.channels.items()
            if channel.rollover
        },
        identity={name: compile_register(name, register, defaults) for name, register in file.identity.items()},
        controls={name: _limits(name, control, defaults) for name, control in file.controls.items()},
        ratios={name: channel.ratio for name, channel in file.channels.items() if channel.ratio},
        meanings={
            name: {int(value): text for value, text in channel.meanings.items()}
            for name, channel in file.channels.items()
            if channel.meanings
        },
        bases=_bases(defaults),
        parts=parts.count if parts else 1,
        part=1,
        strides=strides,
        resets=frozenset(name for name, channel in file.channels.items() if channel.resets),
        max_power_w=file.profile.max_power_w,
    )


def _limits(name: str, control: ControlTable, defaults: DefaultsTable) -> ControlLimits:
    modes = [ControlMode(compile_mode(one, defaults), one.on, one.off, one.unlocks, one.read) for one in control.mode]
    return ControlLimits(
        compile_control(name, control, defaults),
        control.min,
        control.max,
        control.unit,
        control.exponent,
        -1 if control.sign == "negated" else 1,
        tuple(modes),
        control.read,
        control.lapses,
    )


def _bases(defaults: DefaultsTable) -> dict[int, int]:
    return {
        function: base_of(AREAS[function], defaults)
        for function in AREAS
        if not isinstance(defaults.base, BasesTable) or getattr(defaults.base, AREAS[function]) is not None
    }
