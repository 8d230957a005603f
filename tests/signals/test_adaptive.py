"""The adviser and its demand model, by tables of cycles: who is counted, whom it serves, what it makes of bad loops."""

import math
import time
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import build, four_arms, junctions
from signals.observer import Observer
from wayside.control.signals import core
from wayside.control.signals.adaptive import MAX_WAIT_S, Adaptive, stages
from wayside.control.signals.core import Requests
from wayside.control.signals.demand import Approach, Estimator, Flow, Lane
from wayside.control.signals.detectors import Demand
from wayside.control.signals.junction import PEDESTRIAN, Group

CROSSING = build(
    (
        Group("ns", 70, 30, 2400),
        Group("ew", 70, 30, 2400),
        Group("walk", 70, 50, 2400, kind=PEDESTRIAN, flash="dark"),
    ),
    {("ns", "walk")},
    (("ns", "walk"), ("ew",)),
    extra=20,
)
NS, EW, WALK = (CROSSING.index[name] for name in ("ns", "ew", "walk"))
APPROACHES = (
    Approach(("ns far",), (Lane("ns line", ("ns",), 4.0),)),
    Approach(("ew far",), (Lane("ew line", ("ew",), 4.0),)),
)
QUIET = {"ns far": False, "ns line": False, "ew far": False, "ew line": False}


# --- the demand model ---


def one_lane() -> tuple[Estimator, Flow]:
    estimator = Estimator((Approach(("far",), (Lane("line", ("go",), 4.0),)),))
    return estimator, estimator.flows[0]


def seconds(estimator: Estimator, count: int, green: bool, **loops: bool | None) -> None:
    """Seconds in which loops stay as they are; None: in fault."""
    occupied = {name: value for name, value in loops.items() if value is not None}
    for _ in range(count):
        for _ in range(10):
            estimator.tick(occupied)
        estimator.second(frozenset({"go"} if green else ()))


def pass_over(estimator: Estimator, name: str, others: dict[str, bool], green: bool) -> None:
    """One vehicle over one loop: two seconds, half a second of them on it."""
    for tick in range(20):
        estimator.tick({**others, name: 5 <= tick < 10})
        if tick % 10 == 9:
            estimator.second(frozenset({"go"} if green else ()))


def queue_up(estimator: Estimator, vehicles: int) -> None:
    """Two seconds apart at red; the first stands on the stop line when its four seconds are over."""
    for vehicle in range(vehicles):
        pass_over(estimator, "far", {"line": vehicle >= 2}, green=False)
    seconds(estimator, 2, False, far=False, line=vehicles > 1)
    seconds(estimator, 6, False, far=False, line=True)


@pytest.mark.parametrize("arrivals, departures", [(1, 0), (3, 0), (5, 2), (6, 5)])
def test_a_queue_is_what_came_in_less_what_left(arrivals: int, departures: int) -> None:
    estimator, flow = one_lane()
    queue_up(estimator, arrivals)
    assert flow.standing == pytest.approx(arrivals, abs=0.1)
    for _ in range(departures):
        seconds(estimator, 1, True, far=False, line=False)
        seconds(estimator, 1, True, far=False, line=True)
    assert flow.standing == pytest.approx(arrivals - departures, abs=0.2)


def test_who_was_faster_than_supposed_is_not_counted_twice() -> None:
    estimator, flow = one_lane()
    pass_over(estimator, "far", {"line": False}, green=False)
    seconds(estimator, 10, False, far=False, line=True)
    assert flow.standing == pytest.approx(1, abs=0.1)


def test_an_empty_stop_line_in_green_resets_the_queue() -> None:
    estimator, flow = one_lane()
    queue_up(estimator, 4)
    assert flow.standing > 3
    seconds(estimator, 5, True, far=False, line=False)
    assert flow.standing == 0


def test_who_stands_on_the_stop_line_is_counted_although_nobody_saw_him_come() -> None:
    estimator, flow = one_lane()
    seconds(estimator, 10, False, far=False, line=True)
    assert flow.standing >= 1
    assert 8 <= flow.waited_s <= 10


