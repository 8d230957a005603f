"""A railway at the junction: it fails closed, clears its track first, and nothing overrides it."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import junctions
from signals.observer import Observer
from signals.test_signals_core import wishes
from signals.test_signals_layers import EXAMPLE, LEFT, MAIN, MONDAY_NOON_MS, SIDE, WALK
from wayside.control.signals import core, pilot, priority
from wayside.control.signals.chain import Level
from wayside.control.signals.core import FLASH_AT_ONCE, GREEN, RED, Mode, Requests
from wayside.control.signals.loader import JunctionFileError, load
from wayside.control.signals.plans import Switch
from wayside.control.signals.priority import Course, Special
from wayside.control.signals.site import Site

FREE, TRAIN, BROKEN, SHORT = bytes([1, 0]), bytes([0, 1]), bytes([0, 0]), bytes([1, 1])
FLASH = Switch(frozenset(range(7)), None, Level.FLASH)  # type: ignore[arg-type]


def with_railway(*changes: tuple[str, str]) -> str:
    """The example with the railway that it shows as a comment."""
    lines = EXAMPLE.read_text().splitlines()
    at = lines.index("# [[railway]]")
    end = lines.index("", at)
    text = "\n".join([*lines[:at], *(line.removeprefix("# ") for line in lines[at:end]), *lines[end:]]) + "\n"
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    return text


def loaded(folder: Path, *changes: tuple[str, str]) -> Site:
    path = folder / "junction.toml"
    path.write_text(with_railway(*changes))
    return load(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return loaded(tmp_path_factory.mktemp("site"))


class Run:
    """The layers and the core, tick by tick."""

    def __init__(self, site: Site):
        self.site = site
        self.state = core.begin(site.junction)
        self.memory = pilot.begin(site)
        self.observer = Observer(site.junction)
        self.utc_ms = MONDAY_NOON_MS
        self.decision: pilot.Decision

    def tick(self, rail: bytes, others: bytes = bytes(6), remote: Switch | None = None, fault: bool = False) -> None:
        self.memory, self.decision = pilot.decide(
            self.site, self.memory, self.state, self.utc_ms, others + rail, None, remote
        )
        requests = self.decision.requests._replace(flash=FLASH_AT_ONCE) if fault else self.decision.requests
        self.state = core.step(self.site.junction, self.state, requests)
        closed = frozenset(range(4)) if requests.flash else requests.closed
        self.observer.see(core.outputs(self.site.junction, self.state), self.state.mode, closed)
        self.utc_ms += 100

    def ticks(self, count: int, rail: bytes, **more) -> list[frozenset[int]]:
        """The greens of each tick."""
        seen = []
        for _ in range(count):
            self.tick(rail, **more)
            seen.append(core.greens(self.state))
        return seen


def cleared_and_closed(seen: list[frozenset[int]], within: int) -> None:
    """The track's road is green alone, for five seconds at least, and red from then on, all in time."""
    alone = [tick for tick, greens in enumerate(seen) if greens == {SIDE}]
    assert len(alone) >= 50 and alone[-1] < within
    assert all(not greens - {SIDE} for greens in seen[alone[0] : alone[-1]])
    assert not any(SIDE in greens for greens in seen[alone[-1] + 1 :])
    assert any(MAIN in greens for greens in seen[alone[-1] :])


WARNING = 500


@pytest.mark.parametrize(
    "train", [TRAIN, BROKEN, SHORT, b"", b"\x01"], ids=["train", "broken", "short", "dead", "half"]
)
def test_whatever_does_not_say_free_is_a_train(site: Site, train: bytes) -> None:
    run = Run(site)
    run.ticks(400, FREE)
    assert run.decision.by == "actuated"
    cleared_and_closed(run.ticks(1000, train), WARNING)
    assert run.decision.by == "crossing"
    assert ("crossing" in run.decision.faults) == (train in (BROKEN, SHORT))
    run.ticks(100, FREE)
    assert run.decision.by == "actuated"
    assert not run.observer.violations


def test_relays_that_change_in_turn_are_no_fault(site: Site) -> None:
    run = Run(site)
    run.ticks(400, FREE)
    for rail, ticks in ((SHORT, 5), (TRAIN, 300), (BROKEN, 5), (FREE, 100)):
        for _ in range(ticks):
            run.tick(rail)
            assert "crossing" not in run.decision.faults


