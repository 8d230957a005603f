"""A junction as its core knows it: signal groups, intergreen matrix, stages, channels. Checked whole or refused.

Words: signal group, stage and intergreen (Zwischenzeit: end of green to start of green, per ordered pair) as in RiLSA
2015; overlap and permissive as in NTCIP 1202 v03. All times in ticks of 100 ms.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from math import ceil

TICKS_PER_S = 10
LONGEST = 36_000  # ticks; ages stop counting here, so every time of a junction is shorter
MIN_VEHICLE_GREEN = 5 * TICKS_PER_S  # RiLSA 2015
MIN_RED = 2 * TICKS_PER_S  # NTCIP 1202 v03 phaseRedRevert, with the value that signals commonly have
LEAST_MIN_RED = 1 * TICKS_PER_S  # VwV-StVO on section 37, IX: all red where a stage returns to itself
MIN_VEHICLE_AMBER = 3 * TICKS_PER_S  # RiLSA 2015: 3 s at 50 km/h, more above

MAX_VEHICLE_AMBER = 6 * TICKS_PER_S  # MUTCD 2009 chapter 4D: from 3 to 6 s
MAX_RED_AMBER = 2 * TICKS_PER_S  # VwV-StVO on section 37, IX
MAX_INTERGREEN = 60 * TICKS_PER_S  # as much as a signed matrix takes
MIN_WALK = 4 * TICKS_PER_S  # MUTCD 2009 section 4E.06, the least that it lets pass
LEAST_FROM_PEDESTRIANS = 3 * TICKS_PER_S  # MUTCD 2009 section 4E.06: the buffer before any vehicle's green

VEHICLE, PEDESTRIAN, BICYCLE = "vehicle", "pedestrian", "bicycle"

# RiLSA 2015: metres per second at which the last one clears the road, seconds for which he still begins.
_CLEARING = {PEDESTRIAN: (1.2, 0), BICYCLE: (4.0, 1)}


class JunctionError(ValueError):
    """A junction that must not be run; `problems` names each thing that is wrong with it."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Group:
    """A signal group. Times in ticks.

    min_green: for pedestrians the walk; amber: what is shown after green (pedestrians: clearance, which may be 0);
    min_red, max_red: the shortest red between two greens, and the longest time, whatever detectors and optimisers say.
    crossing: decimetres of road that a pedestrian or bicycle has to clear. parents: an overlap, green only while one of
    them is. yields_to: a permissive movement's opposing groups. flash: what is shown while the junction flashes,
    "amber", "red" or "dark".
    """

    name: str
    min_green: int
    amber: int
    max_red: int
    red_amber: int = 0
    min_red: int = MIN_RED
    kind: str = VEHICLE
    crossing: int = 0
    parents: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    flash: str = "red"


