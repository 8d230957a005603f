"""What people reported of other controllers, made again here; docs/attacks.md ("The junction") says who did.

Most are tables: ticks, whose detectors are occupied meanwhile, and who is green at their end.
"""

from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest
from signals.junctions import build
from signals.observer import Observer
from signals.test_signals_layers import JUNCTION, MAIN, SIDE, SITE
from signals.test_signals_layers import Run as Layers
from signals.test_signals_railway import FREE, TRAIN, cleared_and_closed, loaded
from signals.test_signals_railway import Run as Railway
from signals.test_signals_rings import DUAL, EIGHT, STAGES, TWO, Run, started
from wayside.control.signals import core, detectors, pilot, priority
from wayside.control.signals.chain import Level
from wayside.control.signals.core import GREEN
from wayside.control.signals.detectors import NO_ACTIVITY, RECOVERY, Detector
from wayside.control.signals.junction import PEDESTRIAN, Group
from wayside.control.signals.plans import Plan, Switch
from wayside.control.signals.priority import Course, Special
from wayside.control.signals.rings import Rings

# --- rings ---


def test_recalled_groups_rest_in_green_and_do_not_change_in_turn() -> None:
    run = Run(EIGHT, replace(DUAL, recalled=frozenset("26")))
    run.until_green("2")
    for _ in range(600):
        run.tick()
        assert run.greens == {"2", "6"}


def test_who_stays_in_the_next_step_stays_green() -> None:
    """From 2 and 6 to 1 and 6, within the block: 6 has nothing to end for."""
    run = Run(EIGHT, DUAL)
    run.until_green("2", "26")
    run.ticks(60, "2")
    for _ in range(200):
        run.tick("1")
        assert "6" in run.greens
    assert run.greens == {"1", "6"}


def test_a_call_that_ends_in_the_change_brings_nobody_back_to_green_at_once() -> None:
    run = started()
    run.ticks(2, ("b",))
    assert not run.greens
    run.ticks(60)
    assert run.greens == {"b"}


def test_who_comes_in_the_yellow_makes_the_next_green_no_longer() -> None:
    run = started()
    run.ticks(2, ("b",))
    run.ticks(20, ("a", "b"))  # on the loop in his yellow: the others' turn goes on, and his next one is a plain one
    run.until_green("b", ("b",))
    run.until_green("a", ("a", "b"))
    run.ticks(51, ("b",))
    assert run.greens == set()


def test_a_long_loop_that_never_gets_free_does_not_shorten_its_own_green() -> None:
    """A queue that stands for longer than stuck_on: its group is blind, and has its maximum green in each round."""
    run = started()
    run.blind = frozenset({0})
    for _ in range(2):
        run.until_green("a", ("b",))
        green = 0
        while "a" in run.greens:
            run.tick(("b",))
            green += 1
        assert green >= STAGES.max_green["a"]


# --- calls ---

BUTTON = Detector("button", 0, ("walk",), locking=True)
WALK = frozenset({TWO.index["walk"]})
CALLS = {
    "pressed at red, kept until green": [(1, True, "red", True), (50, False, "red", True), (1, False, "green", False)],
    "pressed in green, not kept": [(1, True, "green", True), (1, False, "green", False), (1, False, "red", False)],
    "pressed in its clearance, kept": [(1, True, "clearance", True), (90, False, "red", True)],
    "silent, called always": [(1, None, "red", True), (50, None, "green", True), (1, None, "red", True)],
    "pressed in a fault, served once more": [
        (1, None, "red", True),
        (20, False, "green", True),
        (5, True, "red", True),
        (RECOVERY, False, "red", True),  # believed again, and nobody had his green since
        (50, False, "red", True),
        (1, False, "green", False),
    ],
}


@pytest.mark.parametrize("rows", CALLS.values(), ids=CALLS)
def test_which_calls_are_kept(rows: list[tuple[int, bool | None, str, bool]]) -> None:
    """Ticks, what the button says, what the walk shows, and whether it is called at the end."""
    seen = detectors.begin(TWO, (BUTTON,))
    seen, _ = detectors.observe(TWO, (BUTTON,), seen, {"button": False}, frozenset(range(3)))
    for ticks, pressed, shows, called in rows:
        for _ in range(ticks):
            green = WALK if shows == "green" else frozenset()
            seen, demand = detectors.observe(TWO, (BUTTON,), seen, {"button": pressed}, green)
        assert (demand.calls >= WALK) == called, (ticks, pressed, shows)


def test_a_loop_that_locks_is_no_button_and_its_silence_no_absence(tmp_path: Path) -> None:
    site = loaded(tmp_path, ('groups = ["side"]\n\n[[detector]]', 'groups = ["side"]\nlocking = true\n\n[[detector]]'))
    limits = {each.name: (each.locking, each.stuck_off) for each in site.detectors}
    assert limits["loop-side"] == (True, NO_ACTIVITY) and limits["button"] == (True, 0)


# --- coordination ---

SIDE_WALK = build(
    (Group("main", 70, 30, 6000), Group("side", 70, 30, 6000), Group("walk", 150, 60, 6000, kind=PEDESTRIAN)),
    {("side", "walk")},
    (("main",), ("side", "walk")),
)
SIDE_RINGS = Rings(
    (((("main",), ("side", "walk")),),),
    dict.fromkeys(SIDE_WALK.index, 300),
    dict.fromkeys(SIDE_WALK.index, 30),
    frozenset({"main"}),
)
COORDINATED = Plan("day", 800, 0, {"main": ((0, 400),), "side": ((450, 750),), "walk": ((450, 720),)}, ("main",))


