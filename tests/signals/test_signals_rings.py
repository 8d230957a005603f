"""Actuated control: a table of detectors and greens for each rule, and arbitrary demand for what must never happen."""

from dataclasses import replace
from itertools import combinations

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import build, four_arms
from signals.observer import Observer
from tables import names, play
from wayside.control.signals import core, detectors, rings
from wayside.control.signals.detectors import Demand, Detector
from wayside.control.signals.junction import PEDESTRIAN, Group, Junction
from wayside.control.signals.rings import RingLimits, Rings

EIGHT = build(
    tuple(Group(name, 50, 30, 2400) for name in "12345678"),
    {("1", "5"), ("1", "6"), ("2", "5"), ("2", "6"), ("3", "7"), ("3", "8"), ("4", "7"), ("4", "8")},
    (("1", "5"), ("2", "6"), ("3", "7"), ("4", "8")),
)
DUAL = Rings(
    ((((("1",), ("2",))), (("5",), ("6",))), ((("3",), ("4",)), (("7",), ("8",)))),
    max_green=dict.fromkeys("12345678", 300),
    passage=dict.fromkeys("12345678", 30),
)
TWO = build(
    (Group("a", 50, 30, 2400), Group("b", 50, 30, 2400), Group("walk", 60, 40, 2400, kind=PEDESTRIAN)),
    {("a", "walk")},
    (("a", "walk"), ("b",)),
)
STAGES = Rings(
    (((("a", "walk"), ("b",)),),), max_green={"a": 200, "b": 200, "walk": 0}, passage={"a": 30, "b": 30, "walk": 0}
)


class Run:
    """A junction under ring control, tick by tick; `occupied`: names of groups whose detector is occupied."""

    def __init__(self, junction: Junction, layout: Rings):
        assert not list(layout.problems(junction))
        self.junction, self.layout = junction, rings.layout(layout, junction)
        self.state = core.begin(junction)
        self.place = rings.begin(layout)
        self.gap = [1000] * len(junction.groups)
        self.observer = Observer(junction)
        self.blind: frozenset[int] = frozenset()

    def tick(self, occupied: str | tuple[str, ...] = (), limits: RingLimits = rings.UNCOORDINATED) -> None:
        numbers = {self.junction.index[name] for name in occupied}
        self.gap = [0 if number in numbers else ticks + 1 for number, ticks in enumerate(self.gap)]
        demand = Demand(frozenset(numbers | self.blind), tuple(self.gap), self.blind)
        self.place, wishes = rings.advance(self.layout, self.place, self.state, demand, limits)
        self.wishes = {self.junction.groups[number].name for number in wishes}
        self.state = core.step(self.junction, self.state, core.Requests(wishes))
        self.observer.see(core.outputs(self.junction, self.state), self.state.mode)

    def ticks(self, count: int, occupied=(), limits: RingLimits = rings.UNCOORDINATED) -> None:
        for _ in range(count):
            self.tick(occupied, limits)

    def until_green(self, name: str, occupied=(), limits: RingLimits = rings.UNCOORDINATED) -> int:
        for count in range(3000):
            if name in self.greens:
                return count
            self.tick(occupied, limits)
        raise AssertionError(f"{name} never got green")

    @property
    def greens(self) -> set[str]:
        return {self.junction.groups[number].name for number in core.greens(self.state)}


def started() -> Run:
    run = Run(TWO, STAGES)
    run.until_green("a")
    run.ticks(100)
    return run


