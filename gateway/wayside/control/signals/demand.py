"""How many vehicles want to go where: an estimate per lane from stop-line and advance loops that may fail.

A lane's queue is what came in over the advance loops, less what left over the stop line. Where several lanes share
advance loops, those who came are shared out as those who left were. A stop line that is empty in green resets the
queue. A loop that contradicts its neighbours, is silent where vehicles were to be expected, or moves while its lane
stands at red is not believed until it does better: its count is then modelled from the rates that were learned before.
Pulses are counted every tick of 100 ms, the model steps once a second; vehicles are real numbers, times are seconds.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType

from wayside.control.signals.loops import CONTRADICTION, REMEMBERED, Loop

SATURATION = 0.5  # vehicles per second and lane that leave a queue in green (2 s headway)
START_UP_S = 1.5
VEHICLE_M = 7.5
_SPEED = 13.0  # metres per second, to tell room from the time that crossing it takes
_EMPTY_S = 3  # nobody on the stop line in green for so long: the queue is gone
_STANDING_S = 3  # an advance loop covered for so long: the queue reaches it
_SURE_S = 8  # and for so long: whatever the stop line says
_ROOM = 7.0  # vehicles between an advance loop and its stop line, at most
_STALLED_S = 5  # nobody moves over an occupied stop line in green
_RED_RATE = 0.06  # vehicles per second over a stop line at red: more than creep forward, the mean of
_RED_RATE_S = 60  # seconds of red
_AT_RED = 6  # vehicles that left over a stop line at red, a quarter of all: more than creep forward or turn right
_VANISHED_S = 5  # who came and is at no stop line so much later than he should stands where no loop tells
_RECALL = 3.0  # vehicles that were to be expected in a red: that none came is one chance in 20, so it is served
_AMBER_S = 5  # who leaves so long after green still counts as one who left in it
_JAMMED_S = 10  # nobody leaves for so long, though several lanes stand in green: it need not be their loops
_START_S = 3  # who stands at a stop line is gone from it, or moves, so soon; the start of a queue reaches nobody else
_ERRS_S = 900  # for so long a loop is not believed whose neighbours showed a queue that it did not
_RATE_S = 400  # memory of the rates
_EXCESS = (1.3, 0.04)  # times the rate that leaves, and vehicles per second: no queue grows by more for minutes
_QUIET_S = 1800  # in which a rate fades while nobody is seen: in a loop that died is no news of its lane
SOMEBODY = 0.5  # of a vehicle: so much is taken for one that waits
_PLAN_S = 600  # in which the rate of a lane that is not seen fades to what the plan reckons with
_PRIOR_RATE = 0.06  # vehicles per second and lane, as long as nothing was learned
_LEAST_RATE = 0.005  # what a lane that nobody used keeps of its approach
_BLIND_RATE = 0.03  # added for a lane whose loops are blind, since nothing tells that its model is too low
_BLIND_SATURATION = 0.35  # and so many are taken to leave it
_FREE = 0.5  # of a lane's vehicles can leave, at least: they do not wait for gaps
_MOST = 60.0  # vehicles; no lane's estimate is higher
_MOST_BLIND = 10.0  # none that only is modelled: what a red of two minutes brings at the prior rate and a half more


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane at the stop line. stop: its loop's detector; groups: who may leave from it; seconds: advance to stop."""

    stop: str
    groups: tuple[str, ...]
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Approach:
    """Lanes that are reached over the same advance loops; advance: their detectors, none where there is no room."""

    advance: tuple[str, ...]
    lanes: tuple[Lane, ...]


