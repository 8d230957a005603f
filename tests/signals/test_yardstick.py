"""What a plan would make of the traffic that is seen, and whom nobody may pass over for long, whatever loops say."""

from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import build, junctions
from wayside.control.signals import core
from wayside.control.signals.adaptive import MAX_WAIT_S, Adaptive
from wayside.control.signals.chain import CLIMB, Declined
from wayside.control.signals.core import Requests
from wayside.control.signals.demand import Approach, Flow, Lane
from wayside.control.signals.detectors import Demand
from wayside.control.signals.junction import PEDESTRIAN, TICKS_PER_S, Group
from wayside.control.signals.plans import Plan
from wayside.control.signals.yardstick import Yardstick, control_delay

CROSSING = build((Group("ns", 70, 30, 2400), Group("ew", 70, 30, 2400)), set(), (("ns",), ("ew",)), extra=20)
PLAN = Plan("day", 900, 0, {"ns": ((0, 360),), "ew": ((430, 790),)})
LANES = (Lane("ns line", ("ns",)), Lane("ew line", ("ew",)))
CLIMB_S = CLIMB // TICKS_PER_S


@pytest.mark.parametrize(
    "cycle_s, green_s, rate, seconds",
    [
        (90, 36, 0.0, 16.2),  # 0.5 90 0.6^2: who comes by chance finds 54 s of red and waits half of it
        # half of what it can carry: 16.2 / (1 - 0.5 0.4), and 225 (-0.5 + (0.25 + 2 / 180)^0.5)
        (90, 36, 0.1, 20.25 + 2.47),
        (90, 36, 0.2, 27.0 + 33.54),  # all of it
        (90, 90, 0.1, 0.07),
    ],
)
def test_the_delay_of_a_plan(cycle_s: float, green_s: float, rate: float, seconds: float) -> None:
    assert control_delay(cycle_s, green_s, rate) == pytest.approx(seconds, abs=0.2)


def yardstick(plans: tuple[Plan, ...] = (PLAN,)) -> Yardstick:
    return Yardstick(CROSSING, plans, 2, lambda lane, lit: float(lane in lit))


def flows(*standing: float) -> list[Flow]:
    found = [Flow(lane) for lane in LANES]
    for flow, vehicles in zip(found, standing, strict=True):
        flow.rate, flow.standing = 0.1, vehicles
    return found


def measured(yard: Yardstick, seen: list[Flow], seconds: int = 400) -> float:
    for _ in range(seconds):
        yard.second(seen)
    return yard.ratio


def test_queues_are_compared_with_those_of_the_plan() -> None:
    planned = 0.1 * control_delay(90, 36, 0.1)
    assert measured(yardstick(), flows(3.0, 1.0)) == pytest.approx(4.0 / (2 * planned))


def test_a_lane_that_is_not_seen_is_not_compared() -> None:
    seen = flows(1.0, 50.0)
    seen[1].stop.faulty = True
    assert measured(yardstick(), seen) == pytest.approx(1.0 / (0.1 * control_delay(90, 36, 0.1)))


def test_the_plan_that_does_worst_is_the_measure_and_none_is_no_measure() -> None:
    night = Plan("night", 900, 0, {"ns": ((0, 100),), "ew": ((430, 530),)})
    assert measured(yardstick((PLAN, night)), flows(3.0, 1.0)) < measured(yardstick(), flows(3.0, 1.0))
    assert measured(yardstick(()), flows(3.0, 1.0)) == 0
    assert measured(yardstick((Plan("closed", 900, 0, {"ns": ((0, 800),)}),)), flows(3.0, 1.0)) == 0


def test_nothing_is_said_before_some_cycles_were_measured_nor_while_others_ask() -> None:
    yard = yardstick()
    assert measured(yard, flows(9.0, 9.0), 100) == 0
    assert measured(yard, flows(9.0, 9.0), 100) > 1
    yard.again()
    assert measured(yard, flows(9.0, 9.0), 100 + CLIMB_S) == 0
    assert measured(yard, flows(9.0, 9.0), 100) > 1


@pytest.mark.parametrize("broken", [True, False])
def test_with_broken_loops_it_is_left_to_a_plan_that_would_do_better_for_a_while(broken: bool) -> None:
    lanes = [Approach((f"{lane.stop} far",), (lane,)) for lane in LANES]
    adviser, state = Adaptive(CROSSING, lanes, plans=[PLAN]), core.begin(CROSSING)
    found = SimpleNamespace(ratio=1.6, second=lambda flows: None, again=lambda: None)
    adviser._yardstick = found
    loops = dict.fromkeys(("ns line", "ew line", "ew line far"), False) | ({} if broken else {"ns line far": False})

    def answers(seconds: int) -> list[bool]:
        """For each second, whether it declines at its end."""
        told = [adviser(state, Demand(frozenset(), (), frozenset(), loops)) for _ in range(seconds * TICKS_PER_S)]
        said = {each.why for each in told if isinstance(each, Declined)}
        assert said <= {"loops are broken, and the queues are longer than the plan's would be"}
        return [isinstance(each, Declined) for each in told[TICKS_PER_S - 1 :: TICKS_PER_S]]

    assert not any(answers(25))
    assert answers(10)[-1] == broken
    found.ratio = 1.4
    later = answers(1000)
    assert all(later[:850]) == broken and not any(later[-90:])


