"""The safe core of a junction: a pure transition function (state, requests) -> state, one tick of 100 ms at a time.

Whatever is asked, in whatever order, these hold (the names are those of docs/signals.md and tests/signals):

  CONFLICT      of two conflicting groups one shows red
  INTERGREEN    from a group's end of green to a conflicting one's start of green at least the matrix's time passes
  AMBER         yellow has its configured length and is never left out; so has red with yellow
  MIN_GREEN     a green that began lasts its minimum (pedestrians: the walk; their clearance is the amber)
  MIN_RED       a red that began lasts its minimum: no green comes back behind a blink of red
  ONE_LAMP      each channel shows exactly one indication; an unused channel shows red
  OVERLAP       an overlap is green only while a parent is
  YELLOW_TRAP   a permissive movement turns yellow only together with, or after, the movements that it yields to
  RESTART       no green begins under a green that has to yield to it
  MAX_RED       every group gets green within its max_red, not counting while it or all its parents are closed
  START         service begins through flash and all red

`advance` and `may_start` keep the first five, and RESTART, for any wishes whatever; everything else in this file only
chooses wishes.
"""

from enum import IntEnum
from typing import NamedTuple

from wayside.control.signals.junction import LONGEST, PEDESTRIAN, Group, Junction


class Indication(IntEnum):
    """What a signal group shows."""

    RED = 0
    RED_AMBER = 1
    GREEN = 2
    AMBER = 3


RED, RED_AMBER, GREEN, AMBER = Indication


class Lamp(IntEnum):
    """What a channel shows."""

    DARK = 0
    RED = 1
    RED_AMBER = 2
    GREEN = 3
    AMBER = 4
    CLEARANCE = 5
    FLASH_AMBER = 6
    FLASH_RED = 7


class Mode(IntEnum):
    """Flash is the safe state; service begins through all red."""

    FLASH = 0
    ALL_RED = 1
    RUN = 2


class Shown(NamedTuple):
    """An indication and for how many ticks it has been shown, this one included."""

    indication: Indication
    age: int


class State(NamedTuple):
    """All that the core remembers. unserved: ticks since each group last was green; serving: the stage being forced."""

    mode: Mode
    age: int
    groups: tuple[Shown, ...]
    unserved: tuple[int, ...]
    serving: int = -1


FLASH_AT_ONCE, FLASH_IN_ORDER = 1, 2
"""Flash drops out of whatever is shown, as a fault has to; or comes when every green has ended and all is red."""


class Requests(NamedTuple):
    """What the layers above ask, by numbers of groups: green, kept red by a preemption; and flash, 0 for none."""

    green: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()
    flash: int = 0


def begin(junction: Junction) -> State:
    """Flash: how a junction starts, and where every fault leads."""
    count = len(junction.groups)
    return State(Mode.FLASH, 1, (Shown(RED, 1),) * count, (0,) * count)


def step(junction: Junction, state: State, requests: Requests) -> State:
    """The state one tick later."""
    if state.mode == Mode.FLASH:
        stays = requests.flash or state.age < junction.start_flash
        return _older(state) if stays else state._replace(mode=Mode.ALL_RED, age=1)
    if requests.flash == FLASH_AT_ONCE or (requests.flash and _all_red(junction, state)):
        return begin(junction)
    if state.mode == Mode.ALL_RED and state.age < junction.start_all_red:
        return _older(state)
    if requests.flash:
        requests = Requests(closed=frozenset(range(len(junction.groups))))
    out = out_of_service(junction, requests.closed)
    wanted, serving = _choose(junction, state, requests, out)
    ends = _ends(junction, state.groups, wanted)
    shown = [
        advance(group, *old, number in ends)
        for number, (group, old) in enumerate(zip(junction.groups, state.groups, strict=True))
    ]
    for number in _start_order(junction, state, wanted):
        at_red = state.groups[number].indication == shown[number].indication == RED
        if at_red and not _waits(junction, shown, number, wanted) and may_start(junction, shown, number):
            shown[number] = Shown(RED_AMBER if junction.groups[number].red_amber else GREEN, 1)
    unserved = tuple(
        _unserved(junction, number, now, before, number in out)
        for number, (now, before) in enumerate(zip(shown, state.unserved, strict=True))
    )
    return State(Mode.RUN, min(state.age + 1, LONGEST), tuple(shown), unserved, serving)