# Ticks, whose detectors are occupied, what coordination says, and who is green in each of these ticks. The passage time
# is 30 ticks, the maximum green 200 (EIGHT: 300), from the end of one's green to the start of the other's 40 pass.
FROM_A = {
    "it rests in green while nobody else is called": """
        500    -         -         a
    """,
    "gap-out: nobody came for the passage time, and somebody waits": """
          5    a         -         a
         29    b         -         a
         40    b         -         -
         11    b         -         b
    """,
    "who came long ago has no gap left": """
         40    b         -         -
         20    b         -         b
    """,
    "max-out: cars keep coming, and others waited for the maximum green": """
        100    a         -         a       # nobody waits yet
        199    a,b       -         a
         40    a,b       -         -
         11    a,b       -         b
    """,
    "held over its maximum, and ended by force-off": """
        300    a,b       hold a    a
         40    a,b       off a     -
         20    a,b       off a     b
    """,
    "too late for b in this cycle": """
        300    b         late b    a
         40    b         -         -
         20    b         -         b
    """,
    "a walk begins beside its vehicles while nobody waits, and ends by itself": """
         10    walk      -         a,walk
         50    -         -         a,walk
         55    -         -         a
    """,
    "who calls when others wait walks in the next round, and nobody leaves him alone then": """
        100    -         -         a
          1    b         -         -
         39    walk,b    -         -
         71    walk,b    -         b
         29    walk      -         b
         40    walk      -         -
         31    walk      -         a,walk
         29    walk,b    -         a,walk  # nobody came on a's road for longer than the passage time
          1    walk,b    -         a
         49    walk,b    -         -
         10    walk,b    -         b
    """,
    "a walk that would be in the way of the coordinated groups waits": """
        100    walk      wait walk  a
         60    walk      -          a,walk
    """,
}
LIMITS = {
    "": rings.UNCOORDINATED,
    "hold a": RingLimits(hold=frozenset({0})),
    "off a": RingLimits(force_off=frozenset({0})),
    "late b": RingLimits(too_late=frozenset({1})),
    "wait walk": RingLimits(no_start=frozenset({2})),
}
# The dual ring: what follows in each ring, and who crosses the barrier with whom.
FROM_2_AND_6 = {
    "what nobody calls is left out": """
         60    2,6        -    2,6
        299    2,6,4,8    -    2,6
         40    2,6,4,8    -    -
        300    2,6,4,8    -    4,8
         40    2,6,4,8    -    -
         50    2,6,4,8    -    2,6
    """,
    "a ring that nobody calls goes along": """
         60    2,6        -    2,6
         29    3          -    2,6
         40    3          -    -
         30    3          -    3,8
    """,
}
FROM_1_AND_5 = {
    "rings go on alone within a block, and cross the barrier together": """
         49    1,5        -    1,5
         29    1,6        -    1,5
         40    1,6        -    1      # ring 2 goes on, ring 1 is held by its cars
         31    1,6        -    1,6
         29    4,8        -    1,6
         40    4,8        -    -
         30    4,8        -    4,8
    """,
}


def rule(run: Run, table: str) -> None:
    def tick(occupied: str, limits: str) -> tuple[str, ...]:
        run.tick(names(occupied), LIMITS[limits])
        return (",".join(sorted(run.greens)),)

    play(table, 2, tick)
    assert not run.observer.violations


@pytest.mark.parametrize("table", FROM_A.values(), ids=FROM_A)
def test_one_ring(table: str) -> None:
    rule(started(), table)


@pytest.mark.parametrize(("first", "table"), [("26", each) for each in FROM_2_AND_6.values()])
def test_a_dual_ring(first: str, table: str) -> None:
    run = Run(EIGHT, DUAL)
    run.until_green(first[0], first)
    rule(run, table)


def test_a_dual_ring_from_its_first_steps() -> None:
    run = Run(EIGHT, DUAL)
    run.until_green("1", "15")
    run.tick("15")
    rule(run, FROM_1_AND_5["rings go on alone within a block, and cross the barrier together"])


def test_a_blind_group_is_extended_to_its_maximum_and_called_in_every_round() -> None:
    run = started()
    run.blind = frozenset({0})
    rule(
        run,
        """
        199    b    -    a
         40    b    -    -
         50    b    -    b
         29    -    -    b
         40    -    -    -       # nobody is on a's detector, and it comes
         50    -    -    a
        """,
    )


def test_a_recalled_group_comes_without_a_call() -> None:
    run = Run(TWO, replace(STAGES, recalled=frozenset({"b"})))
    run.until_green("a")
    run.tick()
    rule(run, "48  -  -  a\n 40  -  -  -\n 20  -  -  b")