@pytest.mark.parametrize("pressed", [100, 300, 390, 420, 500, 550, 580, 610, 700])
def test_a_walk_that_does_not_fit_any_more_waits_for_the_next_cycle(pressed: int) -> None:
    """Its vehicles still fit, so the step came; the walk, three times as long, kept the main road red for 7 s."""
    assert not list(COORDINATED.problems(SIDE_WALK))
    run, walked = Run(SIDE_WALK, SIDE_RINGS), 0
    for tick in range(3200):
        run.tick(
            ("walk",) if tick >= 800 + pressed and not walked else (),
            COORDINATED.limits(SIDE_WALK, tick * 100, run.state),
        )
        walked = walked or ("walk" in run.greens) * tick
        if tick >= 800 and COORDINATED.place(tick * 100) < 400:
            assert "main" in run.greens
    assert 0 < walked <= 800 + pressed + 2 * 800
    assert not run.observer.violations


def test_a_walk_that_is_planned_as_short_as_may_be_comes_in_every_cycle() -> None:
    plan = replace(COORDINATED, green=COORDINATED.green | {"walk": ((450, 600),)})
    assert not list(plan.problems(SIDE_WALK))
    run, walks = Run(SIDE_WALK, SIDE_RINGS), 0
    for tick in range(800 * 5):
        before = "walk" in run.greens
        run.tick(("side", "walk", "main"), plan.limits(SIDE_WALK, tick * 100, run.state))
        walks += tick >= 800 and "walk" in run.greens and not before
    assert walks == 4


def remote(run: Layers, ticks: int, level: Level, plan: str, inputs: bytes) -> list[frozenset[int]]:
    """Somebody asks for a level and a plan; who is green in each tick."""
    greens, switch = [], Switch(frozenset(), time.min, level, plan)
    for _ in range(ticks):
        run.memory, run.decision = pilot.decide(run.site, run.memory, run.state, run.utc_ms, inputs, None, switch)
        run.state = core.step(JUNCTION, run.state, run.decision.requests)
        run.utc_ms += 100
        greens.append(core.greens(run.state))
    return greens


BUSY = bytes([1, 1, 1, 1, 0, 0])


@pytest.mark.parametrize("at", [0, 280, 520])
def test_a_change_of_plan_skips_nobody_for_longer_than_a_cycle_of_each(at: int) -> None:
    evening = replace(SITE.plans["evening"], coordinated=("main",))
    run = Layers(replace(SITE, plans=SITE.plans | {"evening": evening}))
    remote(run, 800 + at, Level.ACTUATED, "day", BUSY)
    greens = remote(run, 2000, Level.ACTUATED, "evening", BUSY)
    for number in range(len(JUNCTION.groups)):
        waits = "".join(" w"[number not in each] for each in greens).split()
        assert max(map(len, waits), default=0) <= SITE.plans["day"].cycle + evening.cycle


def test_behind_flash_the_main_road_is_in_step_again_within_a_cycle() -> None:
    run, day = Layers(), SITE.plans["day"]
    remote(run, 1000, Level.ACTUATED, "day", BUSY)
    remote(run, 500, Level.FLASH, "", BUSY)
    remote(run, 150 + day.cycle, Level.ACTUATED, "day", BUSY)
    begin_ms = run.utc_ms
    greens = remote(run, 2 * day.cycle, Level.ACTUATED, "day", BUSY)
    assert all(MAIN in each for tick, each in enumerate(greens) if day.place(begin_ms + 100 * tick) < 300)


# --- railways ---


def test_a_track_is_cleared_until_its_gates_are_down(tmp_path: Path) -> None:
    """The road over the track is green already when the train calls: its clearance was over long before the gates."""
    site = loaded(tmp_path, ("clear_s = 5\n", "clear_s = 5\ngates_s = 30\n"))
    run = Railway(site)
    run.ticks(400, FREE, others=bytes([0, 0, 1, 0, 0, 0]))
    while not (SIDE in core.greens(run.state) and run.state.groups[SIDE].age > 70):
        run.tick(FREE, others=bytes([0, 0, 1, 0, 0, 0]))
    seen = run.ticks(800, TRAIN)
    assert all(SIDE in greens for greens in seen[:300])
    cleared_and_closed(seen, 500)
    assert not run.observer.violations


@pytest.mark.parametrize("every", [3, 10, 19])
def test_a_circuit_that_flickers_is_one_train(every: int, tmp_path: Path) -> None:
    run = Railway(loaded(tmp_path))
    run.ticks(400, FREE)
    seen = []
    for tick in range(1000):
        seen += run.ticks(1, TRAIN if tick // every % 2 == 0 else FREE)
    cleared_and_closed(seen, 500)


def test_the_gates_are_waited_for_whoever_was_green(tmp_path: Path) -> None:
    rail = Special("train", "rail", closed=("side",), clear=("side",), clear_time=50, gates=350)
    for asked in (MAIN, SIDE):
        state, courses, observer = core.begin(JUNCTION), (Course(),), Observer(JUNCTION)
        for tick in range(1000):
            occupied = {"rail": tick >= 500}
            courses, _, requests = priority.follow(JUNCTION, (rail,), courses, state, occupied)
            state = core.step(JUNCTION, state, requests or core.Requests(frozenset({asked})))
            observer.see(core.outputs(JUNCTION, state), state.mode, requests.closed if requests else frozenset())
            if 750 <= tick < 850:
                assert state.groups[SIDE].indication == GREEN
            elif tick >= 500 + priority.warning(JUNCTION, rail):
                assert state.groups[SIDE].indication == core.RED
        assert not observer.violations
