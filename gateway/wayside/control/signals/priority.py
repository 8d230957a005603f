"""Preemption and public-transport priority: for a bounded time they replace what the layers below ask, and only ask.

Preemption (NTCIP 1202 v03 section 3.5.5) may close groups: a railway first clears its track, then keeps what crosses it
red. Priority serves some groups early or longer. Neither shortens a yellow, a minimum green or an intergreen: those are
the core's.

A call locks: a pulse is enough, it stays until its groups are green, and goes on until its detector was free for
`hold` of that green. What takes the green away, a more important call or the core for a group that waited too long,
takes nothing of `hold`. A detector that is not known to be free is not free: while it is silent, or in a fault that may
hide a call, what is in force stays in force, as long as it may at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wayside.control.signals.core import Requests, State, greens
from wayside.control.signals.junction import LONGEST, Junction

HOLD = 20
"""Ticks for which a call outlasts its detector, where the file says nothing: a gap in a contact is shorter."""


@dataclass(frozen=True, slots=True)
class Special:
    """A preemption or a priority, called by the detector `detector`. Times in ticks.

    clear: groups that come first, until they were green together for clear_time; green: groups that are green then;
    closed: groups kept red from then on. hold: for how much of its green its detector has to be free before it
    ends. longest: it lapses after so long, until its detector was free, and is not taken again for `pause`; 0: it
    never lapses, and a detector of which nothing is known calls it too, as a railway's must.
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


class Course(NamedTuple):
    """How far one special is. age: ticks since it began (0: not in force); cleared, rest: of clear_time, of pause.

    lapsed: not taken before its detector was free; free: ticks of hold; waiting: called in the pause.
    """

    age: int = 0
    cleared: int = 0
    rest: int = 0
    lapsed: bool = False
    free: int = 0
    waiting: bool = False


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
        after.append(following)
        if requests is None and following.age:
            name, requests = special.name, _ask(junction, special, following)
    return tuple(after), name, requests


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
    done = course.cleared >= special.clear_time
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


def _ask(junction: Junction, special: Special, course: Course) -> Requests:
    clearing = bool(special.clear) and course.cleared < special.clear_time
    names = special.clear if clearing else special.green
    closed = () if clearing else special.closed
    return Requests(_numbers(junction, names), _numbers(junction, closed))


def _numbers(junction: Junction, names: Iterable[str]) -> frozenset[int]:
    return frozenset(junction.index[name] for name in names)
