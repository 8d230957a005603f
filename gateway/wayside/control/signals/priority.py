"""Railway, preemption and public-transport priority: they replace what the layers below ask, and only ask.

A railway first clears its track, with everybody else closed, then keeps what crosses it red for as long as there is a
train. Preemption (NTCIP 1202 v03) may close groups for a bounded time, priority serves some groups early
or longer. None shortens a yellow, a minimum green or an intergreen: those are the core's.

A call locks: a pulse is enough, it stays until its groups are green, and goes on until its detector was free for
`hold` of that green. What takes the green away, a more important call or the core for a group that waited too long,
takes nothing of `hold`. A detector that is not known to be free is not free: while it is silent, or in a fault that may
hide a call, what is in force stays in force, as long as it may at all. Whom a preemption closes is open again once it
closed him for its longest time, in however many calls, until he was green.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wayside.control.signals.core import Mode, Requests, State, greens
from wayside.control.signals.junction import LONGEST, Junction

HOLD = 20
"""Ticks for which a call outlasts its detector, where the file says nothing: a gap in a contact is shorter."""


@dataclass(frozen=True, slots=True)
class Special:
    """A railway, a preemption or a priority, called by the detector `detector`. Times in ticks.

    clear: groups that come first, until they were green together for clear_time, and the call is `gates` old; green:
    groups that are green then; closed: groups kept red from then on. hold: for how much of its green its detector has
    to be free before it ends. longest: it lapses after so long, until its detector was free, and is not taken again
    for `pause`; 0: it never lapses, and a detector of which nothing is known calls it too, as a railway's must.
    """

    name: str
    detector: str
    green: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    clear_time: int = 0
    longest: int = 0
    pause: int = 0
    transit: bool = False
    """Public-transport priority, and no preemption."""
    hold: int = HOLD
    free_input: int = -1
    """A railway's input of the node, from 0, that is closed while no train comes; it has no detector."""
    train_input: int = -1
    """Its second pole, that is closed while one comes; -1: there is none."""
    gates: int = 0
    """The age of a railway's call at which its gates are down at the latest: until then queues form on the track."""

    @property
    def is_railway(self) -> bool:
        return self.free_input >= 0

    def is_clearing(self, course: "Course") -> bool:
        """Whether what comes first is not over yet."""
        return bool(self.clear) and (course.cleared < self.clear_time or course.age <= self.gates)

    def is_free(self, inputs: bytes | None) -> bool:
        """Whether a railway's inputs say so: whatever else they say, or do not, is a train."""
        said = inputs or b""
        free, train = self.free_input, self.train_input
        return free < len(said) > train and said[free] == 1 and (train < 0 or said[train] == 0)

    def poles_disagree(self, inputs: bytes | None) -> bool:
        """Whether a railway's two poles say the same, which is what a broken wire or a short does."""
        poles = (self.free_input, self.train_input)
        return (
            inputs is not None and min(poles) >= 0 and max(poles) < len(inputs) and len({inputs[n] for n in poles}) == 1
        )


class Course(NamedTuple):
    """How far one special is. age: ticks since it began (0: not in force); cleared, rest: of clear_time, of pause.

    lapsed: not taken before its detector was free; free: ticks of hold; waiting: called in the pause.
    shut: for how many ticks, all calls together, each of what it closes has been closed since it was green last.
    """

    age: int = 0
    cleared: int = 0
    rest: int = 0
    lapsed: bool = False
    free: int = 0
    waiting: bool = False
    shut: tuple[int, ...] = ()