class Flow:
    """One lane: the vehicles between its advance loops and its stop line, and those behind them that must be there.

    planned: vehicles per second that a plan reckons with; what was learned fades to it while nothing is seen.
    """

    def __init__(self, lane: Lane, planned: float = _PRIOR_RATE):
        self.lane = lane
        self.stop = Loop(lane.stop)
        self.standing = 0.0
        self.hidden = 0.0
        """Vehicles before the advance loops, when the queue reaches them."""
        self.coming: deque[tuple[int, float]] = deque()
        """(second at the stop line, vehicles) of those who are on their way."""
        self.planned = planned
        self.rate = self.seen = _PRIOR_RATE
        """Vehicles per second that left, and that were seen coming: the others joined behind the advance loops."""
        self.announced = True
        """Whether all its advance loops are believed."""
        self._recent = _PRIOR_RATE
        self.used = False
        """Whether anybody was seen to leave since the start."""
        self.unknown = 0.0
        """Vehicles that stood in line in this green, and that nobody had counted."""
        self.long = False
        """Whether the queue was seen to reach the advance loops, and not yet to be gone from there."""
        self.green_s = self.red_s = 0
        self.free_s = 0
        """Seconds of green in which nobody had to wait for a gap."""
        self.left = 0
        """Vehicles that left over the stop line in this second."""
        self.left_in_green = self.left_at_red = 0.0
        """Of the last vehicles that left over the stop line, how many did in green and at red."""
        self.red_rate = 0.0
        """Vehicles per second that leave at red."""
        self.vanished = 0
        self.vanished_s = 0
        """Vehicles that came over the advance loops in this red and are at no stop line; for how long."""
        self.waited_s = 0
        """Since when somebody has waited here, whether others left meanwhile or not; if that only is modelled, since
        the last green."""
        self.passed_over_s = 0
        """For how long somebody has waited here, known or supposed, and nobody left."""

    def outlook(self, now_s: int, seconds: int) -> list[float]:
        """Vehicles at the stop line at each of the next seconds, if none left, the present one first."""
        joining = [0.0] * seconds
        for due, weight in self.coming:
            if due < now_s + seconds:
                joining[max(due - now_s, 0)] += weight
        joining[0] += self.standing + self.hidden
        return [min(vehicles, _MOST) for vehicles in accumulate(joining)]

    def learn(self, left: float) -> None:
        """One second in which so many left: the rate follows those who are seen, and fades slowly while nobody is."""
        self.used = self.used or left > 0
        self._recent += (left - self._recent) / _RATE_S
        self.rate = self._recent if left or not self.used else max(self._recent, self.rate * (1 - 1 / _QUIET_S))

    def suppose(self) -> None:
        """One second in which the stop line is not seen: of what is silent the rate is kept, it may be absence; of what
        is broken it follows those who are seen coming, and where these are not either nothing will ever be known."""
        self._recent -= self._recent / _RATE_S
        if not self.stop.silent:
            self.rate += (self.seen - self.rate) / _RATE_S if self.announced else (self.planned - self.rate) / _PLAN_S

    @property
    def missed(self) -> bool:
        """Whether somebody should have stood at the stop line by now, which is free: by those who came over the advance
        loops, or by the rate that was learned."""
        return self.vanished_s > self.lane.seconds + _VANISHED_S or (self.used and self.rate * self.red_s >= _RECALL)

    @property
    def stalled(self) -> bool:
        """Whether somebody stands at the stop line and does not use the green."""
        return self.stop.occupied and min(self.stop.age_s, self.green_s) >= _STALLED_S

    @property
    def erratic(self) -> bool:
        """Whether the stop line moves when its lane stands."""
        at_red = self.left_at_red >= _AT_RED and self.left_at_red > self.left_in_green / 3
        return at_red or self.red_rate > _RED_RATE

    @property
    def trusted(self) -> bool:
        return self.stop.believed and not self.erratic


