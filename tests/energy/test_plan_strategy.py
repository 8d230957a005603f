"""A plan's present slot as a request: cycles of what is planned, what the grid meter shows, and what is asked."""

import pytest

pytest.importorskip("wayside.control.energy.strategies.view", reason="the energy core is not here")

from wayside.control.energy.cycle import AssetSeen, Grid, Now, Snapshot
from wayside.control.energy.strategies.planned import ask
from wayside.control.energy.strategies.view import Asker, View
from wayside.control.energy.task import EnergyPlan, PlannedSlot

SLOT = 900_000
MADE = 1_789_344_000_000


def plan(*slots: tuple[int, int]) -> EnergyPlan:
    """Slots of (watts of the battery, watts at the grid meter)."""
    made = tuple(
        PlannedSlot(MADE + place * SLOT, {"battery": watts}, {"battery": 4_000}, grid, 0)
        for place, (watts, grid) in enumerate(slots)
    )
    return EnergyPlan(MADE, made, 0, {"battery": ""})


def view(utc_ms: int, grid: int | None, battery: AssetSeen | None) -> View:
    seen = {} if battery is None else {"battery": battery}
    return View(Now(50_000, utc_ms), Snapshot(Grid(50_000, grid), seen), None if grid is None else ())


IDLE = AssetSeen(50_000, 0)
CYCLES = [
    # planned (watts, grid), ms after the plan was made, grid meter, battery, asked
    ((3_000, 3_500), 0, 500, IDLE, [3_000]),
    ((3_000, 3_500), SLOT - 1, 500, IDLE, [3_000]),
    ((3_000, 3_500), SLOT, 500, IDLE, [-100]),
    ((-800, 0), 0, 2_300, IDLE, [-920]),  # a kettle in a slot whose mean is 800 W: two fifths a second
    ((-800, 0), 0, -400, IDLE, [0]),  # and a cloud that goes: nothing is charged against the plan
    ((900, 0), 0, -1_400, AssetSeen(50_000, 600), [1_160]),
    ((-800, 0), 0, None, IDLE, [-800]),  # the grid meter is not known: the core decides what may be
    ((3_000, 3_500), 0, 500, None, []),
    ((3_000, 3_500), 0, 500, AssetSeen(50_000, 0, is_ready=False), []),
    ((3_000, 3_500), 4 * SLOT, 500, IDLE, []),  # nobody made it anew for an hour
    ((3_000, 3_500), -60_001, 500, IDLE, []),  # the clock was set back
    ((0, 500), 0, 500, IDLE, [0]),
]


@pytest.mark.parametrize("slot, after, grid, battery, asked", CYCLES)
def test_what_is_asked(slot, after, grid, battery, asked):
    made = plan(slot, (-100, 300), *[(0, 0)] * 6)
    requests = ask(Asker("planner"), made, view(MADE + after, grid, battery))
    assert [each.watts for each in requests] == asked
    assert all(each.asset == "battery" and each.until_ms == 55_000 for each in requests)


def test_no_plan_asks_nothing():
    assert ask(Asker("planner"), None, view(MADE, 0, IDLE)) == ()