def test_a_queue_that_reaches_the_advance_loop_is_long_and_grows() -> None:
    estimator, flow = one_lane()
    seconds(estimator, 5, False, far=True, line=True)
    assert flow.standing >= 5
    before = flow.expected(10**6)
    seconds(estimator, 60, False, far=True, line=True)
    assert flow.expected(10**6) > before + 1


def test_turning_ratios_follow_those_who_left() -> None:
    lanes = (Lane("left", ("left",), 4.0), Lane("through", ("through",), 4.0))
    estimator = Estimator((Approach(("far",), lanes),))
    left, through = estimator.flows
    for vehicle in range(300):
        mine = "left" if vehicle % 5 == 0 else "through"
        for tick in range(40):
            seen = {"far": tick < 5, "left": False, "through": False}
            estimator.tick({**seen, mine: 30 <= tick < 35})
            if tick % 10 == 9:
                estimator.second(frozenset({"left", "through"}))
    assert left.rate / (left.rate + through.rate) == pytest.approx(0.2, abs=0.05)


def test_a_dead_stop_line_is_found_out_and_its_lane_modelled() -> None:
    estimator, flow = one_lane()
    for _ in range(12):
        pass_over(estimator, "far", {"line": False}, green=True)
    assert not flow.trusted
    for _ in range(5):
        pass_over(estimator, "far", {"line": False}, green=False)
    seconds(estimator, 5, False, far=False, line=False)
    assert flow.standing >= 5
    seconds(estimator, 30, True, far=False, line=False)
    assert flow.standing < 1  # it is taken to have left
    pass_over(estimator, "line", {"far": False}, green=True)
    assert flow.trusted  # whoever moves is believed again


def test_a_stuck_stop_line_is_found_out() -> None:
    estimator, flow = one_lane()
    seconds(estimator, 30, True, far=False, line=True)
    assert flow.stalled and flow.trusted
    seconds(estimator, 30, True, far=False, line=True)
    assert not flow.trusted


def test_a_dead_advance_loop_is_replaced_by_the_rate_that_was_learned() -> None:
    estimator, flow = one_lane()
    for _ in range(200):
        pass_over(estimator, "line", {"far": False}, green=True)
        seconds(estimator, 3, True, far=False, line=False)
    assert flow.rate == pytest.approx(0.2, abs=0.08)  # one in five seconds
    seconds(estimator, 50, False, far=False, line=True)
    assert 5 <= flow.expected(10**6) <= 16


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((None, False, True)), st.sampled_from((None, False, True)), st.booleans())))
def test_no_pulses_make_nonsense(pulses: list[tuple[bool | None, bool | None, bool]]) -> None:
    estimator, flow = one_lane()
    for far, line, green in pulses:
        seconds(estimator, 7, green, far=far, line=line)
        assert all(math.isfinite(value) and 0 <= value <= 200 for value in (flow.standing, flow.hidden, flow.rate))
        assert 0 <= flow.expected(10**6) <= 60


# --- stages ---


@settings(max_examples=60, deadline=None)
@given(junctions())
def test_stages_are_compatible_and_hold_everybody(junction) -> None:
    found = stages(junction)
    names = [group.name for group in junction.groups]
    for stage in found:
        for one, other in combinations(stage, 2):
            assert frozenset((names[one], names[other])) in junction.compatible
    reachable = {number for stage in found for number in stage}
    assert reachable | {n for n, parents in enumerate(junction.parents) if parents} == set(range(len(names)))


def test_a_permissive_left_has_a_stage_with_its_opposing_traffic_and_one_without() -> None:
    junction = four_arms()
    ns, left = junction.index["ns"], junction.index["ns_left"]
    found = [stage for stage in stages(junction) if left in stage]
    assert any(ns in stage for stage in found) and any(ns not in stage for stage in found)


# --- decisions ---