@pytest.mark.parametrize("shared, measured", [(1, True), (2, False)])
def test_where_most_lanes_are_shared_with_who_turns_left_there_is_no_measure(shared: int, measured: bool) -> None:
    groups = (Group("go", 70, 30, 2400), Group("left", 70, 30, 2400, yields_to=("go",)), Group("side", 70, 30, 2400))
    junction = build(groups, {("go", "left")}, (("go", "left"), ("side",)), extra=20)
    second = ("go", "left") if shared == 2 else ("go",)
    lanes = [Lane("one", ("go", "left")), Lane("two", second), Lane("three", ("side",))]
    plan = Plan("day", 900, 0, {"go": ((0, 360),), "left": ((0, 360),), "side": ((430, 790),)})
    yard = Adaptive(junction, [Approach((), (lane,)) for lane in lanes], plans=[plan])._yardstick
    seen = [Flow(lane) for lane in lanes]
    for flow in seen:
        flow.standing = 9.0
    for _ in range(200):
        yard.second(seen)
    assert (yard.ratio > 1) == measured


class World:
    """Loops of lanes by what is wrong with them: a queue that never ends, or a loop in a fault."""

    KINDS = ("queue", "queue", "stuck", "in fault", "random")

    def __init__(self, names: list[str], chance: Random) -> None:
        self.chance = chance
        self.kinds = {name: chance.choice(self.KINDS) for name in names}

    def occupied(self, green: set[str], second: int, tick: int) -> dict[str, bool]:
        found = {}
        for name, kind in self.kinds.items():
            if kind == "queue":
                found[name] = not (name in green and second % 2 and tick < 5)
            elif kind == "stuck":
                found[name] = True
            elif kind == "random":
                found[name] = self.chance.random() < 0.5
        return found


@settings(max_examples=examples(18), deadline=None)
@given(junctions(), st.integers(0, 2**32))
def test_whoever_calls_or_is_not_seen_has_green_within_a_bound_without_the_cores_help(junction, seed: int) -> None:
    """MAX_WAIT_S, and then at worst each other lane before it: long before the 300 s of the aim, and before max_red."""
    names = [group.name for group in junction.groups if group.kind != PEDESTRIAN]
    patient = replace(junction, groups=tuple(replace(group, max_red=20_000) for group in junction.groups))
    adviser = Adaptive(patient, [Approach((), (Lane(name, (name,)),)) for name in names])
    world = World(names, Random(seed))
    state = core.begin(patient)
    red = dict.fromkeys(names, 0)
    bound_s = MAX_WAIT_S + len(names) * (patient.round / TICKS_PER_S + 7)
    for second in range(400):
        green = {patient.groups[number].name for number in core.greens(state)}
        red = {name: 0 if name in green else seconds + 1 for name, seconds in red.items()}
        assert max(red.values(), default=0) <= min(bound_s, 300)
        for tick in range(TICKS_PER_S):
            asked = adviser(state, Demand(frozenset(), (), frozenset(), world.occupied(green, second, tick)))
            if isinstance(asked, Declined):
                return  # the level below serves everybody in turn
            state = core.step(patient, state, Requests(asked))


class Road:
    """One lane in truth: 4 s from the advance loop to the stop line; in green one leaves every 2 s."""

    def __init__(self, name: str, rate: float, chance: Random) -> None:
        self.name, self.rate, self.chance = name, rate, chance
        self.coming: list[int] = []
        self.queue = 0
        self.entered = self.left = False

    def second(self, now_s: int, green: bool) -> None:
        self.entered = self.chance.random() < self.rate
        self.coming += [now_s + 4] * self.entered
        while self.coming and self.coming[0] <= now_s:
            self.queue += 1
            self.coming.pop(0)
        self.left = green and now_s % 2 == 0 and self.queue > 0
        self.queue -= self.left

    def loops(self, tick: int) -> dict[str, bool]:
        return {
            f"{self.name} far": self.entered and tick < 4,
            f"{self.name} line": tick < 4 if self.left else self.queue > 0 and (tick > 0 or self.queue < 2),
        }


@pytest.mark.parametrize("rates", [(0.01, 0.01), (0.18, 0.16)])
def test_a_sound_junction_is_never_left_to_the_plan(rates: tuple[float, float]) -> None:
    roads = [Road(name, rate, Random(name)) for name, rate in zip(("ns", "ew"), rates, strict=True)]
    lanes = [Approach((f"{road.name} far",), (Lane(f"{road.name} line", (road.name,), 4.0),)) for road in roads]
    adviser, state = Adaptive(CROSSING, lanes, plans=[PLAN]), core.begin(CROSSING)
    for second in range(900):
        green = {CROSSING.groups[number].name for number in core.greens(state)}
        for road in roads:
            road.second(second, road.name in green)
        for tick in range(TICKS_PER_S):
            loops = roads[0].loops(tick) | roads[1].loops(tick)
            asked = adviser(state, Demand(frozenset(), (), frozenset(), loops))
            assert not isinstance(asked, Declined)
            state = core.step(CROSSING, state, Requests(asked))
    assert all(road.queue < 20 for road in roads)
