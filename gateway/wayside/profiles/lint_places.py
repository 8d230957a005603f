"""Registers of a profile compared with each other: what takes a register that belongs to another value."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from wayside_wire.modbus_field import RegisterField

from .fields import addresses_of, area_of, base_of, compile_control, compile_register, kind_of
from .model import Area, ChannelTable, ControlTable, DefaultsTable, ProfileFile, RegisterTable
from .units import UNITS

Problem = tuple[tuple[int | str, ...], str]


class _Value(NamedTuple):
    """A channel's own registers, and how they are read."""

    name: str
    places: tuple[int, ...]
    mask: int
    kind: str
    is_sum: bool
    is_measured: bool


_Taken = dict[tuple[Area, int], list[_Value]]
"""Who reads a register."""


def problems(file: ProfileFile) -> list[Problem]:
    """Every problem: the place of the key, what is wrong and what to write."""
    taken: _Taken = {}
    found: list[Problem] = []
    for name, channel in file.channels.items():
        found += [(("channels", name), text) for text in _overlaps(name, channel, file, taken)]
    for name, channel in file.channels.items():
        found += [(("channels", name), text) for text in _terms(name, channel, file, taken)]
    found += [*_identities(file, taken), *_controls(file, taken)]
    return found or [*_parts(file)]


def _overlaps(name: str, channel: ChannelTable, file: ProfileFile, taken: _Taken) -> Iterator[str]:
    """What is wrong with a channel's registers beside those of the channels before it, to which it is added."""
    defaults = file.registers
    area = area_of(channel, defaults)
    places, kind = tuple(addresses_of(channel, defaults)), kind_of(channel, defaults)
    own = _Value(name, places, channel.mask, kind, bool(channel.plus), channel.unit != "1")
    for other in dict.fromkeys(value for at in own.places for value in taken.get((area, at), ())):
        if other.places != own.places or other.kind != own.kind:
            shared = min(set(other.places) & set(own.places)) + base_of(area, defaults)
            yield f"overlaps {other.name}: both take register {shared} ({shared:#06x}); look at addresses and types"
        elif own.is_sum != other.is_sum:
            continue  # what is added to may be a channel by itself, too
        elif not own.mask or not other.mask or own.mask & other.mask:
            yield f"reads the same register as {other.name}; remove one, or let masks take different bits"
    for at in own.places:
        taken.setdefault((area, at), []).append(own)


def _terms(name: str, channel: ChannelTable, file: ProfileFile, taken: _Taken) -> Iterator[str]:
    """A register of a sum may be a channel by itself, but whole; a scale register is no part of any other value."""
    defaults = file.registers
    area = area_of(channel, defaults)
    seen = set(addresses_of(channel, defaults))
    for i, term in enumerate(channel.plus):
        places = tuple(addresses_of(term, defaults))
        if seen & set(places) and not term.mask:
            yield f"plus[{i + 1}]: adds a register a second time"
        seen.update(places)
        for other in dict.fromkeys(value for at in places for value in taken.get((area, at), ())):
            if other.name != name and other.places != places:
                yield f"plus[{i + 1}]: overlaps {other.name}: it takes a part of its registers"
    if channel.scale_register is not None:
        scale = addresses_of(RegisterTable(address=channel.scale_register, area=area, type="s16"), defaults)[0]
        for other in taken.get((area, scale), ()):
            measured = file.channels.get(other.name)
            if other.name == name or len(other.places) > 1 or (measured and measured.unit != "1"):
                yield f"scale_register: is a register of {other.name}"


def _identities(file: ProfileFile, taken: _Taken) -> Iterator[Problem]:
    """A number that identifies the device stays as it is: it is no part of what is measured or written."""
    defaults = file.registers
    used = {place: f"the channel {one.name}" for place, values in taken.items() for one in values if one.is_measured}
    for name, channel in file.channels.items():
        more = [(area_of(term, defaults), at) for term in channel.plus for at in addresses_of(term, defaults)]
        used |= dict.fromkeys([*more, *_scale_of(channel, defaults)], f"the channel {name}")
    for name, control in file.controls.items():
        for at in addresses_of(control, defaults):
            used["holding", at] = f"the control {name}"
    for name, register in file.identity.items():
        places = [(area_of(register, defaults), at) for at in addresses_of(register, defaults)]
        for other in dict.fromkeys(used[place] for place in places if place in used):
            yield ("identity", name), f"stands where {other} is, which changes; look at addresses"
        used |= dict.fromkeys(places, f"identity.{name}")


