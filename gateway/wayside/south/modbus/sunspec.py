"""Finds out what a SunSpec device offers and makes a profile of it."""

from collections.abc import Container

from wayside_wire import modbus, modbus_field
from wayside_wire.modbus_field import RegisterField

from wayside.profiles import DISCOVERED, Profile
from wayside.profiles.loader import ProfileCheck
from wayside.profiles.sunspec_controls import FUNCTIONS

from .sunspec_chain import COMMON, MAX_READ, Model, NotSunSpec, ReadRegisters, Registers, devices, find_models
from .sunspec_control import offers
from .sunspec_model import CHANNELS, PREFERENCE, fields_of, layout

# What changes seldom is reported only when it is asked for.
_SELDOM = ("rating_", "setting_", "storage_energy_rating")
_READ = {*PREFERENCE, *(each.model for known in FUNCTIONS.values() for each in known)}


async def discover(read: ReadRegisters, part: int = 1) -> Profile:
    """The profile of the device behind `read`, of the one that has the `part`th common model where there are several.

    NotSunSpec or ModbusError when there is none to be had.
    """
    parts = devices(await find_models(read))
    models = _of_part(parts, part)
    contents = await _contents(read, models, _READ)
    fields: dict[str, RegisterField] = {}
    meanings: dict[str, dict[int, str]] = {}
    heads: list[ProfileCheck] = []
    for number in PREFERENCE:
        for model, content in contents.items():
            if model.id == number:
                new = [each for each in fields_of(model, content) if each[0].channel not in fields]
                for field, symbols in new:
                    fields[field.channel] = field
                    meanings.update({field.channel: symbols} if symbols else {})
                if new:
                    heads.append(_head(model))
    if not fields:
        known = ", ".join(str(model.id) for model in models)
        raise NotSunSpec(f"models {known}: none that is supported ({', '.join(map(str, sorted(CHANNELS)))})")
    identity = {}
    if models[0].id == COMMON:
        points = {name: (at, point) for name, at, point in layout(models[0])}
        for key, name in (("manufacturer", "Mn"), ("model", "Md"), ("serial_number", "SN")):
            if name in points:
                at, point = points[name]
                identity[key] = _text(key, at, point["size"])
    return DISCOVERED._replace(
        fields=fields,
        defaults=tuple(name for name in fields if not name.startswith(_SELDOM)),
        identity=identity,
        max_registers=MAX_READ,
        meanings=meanings,
        parts=len(parts),
        part=part,
        heads=tuple(heads),
        offers=offers(contents.items()),
    )


async def contents_of(read: ReadRegisters, part: int, numbers: Container[int]) -> dict[Model, bytes]:
    """The device's models of these numbers, each with its registers; raises as discover()."""
    return await _contents(read, _of_part(devices(await find_models(read)), part), numbers)


def _of_part(parts: list[list[Model]], part: int) -> list[Model]:
    if part > len(parts):
        raise NotSunSpec(f"part = {part}: the chain of models has {len(parts)} common models; write 1 to {len(parts)}")
    return parts[part - 1]


async def _contents(read: ReadRegisters, models: list[Model], numbers: Container[int]) -> dict[Model, bytes]:
    """The first model of each number."""
    registers, found = Registers(read), dict[int, tuple[Model, bytes]]()
    for model in models:
        if model.id in numbers and model.id not in found:
            found[model.id] = (model, await registers.whole(model.address, 2 + model.length))
    return dict(found.values())


def joined(before: Profile, now: Profile) -> Profile:
    """What two discoveries of one chain of models found: a device that sleeps says that it lacks what it has by day."""
    if before.heads != now.heads:
        return now
    fields, told = now.fields | before.fields, {**before.offers, **now.offers}
    if fields.keys() == before.fields.keys() and told == before.offers:
        return before
    defaults = before.defaults + tuple(name for name in now.defaults if name not in before.defaults)
    return before._replace(fields=fields, defaults=defaults, meanings=now.meanings | before.meanings, offers=told)


def _head(model: Model) -> ProfileCheck:
    """The number and the length of a model, which stand in front of its points."""
    content = model.id << 16 | model.length
    field = _text(f"model {model.id}", model.address, 2)._replace(kind=modbus_field.UNSIGNED)
    return ProfileCheck(field, frozenset((content,)), content, content)


def _text(name: str, at: int, size: int) -> RegisterField:
    kind = modbus_field.TEXT
    return RegisterField(
        name, "", 0, modbus.READ_HOLDING, at, size, kind, False, False, 0, 1, frozenset(), None, 0, None
    )
