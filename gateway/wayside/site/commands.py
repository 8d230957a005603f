"""What the tables of a site file want written to devices, checked whole: whether it can be, and by one hand only.

A control is whole registers. Two that share one would each write the other's value, and each would read back something
else than it wrote: so each register is held for one actuator, and a timer's for as many as begin it in the same way.
"""

from collections.abc import Iterator, Mapping, Sequence

from wayside.parts.part import ControlUse, Key, Setting
from wayside.settings.toml_file import Place, key_text
from wayside.text.unknown import unknown
from wayside.values.carrier import Controllable
from wayside.values.expected import Expected

_Wanted = Sequence[tuple[Place, Setting]]
"""Each with the place of its table."""


def problems(wanted: _Wanted, devices: Mapping[str, Expected]) -> Iterator[tuple[Place, str]]:
    """What cannot be written: the key, and what to write instead."""
    holds = [each for _, each in wanted if each.use is ControlUse.HOLD]
    held = {f"{each.device} {each.control}": _is_there(each, devices) for each in holds}
    found = (((*place, *key), text) for place, each in wanted for key, text in _cannot_be_set(each, held, devices))
    yield from dict.fromkeys(found)  # of several numbers for one control that is not there
    yield from _written_twice([each for each in wanted if each[1].use is not ControlUse.ASK], devices)


def _is_there(setting: Setting, devices: Mapping[str, Expected]) -> bool:
    told = devices.get(setting.device)
    return told is not None and (told.controls is None or setting.control in told.controls)


def _cannot_be_set(
    setting: Setting, held: Mapping[str, bool], devices: Mapping[str, Expected]
) -> Iterator[tuple[Key, str]]:
    """held: what is to be held, and whether there is such a control."""
    told, name = devices.get(setting.device), f"{setting.device} {setting.control}"
    if setting.use is ControlUse.ASK and name not in held:
        known = [each for each, is_there in held.items() if is_there]
        if not held:
            yield setting.control_key, f"this site has no [[actuator]]; add one for {name}"
        elif not known:  # an [[actuator]] that is wrong is told of itself
            yield setting.control_key, f"no [[actuator]] is {name}"
        else:
            yield setting.control_key, unknown("actuator", name, known)
    elif told is None:
        yield setting.device_key, unknown("device", setting.device, devices)
    elif told.controls is None:
        return  # nobody knows them
    elif not told.controls:
        yield setting.device_key, f"{setting.device} lets nobody command it: its profile has no [controls]"
    elif setting.control not in told.controls:
        # A control that is held for people to command is nobody's timer.
        is_held = setting.use is ControlUse.HOLD
        known = [each for each in told.controls if is_held or f"{setting.device} {each}" not in held]
        none = f'unknown control "{setting.control}"; {setting.device} has no other: leave out timer'
        yield setting.control_key, unknown("control", setting.control, known) if known else none
    else:
        yield from _does_not_fit(setting, told.controls[setting.control])


def _does_not_fit(setting: Setting, what: Controllable) -> Iterator[tuple[Key, str]]:
    if setting.use is ControlUse.HOLD:
        if setting.number is None and setting.has_own_timer is None and not what.releases:
            yield (
                setting.number_key,
                'fail_safe = "device" needs a timer: without one what was written last stays for ever; write the value '
                "that it is to have",
            )
        if setting.has_own_timer and not what.reverts:
            text = f"{setting.control} has no timer of its own; name the control that begins one: timer.control"
            yield ("timer",), text
        elif setting.has_own_timer is False and what.reverts:
            text = f"{setting.control} has a timer of its own, begun with each value; leave this out"
            yield ("timer", "control"), text
    if setting.number is not None:
        try:
            is_time = setting.use is ControlUse.TIMER
            what.counts_of_seconds(int(setting.number)) if is_time else what.counts(setting.number)
        except ValueError as error:
            yield setting.number_key, str(error)


def _written_twice(wanted: _Wanted, devices: Mapping[str, Expected]) -> Iterator[tuple[Place, str]]:
    lapsing = {place for place, setting in wanted if _ends_by_timer_only(setting, devices)}
    owners: dict[str, tuple[Place, Setting]] = {}  # by what is written
    for place, setting in wanted:
        for cell in sorted(_what(setting, devices).cells):
            there, other = owners.setdefault(cell, (place, setting))
            if (there, other) != (place, setting) and not _are_one(setting, other, devices):
                where = f"{other.device} {other.control} writes, in {key_text((*there, *other.control_key))}"
                text = f"{setting.device} {setting.control} writes what {where}: {cell}"
                yield (*place, *setting.control_key), f"{text}; each would overwrite the other, so keep one of the two"
                break
            if setting.use is ControlUse.TIMER and there != place and lapsing & {there, place}:
                text = f"this timer serves {key_text((*there, *other.control_key))} too: {_NEVER_ENDS}"
                yield (*place, *setting.control_key), text
                break


def _ends_by_timer_only(setting: Setting, devices: Mapping[str, Expected]) -> bool:
    """Whether the desk writes nothing when nobody asks: the device's timer alone ends what was asked for."""
    return setting.use is ControlUse.HOLD and setting.number is None and not _what(setting, devices).releases


def _are_one(setting: Setting, other: Setting, devices: Mapping[str, Expected]) -> bool:
    """Whether both begin one timer in the same way; or are one control, whose table is there twice (told as such)."""
    if (setting.device, setting.control, setting.use) == (other.device, other.control, other.use):
        return setting.use is ControlUse.HOLD or setting.number == other.number
    is_timer = setting.use is other.use is ControlUse.TIMER
    return is_timer and _what(setting, devices) == _what(other, devices) and setting.number == other.number


def _what(setting: Setting, devices: Mapping[str, Expected]) -> Controllable:
    told = devices.get(setting.device)
    return ((told.controls if told else None) or {}).get(setting.control, _NOTHING)


_NEVER_ENDS = (
    'it goes on while one of the two is asked for, and the other, with fail_safe = "device", keeps the value of a '
    "request that is over; write a value for its fail_safe"
)
_NOTHING = Controllable("", 0, 0, 0)
