"""Core and judge share nothing, and agree: what the core orders is never wrong, what a broken core orders is."""

from random import Random
from types import ModuleType

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import four_arms, junctions
from signals.test_signals_core import CHANGES, MUTANTS, mutant, wishes
from wayside.control.signals import core
from wayside.control.signals.channels import TICK_MS, draft_matrix, lamp_bytes
from wayside.control.signals.controller import Lateness
from wayside.control.signals.junction import Junction
from wayside_wire import signal_matrix
from wayside_wire.signal_frames import AMBER, DARK, GREEN, RED
from wayside_wire.signal_judge import FieldCheck, Judge


def judged(junction: Junction, steps, *, using: ModuleType = core, **limits: int) -> str:
    """The judge's first complaint about what the core orders under `steps`, "" when there is none."""
    judge = Judge(signal_matrix.parse(draft_matrix("test", junction)), **limits)
    state = using.begin(junction)
    now_ms = 0
    for requests, ticks in steps:
        for _ in range(ticks):
            lamps = lamp_bytes(core.Lamp(lamp) for lamp in using.outputs(junction, state))
            if reason := judge.see(now_ms, lamps):
                return reason
            state = using.step(junction, state, requests)
            now_ms += TICK_MS
    return ""


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_nothing_that_the_core_orders_is_wrong(data: st.DataObject) -> None:
    junction = data.draw(junctions())
    steps = data.draw(wishes(len(junction.groups)))
    assert judged(junction, steps) == ""
    assert judged(junction, steps, conflict_ms=0, dark_ms=0) == ""


@settings(max_examples=40, deadline=None)
@given(st.data(), st.randoms(use_true_random=False))
def test_ticks_that_are_late_make_nothing_wrong(data: st.DataObject, chance: Random) -> None:
    """A busy machine: the controller sees that ticks are late, and flashes, before a judge sees a fault."""
    junction = data.draw(junctions())
    judge = Judge(signal_matrix.parse(draft_matrix("test", junction)), conflict_ms=0, dark_ms=0)
    state, now_s = core.begin(junction), 0.0
    lateness = Lateness()
    late_ms, left = 0, 0
    for requests, ticks in data.draw(wishes(len(junction.groups))):
        for _ in range(ticks):
            # Just when a yellow begins, or at any time.
            if not left or any(shown.age == 1 and shown.indication != core.RED for shown in state.groups):
                late_ms, left = chance.choice([(0, 40), (0, 20), (140, 5), (95, 10), (33, 60), (149, 8), (300, 1)])
            left -= 1
            now_s += (TICK_MS + late_ms) / 1000
            asked = requests._replace(flash=core.FLASH_AT_ONCE) if lateness.see(now_s) else requests
            lamps = lamp_bytes(core.outputs(junction, state))
            state = core.step(junction, state, asked)
            if late_ms < 300:  # behind that the node flashes by itself
                assert not judge.see(int(now_s * 1000) - 1, lamps)
            assert not judge.see(int(now_s * 1000), lamp_bytes(core.outputs(junction, state)))


# The core's own mutants that break what a monitor can judge, and two that spoil yellow for the worse.
_JUDGED = {
    "CONFLICT": (*MUTANTS["CONFLICT"], {"CONFLICT", "CLEARANCE"}),
    "INTERGREEN": (*MUTANTS["INTERGREEN"], {"CLEARANCE"}),
    "ONE_LAMP": (*MUTANTS["ONE_LAMP"], {"RED_FAIL", "DUAL"}),
    "START": (*MUTANTS["START"], {"CLEARANCE"}),
    "short yellow": (CHANGES, {"indication == AMBER and age >= group.amber": "indication == AMBER"}, {"SHORT_YELLOW"}),
    "no yellow": (CHANGES, {"Shown(AMBER if group.amber else RED, 1)": "Shown(RED, 1)"}, {"SHORT_YELLOW"}),
    "two lamps": (CHANGES, {"GREEN: Lamp.GREEN": "GREEN: Lamp.RED_AMBER"}, {"DUAL", "LONG_YELLOW"}),
    "unused": (CHANGES, {"Lamp.RED if name is None": "Lamp.AMBER if name is None"}, {"UNUSED", "DUAL"}),
}


@pytest.mark.parametrize("name", _JUDGED)
def test_a_broken_core_is_caught(name: str) -> None:
    steps, changes, reasons = _JUDGED[name]
    assert judged(four_arms(), steps) == ""
    for limits in ({}, {"conflict_ms": 0, "dark_ms": 0}):
        assert judged(four_arms(), steps, using=mutant(changes), **limits).split(":")[0] in reasons


# --- what comes and goes ---

MATRIX = signal_matrix.parse(draft_matrix("test", four_arms()))
GOOD = bytes([GREEN, *(RED,) * 6])
WRONG = {
    "CONFLICT": bytes([GREEN, RED, AMBER, *(RED,) * 4]),
    "RED_FAIL": bytes([GREEN, RED, DARK, *(RED,) * 4]),
    "FIELD": bytes([GREEN, AMBER, *(RED,) * 5]),
}


def flickering(wrong: bytes, on_ms: int, off_ms: int) -> str:
    """The first complaint about a minute of lamps that are wrong, and right, in turn."""
    judge, field = Judge(MATRIX, dark_ms=800), FieldCheck(MATRIX)
    judge.see(0, bytes([RED] * 7))
    for now_ms in range(10_000, 70_000, 20):
        drawn = wrong if now_ms % (on_ms + off_ms) < on_ms else GOOD
        if reason := judge.see(now_ms, drawn) or field.see(now_ms, GOOD, drawn):
            return reason.split(":")[0]
    return ""


@pytest.mark.parametrize(("on_ms", "off_ms"), [(20, 20), (280, 100), (100, 300), (700, 100)])
@pytest.mark.parametrize("what", ["CONFLICT", "RED_FAIL"])
def test_a_lamp_that_flickers_is_wrong_for_all_of_its_pulses(what: str, on_ms: int, off_ms: int) -> None:
    """A relay that chatters, a bulb with a loose contact: no pulse was as long as the limit, and none was ever seen."""
    assert flickering(WRONG[what], on_ms, off_ms) == what


def test_a_lamp_that_draws_something_else_now_and_then_is_a_fault() -> None:
    judge = FieldCheck(MATRIX)
    now_ms = (ms for ms in range(0, 20_000, 20))
    assert any(judge.see(ms, GOOD, WRONG["FIELD"] if ms % 1000 < 900 else GOOD) for ms in now_ms)


def test_a_relay_that_is_seen_on_its_way_at_every_change_is_no_fault() -> None:
    assert all(flickering(wrong, 20, 980) == "" for wrong in WRONG.values())