def outputs(junction: Junction, state: State) -> tuple[Lamp, ...]:
    """What each channel shows."""
    lamps = [lamp(group, state.mode, shown) for group, shown in zip(junction.groups, state.groups, strict=True)]
    return tuple(Lamp.RED if name is None else lamps[junction.index[name]] for name in junction.channels)


def greens(state: State) -> frozenset[int]:
    """The groups that show green."""
    return frozenset(number for number, shown in enumerate(state.groups) if shown.indication == GREEN)


def _all_red(junction: Junction, state: State) -> bool:
    """Whether everybody has cleared the junction: all are red for as long as at the start."""
    return state.mode == Mode.ALL_RED or all(
        indication == RED and age >= junction.start_all_red for indication, age in state.groups
    )


def _unserved(junction: Junction, number: int, now: Shown, before: int, out: bool) -> int:
    """The ticks of a group without green. Closed, its clock stands, and no later than where it would be served next."""
    if now.indication == GREEN:
        return 0
    return min(before, junction.force_after[number]) if out else min(before + 1, LONGEST)


def _older(state: State) -> State:
    return state._replace(age=min(state.age + 1, LONGEST))


_FLASH = {"amber": Lamp.FLASH_AMBER, "red": Lamp.FLASH_RED, "dark": Lamp.DARK}
_LAMPS = {RED: Lamp.RED, RED_AMBER: Lamp.RED_AMBER, GREEN: Lamp.GREEN, AMBER: Lamp.AMBER}


def lamp(group: Group, mode: Mode, shown: Shown) -> Lamp:
    """What a group's channels show."""
    if mode == Mode.FLASH:
        return _FLASH[group.flash]
    if shown.indication == AMBER and group.kind == PEDESTRIAN:
        return Lamp.CLEARANCE
    return _LAMPS[shown.indication]


# --- what keeps the invariants, whatever is wished ---


def advance(group: Group, indication: Indication, age: int, end: bool) -> Shown:
    """One tick of one group; it begins nothing by itself, and ends a green only when asked and long enough."""
    if indication == GREEN and end and age >= group.min_green:
        return Shown(AMBER if group.amber else RED, 1)
    if indication == AMBER and age >= group.amber:
        return Shown(RED, 1)
    if indication == RED_AMBER and age >= group.red_amber:
        return Shown(GREEN, 1)
    return Shown(indication, min(age + 1, LONGEST))


def may_start(junction: Junction, shown: list[Shown], number: int) -> bool:
    """Whether a group at red may begin in this tick; `shown` is the tick so far, with what began before it."""
    group = junction.groups[number]
    if shown[number].age <= group.min_red:  # this tick is counted already
        return False
    for other, intergreen in junction.conflicts[number]:
        indication, age = shown[other]
        # Red is shown for the age'th tick: since its end of green, amber and age - 1 ticks have passed before this one.
        passed = junction.groups[other].amber + age - 1
        if indication != RED or passed + group.red_amber < intergreen:
            return False
    # Who is on the way, or waits in the box, takes a green that goes on for a road that stays free.
    if any(shown[each].indication != RED for each in junction.yielded_by[number]):
        return False
    for opposing in junction.yields_to[number]:
        indication, age = shown[opposing]
        if indication == RED_AMBER and junction.groups[opposing].red_amber - age + 1 > group.red_amber:
            return False
    return not group.parents or any(_leads(shown[parent]) for parent in junction.parents[number])


def _leads(parent: Shown) -> bool:
    """Whether an overlap may begin now: its parent is green, or will be in the very tick in which the overlap is."""
    return parent.indication == GREEN or (parent.indication == RED_AMBER and parent.age == 1)


def _ends(junction: Junction, groups: tuple[Shown, ...], wanted: frozenset[int]) -> frozenset[int]:
    """The greens that end in this tick."""
    ends = {
        number
        for number, shown in enumerate(groups)
        if shown.indication == GREEN and number not in wanted and shown.age >= junction.groups[number].min_green
    }
    while held := {number for number in ends if not _may_end(junction, groups, ends, number)}:
        ends -= held
    orphans = {
        overlap
        for number in ends
        for overlap in junction.overlaps[number]
        if groups[overlap].indication == GREEN and not _has_parent(junction, groups, ends, overlap)
    }
    return frozenset(ends | orphans)


