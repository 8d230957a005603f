"""Core and judge share nothing, and agree: what the core orders is never wrong, what a broken core orders is."""

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals.junctions import four_arms, junctions
from signals.test_signals_core import CHANGES, MUTANTS, mutant, wishes
from wayside.control.signals import core
from wayside.control.signals.channels import TICK_MS, draft_matrix, lamp_bytes
from wayside.control.signals.junction import Junction
from wayside_wire import signal_matrix
from wayside_wire.signal_judge import Judge


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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_that_the_core_orders_is_wrong(data: st.DataObject) -> None:
    junction = data.draw(junctions())
    steps = data.draw(wishes(len(junction.groups)))
    assert judged(junction, steps) == ""
    assert judged(junction, steps, conflict_ms=0, dark_ms=0) == ""


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
