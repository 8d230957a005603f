"""The core under arbitrary wishes: an observer that sees only lamps finds every invariant kept."""

import inspect
from types import ModuleType

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import build, four_arms, junctions
from signals.observer import Observer
from wayside.control.signals import core
from wayside.control.signals.core import FLASH_AT_ONCE, FLASH_IN_ORDER, Lamp, Mode, Requests, begin, outputs, step
from wayside.control.signals.junction import Group, Junction, JunctionError
from wayside.control.signals.replay import Moment
from wayside.control.signals.why import explain


def drive(junction: Junction, wishes, *, using: ModuleType = core) -> Observer:
    """Run `wishes`, pairs of (Requests, ticks); what the observer saw."""
    observer = Observer(junction)
    state = using.begin(junction)
    observer.see(using.outputs(junction, state), state.mode)
    for requests, ticks in wishes:
        for _ in range(ticks):
            state = using.step(junction, state, requests)
            closed = frozenset(range(len(junction.groups))) if requests.flash else requests.closed
            observer.see(using.outputs(junction, state), state.mode, closed)
    return observer


def wishes(count: int):
    """Arbitrary requests: conflicting, partial, changing every tick or standing for a minute; numbers that are none."""
    numbers = st.frozensets(st.integers(-2, count + 2), max_size=count + 2)
    closed = st.one_of(st.just(frozenset()), st.frozensets(st.integers(0, count - 1), max_size=count))
    requests = st.builds(Requests, numbers, closed, st.sampled_from((0,) * 30 + (FLASH_AT_ONCE, FLASH_IN_ORDER)))
    return st.lists(st.tuples(requests, st.one_of(st.integers(1, 3), st.integers(1, 400))), max_size=30)


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_no_wish_makes_it_unsafe(data: st.DataObject) -> None:
    junction = data.draw(junctions())
    observer = drive(junction, data.draw(wishes(len(junction.groups))))
    assert not observer.violations


@settings(max_examples=examples(25), deadline=None)
@given(junctions(), st.frozensets(st.integers(0, 5)))
def test_every_group_is_served_although_nobody_asks_for_it(junction: Junction, green: frozenset[int]) -> None:
    longest = max(group.max_red for group in junction.groups)
    observer = drive(junction, [(Requests(green), 3 * longest)])
    assert not observer.violations
    assert all(red > 0 for name, red in observer.longest_red.items() if junction.index[name] not in green)


def test_it_starts_through_flash_and_all_red() -> None:
    junction = four_arms()
    state = begin(junction)
    modes = []
    for _ in range(junction.start_flash + junction.start_all_red + 1):
        modes.append(state.mode)
        state = step(junction, state, Requests(frozenset({0})))
    assert modes == [Mode.FLASH] * junction.start_flash + [Mode.ALL_RED] * junction.start_all_red + [Mode.RUN]


def test_flash_is_at_once_and_the_way_back_is_the_start() -> None:
    junction = four_arms()
    state = begin(junction)
    for _ in range(300):
        state = step(junction, state, Requests(frozenset({0, 1, 5})))
    assert Lamp.GREEN in outputs(junction, state)
    state = step(junction, state, Requests(flash=True))
    assert outputs(junction, state) == (*(Lamp.FLASH_RED,) * 5, Lamp.DARK, Lamp.RED)
    assert step(junction, state, Requests()).mode == Mode.FLASH


def test_a_closed_movement_stays_red_and_its_clock_stands() -> None:
    junction = four_arms()
    closed = Requests(frozenset(range(6)), closed=frozenset({2}))
    state = begin(junction)
    for _ in range(3 * 2400):
        state = step(junction, state, closed)
        assert state.groups[2].indication == core.RED
    assert state.unserved[2] == 0