def follow(
    junction: Junction,
    specials: Sequence[Special],
    courses: Sequence[Course],
    state: State,
    occupied: Mapping[str, bool],
) -> tuple[tuple[Course, ...], str, Requests | None]:
    """One tick of all: their courses, and the first called one's name and requests ("", None: none is).

    specials: the most important first. occupied: by detector, without those of which nothing is known.
    """
    green = greens(state)
    name, requests = "", None
    after = []
    for special, course in zip(specials, courses, strict=True):
        occupies = occupied.get(special.detector)
        following = _follow(junction, special, course, green, occupies, is_asked=requests is None)
        if special.clear and state.mode != Mode.RUN:
            following = following._replace(cleared=0)  # who waits at flash may have driven onto the track
        asks = requests is None and following.age > 0
        if special.closed and special.longest:
            following = following._replace(shut=_shut(junction, special, course.shut, green, asks))
        after.append(following)
        if asks:
            name, requests = special.name, _ask(junction, special, following)
    return tuple(after), name, requests


def warning(junction: Junction, railway: Special) -> int:
    """The longest time, in ticks, from a railway's call until its track was cleared and what crosses it is red again.

    Right-of-way transfer time and queue clearance time, as in the preemption worksheet of FHWA's Railroad-Highway Grade
    Crossing Handbook (2007, appendix I). Out of flash service begins through all red, and no green has to end.
    """
    if not railway.clear:
        return junction.round
    from_flash = junction.start_flash + junction.start_all_red + junction.round
    from_flash -= max(group.min_green for group in junction.groups)
    closing = [junction.groups[junction.index[name]] for name in railway.closed]
    end = max(max(group.min_green - railway.clear_time, 0) + group.amber for group in closing)
    return max(max(junction.round, from_flash) + railway.clear_time, railway.gates) + end


def _follow(
    junction: Junction,
    special: Special,
    course: Course,
    green: frozenset[int],
    occupied: bool | None,
    is_asked: bool,
) -> Course:
    """is_asked: no more important one is in force; this one waits otherwise, and what it waits is not its own time."""
    if not course.age:
        return _begin(special, course, occupied)
    if special.longest and course.age >= special.longest:
        return Course(rest=special.pause, lapsed=occupied is not False)
    free = course.free if occupied is False else 0
    if not is_asked:
        # What it keeps closed is not kept now: where that became green, somebody may stand on the track again.
        opened = not green.isdisjoint(_numbers(junction, special.closed))
        return course._replace(cleared=0 if opened else course.cleared, free=free)
    done = not special.is_clearing(course)
    cleared = course.cleared + (not done and _numbers(junction, special.clear) <= green)
    if occupied is False and done and _numbers(junction, special.green) <= green:
        free += 1
    if free > special.hold:
        return Course()
    return Course(min(course.age + 1, LONGEST), cleared, free=free)


def _begin(special: Special, course: Course, occupied: bool | None) -> Course:
    """One that is not in force: whether it begins."""
    rest = max(0, course.rest - 1)
    if course.lapsed:
        return Course(rest=rest, lapsed=occupied is not False)
    called = course.waiting or occupied or (occupied is None and not special.longest)
    if not called or course.rest:
        return Course(rest=rest, waiting=called)
    return Course(age=1)


def _shut(
    junction: Junction, special: Special, shut: Sequence[int], green: frozenset[int], closes: bool
) -> tuple[int, ...]:
    """`Course.shut` after a tick: calls that follow one another close nobody for longer than one call may."""
    numbers = (junction.index[name] for name in special.closed)
    before = shut or (0,) * len(special.closed)
    return tuple(
        0 if number in green else min(ticks + closes, special.longest)
        for number, ticks in zip(numbers, before, strict=True)
    )


def _ask(junction: Junction, special: Special, course: Course) -> Requests:
    clearing = special.is_clearing(course)
    names = special.clear if clearing else special.green
    wanted = _numbers(junction, names)
    # Nobody else is served while the track is cleared, however long he waited.
    if clearing:
        closed = frozenset(range(len(junction.groups))) - wanted
    else:
        shut = course.shut or (-1,) * len(special.closed)  # a railway's stay closed
        closed = _numbers(junction, (name for name, n in zip(special.closed, shut, strict=True) if n < special.longest))
    return Requests(wanted, closed)


def _numbers(junction: Junction, names: Iterable[str]) -> frozenset[int]:
    return frozenset(junction.index[name] for name in names)