@dataclass(frozen=True)
class Junction:
    """The whole description. JunctionError when it is not complete and free of contradictions.

    intergreen: ticks for each ordered pair of conflicting groups; compatible: the pairs that may be green together.
    Every pair is one or the other. stages: sets of compatible groups that together hold every group. channels: the
    group that each output shows; None is an unused output, which shows red.
    """

    groups: tuple[Group, ...]
    intergreen: Mapping[tuple[str, str], int]
    compatible: frozenset[frozenset[str]]
    stages: tuple[tuple[str, ...], ...]
    channels: tuple[str | None, ...] = ()
    start_flash: int = 50
    start_all_red: int = 60
    index: Mapping[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {group.name: number for number, group in enumerate(self.groups)})
        problems = list(self._problems())
        if problems:
            raise JunctionError(problems)

    # --- what the core asks, by numbers of groups ---

    @cached_property
    def conflicts(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each group the (conflicting group, ticks from its end of green to our start of green)."""
        return tuple(
            tuple((self.index[a], ticks) for (a, b), ticks in self.intergreen.items() if b == group.name)
            for group in self.groups
        )

    @cached_property
    def foes(self) -> tuple[frozenset[int], ...]:
        """For each group the conflicting ones."""
        return tuple(frozenset(other for other, _ in each) for each in self.conflicts)

    @cached_property
    def parents(self) -> tuple[frozenset[int], ...]:
        return tuple(self._numbers(group.parents) for group in self.groups)

    @cached_property
    def overlaps(self) -> tuple[tuple[int, ...], ...]:
        """For each group the overlaps that it is a parent of."""
        return tuple(
            tuple(number for number, parents in enumerate(self.parents) if own in parents)
            for own in range(len(self.groups))
        )

    @cached_property
    def yields_to(self) -> tuple[frozenset[int], ...]:
        return tuple(self._numbers(group.yields_to) for group in self.groups)

    @cached_property
    def yielded_by(self) -> tuple[frozenset[int], ...]:
        return tuple(
            frozenset(number for number, others in enumerate(self.yields_to) if own in others)
            for own in range(len(self.groups))
        )

    @cached_property
    def stage_sets(self) -> tuple[frozenset[int], ...]:
        return tuple(self._numbers(stage) for stage in self.stages)

    @cached_property
    def round(self) -> int:
        """The longest time, in ticks, until the core has brought a stage from anywhere to green.

        The greens before may just have begun, the longest intergreen follows, or the red of a group that had to end
        with a permissive one; that may have to let an opposing movement finish its change first.
        """
        change = max(group.amber + group.red_amber for group in self.groups)
        back = max(group.amber + group.min_red + group.red_amber for group in self.groups)
        pause = max([back, *self.intergreen.values()])
        return max(group.min_green for group in self.groups) + pause + 2 * change + 3

    @cached_property
    def force_after(self) -> tuple[int, ...]:
        """For each group the ticks without green after which the core serves it by itself, to keep its max_red."""
        return tuple(group.max_red - len(self.stages) * self.round for group in self.groups)

    def _numbers(self, names: tuple[str, ...]) -> frozenset[int]:
        return frozenset(self.index[name] for name in names)

    # --- checks ---

    def _problems(self) -> Iterator[str]:
        if not self.groups:
            yield "there is no signal group"
            return
        if len(self.index) != len(self.groups):
            yield "two signal groups have one name; give each its own"
            return
        unknown = {name for name in self._names() if name not in self.index}
        if unknown:
            yield f"unknown signal group {', '.join(sorted(unknown))}"
            return
        for group in self.groups:
            yield from self._group_problems(group)
        for one, other in combinations(self.index, 2):
            yield from self._pair_problems(one, other)
        yield from self._stage_problems()
        longest = max(self.intergreen.values(), default=0)
        if self.start_all_red < longest:
            yield f"start: all red is {_s(self.start_all_red)} s; write {_s(longest)} or more, the longest intergreen"
        if self.start_flash < 1:
            yield "start: it begins with flashing; write flash_s = 0.1 or more"

    def _names(self) -> Iterator[str]:
        for group in self.groups:
            yield from (*group.parents, *group.yields_to)
        for pair in (*self.intergreen, *self.compatible):
            yield from pair
        for stage in self.stages:
            yield from stage
        yield from (name for name in self.channels if name is not None)

    def _group_problems(self, group: Group) -> Iterator[str]:
        where = f"group {group.name}:"
        times = (group.min_green, group.amber, group.red_amber, group.min_red, group.max_red)
        if min(times) < 0 or max(times) >= LONGEST or group.min_green < 1:
            yield f"{where} a time is zero, or an hour and more; write one between"
            return
        if group.min_red < LEAST_MIN_RED:
            yield f"{where} a minimum red of {_s(group.min_red)} s is too short; write {_s(LEAST_MIN_RED)} or more"
        if group.kind not in (VEHICLE, PEDESTRIAN, BICYCLE) or group.flash not in ("amber", "red", "dark"):
            yield f"{where} kind is vehicle, pedestrian or bicycle, flash is amber, red or dark"
        if group.kind == PEDESTRIAN:
            if group.min_green < MIN_WALK:
                yield f"{where} a walk of {_s(group.min_green)} s is too short; write {_s(MIN_WALK)} or more"
            if group.flash == "amber":
                yield f"{where} a pedestrian's lamp has no amber; flash is red or dark"
        else:
            least, most = MIN_VEHICLE_AMBER, MAX_VEHICLE_AMBER
            if not least <= group.amber <= most:
                yield f"{where} yellow of {_s(group.amber)} s is not from {_s(least)} to {_s(most)}"
            if group.min_green < MIN_VEHICLE_GREEN:
                yield (
                    f"{where} a minimum green of {_s(group.min_green)} s is too short; "
                    f"write {_s(MIN_VEHICLE_GREEN)} or more"
                )
        if group.red_amber > MAX_RED_AMBER:
            yield f"{where} red with yellow for {_s(group.red_amber)} s is too long; write {_s(MAX_RED_AMBER)} or less"
        # As long again as all stages take: with less the core would serve this group all the time, and starve the rest.
        room = 2 * len(self.stages) * self.round
        if room >= LONGEST:
            yield (
                f"{where} no maximum red can be promised, since the stages take {_s(room // 2)} s; "
                "shorten minimum greens, or write fewer stages"
            )
        elif group.max_red < room:
            yield f"{where} a maximum red of {_s(group.max_red)} s cannot be promised; write {_s(room)} or more"
        if group.name in group.parents or group.name in group.yields_to:
            yield f"{where} is its own parent, or yields to itself; name another group"
        for name in group.parents:
            parent = self.groups[self.index[name]]
            if parent.parents:
                yield f"{where} its parent {name} is an overlap itself; name that one's parent"
            if parent.red_amber != group.red_amber or group.min_green > parent.min_green:
                yield f"{where} an overlap has its parents' red and yellow, and no longer minimum green"
            if frozenset((group.name, name)) not in self.compatible:
                yield f"{where} is not compatible with its parent {name}; add the two to compatible"
        if group.parents and group.yields_to:
            yield f"{where} is an overlap; a permissive movement needs a group of its own"
        for name in group.yields_to:
            if frozenset((group.name, name)) not in self.compatible:
                yield f"{where} yields to {name}, so the two must be compatible"
            if self.groups[self.index[name]].yields_to or self.groups[self.index[name]].parents:
                yield f"{where} yields to {name}, which yields itself or is an overlap"

    def _pair_problems(self, one: str, other: str) -> Iterator[str]:
        compatible = frozenset((one, other)) in self.compatible
        given = [pair for pair in ((one, other), (other, one)) if pair in self.intergreen]
        if compatible and given:
            yield f"{one} and {other} are called compatible, and have an intergreen; leave out one of the two"
        elif not compatible and len(given) < 2:
            yield f"{one} and {other}: write both intergreens, or name the two as compatible"
        for a, b in given:
            needed = self._least_intergreen(self.groups[self.index[a]], self.groups[self.index[b]])
            given_s = f"intergreen from {a} to {b} is {_s(self.intergreen[a, b])} s"
            if self.intergreen[a, b] < needed:
                yield f"{given_s}; write {_s(needed)} or more"
            elif self.intergreen[a, b] > MAX_INTERGREEN:
                yield f"{given_s}; write {_s(MAX_INTERGREEN)} or less"
        if given and self.groups[self.index[one]].flash == self.groups[self.index[other]].flash == "amber":
            yield f"{one} and {other} conflict, and both flash amber; let one flash red"  # MUTCD 2009 chapter 4D

    @staticmethod
    def _least_intergreen(ending: Group, starting: Group) -> int:
        """Ticks that nobody may go below."""
        needed = ending.amber + starting.red_amber
        if ending.kind in _CLEARING:
            speed, late_s = _CLEARING[ending.kind]
            needed = max(needed, ceil(TICKS_PER_S * (late_s + ending.crossing / 10 / speed)))
        return max(needed, LEAST_FROM_PEDESTRIANS) if ending.kind == PEDESTRIAN else needed

    def _stage_problems(self) -> Iterator[str]:
        for number, stage in enumerate(self.stages, 1):
            for one, other in combinations(stage, 2):
                if frozenset((one, other)) not in self.compatible:
                    yield f"stage {number}: {one} and {other} conflict; put them in two stages"
            for name in stage:
                parents = self.groups[self.index[name]].parents
                if parents and not set(parents) & set(stage):
                    yield f"stage {number}: {name} is an overlap, and none of its parents is there; add one"
        for group in self.groups:
            for parent in group.parents:
                if not any({group.name, parent} <= set(stage) for stage in self.stages):
                    # With its other parents closed it could not be served.
                    yield f'no stage holds {group.name} and its parent {parent}; add ["{parent}", "{group.name}"]'
        missing = set(self.index) - {name for stage in self.stages for name in stage}
        if missing:
            yield f"no stage holds {', '.join(sorted(missing))}; add one that does"


def _s(ticks: int) -> str:
    """Seconds, as they are written in a file."""
    return f"{ticks / TICKS_PER_S:g}"
