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

from wayside.control.signals.core import GREEN, State
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


class Place(NamedTuple):
    """Where the rings are: the block, the step of each ring, and how many ticks others have waited for its green."""

    block: int
    steps: tuple[int, ...]
    held: tuple[int, ...]


class Limits(NamedTuple):
    """What coordination adds: groups that must stay green, whose green is over, and for whose green it is too late."""

    hold: frozenset[int] = frozenset()
    force_off: frozenset[int] = frozenset()
    too_late: frozenset[int] = frozenset()


UNCOORDINATED = Limits()


def begin(rings: Rings) -> Place:
    """The first step of every ring."""
    count = len(rings.blocks[0])
    return Place(0, (0,) * count, (0,) * count)


def advance(
    rings: Rings, junction: Junction, place: Place, state: State, demand: Demand, limits: Limits = UNCOORDINATED
) -> tuple[Place, frozenset[int]]:
    """The place one tick later, and the groups to ask for."""
    greens = _Greens(rings, junction, place, state, demand, limits)
    held = tuple(
        min(ticks + 1, LONGEST) if greens.others and greens.shown(ring) else 0 for ring, ticks in enumerate(place.held)
    )
    place = place._replace(held=held)
    over = [greens.is_over(ring, held[ring]) for ring in range(len(place.steps))]
    place = _within(greens, place, over)
    return place, greens.wishes(place)


class _Greens:
    """One tick's view: who is green, who is called."""

    def __init__(self, rings: Rings, junction: Junction, place: Place, state: State, demand: Demand, limits: Limits):
        self.rings = rings
        self.junction = junction
        self.state = state
        self.demand = demand
        self.limits = limits
        self.block = rings.blocks[place.block]
        self.active = [self.block[ring][step] for ring, step in enumerate(place.steps)]
        self.calls = demand.calls | {junction.index[name] for name in rings.recalled}
        # What an active step serves already, or is about to, is no reason to leave it.
        steps = (step for block in rings.blocks for ring in block for step in ring)
        self.others = any(self.called(step) for step in steps if step not in self.active)

    def called(self, step: Step) -> bool:
        numbers = {self.junction.index[name] for name in step}
        numbers |= {overlap for number in numbers for overlap in self.junction.overlaps[number]}
        return bool(numbers & self.calls) and not self.limits.too_late.issuperset(self.leading(step))

    def leading(self, step: Step) -> list[int]:
        """The groups whose green the step's length goes by: vehicles, or pedestrians where it has no others."""
        numbers = [self.junction.index[name] for name in step]
        vehicles = [number for number in numbers if self.junction.groups[number].kind != PEDESTRIAN]
        return vehicles or numbers

    def walkers(self, ring: int) -> list[str]:
        """The pedestrians that go beside the leading groups."""
        leading = self.leading(self.active[ring])
        return [name for name in self.active[ring] if self.junction.index[name] not in leading]

    def shown(self, ring: int) -> bool:
        return all(self.state.groups[number].indication == GREEN for number in self.leading(self.active[ring]))

    def is_over(self, ring: int, held: int) -> bool:
        numbers = self.leading(self.active[ring])
        walking = any(self.state.groups[self.junction.index[name]].indication == GREEN for name in self.walkers(ring))
        if not self.others or not self.shown(ring) or walking or self.limits.hold.intersection(numbers):
            return False
        if self.limits.force_off.intersection(numbers):
            return True
        names = [self.junction.groups[number].name for number in numbers]
        if held >= max(self.rings.max_green[name] for name in names):
            return True
        gone = (self.demand.gap[n] >= self.rings.passage[name] for n, name in zip(numbers, names, strict=True))
        return all(gone) and not self.demand.blind.intersection(numbers)

    def wishes(self, place: Place) -> frozenset[int]:
        block = self.rings.blocks[place.block]
        wanted = set()
        for ring, step in enumerate(place.steps):
            for name in block[ring][step]:
                number = self.junction.index[name]
                if number in self.leading(block[ring][step]) or self._walks(number, block[ring][step]):
                    wanted.add(number)
        return frozenset(wanted | {overlap for number in wanted for overlap in self.junction.overlaps[number]})

    def _walks(self, number: int, step: Step) -> bool:
        """Whether a pedestrian group beside vehicles goes: with them or while nobody waits, and for its minimum."""
        indication, age = self.state.groups[number]
        if indication == GREEN:
            return age < self.junction.groups[number].min_green
        if number not in self.calls:
            return False
        leading = [self.state.groups[each] for each in self.leading(step)]
        if not self.others or any(shown.indication != GREEN for shown in leading):
            return True
        begun = min(shown.age for shown in leading)
        late = max(self.junction.intergreen.values(), default=0)  # it may have to wait longer than they
        return begun <= late and self.state.unserved[number] >= begun


def _within(greens: _Greens, place: Place, over: list[bool]) -> Place:
    """Rings that are over go to their next called step before the barrier; when none is left they cross it together."""
    steps, held = list(place.steps), list(place.held)
    waiting = 0
    for ring, ended in enumerate(over):
        if not ended:
            continue
        later = range(place.steps[ring] + 1, len(greens.block[ring]))
        following = next((step for step in later if greens.called(greens.block[ring][step])), None)
        if following is None:
            waiting += 1
        else:
            steps[ring], held[ring] = following, 0
    if waiting == len(over):
        return _cross(greens, place)
    return Place(place.block, tuple(steps), tuple(held))


def _cross(greens: _Greens, place: Place) -> Place:
    """The next block that is called; a ring that nobody calls there goes along with its last step (dual entry)."""
    blocks = greens.rings.blocks
    for ahead in range(1, len(blocks) + 1):
        number = (place.block + ahead) % len(blocks)
        called = [[step for step, each in enumerate(ring) if greens.called(each)] for ring in blocks[number]]
        steps = tuple(found[0] if found else len(ring) - 1 for found, ring in zip(called, blocks[number], strict=True))
        if any(called) and (number, steps) != (place.block, place.steps):
            return Place(number, steps, (0,) * len(steps))
    return place
