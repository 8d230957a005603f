"""A function of a SunSpec model: what to write, in which order, and what its registers say. Pure, no I/O.

The order is the device's safety (DER Information Model Specification, section 3.2; decision 0194): the value, what it
reverts to, the time until then, and only then what puts it in force, which is written in any case: models latch on it
what was written before, and begin their timer. Where the function is in force already the timer comes before the value.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from wayside.profiles.sunspec_controls import FUNCTIONS, Function, Offer
from wayside.values.carrier import RELEASED, CarrierError, Reversion

from .sunspec_chain import Model
from .sunspec_points import Points

_CAPACITY = 702
_SIDES = {1: 0, -1: 1}  # over-excited, under-excited


class Write(NamedTuple):
    """Registers to write, and from which one of the model on."""

    at: int
    registers: bytes


def offers(models: Iterable[tuple[Model, bytes]]) -> dict[str, Offer]:
    """What a device may be told. models: each with its registers as they are now."""
    found = {model.id: (model, Points(model.id, content)) for model, content in models}
    capacity = found[_CAPACITY][1] if _CAPACITY in found else None
    offered = {}
    for name, functions in FUNCTIONS.items():
        for function in functions:
            if function.model in found and name not in offered:
                model, points = found[function.model]
                if _is_there(function, points):
                    least, most = _bounds(function, capacity)
                    offered[name] = Offer(function, model.address, model.length, least, most)
    for rough, fine in (("active_power_percent", "active_power"), ("reactive_power_percent", "reactive_power")):
        if fine in offered:
            offered.pop(rough, None)  # both are put in force by one register
    return offered


def _is_there(function: Function, points: Points) -> bool:
    """Whether the device implements it: a set-point may be unset, but then it has a scale factor all the same."""
    has_value = points.step(function.value) is not None and points.place(function.value) is not None
    if function.enable:
        return has_value and points.raw(function.enable) is not None
    return has_value and points.raw(function.value) is not None


def _bounds(function: Function, capacity: Points | None) -> tuple[int, int]:
    least, most = function.least, function.most
    if capacity is None:
        return least, most
    low, high = (_first(names, capacity, function.exponent) for names in function.bounds)
    return least if low is None else -low, most if high is None else high


def _first(names: Iterable[str], points: Points, exponent: int) -> int | None:
    for name in names:
        raw, step = points.raw(name), points.step(name)
        if raw is not None and step is not None:
            return int(raw * step / Fraction(10) ** exponent)
    return None


def found(function: Function, points: Points) -> int:
    """What is in force, in counts; RELEASED where nothing is, or something that restricts nothing. CarrierError."""
    if function.enable and not _is_enabled(function, points):
        return RELEASED
    if function.mode and points.raw(function.mode[0]) != function.mode[1]:
        return RELEASED  # the same register puts another function in force
    raw = points.raw(function.value)
    if raw is None:
        raise CarrierError(f"its {function.value} has no value")
    count = round(raw * _step(function, points) * function.sign)
    if function.side and points.raw(function.side) == _SIDES[-1]:
        count = -count
    return RELEASED if count == function.free else count


def writes(function: Function, points: Points, count: int, reversion: Reversion | None) -> list[Write]:
    """What puts `count` in force, or gives it back (RELEASED). CarrierError: the device cannot be told so."""
    if count == RELEASED:
        return [] if found(function, points) == RELEASED else [_switch(function, points, on=False)]
    value = [*_value(function, points, function.value, function.side, count)]
    timer = [*_timer(function, points, reversion)]
    others = [_point(points, function.window, 0)] if function.window and points.raw(function.window) else []
    if function.mode and points.raw(function.mode[0]) != function.mode[1]:
        others.append(_point(points, *function.mode))
    if not function.enable:
        return [*others, *value]
    order = [*timer, *others, *value] if _is_enabled(function, points) else [*value, *others, *timer]
    return [*order, _switch(function, points, on=True)]


def free(function: Function, points: Points) -> list[Write]:
    """What makes it restrict nothing, where a device does not let go of it; nothing where there is no such value."""
    if function.free is None:
        return []
    return [*_value(function, points, function.value, function.side, function.free), _switch(function, points, on=True)]


def fault(function: Function, points: Points, count: int, reversion: Reversion | None) -> str:
    """Why the device cannot be left with what was written; empty where it can, whatever the value is."""
    if count == RELEASED or not function.seconds or found(function, points) == RELEASED:
        return ""
    seconds = points.raw(function.seconds)
    if reversion is None:
        return (
            f"its {function.seconds} is {seconds} s, and was set to 0"
            if seconds and not _is_shared(function, points)
            else ""
        )
    if seconds != reversion.seconds:
        return f"its {function.seconds} is {seconds} s, and was set to {reversion.seconds} s"
    left = points.raw(function.left) if function.left else None
    if left is not None and not 0 < left <= reversion.seconds:
        return f"its timer does not run: {function.left} is {left} s of {reversion.seconds} s"
    return ""


def wanted(function: Function, points: Points, count: int) -> int:
    """What it reads when it has `count`: towards 0 to the device's steps, RELEASED where it restricts nothing."""
    if count == RELEASED:
        return RELEASED
    step = _step(function, points)
    kept = round(int(count / step) * step)
    return RELEASED if kept == function.free else kept