def _may_end(junction: Junction, groups: tuple[Shown, ...], ends: set[int], number: int) -> bool:
    for opposing in junction.yields_to[number]:
        if groups[opposing].indication == GREEN and opposing not in ends:
            return False
    for overlap in junction.overlaps[number]:
        indication, age = groups[overlap]
        if indication in (RED, AMBER) or _has_parent(junction, groups, ends, overlap):
            continue
        if indication == RED_AMBER or age < junction.groups[overlap].min_green:
            return False
    return True


def _has_parent(junction: Junction, groups: tuple[Shown, ...], ends: set[int], overlap: int) -> bool:
    """Whether a parent stays green."""
    return any(groups[parent].indication == GREEN and parent not in ends for parent in junction.parents[overlap])


# --- what is wished ---


def out_of_service(junction: Junction, closed: frozenset[int]) -> frozenset[int]:
    """The groups that cannot be green: closed ones, and overlaps of which all parents are closed."""
    return closed.union(n for n, parents in enumerate(junction.parents) if parents and parents <= closed)


def _served(junction: Junction, stage: int, out: frozenset[int]) -> frozenset[int]:
    """Whom a stage can bring to green while some are out of service."""
    left = junction.stage_sets[stage] - out
    return frozenset(number for number in left if not junction.parents[number] or junction.parents[number] & left)


def _choose(junction: Junction, state: State, requests: Requests, out: frozenset[int]) -> tuple[frozenset[int], int]:
    """The groups that should be green, and the stage that is forced (-1: none): a group that waited too long wins."""
    due = {
        number
        for number, unserved in enumerate(state.unserved)
        if unserved >= junction.force_after[number] and number not in out
    }
    serving = state.serving
    wanted = requests.green.intersection(range(len(junction.groups))) - out
    # What is asked for serves those who are due as well, unless it leaves one out or contradicts itself.
    if not due or (due <= wanted and not any(junction.foes[number] & wanted for number in wanted)):
        serving = -1
    else:
        if serving < 0 or not due & _served(junction, serving, out):
            oldest = max(due, key=state.unserved.__getitem__)
            serving = next(n for n in range(len(junction.stage_sets)) if oldest in _served(junction, n, out))
        wanted = _served(junction, serving, out)
    return _make_way(junction, state.groups, wanted | _kept(junction, state.groups, wanted, out)), serving


def _kept(junction: Junction, groups: tuple[Shown, ...], wanted: frozenset[int], out: frozenset[int]) -> frozenset[int]:
    """Permissive greens that nobody asks for and nobody's green needs to end: they end with what they yield to."""
    lit = _lit(groups)
    return frozenset(
        number
        for number in lit - wanted - out
        if junction.yields_to[number] & wanted & lit and not junction.foes[number] & wanted
    )


def _make_way(junction: Junction, groups: tuple[Shown, ...], wanted: frozenset[int]) -> frozenset[int]:
    """`wanted` without what has to end, or must not begin yet, because somebody has to yield to somebody.

    A permissive movement that ends takes those with it that it yields to (YELLOW_TRAP); it ends itself where one of
    them is to begin (RESTART).
    """
    lit = _lit(groups)
    leaving = set(lit - wanted)

    def goes(number: int) -> bool:
        for each in junction.yielded_by[number] & leaving & lit:
            indication, age = groups[each]
            over = indication == GREEN and age >= junction.groups[each].min_green
            if over or number not in lit:
                return True
        opposing = junction.yields_to[number] & wanted
        if number in lit:
            return not opposing <= lit - leaving
        return any(each in leaving or junction.yielded_by[each] & leaving & lit for each in opposing)

    while more := {number for number in wanted - leaving if goes(number)}:
        leaving |= more
    return wanted - leaving


def _lit(groups: tuple[Shown, ...]) -> frozenset[int]:
    return frozenset(number for number, shown in enumerate(groups) if shown.indication in (RED_AMBER, GREEN))


def _waits(junction: Junction, shown: list[Shown], number: int, wanted: frozenset[int]) -> bool:
    """Whether a permissive movement lets those begin first that it yields to; behind it they could not."""
    return any(shown[opposing].indication in (RED, AMBER) for opposing in junction.yields_to[number] & wanted)


def _start_order(junction: Junction, state: State, wanted: frozenset[int]) -> list[int]:
    """Who waited longest first; overlaps behind their parents, permissive movements behind those that they yield to."""
    order = sorted(wanted, key=lambda number: (bool(junction.parents[number]), -state.unserved[number], number))
    return [each for number in order for each in (*sorted(junction.yields_to[number] & wanted), number)]