class Estimator:
    """All lanes of a junction: `tick` takes what the loops say, `second` steps the model; results are in `flows`.

    planned: by group, vehicles per second and lane that a plan reckons with.
    """

    def __init__(self, approaches: Sequence[Approach], planned: Mapping[str, float] = MappingProxyType({})):
        self._approaches = [
            (
                [Loop(name) for name in approach.advance],
                [Flow(lane, max(planned.get(name, _PRIOR_RATE) for name in lane.groups)) for lane in approach.lanes],
            )
            for approach in approaches
        ]
        self.flows = [flow for _, flows in self._approaches for flow in flows]
        self._counted = [sum(flow.rate for flow in flows) for _, flows in self._approaches]
        """By approach, vehicles per second over its advance loops, believed or not."""
        self._loops = [loop for loops, _ in self._approaches for loop in loops] + [flow.stop for flow in self.flows]
        self._odd = [False] * len(self._approaches)
        """By approach, whether a queue stands on the advance loops and nobody at any stop line."""
        self.now_s = 0
        self.locked_s = 0
        """For how many seconds of green nobody has left, though several lanes stood in it, together or in turn."""
        self._stuck_in_green: set[str] = set()

    @property
    def seen(self) -> float:
        """The share of the vehicles that go where a stop line or all advance loops are believed, or only are silent:
        when traffic ends for the night all are."""

        def sees(loop: Loop) -> bool:
            return loop.believed or loop.silent

        rates = [
            (flow.rate, flow.trusted or flow.stop.silent or (bool(loops) and all(sees(loop) for loop in loops)))
            for loops, flows in self._approaches
            for flow in flows
        ]
        return sum(rate for rate, seen in rates if seen) / sum(rate for rate, _ in rates) if rates else 1.0

    @property
    def broken(self) -> bool:
        """Whether a loop is not believed for more than its silence."""
        return any(flow.erratic for flow in self.flows) or any(not (it.believed or it.silent) for it in self._loops)

    def tick(self, occupied: Mapping[str, bool]) -> None:
        """occupied: by detector, without those in fault."""
        for loop in self._loops:
            loop.tick(occupied.get(loop.name))

    def second(self, green: frozenset[str], leaving: Sequence[float] = ()) -> None:
        """green: the names of the groups that are green; leaving: of each lane the share that can leave."""
        self.now_s += 1
        shares = dict(zip(self.flows, leaving, strict=False))
        for number, (loops, flows) in enumerate(self._approaches):
            self._watch_counts(number)
            for flow in flows:
                flow.left = flow.stop.left
                _see_signals(flow, green, shares.get(flow, 1.0))
            self._odd[number] = _compare(loops, flows, self._odd[number])
            self._arrive(loops, flows)
            for flow in flows:
                self._leave(flow, shares.get(flow, 1.0))
                _reset(flow, loops, self.now_s)
            _doubt(loops, flows, jammed=self.locked_s >= _JAMMED_S)
        self._watch_box()
        for loop in self._loops:
            loop.entered = loop.left = 0

    def _watch_counts(self, number: int) -> None:
        """Advance loops that count more vehicles than leave over stop lines that are believed."""
        loops, flows = self._approaches[number]
        self._counted[number] += (sum(loop.entered for loop in loops) - self._counted[number]) / _RATE_S
        if all(flow.trusted for flow in flows):
            times, more = _EXCESS
            excessive = self._counted[number] > times * sum(flow.rate for flow in flows) + more
            for loop in loops:
                loop.excessive = excessive

    def _watch_box(self) -> None:
        """Whether the junction itself is blocked: one lane that stands in green may have a stuck loop, all have not.

        A loop that was never seen free is no witness, unless nobody's is: a start in the middle of it."""
        moved = any(flow.stop.left and flow.red_s < _AMBER_S and not flow.erratic for flow in self.flows)
        stalled = [flow.stop for flow in self.flows if flow.stalled and not flow.stop.faulty]
        everywhere = all(flow.stop.occupied or flow.stop.faulty for flow in self.flows)
        standing = {stop.name for stop in stalled if stop.proven or everywhere}
        if moved:
            self._stuck_in_green.clear()
            self.locked_s = 0
        else:
            self._stuck_in_green |= standing
            self.locked_s += bool(standing) and len(self._stuck_in_green) > 1

    def _arrive(self, loops: list[Loop], flows: list[Flow]) -> None:
        believed = [loop for loop in loops if loop.believed]
        count = float(sum(loop.entered for loop in believed))
        missing = 1 - len(believed) / len(loops) if loops else 1.0
        count += missing * sum(flow.rate for flow in flows)
        for flow, ratio in zip(flows, _ratios(flows), strict=True):
            share = count * ratio
            flow.seen += (share - flow.seen) / _RATE_S
            flow.announced = not missing
            if flow.trusted:
                share += max(flow.rate - flow.seen, 0.0)
            elif missing:
                share += _BLIND_RATE
                if flow.standing >= _MOST_BLIND:
                    continue
            if share:
                flow.coming.append((self.now_s + round(flow.lane.seconds), share))

    def _leave(self, flow: Flow, share: float) -> None:
        while flow.coming and flow.coming[0][0] <= self.now_s:
            flow.standing += flow.coming.popleft()[1]
        moving = flow.green_s > START_UP_S
        if flow.trusted:
            gone = float(flow.stop.left) if flow.red_s < _AMBER_S else 0.0
            flow.learn(gone)
        else:
            gone = _BLIND_SATURATION * share if moving else 0.0
            flow.suppose()
        if gone:
            flow.hidden = max(flow.hidden - gone, 0.0)
            _hurry(flow, gone, self.now_s)
            flow.standing = max(flow.standing - gone, 0.0)


