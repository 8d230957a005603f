"""The layers above the core: the chain falls and climbs, specials come and lapse, and no adviser breaks anything."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.observer import Observer
from wayside.control.signals import chain, core, pilot, priority
from wayside.control.signals.chain import CLIMB, Level
from wayside.control.signals.core import GREEN, RED, Requests
from wayside.control.signals.loader import load
from wayside.control.signals.pilot import Decision
from wayside.control.signals.priority import Course, Special
from wayside.control.signals.site import Site

EXAMPLE = Path(__file__).parents[2] / "docs" / "junction.example.toml"
MONDAY_NOON_MS = 1_795_431_600_000  # 2026-11-23 12:00 in Berlin
SITE = load(EXAMPLE)
JUNCTION = SITE.junction
MAIN, LEFT, SIDE, WALK = (JUNCTION.index[name] for name in ("main", "main_left", "side", "walk"))
QUIET = bytes(6)


# --- the chain ---


def test_it_falls_at_once_and_climbs_when_all_was_well_for_a_while() -> None:
    rung = chain.choose(chain.begin(), Level.ADAPTIVE, {})
    assert rung.level == Level.ADAPTIVE
    rung = chain.choose(rung, Level.ADAPTIVE, {Level.ADAPTIVE: "too late"})
    assert (rung.level, rung.cause) == (Level.ACTUATED, "not adaptive: too late")
    rung = chain.choose(rung, Level.ADAPTIVE, {Level.ADAPTIVE: "too late", Level.ACTUATED: "blind"})
    assert (rung.level, rung.cause) == (Level.PLAN, "not adaptive: too late; blind")
    for _ in range(CLIMB - 1):
        rung = chain.choose(rung, Level.ADAPTIVE, {})
        assert rung.level == Level.PLAN
    assert chain.choose(rung, Level.ADAPTIVE, {}).level == Level.ADAPTIVE
    # One bad tick, and it begins anew.
    rung = chain.choose(rung, Level.ADAPTIVE, {Level.ADAPTIVE: "too late", Level.ACTUATED: "blind"})
    assert chain.choose(rung, Level.ADAPTIVE, {}).level == Level.PLAN
    assert chain.choose(rung, Level.ADAPTIVE, dict.fromkeys(Level, "gone")).level == Level.FLASH


def test_the_calendar_is_obeyed_at_once() -> None:
    rung = chain.choose(chain.begin(), Level.ACTUATED, {})
    rung = chain.choose(rung, Level.FLASH, {})
    assert (rung.level, rung.cause) == (Level.FLASH, "calendar")
    assert chain.choose(rung, Level.ACTUATED, {}).level == Level.ACTUATED


# --- all layers, run with the core ---


class Run:
    def __init__(self, site: Site = SITE, adviser: pilot.Adviser | None = None):
        self.site, self.adviser = site, adviser
        self.state = core.begin(site.junction)
        self.memory = pilot.begin(site)
        self.utc_ms = MONDAY_NOON_MS
        self.observer = Observer(site.junction)
        self.decision: Decision

    def tick(self, inputs: bytes | None = QUIET) -> None:
        self.memory, self.decision = pilot.decide(self.site, self.memory, self.state, self.utc_ms, inputs, self.adviser)
        self.state = core.step(self.site.junction, self.state, self.decision.requests)
        lamps = core.outputs(self.site.junction, self.state)
        self.observer.see(lamps, self.state.mode, self.decision.requests.closed)
        self.utc_ms += 100

    def ticks(self, count: int, inputs: bytes | None = QUIET) -> None:
        for _ in range(count):
            self.tick(inputs)

    def shows(self, group: int) -> core.Indication:
        return self.state.groups[group].indication


def test_actuated_control_falls_to_the_plan_when_no_detector_can_be_believed() -> None:
    run = Run()
    run.ticks(300)
    assert (run.decision.level, run.decision.by) == (Level.ACTUATED, "actuated")
    run.tick(None)
    assert (run.decision.level, run.decision.by) == (Level.PLAN, "day")
    assert run.decision.cause == "not actuated: all detectors are in fault"
    assert set(run.decision.faults.values()) == {"silent"}
    run.ticks(3 * 800, None)
    assert not run.observer.violations
    run.ticks(2 * CLIMB)
    assert run.decision.level == Level.ACTUATED


@pytest.mark.campaign
def test_coordination_holds_the_main_road_and_ends_the_others_in_time(share: Callable[[int, int], int]) -> None:
    """Whatever comes at whatever time, the main road is green when its plan says so, unless a maximum red is over."""
    busy = bytes([1, 1, 1, 1, 0, 0])
    patient = replace(JUNCTION, groups=tuple(replace(each, max_red=9000) for each in JUNCTION.groups))
    served = set()
    for first in range(0, 800, 800 // share(5, 20)):
        run = Run(replace(SITE, junction=patient))
        run.ticks(1200, busy)
        run.ticks(first)
        for tick in range(2 * 800):
            run.tick(busy if tick % 900 < 600 else QUIET)
            served |= core.greens(run.state)
            if SITE.plans["day"].place(run.utc_ms - 100) < 300:
                assert run.shows(MAIN) == GREEN
        assert not run.observer.violations
    assert served == {MAIN, LEFT, SIDE, WALK}


@pytest.mark.parametrize("every", [15, 30, 50])
def test_an_engine_that_calls_again_and_again_closes_nobody_for_ever(every: int) -> None:
    """A contact that flickers: each call ended well and the next one closed the side road again, for days."""
    engine = replace(SITE.specials[0], closed=("side", "main_left"))
    run = Run(replace(SITE, specials=(engine, *SITE.specials[1:])))
    for tick in range(8000):
        run.tick(bytes([1, 1, 1, 0, tick % every == 0, 0]))
    worst = engine.longest + JUNCTION.groups[SIDE].max_red
    assert run.observer.longest_shut["side"] > engine.longest
    assert all(run.observer.longest_shut[name] <= worst for name in engine.closed)
    assert not run.observer.violations


CLEARING = Requests(frozenset({SIDE}), frozenset({MAIN, LEFT, WALK}))
RAIL = Special("train", "rail", green=("main", "walk"), closed=("side",), clear=("side",), clear_time=50)


def test_a_train_clears_its_track_first_and_then_keeps_it_closed() -> None:
    state, courses = core.begin(JUNCTION), (Course(),)
    observer = Observer(JUNCTION)
    seen = []
    for tick in range(6000):
        occupied = {"rail": tick >= 600}
        courses, _, requests = priority.follow(JUNCTION, (RAIL,), courses, state, occupied)
        requests = requests or Requests(frozenset({MAIN}))
        state = core.step(JUNCTION, state, requests)
        observer.see(core.outputs(JUNCTION, state), state.mode, requests.closed)
        seen.append(core.greens(state))
    first = next(tick for tick in range(600, 6000) if SIDE in seen[tick])
    assert all(SIDE in seen[tick] for tick in range(first, first + 50))
    assert not any(SIDE in seen[tick] for tick in range(first + 100, 6000))  # although its maximum red is long over
    assert not observer.violations


def test_a_broken_wire_calls_a_train_and_no_bus() -> None:
    bus = Special("bus", "loop", green=("side",), longest=100, pause=100)
    _, name, requests = priority.follow(JUNCTION, (bus, RAIL), (Course(), Course()), core.begin(JUNCTION), {})
    assert name == "train" and requests == CLEARING


# --- advisers that go mad ---


def adaptive_site() -> Site:
    switches = tuple(type(each)(each.days, each.at, Level.ADAPTIVE, each.plan) for each in SITE.calendar.switches)
    calendar = type(SITE.calendar)(SITE.calendar.zone, switches, SITE.calendar.holidays)
    return Site(SITE.name, JUNCTION, SITE.plans, calendar, SITE.detectors, SITE.rings, SITE.specials)


def test_a_good_adviser_is_followed() -> None:
    run = Run(adaptive_site(), lambda state, demand: {SIDE})
    run.ticks(300)
    assert (run.decision.level, run.decision.requests.green) == (Level.ADAPTIVE, {SIDE})
    run.ticks(4000)
    assert not run.observer.violations  # although nobody else was asked for


@pytest.mark.parametrize(
    "answer", [None, float("nan"), "main", [0], {0.0}, {True}, {-1}, {99}, {"main"}, {float("nan")}, {0: 1}]
)
def test_nonsense_is_no_answer(answer: object) -> None:
    run = Run(adaptive_site(), lambda state, demand: answer)
    run.ticks(200)
    assert run.decision.level == Level.ACTUATED
    assert "the adviser" in run.decision.cause


def test_an_adviser_that_fails_is_left_alone() -> None:
    def fail(state: object, demand: object) -> object:
        raise ZeroDivisionError

    run = Run(adaptive_site(), fail)
    run.ticks(200)
    assert run.decision.cause == "not adaptive: the adviser failed: ZeroDivisionError"


def test_an_adviser_that_takes_too_long_is_no_adviser() -> None:
    now = iter([0.0, 0.04, 1.0, 1.06])
    slow = pilot.timed(lambda state, demand: {SIDE}, lambda: next(now))
    run = Run(adaptive_site(), slow)
    run.tick()
    assert run.decision.level == Level.ADAPTIVE
    run.tick()
    assert run.decision.cause == "not adaptive: the adviser failed: TimeoutError"


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_no_input_no_adviser_and_no_clock_breaks_an_invariant(data: st.DataObject) -> None:
    answers = st.one_of(st.none(), st.frozensets(st.integers(-1, 5)), st.just(float("nan")))
    answer: object = None
    run = Run(adaptive_site(), lambda state, demand: answer)
    steps = data.draw(
        st.lists(
            st.tuples(
                st.one_of(st.none(), st.binary(max_size=8)),
                st.integers(1, 300),
                answers,
                st.sampled_from((0, 0, 0, 3_600_000, -86_400_000, 77)),
            ),
            max_size=20,
        )
    )
    for inputs, count, answer, jump_ms in steps:  # noqa: B007
        run.utc_ms += jump_ms
        run.ticks(count, inputs)
    assert not run.observer.violations


# --- calls that lock, silence, pulses ---

QUIET_CALL = bytes([0, 0, 0, 0, 1, 0])
LOST = (None, b"", bytes(3))
"""How an input can be missing: the node is not heard, or tells of fewer."""


def called(site: Site = SITE) -> Run:
    """The side road is green, and a fire engine comes."""
    run = Run(site)
    while run.shows(SIDE) != GREEN:
        run.tick(bytes([0, 0, 1, 0, 0, 0]))
    run.tick(QUIET_CALL)
    assert run.decision.by == "fire-engine"
    return run


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("ticks", [1, 4, 40])
@pytest.mark.parametrize("after", [5, 300])
def test_a_fire_engine_keeps_its_green_while_its_input_is_missing(lost: bytes | None, ticks: int, after: int) -> None:
    run = called()
    run.ticks(after, QUIET_CALL)
    for inputs, count in ((lost, ticks), (QUIET_CALL, 200)):
        for _ in range(count):
            run.tick(inputs)
            assert run.decision.by == "fire-engine"
            assert after < 100 or run.shows(MAIN) == GREEN
    assert not run.observer.violations


@pytest.mark.parametrize("gap", [1, 5, 19])
def test_a_gap_in_a_contact_ends_no_green(gap: int) -> None:
    run = called()
    run.ticks(200, QUIET_CALL)
    for _ in range(10):
        for inputs, count in ((QUIET, gap), (QUIET_CALL, 5)):
            for _ in range(count):
                run.tick(inputs)
                assert (run.decision.by, run.shows(MAIN)) == ("fire-engine", GREEN)


def test_a_button_that_chatters_or_sticks_calls_and_lapses() -> None:
    run = Run()
    run.ticks(300)
    for tick in range(700):
        run.tick(QUIET_CALL if tick % 4 < 2 else QUIET)
        assert run.decision.by == "fire-engine"
    assert run.decision.faults["fire-station"] == "chatter"
    run.ticks(600, QUIET_CALL)
    assert run.decision.by != "fire-engine"


def test_a_more_important_one_takes_nothing_of_the_others_time() -> None:
    first = Special("first", "a", green=("side",), longest=900, pause=300)
    second = Special("second", "b", green=("main",), longest=200, pause=300)
    state, courses = core.begin(JUNCTION), (Course(), Course())
    names = []
    for tick in range(1400):
        occupied = {"a": tick < 600, "b": tick == 10}
        courses, name, requests = priority.follow(JUNCTION, (first, second), courses, state, occupied)
        state = core.step(JUNCTION, state, requests or Requests(frozenset({SIDE})))
        names.append(name)
        if name == "second" and MAIN in core.greens(state):
            break
    assert set(names[:600]) == {"first"} and names[-1] == "second"


@pytest.mark.parametrize(
    ("hold", "train", "first"), [(300, 600, 5), (300, 100, 5), (300, 600, 290), (20, 600, 5), (0, 600, 0), (3000, 0, 5)]
)
def test_whatever_takes_its_green_away_takes_nothing_of_a_calls_hold(hold: int, train: int, first: int) -> None:
    """A button; after `first` ticks of green comes a train, or, in 300 s, a group whose maximum red is over."""
    rail = Special("train", "bus", green=("side",), closed=("main", "walk"))
    fire = Special("fire", "fire-station", green=("main",), longest=9000, pause=300, hold=hold)
    run = Run(replace(SITE, specials=(rail, fire)))
    while run.shows(SIDE) != GREEN:
        run.tick(bytes([0, 0, 1, 0, 0, 0]))
    run.tick(QUIET_CALL)
    while run.shows(MAIN) != GREEN:
        run.tick()
    run.ticks(first)
    assert run.decision.by == "fire"
    green = first
    run.ticks(train, bytes([0, 0, 0, 0, 0, 1]))
    for _ in range(8000):
        run.tick()
        if run.decision.by == "actuated":
            break
        green += run.decision.by == "fire" and run.shows(MAIN) == GREEN
    assert run.decision.by == "actuated"
    assert hold <= green <= hold + 75  # at least the minimum green of the way back
    assert not run.observer.violations


def test_a_call_that_waited_clears_its_track_again_where_it_was_open_meanwhile() -> None:
    """The more important one lets vehicles onto the track; with its own road it lets none."""
    for important, again in ((("side",), True), (("main",), False)):
        first = Special("first", "a", green=important)
        state, courses = core.begin(JUNCTION), (Course(), Course())
        cleared = []
        for tick in range(3000):
            occupied = {"a": 1500 <= tick < 2000, "rail": tick >= 600}
            courses, _, requests = priority.follow(JUNCTION, (first, RAIL), courses, state, occupied)
            state = core.step(JUNCTION, state, requests or Requests(frozenset({MAIN})))
            if tick > 2000 and requests == CLEARING:
                cleared.append(tick)
        assert bool(cleared[25:]) == again and courses[1].cleared == RAIL.clear_time
        assert state.groups[SIDE].indication == RED


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_specials_never_drop_a_call_before_its_green_nor_hold_one_for_ever(data: st.DataObject) -> None:
    """Whatever detectors say, a call is in force until its group was green or it lapsed, and a free one ends."""
    fire = Special("fire", "f", green=("main",), longest=data.draw(st.sampled_from((0, 300, 900))), pause=100)
    state, courses = core.begin(JUNCTION), (Course(),)
    steps = st.lists(st.tuples(st.sampled_from((True, False, None)), st.integers(1, 200)), max_size=12)
    age = 0
    served = False
    for value, count in [*data.draw(steps), (False, 1500)]:
        for _ in range(count):
            occupied = {} if value is None else {"f": value}
            courses, name, requests = priority.follow(JUNCTION, (fire,), courses, state, occupied)
            if age and not name:
                assert served or (fire.longest and age >= fire.longest)
            age = age + 1 if name else 0
            served = bool(name) and (served or MAIN in core.greens(state))
            assert not fire.longest or age <= fire.longest
            state = core.step(JUNCTION, state, requests or Requests(frozenset({SIDE})))
    assert not name
