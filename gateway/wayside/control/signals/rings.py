"""Vehicle-actuated control as rings of steps between barriers: asks for the groups of one step per ring.

Two rings with barriers are NEMA's dual ring (NEMA TS 2); one ring of one block is a sequence of stages.
Between two barriers each ring serves its steps in turn and leaves out what nobody calls; all rings cross a barrier
together. While others are called a step ends by gap-out (nobody came for the passage time), max-out or force-off;
otherwise it rests in green. The core decides what becomes of these wishes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

from wayside.control.signals.core import State, greens
from wayside.control.signals.detectors import Demand
from wayside.control.signals.junction import LONGEST, PEDESTRIAN, Junction

Step = tuple[str, ...]
"""The groups that are green together in one ring."""

Block = tuple[tuple[Step, ...], ...]
"""What lies between two barriers: for each ring its steps."""


@dataclass(frozen=True, slots=True)
class Rings:
    """blocks: in the order of service. max_green, passage: ticks, by group; recalled: groups that are called always."""

    blocks: tuple[Block, ...]
    max_green: Mapping[str, int]
    passage: Mapping[str, int]
    recalled: frozenset[str] = frozenset()

    def problems(self, junction: Junction) -> Iterator[str]:
        """Why these rings cannot be run at this junction."""
        steps = [step for block in self.blocks for ring in block for step in ring]
        names = [name for step in steps for name in step]
        if (
            not self.blocks
            or not all(self.blocks)
            or not all(ring for block in self.blocks for ring in block)
            or not all(steps)
        ):
            yield "a block, ring or step is empty; write its groups or leave it out"
        if len({len(block) for block in self.blocks}) > 1:
            yield "the blocks have different numbers of rings; write the same number in each"
        for name in sorted(set(names)):
            if name not in junction.index:
                yield f"unknown signal group {name}"
            elif junction.groups[junction.index[name]].parents:
                yield f"{name} is an overlap; it follows its parents by itself, leave it out"
            elif names.count(name) > 1:
                yield f"{name} is in two steps; leave it in one"
        missing = [each.name for each in junction.groups if each.name not in names and not each.parents]
        if missing:
            yield f"no step holds {', '.join(missing)}; add it to one"
        together = [pair for step in steps for pair in combinations(step, 2)]
        for block in self.blocks:
            for one, other in combinations(block, 2):
                together += [pair for step, beside in product(one, other) for pair in product(step, beside)]
        for a, b in together:
            if {a, b} <= set(junction.index) and frozenset((a, b)) not in junction.compatible:
                yield f"{a} and {b} conflict, and could be asked for together; put them in one ring"


@dataclass(frozen=True, slots=True, eq=False)
class RingStep:
    """A step by the numbers of its groups. Times in ticks.

    leading: whose green its length goes by, vehicles, or pedestrians where it has no others; walks: the pedestrians
    beside vehicles; callers: whose call is a call for it; passage: by leading group.
    """

    leading: frozenset[int]
    walks: frozenset[int]
    callers: frozenset[int]
    max_green: int
    passage: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The rings of one junction by numbers, once for all ticks; blocks: for each ring its turns."""

    junction: Junction
    blocks: tuple[tuple[tuple[RingStep, ...], ...], ...]
    turns: tuple[RingStep, ...]
    recalled: frozenset[int]
    longest_intergreen: int


def layout(rings: Rings, junction: Junction) -> Layout:
    """Rings without problems as the layout that `advance` takes."""
    blocks = tuple(
        tuple(tuple(_turn(rings, junction, step) for step in ring) for ring in block) for block in rings.blocks
    )
    return Layout(
        junction,
        blocks,
        tuple(turn for block in blocks for ring in block for turn in ring),
        frozenset(junction.index[name] for name in rings.recalled),
        max(junction.intergreen.values(), default=0),
    )


def _turn(rings: Rings, junction: Junction, step: Step) -> RingStep:
    groups = frozenset(junction.index[name] for name in step)
    vehicles = frozenset(number for number in groups if junction.groups[number].kind != PEDESTRIAN)
    leading = vehicles or groups
    names = {number: junction.groups[number].name for number in leading}
    return RingStep(
        leading,
        groups - leading,
        groups.union(overlap for number in groups for overlap in junction.overlaps[number]),
        max(rings.max_green[name] for name in names.values()),
        tuple((number, rings.passage[name]) for number, name in names.items()),
    )


class Place(NamedTuple):
    """Where the rings are: the block, the step of each ring, and how many ticks others have waited for its green."""

    block: int
    steps: tuple[int, ...]
    held: tuple[int, ...]


class RingLimits(NamedTuple):
    """What coordination adds: groups that must stay green, whose green is over, and for whose green it is too late.

    no_start: in the way of the coordinated groups if their green began in this very tick.
    """

    hold: frozenset[int] = frozenset()
    force_off: frozenset[int] = frozenset()
    too_late: frozenset[int] = frozenset()
    no_start: frozenset[int] = frozenset()


UNCOORDINATED = RingLimits()


def begin(rings: Rings) -> Place:
    """The first step of every ring."""
    count = len(rings.blocks[0])
    return Place(0, (0,) * count, (0,) * count)