def _ratios(flows: list[Flow]) -> list[float]:
    """The turning ratios, from the rates at which vehicles left."""
    rates = [max(flow.rate, _LEAST_RATE) for flow in flows]
    return [rate / sum(rates) for rate in rates]


def _see_signals(flow: Flow, green: frozenset[str], share: float) -> None:
    is_green = not green.isdisjoint(flow.lane.groups)
    _watch_red(flow, is_green)
    flow.green_s, flow.red_s = (flow.green_s + 1, 0) if is_green else (0, flow.red_s + 1)
    flow.free_s = flow.free_s + 1 if is_green and share >= _FREE else 0
    waits = flow.standing >= SOMEBODY
    if not (flow.trusted or flow.long):
        flow.waited_s = flow.red_s if waits else 0
    elif not waits:
        flow.waited_s = 0
    elif not is_green or flow.stalled:
        flow.waited_s += 1
    served = is_green and (flow.stop.left or not waits or not flow.trusted)
    flow.passed_over_s = flow.passed_over_s + 1 if waits and not served else 0


def _watch_red(flow: Flow, is_green: bool) -> None:
    """A stop line over which vehicles leave at red is another lane's or an advance loop, is late, or chatters."""
    if is_green or flow.red_s < _AMBER_S:
        flow.left_in_green += flow.stop.left
    else:
        flow.left_at_red += flow.stop.left
        flow.red_rate += (flow.stop.left - flow.red_rate) / _RED_RATE_S
    if flow.left_in_green + flow.left_at_red > REMEMBERED:
        flow.left_in_green /= 2
        flow.left_at_red /= 2


def _hurry(flow: Flow, vehicles: float, now_s: int) -> None:
    """So many are at the stop line: who was supposed to be on his way was faster, up to twice as fast."""
    while flow.coming and flow.standing < vehicles and flow.coming[0][0] - now_s <= flow.lane.seconds / 2:
        due, weight = flow.coming.popleft()
        early = min(weight, vehicles - flow.standing)
        flow.standing += early
        if weight > early:
            flow.coming.appendleft((due, weight - early))
            return


