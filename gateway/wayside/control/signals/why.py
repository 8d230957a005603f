"""Why each group shows what it shows, in words, from one tick's state and what was asked."""

from collections.abc import Iterator

from wayside.control.signals import core
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
        return f"{name}, {_s(group.amber - age)} more{_ended_with(junction, moment, number)}"
    if indication == RED_AMBER:
        return f"red with yellow, {_s(group.red_amber - age)} more"
    return f"red for {_s(age)}: {_red(junction, moment, number)}"


def _ended_with(junction: Junction, moment: Moment, number: int) -> str:
    """Whose end, in the same tick, made this group end, if anybody's did."""
    shown = moment.state.groups
    for others, relation in ((junction.yielded_by, "which yields to it"), (junction.parents, "its parent")):
        for other in sorted(others[number]):
            if shown[other] == shown[number]:
                return f": it ended with {junction.groups[other].name}, {relation}"
    return ""


def _green(junction: Junction, moment: Moment, number: int) -> str:
    left = junction.groups[number].min_green - moment.state.groups[number].age
    if number not in core.out_of_service(junction, moment.requests.closed):
        if state_forces(junction, moment, number):
            return "the core serves its stage, of which one had waited too long"
        if _is_wanted(junction, moment, number):
            return moment.cause
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
        return f"one of {names} had waited too long and comes first"
    if not forced and number not in moment.requests.green:
        called = "called" if number in moment.calls else "not called"
        if moment.utc_ms > moment.decided_ms:  # who called since then is not in the journal
            called += f" when that was decided, {(moment.utc_ms - moment.decided_ms) / 1000:.1f} s before"
        return f"{called}; {moment.asked} ({moment.cause})"
    return "wanted, and waits for " + ("; ".join(_waits(junction, moment, number)) or "the next tick")


def _waits(junction: Junction, moment: Moment, number: int) -> Iterator[str]:
    """What keeps a group that should be green at red; nothing: it begins in the next tick, if nobody else does."""
    left = junction.groups[number].min_red - moment.state.groups[number].age
    if left > 0:
        yield f"the end of its minimum red, {_s(left)} more"
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
    for each in sorted(junction.yielded_by[number]):
        if moment.state.groups[each].indication != RED:
            yield f"the end of {junction.groups[each].name}, which has to yield to it"
    for each in sorted(junction.yields_to[number]):
        indication = moment.state.groups[each].indication
        if indication == RED_AMBER or (indication != GREEN and _is_wanted(junction, moment, each)):
            yield f"the green of {junction.groups[each].name}, to which it yields"
    parents = sorted(junction.parents[number])
    if parents and all(moment.state.groups[each].indication != GREEN for each in parents):
        yield f"the green of {' or '.join(junction.groups[each].name for each in parents)}, its parent"


def state_forces(junction: Junction, moment: Moment, number: int) -> bool:
    """Whether the core serves this group by itself, to keep a maximum red."""
    return moment.state.serving >= 0 and number in junction.stage_sets[moment.state.serving]


def _is_wanted(junction: Junction, moment: Moment, number: int) -> bool:
    """Whether the group should be green: by the core itself, or because it is asked for and nobody is forced."""
    return state_forces(junction, moment, number) or (moment.state.serving < 0 and number in moment.requests.green)


def _s(ticks: int) -> str:
    return f"{ticks / TICKS_PER_S:.1f} s"