def test_an_overlap_of_a_closed_movement_keeps_nobody_waiting() -> None:
    """It cannot be green without its parent; forced in vain, it kept all others red as long as a train was there."""
    junction = four_arms()
    left = junction.index["ew_left"]
    observer = drive(junction, [(Requests(frozenset({0}), closed=frozenset({left})), 3 * 2400)])
    assert not observer.violations
    assert observer.longest_red["ew"] and observer.longest_red["right"] == 0
    state = step(junction, begin(junction), Requests())._replace(mode=Mode.RUN)
    closed = Requests(closed=frozenset({left}))
    moment = Moment(0, state, state, closed, "train", "train", frozenset(), 0)
    assert dict(explain(junction, moment))["right"] == "red for 0.1 s: closed with ew_left: train"
    junction = build(
        (Group("over", 50, 30, 800, parents=("main",)), Group("main", 59, 30, 800)),
        {("over", "main")},
        (("main", "over"), ("main",)),
    )
    assert not drive(junction, [(Requests(closed=frozenset({1})), 900), (Requests(), 900)]).violations


def test_an_overlap_with_one_parent_open_is_served_by_it() -> None:
    """Its first stage could not start: for the rest of the day nobody was green."""
    groups = (Group("left", 50, 30, 2400), Group("ahead", 50, 30, 2400), Group("side", 50, 30, 2400))
    right = Group("right", 50, 30, 2400, parents=("left", "ahead"))
    stages = (("left", "right"), ("ahead", "right"), ("side",))
    junction = build((*groups, right), {("left", "right"), ("ahead", "right")}, stages)
    observer = drive(junction, [(Requests(frozenset({2}), closed=frozenset({0})), 3 * 2400)])
    assert not observer.violations and 0 < observer.longest_red["right"] < 2400
    with pytest.raises(JunctionError, match="no stage holds right and its parent ahead"):
        build((*groups, right), {("left", "right"), ("ahead", "right")}, (*stages[::2], ("ahead",)))


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_whoever_is_not_closed_is_served_whatever_is_closed(data: st.DataObject) -> None:
    junction = data.draw(junctions())
    numbers = st.frozensets(st.integers(0, len(junction.groups) - 1))
    longest = max(group.max_red for group in junction.groups)
    steps = [(Requests(data.draw(numbers), data.draw(numbers)), 2 * longest) for _ in range(2)]
    assert not drive(junction, steps).violations


# --- flash ---


def test_flash_that_is_asked_for_ends_every_green_in_its_order() -> None:
    junction = four_arms()
    state = begin(junction)
    observer = Observer(junction)
    seen = []
    for _ in range(junction.start_flash + junction.start_all_red + 40):
        state = step(junction, state, Requests(frozenset({0, 1, 5})))
        observer.see(outputs(junction, state), state.mode)
    assert core.greens(state) == {0, 1, 5} and state.groups[5].age < 70
    while state.mode == Mode.RUN:
        state = step(junction, state, Requests(frozenset({0}), flash=FLASH_IN_ORDER))
        observer.see(outputs(junction, state), state.mode, frozenset(range(6)))
        seen.append(outputs(junction, state))
    assert seen[-2] == (Lamp.RED,) * 7 and len(seen) < 70 + 80 + junction.start_all_red + 3
    assert sum(Lamp.CLEARANCE in each for each in seen) == 80
    assert not observer.violations
    state = step(junction, state, Requests(frozenset({0}), flash=FLASH_IN_ORDER))
    assert state.mode == Mode.FLASH
    for _ in range(junction.start_flash + 1):
        state = step(junction, state, Requests())
    assert state.mode == Mode.ALL_RED
    assert step(junction, state, Requests(flash=FLASH_IN_ORDER)).mode == Mode.FLASH


# --- greens that stay ---


@pytest.mark.parametrize(("stage", "other"), [((0, 1), (0,)), ((0, 1, 5), (0, 5)), ((0, 1), (0, 5))])
def test_a_green_that_is_asked_for_goes_on_when_the_one_that_yields_to_it_is_dropped(stage, other) -> None:
    """It ended with the permissive left turn, and came back behind a tick of red."""
    junction = four_arms()
    state = begin(junction)
    for number, wanted in enumerate((stage, other, stage, other)):
        for tick in range(250):
            state = step(junction, state, Requests(frozenset(wanted)))
            assert state.groups[0].indication == core.GREEN or (number == 0 and tick < 200)


