"""Whether an adviser whose loops are broken still does better than the plan: the queues that are seen, beside those
that the plan would have.

A plan's queues follow from its greens and the rates that were learned: control delay by HCM 2000, chapter 16, times the
rate (Little, Oper. Res. 9 (1961) 383). The adviser's are those that the loops show. Both are taken of the lanes whose
stop line is believed, in the same seconds: what cannot be seen is compared with nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from statistics import mean

from wayside.control.signals.chain import CLIMB
from wayside.control.signals.demand import SATURATION, Flow
from wayside.control.signals.junction import TICKS_PER_S, Junction
from wayside.control.signals.plans import Plan

_MEMORY_S = 300  # three cycles or more
_FIRST_S = 180  # nothing is said before: two cycles
_LEAST_QUEUE = 1.0  # vehicles: with less there is nothing to choose
_PERIOD_H = 0.25  # HCM's period of analysis
_PLANNED_LOAD = 0.5  # of the vehicles that a plan's green could carry come

Leaving = Callable[[int, frozenset[int]], float]
"""(lane, groups that are green) -> the share of the lane's vehicles that can leave."""


def control_delay(cycle_s: float, green_s: float, rate: float) -> float:
    """Seconds per vehicle at a plan's green: HCM 2000, equations 16-9 (random arrivals, no queue before), 16-11, 16-12.

    green_s: seconds of a cycle in which as many as saturation allows leave one lane, more than none; rate: vehicles per
    second.
    """
    share = green_s / cycle_s
    capacity = share * SATURATION
    load = rate / capacity
    uniform = 0.5 * cycle_s * (1 - share) ** 2 / (1 - min(load, 1.0) * share) if share < 1 else 0.0
    over = load - 1
    return uniform + 900 * _PERIOD_H * (over + sqrt(over * over + 4 * load / (3600 * capacity * _PERIOD_H)))


def planned_rates(plans: Iterable[Plan]) -> dict[str, float]:
    """By group, the vehicles per second and lane that plans reckon with: of their mean green a share."""
    shares: dict[str, list[float]] = {}
    for plan in plans:
        for name, times in plan.green.items():
            lit = sum((end - begin - 1) % plan.cycle + 1 for begin, end in times)
            shares.setdefault(name, []).append(lit / plan.cycle)
    return {name: mean(each) * SATURATION * _PLANNED_LOAD for name, each in shares.items()}


class Yardstick:
    """Steps once a second. plans: those that the calendar knows; the one that does worst is the measure, and one that
    leaves a lane without green is none."""

    def __init__(self, junction: Junction, plans: Sequence[Plan], lanes: int, leaving: Leaving):
        self._greens = [_greens(junction, plan, lanes, leaving) for plan in plans]
        self._cycles_s = [plan.cycle / TICKS_PER_S for plan in plans]
        self._serves_all = all(green for greens in self._greens for green in greens)
        self._planned = [0.0] * len(plans)
        """By plan, vehicles that would wait, in the mean of the last minutes."""
        self._waiting = 0.0
        """Vehicles that do."""
        self._seconds = 0

    def second(self, flows: Sequence[Flow]) -> None:
        """One second in which the adviser's wishes were asked for."""
        self._seconds += 1
        if self._seconds <= 0 or not self._serves_all:
            return
        seen = [(number, flow) for number, flow in enumerate(flows) if flow.trusted]
        self._waiting += (sum(flow.standing + flow.hidden for _, flow in seen) - self._waiting) / _MEMORY_S
        for plan, (cycle_s, greens) in enumerate(zip(self._cycles_s, self._greens, strict=True)):
            queues = sum(flow.rate * control_delay(cycle_s, greens[number], flow.rate) for number, flow in seen)
            self._planned[plan] += (queues - self._planned[plan]) / _MEMORY_S

    def again(self) -> None:
        """Others ask now: it is measured anew when the chain has climbed back."""
        self._planned = [0.0] * len(self._planned)
        self._waiting = 0.0
        self._seconds = -CLIMB // TICKS_PER_S

    @property
    def ratio(self) -> float:
        """The queues that are seen, by those that the plan would have; 0 as long as nothing can be said."""
        if self._seconds < _FIRST_S or not self._planned:
            return 0.0
        return self._waiting / max(*self._planned, _LEAST_QUEUE) if self._serves_all else 0.0


def _greens(junction: Junction, plan: Plan, lanes: int, leaving: Leaving) -> list[float]:
    """Of each lane, the seconds of a cycle in which it leaves at saturation, those with gaps only counted as a share.

    What the start of a green loses, its yellow gives back (HCM 2000, equation 16-1, with 2 s each).
    """
    lit = [plan.lit(junction, tick, early=False) for tick in range(plan.cycle)]
    times = {groups: lit.count(groups) / TICKS_PER_S for groups in set(lit)}
    return [sum(seconds * leaving(lane, groups) for groups, seconds in times.items()) for lane in range(lanes)]
