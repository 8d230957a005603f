"""Adaptive control: once a second the stage that moves most vehicles per second, its intergreen counted in.

The priority index of Laemmer and Helbing (J. Stat. Mech. 2008 P04019), by movement: the vehicles that can leave within
a time, those on their way included, per second of that time and of the intergreen before it. Another stage is compared
by what it would move and this one does not, and the reverse. Who waits counts more: breaking a flow of L vehicles per
second for the time R of a short stage costs about L R^2 / 2, and by then those who arrived since have waited as much.
Another stage has to be better by a margin, no stage is kept beyond a bound while others wait, and nobody who is known
to wait is passed over for longer than another bound. No training; it only asks.

A junction whose box is locked, since who turns left stands before everybody else there, is cleared: nobody enters, then
one lane after the other goes alone until somebody leaves. Stages are longer for a while after that.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from wayside.control.signals.chain import Declined
from wayside.control.signals.change import ticks_to_green
from wayside.control.signals.core import GREEN, Mode, State
from wayside.control.signals.demand import SATURATION, SOMEBODY, START_UP_S, Approach, Estimator
from wayside.control.signals.detectors import Demand
from wayside.control.signals.junction import PEDESTRIAN, TICKS_PER_S, Junction
from wayside.control.signals.plans import Plan
from wayside.control.signals.stages import stages, with_parents
from wayside.control.signals.yardstick import Yardstick, planned_rates

MARGIN = 0.2
"""Another stage is chosen when its index is higher by this share. Not derived: chosen on four-arms, as whatever names
no other source (0056)."""
MAX_GREEN_S = 60
"""No group stays green for longer while others wait for its end, whatever stages it is in."""
MAX_WAIT_S = 100
"""Who waits at a stop line for so long is served next."""
# Seconds after which who waits counts twice: two intergreens and a shortest green, roughly. 0056 derives it: those who
# are broken off and those who wait for it lose least together when they lose the same, L R^2 / 2 = M C^2 / 2.
_WAITING_WEIGHT_S = 20.0
_LONG_WAIT_S = 240.0  # no wait counts for more; with 60 one lane lost to six for ten minutes (measured, 0056)
_WAY_BACK = 0.5  # of the shortest change; nothing, half and all of it were measured (0056)
_HORIZONS_S = (5, 7, 10, 14, 19, 25, 32, 40)
_OUTLOOK_S = 64  # the longest horizon behind the longest change; who comes later counts as coming then
# Of the vehicles of a lane leave against opposing traffic: by gaps of 4.5 s for the first and 2.5 s for each other one
# (HCM 2010 chapter 31, permitted left turns), 900 vehicles an hour, which is half of what two lanes carry, leave room
# for 628 of 1,800.
_PERMISSIVE = 0.35
_SHARED = 0.5  # of the vehicles of a lane can leave when only some of its movements may: nobody says how many want to
_LATE_WALK_S = 3  # a walk begins so long after its stage's vehicles at the latest
_LEAST_S = 7  # no stage is asked for more briefly
_SETTLING_S = 20  # a stage that is not green by then is considered anew
_BLOCKED_S = 6  # an exit covered for so long is full
_PASSED = 4.0  # vehicles that went into it meanwhile: it is the loop that is stuck
_LEAST = 0.02  # vehicles per second: for less, one vehicle in the longest horizon, nothing is changed
_WALKERS = 1.0  # vehicles that waiting pedestrians count for: somebody pressed, nobody says how many wait
_LOCKED_S = 20  # of green in which several lanes stand and nobody leaves: the box is locked
_CLEARING_S = 12  # of asking for nobody: a yellow, and who stands in the box leaves it
_ALONE_S = 15  # of green for one lane alone, before the next is tried
_CAREFUL_S = 900  # after a lock: for so long
_CAREFUL_LEAST_S = 15  # no stage is asked for more briefly
_MOST_CLEARED = 8  # times within _CAREFUL_S: stages of one's own choosing lock this box, the plan is to try
_LEAST_SEEN = 0.5  # of the vehicles go where a loop is believed: with fewer, the plan knows more
_UNSEEN_S = 60  # for so long
_MUCH_WORSE = 1.5  # times the queues that the plan would have
_WORSE_S = 30  # for so long, before it is left to the plan
_PLAN_S = 900  # for so long; what would be done without it is not known meanwhile


class Adaptive:
    """An adviser for the chain. approaches: the loops; exits: by group, loops behind the junction where a link can
    block; plans: those of the level below, which tell how busy lanes are, and what is to be done better."""

    def __init__(
        self,
        junction: Junction,
        approaches: Sequence[Approach],
        exits: Mapping[str, Sequence[str]] | None = None,
        plans: Iterable[Plan] = (),
    ):
        lanes = [lane for approach in approaches for lane in approach.lanes]
        unknown = ({name for lane in lanes for name in lane.groups} | set(exits or ())) - set(junction.index)
        if unknown:
            raise ValueError(f"unknown signal group {', '.join(sorted(unknown))}; name those of the junction")
        self.junction = junction
        plans = tuple(plans)
        self.estimator = Estimator(approaches, planned_rates(plans))
        self.stages = stages(junction)
        self._exits = dict(exits or {})
        self._covered_s = {name: 1 for names in self._exits.values() for name in names}
        self._passed = dict.fromkeys(self._covered_s, _PASSED)
        """Vehicles that must have gone over a loop in an exit since it last moved; one that is covered since the start
        may be stuck since long ago, and counts as stuck until it moves."""
        self._groups = [frozenset(junction.index[name] for name in flow.lane.groups) for flow in self.estimator.flows]
        # The formula knows no lane that left-turners block for all behind them; where most are such, it is no measure.
        shared = sum(any(self._yields(groups)) and not all(self._yields(groups)) for groups in self._groups)
        measured = plans if 2 * shared <= len(lanes) else ()
        self._yardstick = Yardstick(
            junction, measured, len(lanes), lambda lane, lit: self._leaving(self._groups[lane], lit)
        )
        served = frozenset().union(*self._groups)
        self._walks = [n for n, each in enumerate(junction.groups) if each.kind == PEDESTRIAN]
        self._unseen = [n for n in range(len(junction.groups)) if n not in served and n not in self._walks]
        self._names = [group.name for group in junction.groups]
        self.stage = self.stages[0]
        self._least_change = min(junction.intergreen.values(), default=0) / TICKS_PER_S
        self._since_s = 0
        self._settled_s = 0
        """For how long all vehicles' groups of the stage have been green."""
        self._resting = False
        self._clearing_s = 0
        """Seconds for which nobody is asked for any more."""
        self._cleared: list[int] = []
        """The lanes that went alone since somebody left."""
        self._careful_s = 0
        self._locks: list[int] = []
        """The seconds in which clearing began, of the last _CAREFUL_S."""
        self._left_s, self._left_why = 0, ""
        """Seconds for which all is left to the levels below, and why."""
        self._unseen_s = 0
        self._worse_s = 0
        """For how long the plan would have done better."""
        self._shares = {stage: [self._leaving(groups, stage) for groups in self._groups] for stage in self.stages}
        self._outlooks: list[list[float]] = []
        self._shares_now: list[float] = []
        self._urgencies: list[float] = []
        self._called: list[int] = []
        self._setups: dict[int, float] = {}
        self._vehicles: dict[tuple[int, float, float, float], list[float]] = {}
        """What is the same for all stages of a decision (`_look`, `_setup`, `_can_leave`)."""
        self._ticks = 0

    def __call__(self, state: State, demand: Demand) -> frozenset[int] | Declined:
        """The groups to ask for in this tick, or why the levels below should do it."""
        self.estimator.tick(demand.occupied)
        self._ticks += 1
        if self._ticks % TICKS_PER_S == 0:
            self._second(state, demand)
        if self._left_s:
            return Declined(self._left_why)
        if self._unseen_s >= _UNSEEN_S:
            return Declined(f"under {_LEAST_SEEN:.0%} of the traffic is seen by loops that are believed")
        if self._clearing_s:
            return frozenset()
        return self.stage.difference(each for each in self._walks if not self._walk(each, state, demand))

    def _second(self, state: State, demand: Demand) -> None:
        running = state.mode == Mode.RUN
        green = frozenset(n for n, shown in enumerate(state.groups) if running and shown.indication == GREEN)
        leaving = [self._leaving(groups, green) for groups in self._groups]
        self.estimator.second(frozenset(self._names[number] for number in green), leaving)
        for name, seconds in self._covered_s.items():
            covered_s = seconds + 1 if demand.occupied.get(name) else 0
            self._passed[name] = self._passed[name] if covered_s > 1 else 0.0
            self._covered_s[name] = covered_s
        self._watch_exits()
        self._since_s += 1
        self._careful_s = max(self._careful_s - 1, 0)
        self._locks = [each for each in self._locks if self.estimator.now_s - each < _CAREFUL_S]
        self._unseen_s = self._unseen_s + 1 if self.estimator.seen < _LEAST_SEEN else 0
        self._compare_with_plan()
        self._left_s = max(self._left_s - 1, 0)
        if running and not self._left_s and not self._clear(green):
            self._decide(state, demand, green)

    def _leave(self, seconds: int, why: str) -> None:
        self._left_s, self._left_why = seconds, why

    def _compare_with_plan(self) -> None:
        """Whether the plan is to go on, since loops are broken and the queues are longer than its would be."""
        if self._left_s or self._unseen_s >= _UNSEEN_S:
            self._yardstick.again()
        else:
            self._yardstick.second(self.estimator.flows)
        worse = self.estimator.broken and self._yardstick.ratio > _MUCH_WORSE
        self._worse_s = self._worse_s + 1 if worse else 0
        if self._worse_s >= _WORSE_S:
            self._leave(_PLAN_S, "loops are broken, and the queues are longer than the plan's would be")

    def _watch_exits(self) -> None:
        """Vehicles that leave over a stop line must move the loops in their exits."""
        for flow, groups in zip(self.estimator.flows, self._groups, strict=True):
            if flow.left and flow.trusted:
                for number in groups:
                    for name in self._exits.get(self._names[number], ()):
                        self._passed[name] += flow.left / len(groups) / len(self._exits[self._names[number]])

    # --- a locked box ---

    def _clear(self, green: frozenset[int]) -> bool:
        """One second of getting out of a locked box; whether that decides who is asked for."""
        if self._clearing_s:
            self._clearing_s -= 1
            if not self._clearing_s:
                self._go_alone()
            return True
        locked_s = self.estimator.locked_s
        if not locked_s:
            self._cleared.clear()
            return False
        alone = bool(self._cleared)
        if locked_s < _LOCKED_S or (alone and not self._stood(green)):
            return alone
        self._clearing_s, self._careful_s = _CLEARING_S, _CAREFUL_S
        self._locks.append(self.estimator.now_s)
        if len(self._locks) >= _MOST_CLEARED:
            self._leave(_CAREFUL_S, f"the box had to be cleared {_MOST_CLEARED} times in {_CAREFUL_S // 60} min")
            self._locks.clear()
        return True

    def _stood(self, green: frozenset[int]) -> bool:
        """Whether the lane that goes alone had its time; one that the core does not serve is not waited for."""
        self._settled_s = self._settled_s + 1 if self.stage <= green else 0
        return self._settled_s >= _ALONE_S or self._since_s >= _SETTLING_S + _ALONE_S

    def _go_alone(self) -> None:
        """The lane that waited longest of those that were not tried, with nobody who opposes it."""
        flows = self.estimator.flows
        if len(self._cleared) == len(flows):
            self._cleared.clear()
        untried = [number for number in range(len(flows)) if number not in self._cleared]
        lane = max(untried, key=lambda number: (flows[number].stop.occupied, flows[number].passed_over_s))
        self._cleared.append(lane)
        chosen: frozenset[int] = frozenset()
        for number in sorted(self._groups[lane]):
            if chosen.isdisjoint(other for other, _ in self.junction.conflicts[number]):
                chosen |= {number}
        own = with_parents(self.junction, chosen)
        self.stage = own or next(stage for stage in self.stages if stage & chosen)
        self._since_s = self._settled_s = 0

    # --- whom to serve ---

    def _walk(self, number: int, state: State, demand: Demand) -> bool:
        """Whether a called walk goes along with its stage: with its beginning, or when that keeps nobody waiting."""
        indication, age = state.groups[number]
        if indication == GREEN:
            return self._resting or age < self.junction.groups[number].min_green
        in_time = self._settled_s <= _LATE_WALK_S or self._resting
        return number in demand.calls and (in_time or state.unserved[number] > MAX_WAIT_S * TICKS_PER_S)

    def _may_change(self, green: frozenset[int]) -> bool:
        """Whether the stage had its least time, or cannot become green as the core sees it."""
        settled = all(n in green for n in self.stage if n not in self._walks)
        self._settled_s = self._settled_s + 1 if settled else 0
        least_s = _CAREFUL_LEAST_S if self._careful_s else _LEAST_S
        return self._since_s >= (least_s if settled else _SETTLING_S)

    def _decide(self, state: State, demand: Demand, green: frozenset[int]) -> None:
        """Who is due is served by the best stage that helps him; else another stage has to be better by the margin."""
        if not self._may_change(green):
            return
        self._resting = False
        self._look(demand, green)
        compared = {stage: self._compare(stage, state, green) for stage in self.stages if stage != self.stage}
        if not compared:
            return
        due = self._due(compared, state, green)
        if due is not None:
            compared = {stage: each for stage, each in compared.items() if self._helps(stage, due, green)}
        best = max(compared, key=lambda stage: compared[stage][0] - compared[stage][1], default=self.stage)
        gain, loss = compared.get(best, (0.0, 0.0))
        self._resting = not any(more for more, _ in compared.values())  # nobody gains by any other stage
        if best != self.stage and (due is not None or gain > loss * (1 + MARGIN) + _LEAST):
            self.stage = best
            self._since_s = self._settled_s = 0

    def _look(self, demand: Demand, green: frozenset[int]) -> None:
        """What all stages are compared by: each lane's vehicles, its share in the present stage, a vehicle's weight."""
        flows = self.estimator.flows
        self._outlooks = [flow.outlook(self.estimator.now_s, _OUTLOOK_S) for flow in flows]
        self._shares_now = [self._share(number, self.stage, green) for number in range(len(flows))]
        self._urgencies = [1 + min(flow.waited_s, _LONG_WAIT_S) / _WAITING_WEIGHT_S for flow in flows]
        self._called = [n for n in (*self._walks, *self._unseen) if n in demand.calls and n not in green]
        self._setups.clear()
        self._vehicles.clear()

    def _due(
        self,
        compared: Mapping[frozenset[int], tuple[float, float]],
        state: State,
        green: frozenset[int],
    ) -> int | None:
        """Who is to be served next whatever it costs, who waits longest of those: a movement, never a stage.

        He has waited too long, not green or without a gap in his green; or those whom he waits for were green too long.
        """
        long = {n for n in green if state.groups[n].age >= MAX_GREEN_S * TICKS_PER_S}
        waiting = [
            (flow.passed_over_s, max(groups, key=lambda n: (state.unserved[n], -n)))
            for flow, groups in zip(self.estimator.flows, self._groups, strict=True)
            if flow.passed_over_s
        ]
        waiting += [(state.unserved[number] // TICKS_PER_S, number) for number in self._called]
        due = []
        for waits_s, number in waiting:
            kept = number not in green and self.junction.foes[number] & long
            least = 0.0 if waits_s > MAX_WAIT_S else _LEAST if kept else inf
            if any(gain >= least and self._helps(stage, number, green) for stage, (gain, _) in compared.items()):
                due.append((waits_s, number))
        return max(due)[1] if due else None

    def _helps(self, stage: frozenset[int], number: int, green: frozenset[int]) -> bool:
        """Whether a stage gives way to somebody who has none, or to whom his gives no gap."""
        opposed = self.junction.yields_to[number]
        return number in stage and (number not in green or bool(opposed & green and not opposed & stage))

    # --- the index ---

    def _compare(self, stage: frozenset[int], state: State, green: frozenset[int]) -> tuple[float, float]:
        """What another stage would move that this one does not, and the reverse; weighted vehicles per second."""
        gained: list[tuple[int, float, float]] = []
        lost: list[tuple[int, float, float]] = []
        change = 0.0
        for number, groups in enumerate(self._groups):
            more = self._share(number, stage, green) - self._shares_now[number]
            weight = abs(more) * self._urgencies[number]
            if more > 0:
                setup = min(self._setup(each, state) for each in groups & stage)
                change = max(change, setup)
                gained.append((number, weight, setup + START_UP_S))
            elif more < 0:
                lost.append((number, weight, 0.0))
        joining = sum(_WALKERS for number in self._called if number in stage and number not in self.stage)
        soon = min(round(change) + _LEAST_S, _OUTLOOK_S - 1)
        if sum(self._outlooks[number][soon] for number, _, _ in gained) < SOMEBODY and not joining:
            return 0.0, 0.0
        back = self._least_change * _WAY_BACK  # not every flow that is broken off comes back for what it lost
        return self._index(gained, max(change, back), joining, back), self._index(lost, 0.0, 0.0, 0.0)

    def _index(self, lanes: list[tuple[int, float, float]], change: float, joining: float, back: float) -> float:
        """Weighted vehicles per second at the best of several horizons. lanes: number, weight and setup of each;
        change, back: seconds that the way there and the way back take."""
        by_lane = [self._can_leave(lane, weight, change, setup) for lane, weight, setup in lanes]
        by_horizon = zip(*by_lane, strict=True) if by_lane else ((),) * len(_HORIZONS_S)
        best = 0.0
        for horizon, leaving in zip(_HORIZONS_S, by_horizon, strict=True):
            moved = joining
            for vehicles in leaving:
                moved += vehicles
            best = max(best, moved / (change + horizon + back))
        return best

    def _can_leave(self, lane: int, weight: float, change: float, setup: float) -> list[float]:
        """Vehicles, times their weight, that leave a lane within each horizon behind the change. Stages differ in few
        lanes and in fewer changes, so most of it was computed for another stage of this decision."""
        key = (lane, weight, change, setup)
        if key not in self._vehicles:
            flow, outlook = self.estimator.flows[lane], self._outlooks[lane]
            vehicles = []
            for horizon in _HORIZONS_S:
                end = change + horizon
                known = outlook[min(round(end), _OUTLOOK_S - 1)] + flow.rate * max(end - flow.lane.seconds, 0.0)
                vehicles.append(weight * min(known, max(end - setup, 0.0) * SATURATION))
            self._vehicles[key] = vehicles
        return self._vehicles[key]

    def _share(self, number: int, stage: frozenset[int], green: frozenset[int]) -> float:
        """The share of a lane's vehicles that leave in a stage, its exits and what it shows now looked at."""
        shares = self._shares.get(stage)
        groups = self._groups[number]
        share = shares[number] if shares else self._leaving(groups, stage)
        if not share:
            return 0.0
        served = groups & stage
        if self.estimator.flows[number].stalled and served == groups & green and served == groups & self.stage:
            # Who does not use his green does not use it in a stage either that gives him no other way.
            opposing = frozenset().union(*(self.junction.yields_to[each] for each in served))
            if opposing & stage == opposing & self.stage:
                return 0.0
        return share * (1 - max(self._blocked(each) for each in served)) if self._exits else share

    def _leaving(self, groups: frozenset[int], stage: frozenset[int]) -> float:
        """The share of the vehicles of a lane with these groups that leave in a stage."""
        served = groups & stage
        if not served:
            return 0.0
        share = 1.0 if served == groups else _SHARED
        if all(self.junction.yields_to[number] & stage for number in served):
            share *= _PERMISSIVE
        return share

    def _yields(self, groups: frozenset[int]) -> list[bool]:
        return [bool(self.junction.yields_to[number]) for number in groups]

    def _blocked(self, number: int) -> float:
        """The share of a group's exits that are full."""
        loops = self._exits.get(self._names[number], ())
        full = sum(self._covered_s[name] >= _BLOCKED_S and self._passed[name] < _PASSED for name in loops)
        return full / len(loops) if loops else 0.0

    def _setup(self, number: int, state: State) -> float:
        """Seconds until a group can be green when it is asked for now."""
        if number not in self._setups:
            self._setups[number] = ticks_to_green(self.junction, state, number) / TICKS_PER_S
        return self._setups[number]