def test_one_pole_is_enough_where_it_is_closed_when_no_train_comes(tmp_path: Path) -> None:
    site = loaded(tmp_path, ("train_input = 8\n", ""))
    run = Run(site)
    run.ticks(400, b"\x01")
    assert run.decision.by == "actuated"
    cleared_and_closed(run.ticks(1000, b"\x00"), WARNING)


def test_a_maximum_red_overrides_no_clearance_and_no_closure(site: Site) -> None:
    """Everybody has waited too long at once: the others used to get their green in the middle of it."""
    run = Run(site)
    run.ticks(400, FREE)
    run.state = run.state._replace(unserved=(2200, 2200, 2200, 2200))
    cleared_and_closed(run.ticks(3000, TRAIN), WARNING)
    run.observer.violations.pop("MAX_RED", None)  # of the state that was made up
    assert not run.observer.violations


def test_the_next_train_is_served_at_once_and_a_standing_one_for_ever(site: Site) -> None:
    run = Run(site)
    run.ticks(400, FREE)
    for gap in (40, 200, 1):
        cleared_and_closed(run.ticks(800, TRAIN), WARNING)
        run.ticks(gap, FREE)
    # While it is closed still, nobody can be on the track.
    for gap in (1, 10, 19):
        assert not any(SIDE in greens for greens in run.ticks(300, TRAIN) + run.ticks(gap, FREE))
    run.ticks(300, TRAIN)
    run.ticks(40, FREE)
    seen = run.ticks(10_000, TRAIN)
    assert not any(SIDE in greens for greens in seen[WARNING:])
    assert {number for greens in seen[WARNING:] for number in greens} == {MAIN, LEFT, WALK}
    assert not run.observer.violations


def test_it_goes_before_an_engine_that_stands_first_in_the_file(site: Site) -> None:
    assert [special.name for special in site.specials] == ["crossing", "fire-engine", "bus-12"]
    run = Run(site)
    run.ticks(400, FREE)
    engine = bytes([0, 0, 0, 0, 1, 0])
    run.ticks(20, FREE, others=engine)
    assert run.decision.by == "fire-engine"
    cleared_and_closed(run.ticks(800, TRAIN, others=engine), WARNING)
    assert run.decision.by == "crossing"


@pytest.mark.parametrize("tick", [30, 250, 600])
def test_flash_of_a_fault_during_a_train_clears_the_track_anew(site: Site, tick: int) -> None:
    run = Run(site)
    run.ticks(400, FREE)
    run.ticks(tick, TRAIN)
    for _ in range(100):
        run.tick(TRAIN, fault=True)
    assert run.state.mode == Mode.FLASH
    cleared_and_closed(run.ticks(1000, TRAIN), WARNING)
    assert not run.observer.violations


def test_flash_that_is_asked_for_waits_for_the_train_and_leaves_for_it(site: Site) -> None:
    run = Run(site)
    run.ticks(400, FREE)
    run.ticks(30, TRAIN)
    cleared_and_closed(run.ticks(1000, TRAIN, remote=FLASH), WARNING)
    run.ticks(400, FREE, remote=FLASH)
    assert run.state.mode == Mode.FLASH
    cleared_and_closed(run.ticks(1000, TRAIN, remote=FLASH), WARNING)
    run.ticks(400, FREE, remote=FLASH)
    assert run.state.mode == Mode.FLASH
    assert not run.observer.violations


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_the_warning_that_is_computed_is_enough_for_any_junction(data: st.DataObject) -> None:
    """Whatever was shown before; and from then on nothing that is closed is green."""
    junction = data.draw(junctions())
    cliques = [
        names
        for count in (1, 2)
        for names in combinations(junction.index, count)
        if all(frozenset(pair) in junction.compatible for pair in combinations(names, 2))
        and all(not (own := junction.groups[junction.index[n]].parents) or set(own) & set(names) for n in names)
    ]
    clear = data.draw(st.sampled_from(cliques))
    closed = tuple(data.draw(st.sets(st.sampled_from(sorted(junction.index)), min_size=1)) | set(clear[:1]))
    rail = Special("rail", "rail", closed=closed, clear=clear, clear_time=data.draw(st.integers(1, 120)))
    state, course = core.begin(junction), (Course(),)
    observer = Observer(junction)

    def go(requests: Requests) -> None:
        nonlocal state
        state = core.step(junction, state, requests)
        flashes = frozenset(range(len(junction.groups))) if requests.flash else requests.closed
        observer.see(core.outputs(junction, state), state.mode, flashes)

    for requests, ticks in data.draw(wishes(len(junction.groups))):
        for _ in range(ticks):
            go(requests)
    shut = {junction.index[name] for name in closed}
    done = 0
    for tick in range(priority.warning(junction, rail) + 200):
        course, _, asked = priority.follow(junction, (rail,), course, state, {"rail": True})
        assert asked
        go(asked)
        done = done or (tick if course[0].cleared == rail.clear_time else 0)
        if tick >= priority.warning(junction, rail):
            assert done and all(state.groups[number].indication == RED for number in shut)
    assert not observer.violations