def _controls(file: ProfileFile, taken: _Taken) -> Iterator[Problem]:
    defaults = file.registers
    written: dict[int, str] = {}
    scales = {place: name for name, channel in file.channels.items() for place in _scale_of(channel, defaults)}
    for name, control in file.controls.items():
        own = tuple(addresses_of(control, defaults))
        for other in dict.fromkeys(written[at] for at in own if at in written):
            if control.mode and file.controls[other].mode:
                continue  # which of both it is, charging or discharging, the mode says
            yield ("controls", name), f"writes the same register as {other}"
        written.update(dict.fromkeys(own, name))
        for other in dict.fromkeys(scales["holding", at] for at in own if ("holding", at) in scales):
            yield ("controls", name), f"writes the scale_register of the channel {other}, which scales its values"
        for other in dict.fromkeys(_split_terms(own, file)):
            yield ("controls", name), f"writes a part of what is added to the channel {other}"
        for value in dict.fromkeys(value for at in own for value in taken.get(("holding", at), ())):
            if value.places != own:
                yield ("controls", name), f"overlaps the channel {value.name}, which reads a part of what is written"
            elif not value.is_sum:
                for key in _differences(control, file.channels[value.name], defaults):
                    yield (
                        ("controls", name),
                        f"writes the register that the channel {value.name} reads, with another {key}; one of both is "
                        "wrong",
                    )


def _split_terms(own: tuple[int, ...], file: ProfileFile) -> Iterator[str]:
    """The channels to which a part of these registers is added, and not all."""
    for name, channel in file.channels.items():
        for term in channel.plus:
            places = tuple(addresses_of(term, file.registers))
            if area_of(term, file.registers) == "holding" and places != own and set(places) & set(own):
                yield name


def _differences(control: ControlTable, channel: ChannelTable, defaults: DefaultsTable) -> Iterator[str]:
    """In what the number that is written is another one than the number that is read."""
    written, read = compile_control("", control, defaults), compile_register("", channel, defaults)
    kinds = kind_of(control, defaults), kind_of(channel, defaults)
    if UNITS[control.unit].senml != UNITS[channel.unit].senml:
        yield "unit"
    elif not kinds[1].startswith("bits") and not channel.mask:  # some of the bits that are written
        if kinds[0] != kinds[1] or channel.sign == "magnitude":
            yield "type"
        if _one_count(written) != _one_count(read) or channel.offset or channel.scale_register is not None:
            yield "scale"
    if written.words_low_first != read.words_low_first and written.count > 1:
        yield "word_order"
    if written.bytes_low_first != read.bytes_low_first:
        yield "byte_order"


def _one_count(field: RegisterField) -> Fraction:
    """What a count of the register is worth, in SenML units."""
    divisor = field.more.divisor if field.more else 1
    power: int = field.shift + field.exponent
    return Fraction(field.factor, divisor) * Fraction(10) ** power


def _scale_of(channel: ChannelTable, defaults: DefaultsTable) -> Iterator[tuple[Area, int]]:
    """The place of the scale register."""
    if channel.scale_register is not None:
        area = area_of(channel, defaults)
        yield area, addresses_of(RegisterTable(address=channel.scale_register, area=area, type="s16"), defaults)[0]


def _parts_of_terms(channel: ChannelTable, defaults: DefaultsTable) -> Iterator[int]:
    for term in channel.plus:
        yield from addresses_of(term, defaults)


# ---- several meters in one device


class _User(NamedTuple):
    """Who takes a register, in which part, and whether as the scale of a value."""

    name: str
    part: int
    is_scale: bool


def _parts(file: ProfileFile) -> Iterator[Problem]:
    """Whether each part still has its registers, and none of them is one of another part's."""
    if file.parts is None:
        return
    defaults, users = file.registers, dict[tuple[Area, int], _User]()
    for table, name, one in _moving(file):
        stride = file.parts.stride if one.stride is None else one.stride
        values, scales = [(area_of(one, defaults), at) for at in addresses_of(one, defaults)], []
        if isinstance(one, ChannelTable):
            values += [(values[0][0], at) for at in _parts_of_terms(one, defaults)]
            scales = [*_scale_of(one, defaults)]
        if max(at for _, at in (*values, *scales)) + (file.parts.count - 1) * stride > 65_535:
            yield (table, name), f"part {file.parts.count} of it would be beyond the last register; look at stride"
            continue
        for part in range(file.parts.count if stride else 1):
            moved = part * stride
            mine = [((area, at + moved), _User(name, part, False)) for area, at in values]
            mine += [((area, at + moved), _User(name, part, True)) for area, at in scales]
            if text := next(_met(mine, users, stride), ""):
                yield (table, name), text
                break
            users.update((place, user) for place, user in mine if place not in users)


def _moving(file: ProfileFile) -> Iterator[tuple[str, str, ChannelTable | ControlTable]]:
    for name, channel in file.channels.items():
        yield "channels", name, channel
    for name, control in file.controls.items():
        yield "controls", name, control


def _met(
    mine: Iterable[tuple[tuple[Area, int], _User]], users: dict[tuple[Area, int], _User], stride: int
) -> Iterator[str]:
    """Who of another part has one of these registers already; within a part they were compared before."""
    for place, user in mine:
        other = users.get(place)
        if other is None or other.part == user.part or (other.is_scale and user.is_scale):
            continue
        yield (
            f"with stride = {stride} part {user.part + 1} of it takes a register that is part {other.part + 1} of "
            f"{other.name}: two parts would overlap; look at addresses, [parts] and stride"
        )
