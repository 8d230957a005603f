"""How long the way to a group's green is."""

from wayside.control.signals.core import AMBER, GREEN, State
from wayside.control.signals.junction import Junction


def ticks_to_green(junction: Junction, state: State, number: int) -> int:
    """Ticks until a group can be green when it is asked for now, and nobody who is in its way any more."""
    if state.groups[number].indication == GREEN:
        return 0
    longest = 0
    for other, intergreen in junction.conflicts[number]:
        indication, age = state.groups[other]
        group = junction.groups[other]
        if indication == GREEN:
            longest = max(longest, max(group.min_green - age, 0) + intergreen)
        elif indication == AMBER:
            longest = max(longest, intergreen - age)
        else:
            longest = max(longest, min(intergreen - group.amber - age, intergreen))
    for each in junction.yielded_by[number]:  # who yields to it ends before it begins
        indication, age = state.groups[each]
        group = junction.groups[each]
        if indication == GREEN:
            longest = max(longest, max(group.min_green - age, 0) + group.amber)
        elif indication == AMBER:
            longest = max(longest, group.amber - age)
    return longest