@settings(max_examples=examples(80), deadline=None)
@given(st.data())
def test_a_green_that_is_asked_for_ends_for_a_reason_only(data: st.DataObject) -> None:
    """Somebody who waited too long, flash, a closure, its parent, or who yields to it and has to end."""
    junction = data.draw(junctions())
    state = begin(junction)
    for requests, ticks in data.draw(wishes(len(junction.groups))):
        for _ in range(ticks):
            before, state = state, step(junction, state, requests)
            if state.mode != Mode.RUN or state.serving >= 0 or requests.flash:
                continue
            ended = core.greens(before) - core.greens(state)
            for number in ended & requests.green - requests.closed:
                with_parent = junction.parents[number] and not junction.parents[number] & core.greens(state)
                assert with_parent or ended & junction.yielded_by[number] or junction.yields_to[number], number


# --- a mutant for each invariant ---


def asked(*stages: tuple[int, ...], ticks: int = 200) -> list[tuple[Requests, int]]:
    return [(Requests(frozenset(stage)), ticks) for stage in stages]


CHANGES = asked((0,), (2,), (3, 4), (1,), (5,)) * 4
MUTANTS = {
    "CONFLICT": (asked((0,), (0, 2)), {"indication != RED or ": ""}),
    "INTERGREEN": (CHANGES, {" or passed + group.red_amber < intergreen": ""}),
    "AMBER": (CHANGES, {"indication == AMBER and age >= group.amber": "indication == AMBER and age > group.amber"}),
    "MIN_GREEN": (
        asked((0,), (2,), ticks=65) * 9,
        {" and shown.age >= junction.groups[number].min_green": "", " and end and age >= group.min_green": " and end"},
    ),
    "MIN_RED": (
        asked((0,)) + asked((), ticks=33) + asked((0,)),
        {"shown[number].age <= group.min_red": "False"},
    ),
    "ONE_LAMP": (CHANGES, {"Lamp.RED if name is None": "Lamp.DARK if name is None"}),
    "OVERLAP": (asked((3, 4), (4,)) * 3, {"frozenset(ends | orphans)": "frozenset(ends)"}),
    "YELLOW_TRAP": (
        asked((2,)) + asked((0, 1), ticks=110) + asked((2,)),
        {"groups[opposing].indication == GREEN and opposing not in ends": "False"},
    ),
    "RESTART": (
        asked((1,)) + asked((0, 1)),
        {"shown[each].indication != RED for": "False for", "return not opposing <= lit - leaving": "return False"},
    ),
    "MAX_RED": (asked((0,), ticks=6000), {"if not due or ": "if True or "}),
    "START": (CHANGES, {"state.age < junction.start_all_red": "state.age < 1"}),
}
"""By invariant: wishes, and what is changed in the core's source so that it breaks under them."""


def mutant(changes: dict[str, str]) -> ModuleType:
    source = inspect.getsource(core)
    for before, after in changes.items():
        assert source.count(before) == 1, before
        source = source.replace(before, after)
    module = ModuleType("mutant")
    exec(compile(source, "mutant", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("invariant", MUTANTS)
def test_each_mutant_is_killed_by_its_own_invariant(invariant: str) -> None:
    scenario, changes = MUTANTS[invariant]
    junction = four_arms()
    assert not drive(junction, scenario).violations
    assert set(drive(junction, scenario, using=mutant(changes)).violations) == {invariant}


def test_there_is_a_mutant_for_every_invariant_that_the_core_names() -> None:
    named = {line.split()[0] for line in inspect.getdoc(core).splitlines() if line.startswith("  ")}
    assert named == set(MUTANTS)