def _timer(function: Function, points: Points, reversion: Reversion | None) -> Iterator[Write]:
    if reversion is None:
        # Another function of the same timer may be in force, and rely on it.
        if function.seconds and points.raw(function.seconds) and not _is_shared(function, points):
            yield _point(points, function.seconds, 0)
        return
    if not function.seconds or points.raw(function.seconds) is None:
        raise CarrierError(f"it has no timer for {function.value}: write the site file without one, or another control")
    if reversion.then != RELEASED:
        if not function.reverts_to or points.place(function.reverts_to) is None:
            raise CarrierError(
                f'its timer ends {function.value}, and cannot be told another value; write fail_safe = "device"'
            )
        side = function.side and function.reverts_to.partition(".")[0] + ".Ext"
        yield from _value(function, points, function.reverts_to, side, reversion.then)
    if function.reverts_enabled and points.raw(function.reverts_enabled) is not None:
        yield _point(points, function.reverts_enabled, 0 if reversion.then == RELEASED else 1)
    yield _point(points, function.seconds, reversion.seconds)


def _is_shared(function: Function, points: Points) -> bool:
    """Whether another function that the same register enables is in force."""
    return function.bit is not None and bool((points.raw(function.enable) or 0) & ~(1 << function.bit))


def _is_enabled(function: Function, points: Points) -> bool:
    state = points.raw(function.enable)
    if state is None:
        return False
    return state == 1 if function.bit is None else bool(state >> function.bit & 1)


def _switch(function: Function, points: Points, *, on: bool) -> Write:
    if function.bit is None:
        return _point(points, function.enable, int(on))
    state, bit = points.raw(function.enable) or 0, 1 << function.bit
    return _point(points, function.enable, state | bit if on else state & ~bit)


def _step(function: Function, points: Points) -> Fraction:
    """How many counts of the control one count of its point is."""
    step = points.step(function.value)
    if step is None:
        raise CarrierError(f"its scale factor of {function.value} says nothing: what a number means is not known")
    return step / Fraction(10) ** function.exponent


def _value(function: Function, points: Points, name: str, side: str, count: int) -> Iterator[Write]:
    raw = int(count * function.sign / _step(function, points))
    write = _point(points, name, abs(raw) if side else raw)
    place = points.place(side) if side else None
    if place is None:
        yield write
    else:  # a group that the device takes as one
        yield Write(write.at, write.registers + _SIDES[-1 if raw < 0 else 1].to_bytes(2, "big"))


def _point(points: Points, name: str, raw: int) -> Write:
    place = points.place(name)
    if place is None:
        raise CarrierError(f"it has no {name}")
    width = 16 * place.size
    least, most = (1 - (1 << width - 1), (1 << width - 1) - 1) if place.is_signed else (0, (1 << width) - 2)
    if not least <= raw <= most:
        raise CarrierError(f"its {name} holds {least} to {most}, and {raw} was to be written")
    return Write(place.at, (raw % (1 << width)).to_bytes(2 * place.size, "big"))
