"""Preemption and public-transport priority: for a bounded time they replace what the layers below ask, and only ask.

Preemption (NTCIP 1202 v03 section 3.5.5) may close groups: a railway first clears its track, then keeps what crosses it
red. Priority serves some groups early or longer. Neither shortens a yellow, a minimum green or an intergreen: those are
the core's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wayside.control.signals.core import Requests, State, greens
from wayside.control.signals.junction import LONGEST, Junction


@dataclass(frozen=True, slots=True)
class Special:
    """A preemption or a priority, called by the detector `detector`. Times in ticks.

    clear: groups that come first, until they were green together for clear_time; green: groups that are green then;
    closed: groups kept red from then on. longest: it lapses after so long, until its detector was free, and is not
    taken again for `pause`; 0: it never lapses, and a detector in fault calls it too, as a railway's must.
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


class Course(NamedTuple):
    """How far one special is. age: ticks since it began (0: not in force); cleared, rest: of clear_time, of pause."""

    age: int = 0
    cleared: int = 0
    rest: int = 0
    lapsed: bool = False


def follow(
    junction: Junction,
    specials: Sequence[Special],
    courses: Sequence[Course],
    state: State,
    occupied: Mapping[str, bool],
) -> tuple[tuple[Course, ...], str, Requests | None]:
    """One tick of all: their courses, and the first called one's name and requests ("", None: none is).

    specials: the most important first. occupied: by detector, without those in fault.
    """
    green = greens(state)
    name, requests = "", None
    after = []
    for special, course in zip(specials, courses, strict=True):
        following = _follow(junction, special, course, green, occupied.get(special.detector, not special.longest))
        after.append(following)
        if requests is None and following.age:
            name, requests = special.name, _ask(junction, special, following)
    return tuple(after), name, requests


def _follow(junction: Junction, special: Special, course: Course, green: frozenset[int], called: bool) -> Course:
    if not called:
        return Course(rest=special.pause if course.age else max(0, course.rest - 1))
    if course.lapsed or course.rest:
        return course._replace(rest=max(0, course.rest - 1))
    if special.longest and course.age >= special.longest:
        return Course(rest=special.pause, lapsed=True)
    done = course.cleared >= special.clear_time
    cleared = course.cleared + (not done and _numbers(junction, special.clear) <= green)
    return Course(min(course.age + 1, LONGEST), cleared)


def _ask(junction: Junction, special: Special, course: Course) -> Requests:
    clearing = bool(special.clear) and course.cleared < special.clear_time
    names = special.clear if clearing else special.green
    closed = () if clearing else special.closed
    return Requests(_numbers(junction, names), _numbers(junction, closed))


def _numbers(junction: Junction, names: Iterable[str]) -> frozenset[int]:
    return frozenset(junction.index[name] for name in names)
