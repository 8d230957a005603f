"""Why each group shows what it shows, in words, from one tick's state and what was asked."""

from collections.abc import Iterator

from wayside.control.signals.core import AMBER, GREEN, RED, RED_AMBER, Mode
from wayside.control.signals.junction import PEDESTRIAN, TICKS_PER_S, Junction
from wayside.control.signals.replay import Moment


def explain(junction: Junction, moment: Moment) -> Iterator[tuple[str, str]]:
    """(group, what it shows and why), for all groups."""
    for number, group in enumerate(junction.groups):
        yield group.name, _explain(junction, moment, number)


def _explain(junction: Junction, moment: Moment, number: int) -> str:
    group, state = junction.groups[number], moment.state
    indication, age = state.groups[number]
    if state.mode == Mode.FLASH:
        return f"flashes: {moment.cause}"
    if state.mode == Mode.ALL_RED:
        return f"red: all red at the start, {_s(junction.start_all_red - state.age)} more"
    if indication == GREEN:
        return f"green for {_s(age)}: {_green(junction, moment, number)}"
    if indication == AMBER:
        name = "clearance" if group.kind == PEDESTRIAN else "yellow"
        return f"{name}, {_s(group.amber - age)} more"
    if indication == RED_AMBER:
        return f"red with yellow, {_s(group.red_amber - age)} more"
    return f"red for {_s(age)}: {_red(junction, moment, number)}"


def _green(junction: Junction, moment: Moment, number: int) -> str:
    if state_forces(junction, moment, number):
        return "served because it had waited too long"
    if number in moment.requests.green:
        return moment.cause
    left = junction.groups[number].min_green - moment.state.groups[number].age
    return f"its minimum lasts {_s(left)} more" if left > 0 else "it ends as soon as what belongs to it may"


def _red(junction: Junction, moment: Moment, number: int) -> str:
    state = moment.state
    if number in moment.requests.closed:
        return f"closed: {moment.cause}"
    parents = junction.parents[number]
    if parents and parents <= moment.requests.closed:
        return f"closed with {', '.join(junction.groups[each].name for each in sorted(parents))}: {moment.cause}"
    forced = state_forces(junction, moment, number)
    if state.serving >= 0 and not forced:
        names = ", ".join(junction.groups[each].name for each in sorted(junction.stage_sets[state.serving]))
        return f"{names} had waited too long and comes first"
    if not forced and number not in moment.requests.green:
        called = "called" if number in moment.calls else "not called"
        if moment.utc_ms > moment.decided_ms:  # who called since then is not in the journal
            called += f" when that was decided, {(moment.utc_ms - moment.decided_ms) / 1000:.1f} s before"
        return f"{called}; {moment.asked} ({moment.cause})"
    return "wanted, and waits for " + ("; ".join(_waits(junction, moment, number)) or "the next tick")


def _waits(junction: Junction, moment: Moment, number: int) -> Iterator[str]:
    for other, intergreen in junction.conflicts[number]:
        group, (indication, age) = junction.groups[other], moment.state.groups[other]
        if indication == RED:
            left = intergreen - junction.groups[number].red_amber - group.amber - age
            if left > 0:
                yield f"the intergreen from {group.name}, {_s(left)} more"
        elif indication == GREEN and age < group.min_green:
            yield f"the minimum green of {group.name}, {_s(group.min_green - age)} more"
        else:
            yield f"the end of {group.name}"
    for each in junction.yielded_by[number]:
        if moment.state.groups[each].indication == AMBER:
            yield f"the yellow of {junction.groups[each].name}, which yields to it"


def state_forces(junction: Junction, moment: Moment, number: int) -> bool:
    """Whether the core serves this group by itself, to keep a maximum red."""
    return moment.state.serving >= 0 and number in junction.stage_sets[moment.state.serving]


def _s(ticks: int) -> str:
    return f"{ticks / TICKS_PER_S:.1f} s"
