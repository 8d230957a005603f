"""Registers of a profile compared with each other: what takes a register that belongs to another value."""

from collections.abc import Iterator
from typing import NamedTuple

from .fields import addresses_of, area_of, base_of, kind_of
from .model import Area, Channel, ProfileFile, Register

Problem = tuple[tuple[int | str, ...], str]


class _Value(NamedTuple):
    """A channel's own registers, and how they are read."""

    name: str
    places: tuple[int, ...]
    mask: int
    kind: str
    is_sum: bool


_Taken = dict[tuple[Area, int], list[_Value]]
"""Who reads a register."""


def problems(file: ProfileFile) -> list[Problem]:
    """Every problem: the place of the key, what is wrong and what to write."""
    taken: _Taken = {}
    found: list[Problem] = []
    for name, channel in file.channels.items():
        found += [(("channels", name), text) for text in _overlaps(name, channel, file, taken)]
    for name, channel in file.channels.items():
        found += [(("channels", name), text) for text in (*_terms(name, channel, file, taken), *_parts(channel, file))]
    return [*found, *_controls(file, taken)]


def _overlaps(name: str, channel: Channel, file: ProfileFile, taken: _Taken) -> Iterator[str]:
    """What is wrong with a channel's registers beside those of the channels before it, to which it is added."""
    defaults = file.registers
    area = area_of(channel, defaults)
    places, kind = tuple(addresses_of(channel, defaults)), kind_of(channel, defaults)
    own = _Value(name, places, channel.mask, kind, bool(channel.plus))
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


def _terms(name: str, channel: Channel, file: ProfileFile, taken: _Taken) -> Iterator[str]:
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
        scale = addresses_of(Register(address=channel.scale_register, area=area, type="s16"), defaults)[0]
        for other in taken.get((area, scale), ()):
            if other.name == name or len(other.places) > 1:
                yield f"scale_register: is a register of {other.name}"


def _parts(channel: Channel, file: ProfileFile) -> Iterator[str]:
    """Whether the last of several meters still has its registers, and none of them those of another."""
    if file.parts is None:
        return
    defaults, count = file.registers, file.parts.count
    stride = file.parts.stride if channel.stride is None else channel.stride
    places = [at for one in (channel, *channel.plus) for at in addresses_of(one, defaults)]
    if max(places) + (count - 1) * stride > 65_535:
        yield f"part {count} of it would be beyond the last register; look at [parts] and stride"
    if 0 < stride < len(addresses_of(channel, defaults)):
        yield f"stride = {stride}: it takes {len(places)} registers itself, so two parts would overlap"


def _controls(file: ProfileFile, taken: _Taken) -> Iterator[Problem]:
    written: dict[int, str] = {}
    for name, control in file.controls.items():
        own = tuple(addresses_of(control, file.registers))
        for other in dict.fromkeys(written[at] for at in own if at in written):
            yield ("controls", name), f"writes the same register as {other}"
        written.update(dict.fromkeys(own, name))
        for value in dict.fromkeys(value for at in own for value in taken.get(("holding", at), ())):
            if value.places != own:
                yield ("controls", name), f"overlaps the channel {value.name}, which reads a part of what is written"
        stride = 0 if file.parts is None else file.parts.stride if control.stride is None else control.stride
        if file.parts is not None and max(own) + (file.parts.count - 1) * stride > 65_535:
            yield ("controls", name), f"part {file.parts.count} of it would be beyond the last register"