def test_an_overlap_follows_its_parents() -> None:
    junction = four_arms()
    steps = (("ns", "ns_left", "walk_ns"), ("ew",), ("ew_left",))
    names = [group.name for group in junction.groups]
    layout = Rings(((steps,),), dict.fromkeys(names, 200), dict.fromkeys(names, 30))
    run = Run(junction, layout)
    run.until_green("right", ("right",))
    assert "ew_left" in run.greens
    assert not run.observer.violations


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        (((),), "is empty"),
        ((((),),), "is empty"),
        (((("a", "walk"), ("b",)), (("a",),)), "different numbers"),
        (((((("a",)), ("b",)),),), "no step holds walk"),
        (((((("a", "b")), ("walk",)),),), "a and b conflict"),
        ((((("a",),), (("b",), ("walk",))),), "a and b conflict"),
        (((((("a", "walk")), ("b",), ("c",)),),), "unknown signal group c"),
        (((((("a", "walk")), ("b",), ("a",)),),), "a is in two steps"),
    ],
)
def test_rings_that_cannot_be_run(blocks, problem: str) -> None:
    assert any(problem in each for each in Rings(blocks, {}, {}).problems(TWO))


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(st.sets(st.sampled_from("12345678")), st.integers(1, 120)), max_size=25))
def test_one_step_per_ring_no_pair_across_the_barrier_whatever_comes(demand: list[tuple[set[str], int]]) -> None:
    run = Run(EIGHT, DUAL)
    for occupied, count in demand:
        for _ in range(count):
            run.tick(tuple(occupied))
            assert len(run.wishes) == 2
            assert all(frozenset(pair) in EIGHT.compatible for pair in combinations(sorted(run.wishes), 2))
    assert not run.observer.violations


# Every other step takes its longest: maximum green, a minimum green that just began, the change; then it is one's turn.
BOUND = 4 * (300 + 50 + 60)


@settings(max_examples=examples(30), deadline=None)
@given(
    st.sampled_from("12345678"),
    st.lists(st.tuples(st.sets(st.sampled_from("12345678")), st.integers(1, 200)), min_size=1, max_size=8),
)
def test_every_call_is_served_within_the_bound(name: str, others: list[tuple[set[str], int]]) -> None:
    run = Run(EIGHT, DUAL)
    run.ticks(EIGHT.start_flash + EIGHT.start_all_red)
    waited = longest = 0
    for _ in range(4):
        for occupied, count in others:
            for _ in range(count):
                run.tick(tuple({name} | occupied))
                waited = 0 if name in run.greens else waited + 1
                longest = max(longest, waited)
    assert longest <= BOUND


# --- detectors ---


def watched(detector: Detector, occupied: list[bool | None]) -> list[str]:
    watch, faults = detectors.Watch(), []
    for each in occupied:
        watch = detectors.look(detector, watch, each)
        faults.append(watch.fault)
    return faults


LOOP = Detector("d", 0, ("a",), stuck_on=100, stuck_off=200, chatter=20)


def test_detector_faults() -> None:
    assert watched(LOOP, [True] * 99)[-1] == "" and watched(LOOP, [True] * 101)[-1] == "stuck on"
    assert watched(LOOP, [False] * 199)[-1] == "" and watched(LOOP, [False] * 201)[-1] == "stuck off"
    assert watched(LOOP, [True, False] * 10)[-1] == "" and watched(LOOP, [True, False] * 11)[-1] == "chatter"
    assert watched(LOOP, [False, None])[-1] == "silent"
    assert watched(Detector("button", 0, ("a",)), [False] * 50_000)[-1] == ""


def test_a_detector_is_believed_again_when_it_was_plausible_for_a_while() -> None:
    good = ([True] * 10 + [False] * 90) * 10
    faults = watched(LOOP, [True] * 101 + good)
    assert faults[101 + detectors.RECOVERY - 2] == "stuck on" and faults[-1] == ""


def test_calls_gaps_and_blindness() -> None:
    button = Detector("button", 0, ("walk",), locking=True)
    loop = Detector("loop", 1, ("a", "b"))
    both = (button, loop)
    seen = detectors.begin(TWO, both)
    quiet = {"button": False, "loop": False}
    seen, demand = detectors.observe(TWO, both, seen, quiet, frozenset())
    assert demand.calls == {0, 1, 2}  # what came before the start was not seen
    seen, demand = detectors.observe(TWO, both, seen, quiet, frozenset({0, 1, 2}))
    assert demand.calls == set()
    seen, demand = detectors.observe(TWO, both, seen, {"button": True, "loop": True}, frozenset({0}))
    assert demand.calls == {0, 1, 2} and demand.gap[:2] == (0, 0)
    seen, demand = detectors.observe(TWO, both, seen, quiet, frozenset({0}))
    assert demand.calls == {2} and demand.gap[:2] == (1, 1)  # the button's call stays until its green
    seen, demand = detectors.observe(TWO, both, seen, quiet, frozenset({2}))
    assert demand.calls == set()
    seen, demand = detectors.observe(TWO, both, seen, {"button": False}, frozenset())
    assert demand.calls == {0, 1} and demand.blind == {0, 1}
