"""How many vehicles want to go where: an estimate per lane from stop-line and advance loops that may fail.

A lane's queue is what came in over the advance loops, less what left over the stop line. Where several lanes share
advance loops, those who came are shared out as those who left were. A stop line that is empty in green resets the
queue. A loop that contradicts its neighbours is not believed until it moves again: its count is then modelled from the
rates that were learned before. Vehicles are real numbers here, times are ticks of 100 ms unless named otherwise.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wayside.control.signals.junction import TICKS_PER_S

SATURATION = 0.5  # vehicles per second and lane that leave a queue in green (2 s headway)
START_UP_S = 1.5
VEHICLE_M = 7.5
_EMPTY = 3 * TICKS_PER_S  # nobody on the stop line in green for so long: the queue is gone
_STANDING = 3 * TICKS_PER_S  # an advance loop covered for so long: the queue reaches it
_STALLED = 5 * TICKS_PER_S  # nobody moves over an occupied stop line in green
_CONTRADICTION = 10  # vehicles that its neighbours counted, and a loop did not
_IMMOBILE = 40 * TICKS_PER_S  # of green, while a stop line never became free
_RATE_S = 400  # memory of the rates
_PRIOR_RATE = 0.06  # vehicles per second and lane, as long as nothing was learned
_MEMORY = 0.98  # of the turning ratios, for each vehicle
_MOST = 60.0  # vehicles; no lane's estimate is higher


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


class Loop:
    """One loop's pulses: how long it has been as it is, and whether it moved in this tick."""

    def __init__(self) -> None:
        self.occupied = False
        self.age = 0
        self.rose = self.fell = False
        self.missed = 0.0
        """Vehicles that others counted since it last moved."""
        self.faulty = False

    def tick(self, occupied: bool | None) -> None:
        """occupied: None when it is not believed."""
        self.faulty = occupied is None
        now = self.occupied if occupied is None else occupied
        self.rose, self.fell = now and not self.occupied, self.occupied and not now
        self.age = 0 if now != self.occupied else self.age + 1
        if self.rose or self.fell:
            self.missed = 0.0
        self.occupied = now

    @property
    def believed(self) -> bool:
        return not self.faulty and self.missed < _CONTRADICTION


class Flow:
    """One lane: the vehicles between its advance loops and its stop line, and those behind them that must be there."""

    def __init__(self, lane: Lane):
        self.lane = lane
        self.stop = Loop()
        self.standing = 0.0
        self.coming: deque[tuple[int, float]] = deque()
        """(tick at the stop line, vehicles) of those who are on their way."""
        self.rate = _PRIOR_RATE
        self.left = 1.0
        """Vehicles that left, older ones counting less: turning ratios are made of these."""
        self.green_age = 0
        self.red_age = 0
        self.immobile = 0
        self.waited = 0
        self.hidden = 0.0
        """Vehicles behind the advance loops, when the queue reaches them."""

    @property
    def vehicles(self) -> float:
        """All that are known or supposed."""
        return min(self.standing + self.hidden + sum(weight for _, weight in self.coming), _MOST)

    def expected(self, tick: int) -> float:
        """Vehicles at the stop line until `tick`, if none left."""
        return min(self.standing + self.hidden + sum(weight for due, weight in self.coming if due <= tick), _MOST)

    @property
    def stalled(self) -> bool:
        """Whether somebody stands at the stop line and does not use the green."""
        return self.stop.occupied and min(self.stop.age, self.green_age) >= _STALLED

    @property
    def trusted(self) -> bool:
        return self.stop.believed and self.immobile < _IMMOBILE