def _reset(flow: Flow, loops: list[Loop], now_s: int) -> None:
    """What the loops show of the queue itself."""
    stop = flow.stop
    if flow.trusted:
        if stop.occupied:
            _hurry(flow, 1.0, now_s)
            flow.unknown += max(1.0 - flow.standing, 0.0) if flow.green_s else 0.0
            flow.standing = max(flow.standing, 1.0)
        elif min(stop.age_s, flow.green_s) >= _EMPTY_S:
            flow.standing = flow.hidden = flow.unknown = 0.0
        elif flow.red_s and stop.age_s >= _EMPTY_S:
            flow.standing = float(flow.missed)
        if flow.red_s == _AMBER_S:  # the queue was not gone: as many more are taken to stand behind those
            flow.standing, flow.unknown = flow.standing + flow.unknown, 0.0
    room = flow.lane.seconds * _SPEED / VEHICLE_M
    covered_s = min((loop.age_s for loop in loops if loop.believed and loop.occupied), default=0.0)
    covered = loops and all(loop.believed and loop.occupied for loop in loops) and covered_s >= _STANDING_S
    if covered and (not flow.trusted or (not flow.free_s and (stop.occupied or covered_s >= _SURE_S))):
        flow.standing = max(flow.standing, min(room, _ROOM))
        flow.hidden += flow.rate
        flow.long = True
    elif loops and all(loop.believed and not loop.occupied and loop.age_s >= _EMPTY_S for loop in loops):
        flow.long = False
        if not flow.trusted:
            flow.standing, flow.hidden = min(flow.standing, room), 0.0  # a longer queue would stand on them
    flow.standing, flow.hidden = min(flow.standing, _MOST), min(flow.hidden, _MOST)


def _compare(loops: list[Loop], flows: list[Flow], odd: bool) -> bool:
    """Whether a queue stands on the advance loops and nobody at any stop line; odd: whether it did. Green tells who is
    wrong.

    A queue that does not move in green is a stuck loop (`_doubt`). One that moves some seconds after the green began is
    a queue, so the stop lines err. One that moves at red, or as soon as it is green, is none: who stands there stands
    at another stop line, or at this one, and the advance loops err. They do until they agree, or for a while.
    """
    stops = [flow.stop for flow in flows]
    for loop in (*loops, *stops):
        loop.errs_s = max(loop.errs_s - 1, 0)
    if not loops or any(loop.faulty for loop in (*loops, *stops)):
        return False
    covered_s = min(loop.age_s if loop.occupied else 0.0 for loop in loops)
    standing_s = max(stop.age_s if stop.occupied else 0.0 for stop in stops)
    absent_s = min(0.0 if stop.occupied else stop.age_s for stop in stops)
    if standing_s >= _STANDING_S:
        if covered_s >= _STANDING_S:
            for loop in (*loops, *stops):
                loop.errs_s = 0
        return False
    if odd and not covered_s:
        moved_late = max(flow.green_s for flow in flows) > _START_S
        for loop in stops if moved_late else loops:
            loop.errs_s = _ERRS_S
        return False
    return odd or min(covered_s, absent_s) >= _SURE_S


def _doubt(loops: list[Loop], flows: list[Flow], jammed: bool) -> None:
    """Loops that contradict each other, or are silent for too long; whoever moves is believed again."""
    entered = sum(loop.entered for loop in loops if loop.believed)
    left = sum(flow.stop.left for flow in flows)
    rate = sum(flow.rate for flow in flows)
    free_s = min(flow.free_s for flow in flows)
    empty = all(flow.trusted and not flow.stop.occupied and free_s > flow.lane.seconds + _SURE_S for flow in flows)
    for loop in loops:
        if not (loop.entered or loop.left):
            loop.missed += left / len(loops)
            loop.silence += 0.0 if loop.occupied or jammed else rate / len(loops)
        loop.immobile_s += loop.occupied and free_s > 0 and not jammed
        if empty and loop.occupied and loop.age_s > _SURE_S:
            loop.missed = CONTRADICTION
    appeared = sum(flow.stop.entered for flow in flows)
    known = any(flow.stop.occupied for flow in flows)
    for flow in flows:
        flow.vanished = max(flow.vanished + entered - appeared, 0) if flow.red_s and not known else 0
        flow.vanished_s = flow.vanished_s + 1 if flow.vanished else 0
    for flow, ratio in zip(flows, _ratios(flows), strict=True):
        stop = flow.stop
        stop.immobile_s += stop.occupied and flow.green_s > 0 and not jammed
        if not (stop.entered or stop.left) and (flow.green_s or not stop.occupied):
            stop.missed += entered * max(ratio, 0.5 / len(flows))
            stop.silence += 0.0 if stop.occupied or jammed else flow.rate
