"""The plan's present slot, as a request. Where there is no plan, or an old one, it asks nothing: weaker ones are heard.

A plan is for a slot's mean. Where it has the grid meter at nothing, the load is followed within the slot instead of its
mean, in the plan's direction only: a kettle is not fed from the grid and the pause after it not sold.
"""

from collections.abc import Sequence

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View
from wayside.control.energy.task import EnergyPlan, PlannedSlot

OLD_SLOTS = 4
"""A plan held for a day earned less than a greedy rule: after so many slots it is left."""
_EARLY_MS = 60_000  # a plan from further in the future was made by a clock that has been set back
_NOTHING_W = 20


def present(plan: EnergyPlan, utc_ms: int) -> PlannedSlot | None:
    """The slot of a plan in which a time lies, None when the plan is not for it any more."""
    slot_ms = plan.slots[1].start_ms - plan.slots[0].start_ms
    if not plan.made_at_ms - _EARLY_MS <= utc_ms < plan.made_at_ms + OLD_SLOTS * slot_ms:
        return None
    return next((each for each in plan.slots if each.start_ms <= utc_ms < each.start_ms + slot_ms), None)


def ask(asker: Asker, plan: EnergyPlan | None, view: View) -> Sequence[PowerRequest]:
    """One request for each asset that the plan has; none of what is not known or cannot take any."""
    slot = present(plan, view.now.utc_ms) if plan else None
    if slot is None:
        return ()
    asked = []
    for asset, watts in slot.watts.items():
        seen = view.seen(asset)
        if seen is None or not seen.is_ready:
            continue
        moved = view.moved(asset)
        if watts and abs(slot.grid_watts) <= _NOTHING_W and moved is not None:
            watts = max(0, moved) if watts > 0 else min(0, moved)
        asked.append(asker.at(view, asset, watts))
    return asked