class Estimator:
    """All lanes of a junction. `tick` takes what the loops say; the figures are read from `flows`."""

    def __init__(self, approaches: Sequence[Approach]):
        self.approaches = [
            (tuple(Loop() for _ in approach.advance), tuple(Flow(lane) for lane in approach.lanes))
            for approach in approaches
        ]
        self._names = [approach.advance for approach in approaches]
        self.flows = [flow for _, flows in self.approaches for flow in flows]
        self.now = 0

    def tick(self, occupied: Mapping[str, bool], green: frozenset[str]) -> None:
        """One tick. occupied: by detector, without those that are not believed; green: names of the green groups."""
        self.now += 1
        for (loops, flows), names in zip(self.approaches, self._names, strict=True):
            for loop, name in zip(loops, names, strict=True):
                loop.tick(occupied.get(name))
            for flow in flows:
                flow.stop.tick(occupied.get(flow.lane.stop))
                self._signals(flow, green)
            self._arrive(loops, flows)
            for flow in flows:
                self._leave(flow)
                self._reset(flow, loops)
            self._doubt(loops, flows)

    def _signals(self, flow: Flow, green: frozenset[str]) -> None:
        if not green.isdisjoint(flow.lane.groups):
            flow.green_age, flow.red_age = flow.green_age + 1, 0
        else:
            flow.green_age, flow.red_age = 0, flow.red_age + 1
        waits = flow.standing >= 0.5 and not (flow.green_age and not flow.stalled)
        flow.waited = flow.waited + 1 if waits else 0

    def _arrive(self, loops: tuple[Loop, ...], flows: tuple[Flow, ...]) -> None:
        believed = [loop for loop in loops if loop.believed]
        count = float(sum(loop.rose for loop in believed))
        if len(believed) < len(loops) or not loops:
            missing = 1 - len(believed) / len(loops) if loops else 1.0
            count += missing * sum(flow.rate for flow in flows) / TICKS_PER_S
        if not count:
            return
        total = sum(flow.left for flow in flows)
        for flow in flows:
            flow.coming.append((self.now + round(flow.lane.seconds * TICKS_PER_S), count * flow.left / total))

    def _leave(self, flow: Flow) -> None:
        while flow.coming and flow.coming[0][0] <= self.now:
            flow.standing += flow.coming.popleft()[1]
        moving = flow.green_age > START_UP_S * TICKS_PER_S
        if flow.trusted:
            gone = 1.0 if flow.stop.fell and flow.red_age < 5 * TICKS_PER_S else 0.0
            flow.left = flow.left * _MEMORY + gone if gone else flow.left
            flow.rate += (gone * TICKS_PER_S - flow.rate) / (_RATE_S * TICKS_PER_S)
        else:
            gone = SATURATION / TICKS_PER_S if moving else 0.0
        behind = max(gone - flow.standing, 0.0)
        flow.standing = max(flow.standing - gone, 0.0)
        flow.hidden = max(flow.hidden - (gone if moving else 0.0), 0.0)
        if behind and flow.coming:  # it was faster than supposed
            due, weight = flow.coming.popleft()
            if weight > behind:
                flow.coming.appendleft((due, weight - behind))

    def _reset(self, flow: Flow, loops: tuple[Loop, ...]) -> None:
        stop = flow.stop
        if flow.trusted:
            if stop.occupied:
                flow.standing = max(flow.standing, 1.0)
            elif min(stop.age, flow.green_age) >= _EMPTY:
                flow.standing = flow.hidden = 0.0
            elif flow.red_age and stop.age >= _EMPTY:
                flow.standing = min(flow.standing, 0.5)
        if any(loop.believed and loop.occupied and loop.age >= _STANDING for loop in loops):
            room = flow.lane.seconds * 13.0 / VEHICLE_M
            flow.standing = max(flow.standing, room)
            if not flow.green_age:
                flow.hidden = min(flow.hidden + flow.rate / TICKS_PER_S, _MOST)
        flow.standing = min(flow.standing, _MOST)

    def _doubt(self, loops: tuple[Loop, ...], flows: tuple[Flow, ...]) -> None:
        """Loops that contradict each other."""
        entered = sum(loop.rose for loop in loops)
        left = sum(flow.stop.fell for flow in flows)
        for loop in loops:
            loop.missed += left / len(loops)
        total = sum(flow.left for flow in flows)
        for flow in flows:
            flow.stop.missed += entered * max(flow.left / total, 0.5 / len(flows))
            if flow.stop.rose or flow.stop.fell or not flow.stop.occupied:
                flow.immobile = 0
            elif flow.green_age:
                flow.immobile += 1