def advance(
    layout: Layout, place: Place, state: State, demand: Demand, limits: RingLimits = UNCOORDINATED
) -> tuple[Place, frozenset[int]]:
    """The place one tick later, and the groups to ask for."""
    now = _Now(layout, place, state, demand, limits)
    held = tuple(
        min(ticks + 1, LONGEST) if now.others_wait and now.is_green(turn) else 0
        for turn, ticks in zip(now.active, place.held, strict=True)
    )
    over = [now.is_over(turn, ticks) for turn, ticks in zip(now.active, held, strict=True)]
    place = _within(now, place._replace(held=held), over)
    return place, now.wishes(place)


class _Now:
    """One tick's view: who is green, who is called."""

    def __init__(self, layout: Layout, place: Place, state: State, demand: Demand, limits: RingLimits):
        self.layout = layout
        self.state = state
        self.demand = demand
        self.limits = limits
        self.green = greens(state)
        self.calls = demand.calls | layout.recalled
        self.block = layout.blocks[place.block]
        self.active = [ring[step] for ring, step in zip(self.block, place.steps, strict=True)]
        # What an active step serves already, or is about to, is no reason to leave it.
        self.others_wait = any(self.is_called(turn) for turn in layout.turns if turn not in self.active)

    def is_called(self, turn: RingStep) -> bool:
        return not turn.callers.isdisjoint(self.calls) and not turn.leading <= self.limits.too_late

    def is_green(self, turn: RingStep) -> bool:
        return turn.leading <= self.green

    # --- when a green ends ---

    def is_over(self, turn: RingStep, held: int) -> bool:
        """Whether a step may end: others wait, its green has begun, and nothing keeps it."""
        if not self.others_wait or not self.is_green(turn):
            return False
        if turn.walks & self.green or turn.leading & self.limits.hold:  # nobody leaves a walk alone
            return False
        is_forced_off = bool(turn.leading & self.limits.force_off)
        return is_forced_off or held >= turn.max_green or self._gapped_out(turn)

    def _gapped_out(self, turn: RingStep) -> bool:
        """Nobody came for the passage time; a group whose detector is in fault has no gap that anybody knows."""
        gap = self.demand.gap
        return turn.leading.isdisjoint(self.demand.blind) and all(
            gap[number] >= least for number, least in turn.passage
        )

    # --- whom to ask for ---

    def wishes(self, place: Place) -> frozenset[int]:
        wanted: set[int] = set()
        for ring, step in zip(self.layout.blocks[place.block], place.steps, strict=True):
            turn = ring[step]
            wanted |= turn.leading
            wanted.update(number for number in turn.walks if self._walks(number, turn))
        return frozenset(wanted.union(*(self.layout.junction.overlaps[number] for number in wanted)))

    def _walks(self, number: int, turn: RingStep) -> bool:
        """Whether pedestrians beside vehicles are asked for."""
        if number in self.green:  # for its minimum: what follows is clearance, and the vehicles' own time
            return self.state.groups[number].age < self.layout.junction.groups[number].min_green
        if number not in self.calls or number in self.limits.no_start:
            return False
        return self._keeps_nobody_waiting(turn) or self._begins_late(number, turn)

    def _keeps_nobody_waiting(self, turn: RingStep) -> bool:
        """The vehicles' green is still to come, so the walk begins with it; or nobody waits for its end."""
        return not self.others_wait or not self.is_green(turn)

    def _begins_late(self, number: int, turn: RingStep) -> bool:
        """The vehicles are green, others wait, and the walk was not green in this step yet: its own intergreens may
        be longer than theirs, by the longest of all at the most. Who calls later than that waits for the next round."""
        begun = min(self.state.groups[each].age for each in turn.leading)
        return begun <= self.layout.longest_intergreen and self.state.unserved[number] >= begun


def _within(now: _Now, place: Place, over: list[bool]) -> Place:
    """Rings that are over go to their next called step before the barrier; when none is left they cross it together."""
    steps, held = list(place.steps), list(place.held)
    waiting = 0
    for number, (ring, ended) in enumerate(zip(now.block, over, strict=True)):
        if not ended:
            continue
        later = range(place.steps[number] + 1, len(ring))
        following = next((step for step in later if now.is_called(ring[step])), None)
        if following is None:
            waiting += 1
        else:
            steps[number], held[number] = following, 0
    if waiting == len(over):
        return _cross(now, place)
    return Place(place.block, tuple(steps), tuple(held))


def _cross(now: _Now, place: Place) -> Place:
    """The next block that is called; a ring that nobody calls there goes along with its last step (dual entry)."""
    blocks = now.layout.blocks
    for ahead in range(1, len(blocks) + 1):
        number = (place.block + ahead) % len(blocks)
        called = [[step for step, turn in enumerate(ring) if now.is_called(turn)] for ring in blocks[number]]
        steps = tuple(found[0] if found else len(ring) - 1 for found, ring in zip(called, blocks[number], strict=True))
        if any(called) and (number, steps) != (place.block, place.steps):
            return Place(number, steps, (0,) * len(steps))
    return place