class Run:
    """The adviser and the core alone, with loops set by hand; a loop in fault is left out of the mapping."""

    def __init__(self, exits: dict[str, tuple[str, ...]] | None = None) -> None:
        self.adviser = Adaptive(CROSSING, APPROACHES, exits)
        self.state = core.begin(CROSSING)
        self.observer = Observer(CROSSING)

    def seconds(self, count: int, calls: frozenset[int] = frozenset(), **occupied: bool) -> list[frozenset[int]]:
        """For each second who was green at its end. Loops by name, with _ for a space."""
        loops = QUIET | {name.replace("_", " "): value for name, value in occupied.items()}
        greens = []
        for _ in range(count):
            for _ in range(10):
                asked = self.adviser(self.state, Demand(calls, (), frozenset(), loops))
                self.state = core.step(CROSSING, self.state, Requests(asked))
                self.observer.see(core.outputs(CROSSING, self.state), self.state.mode)
            greens.append(core.greens(self.state))
        assert not self.observer.violations
        return greens

    def start(self, **occupied: bool) -> None:
        self.seconds(40, **occupied)


def test_it_rests_where_it_is_when_nobody_comes() -> None:
    run = Run()
    run.start(ns_line=True)
    assert all(NS in green for green in run.seconds(100))


@pytest.mark.parametrize("occupied, wanted", [({"ns_line": True}, NS), ({"ew_line": True}, EW)])
def test_who_waits_alone_is_served_at_once(occupied: dict[str, bool], wanted: int) -> None:
    run = Run()
    run.start(**{"ns_line": wanted == EW, "ew_line": wanted == NS})
    run.seconds(10)
    greens = run.seconds(15, **occupied)
    assert wanted in greens[-1]


def test_a_stuck_loop_starves_nobody() -> None:
    run = Run()
    run.start(ns_line=True)
    waits = [EW not in green for green in run.seconds(600, ns_line=True, ns_far=True, ew_line=True)]
    longest = max(len(run) for run in "".join("w" if each else " " for each in waits).split())
    assert longest <= MAX_WAIT_S + 20


def test_a_flow_is_served_before_one_who_just_came() -> None:
    run = Run()
    run.start(ns_line=True)
    run.seconds(3)
    for _ in range(3):  # a platoon: one over each loop every two seconds
        greens = run.seconds(1, ns_far=True, ns_line=True, ew_line=True) + run.seconds(1, ew_line=True)
        assert all(NS in green for green in greens)
    greens = run.seconds(20, ew_line=True)  # it is over
    assert EW in greens[-1]


@pytest.mark.parametrize("full, served", [(False, True), (True, False)])
def test_nobody_is_sent_into_a_full_exit(full: bool, served: bool) -> None:
    run = Run({"ew": ("ew exit",)})
    run.start(ns_line=True)
    run.seconds(8, ew_exit=full)
    greens = run.seconds(30, ew_line=True, ew_exit=full)
    assert any(EW in green for green in greens) == served
    if full:  # a loop that sticks must not starve anybody either
        assert any(EW in green for green in run.seconds(MAX_WAIT_S, ew_line=True, ew_exit=True))


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(ValueError, match="unknown signal group nobody"):
        Adaptive(CROSSING, (Approach((), (Lane("line", ("nobody",)),)),))


def test_a_walk_is_served_when_called_and_ends_by_itself() -> None:
    run = Run()
    run.start(ew_line=True)
    assert not any(WALK in green for green in run.seconds(60, ew_line=True))
    greens = run.seconds(40, calls=frozenset({WALK}), ew_line=True)
    assert any(WALK in green for green in greens)


@pytest.mark.parametrize("loops", [{}, {"ns line": None}, {"ns line": math.nan, "ew far": "yes"}, {7: True}])
def test_strange_inputs_are_survived(loops: dict[object, object]) -> None:
    run = Run()
    for _ in range(600):
        asked = run.adviser(run.state, Demand(frozenset({99, NS}), (), frozenset(), loops))
        assert asked <= {NS, EW, WALK}
        run.state = core.step(CROSSING, run.state, Requests(asked))


def test_a_decision_is_quick() -> None:
    """Compared with a plain loop on the same machine, so that no absolute time is asserted."""
    run = Run()
    run.start(ns_line=True)

    def took(count: int, what) -> float:
        before = time.thread_time()
        for _ in range(count):
            what()
        return (time.thread_time() - before) / count

    demand = Demand(frozenset(), (), frozenset(), QUIET | {"ew line": True})
    tick = took(500, lambda: run.adviser(run.state, demand))
    yardstick = took(50, lambda: sum(n * n for n in range(10_000)))
    assert tick < yardstick