MISTAKES = [
    ('closed = ["side"]\n', 'closed = ["main_left"]\n', "side leads over the track, which it clears; add it"),
    ("clear_s = 5\n", "", "railway[1]: clear and clear_s belong together; write both, or none"),
    ('clear = ["side"]\n', "", "railway[1]: clear and clear_s belong together"),
    ('clear = ["side"]', 'clear = ["side", "main"]', "railway[1].clear: side and main conflict"),
    ('clear = ["side"]', 'clear = ["sid"]', 'railway[1].clear: unknown signal group "sid"'),
    ('closed = ["side"]', 'closed = ["sid"]', 'railway[1].closed: unknown signal group "sid"'),
    ('closed = ["side"]', "", "railway[1].closed: is missing; add it"),
    ('closed = ["side"]', 'closed = ["side", "main"]', "railway[1].closed: names a group that is in green too"),
    ("warning_s = 50", "warning_s = 20", "and write 46.3 or more"),
    ("clear_s = 5\n", "clear_s = 5\ngates_s = 48\n", "the track is clear and closed 53 s after the call"),
    (
        'clear = ["side"]\nclear_s = 5\n',
        "gates_s = 5\n",
        "gates_s: is for a track that is cleared; add clear and clear_s",
    ),
    ("warning_s = 50", "", "railway[1].warning_s: is missing; add it"),
    ("warning_s = 50", "warning_s = 50\npause_s = 5", 'unknown key "pause_s"'),
    ("warning_s = 50", "warning_s = 50\nlongest_s = 50", 'unknown key "longest_s"'),
    ("warning_s = 50", "warning_s = 50\nhold_s = 0.5", "railway[1].hold_s"),
    ("free_input = 7", 'topic = "rail/7"', 'unknown key "topic"'),
    ("free_input = 7", "free_input = 8", "railway[1].train_input: 8 is taken by crossing; give each its own"),
    ("free_input = 7", "free_input = 3", "detector[3].input: 3 is taken by crossing; give each its own"),
    ("input = 2\n", "input = 1\n", "detector[2].input: 1 is taken by loop-main; give each its own"),
    ('name = "crossing"', 'name = "bus"', "another railway has this name"),
    ('name = "crossing"', 'name = "bus-12"', "priority[1].name: another railway has this name"),
    ('detector = "fire-station"', 'detector = "radar-side"', "a topic calls no preemption, anybody may publish it"),
    ("longest_s = 90", "longest_s = 0", "preemption[1].longest_s"),
    ("longest_s = 90\n", "", "preemption[1].longest_s: is missing; add it"),
]


@pytest.mark.parametrize(("before", "after", "said"), MISTAKES, ids=[said for _, _, said in MISTAKES])
def test_a_railway_that_could_fail_is_refused(before: str, after: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(JunctionFileError) as error:
        loaded(tmp_path, (before, after))
    assert said in str(error.value)


def test_two_railways_are_refused_and_one_that_only_closes_is_not(tmp_path: Path) -> None:
    with pytest.raises(JunctionFileError, match="at most 1 item"):
        loaded(
            tmp_path,
            ("[[railway]]", '[[railway]]\nname = "b"\nfree_input = 9\nwarning_s = 9\nclosed = ["side"]\n[[railway]]'),
        )
    changes = (('clear = ["side"]\n', ""), ("clear_s = 5\n", ""), ("warning_s = 50", "warning_s = 28.3"))
    run = Run(loaded(tmp_path, *changes))
    run.ticks(400, FREE)
    assert not any(SIDE in greens for greens in run.ticks(2000, TRAIN)[283:])
    assert run.state.groups[SIDE].indication == RED and GREEN in {each.indication for each in run.state.groups}
    assert not run.observer.violations


def test_a_detector_of_the_network_calls_no_preemption_by_another_way(site: Site) -> None:
    assert all(
        special.detector not in {each.name for each in site.detectors if each.topic} for special in site.specials
    )
    assert replace(site.specials[0], free_input=-1).poles_disagree(FREE) is False
