"""Surplus charging: a charger takes what would be fed in, once there has been enough for a while."""

from collections.abc import Sequence
from typing import NamedTuple

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View


class SurplusMemory(NamedTuple):
    """since_ms: since when there is enough, or too little where it charges; None: not so. charges: it does."""

    charges: bool = False
    since_ms: int | None = None


def ask(
    asker: Asker,
    charger: str,
    view: View,
    memory: SurplusMemory,
    *,
    least_w: int,
    begin_ms: int = 60_000,
    end_ms: int = 180_000,
    spare: tuple[str, ...] = (),
    keep_w: int = 0,
) -> tuple[SurplusMemory, Sequence[PowerRequest]]:
    """least_w: with which it can run (on one phase where it changes over). spare: batteries whose charging a car may
    have. keep_w: what is left to be fed in. Without a meter nothing is asked: unknown is no surplus."""
    without = view.without(charger)
    if without is None:
        return SurplusMemory(), ()
    charging = sum(max(0, seen.watts or 0) for name in spare if (seen := view.seen(name)) is not None)
    # What a store gives is no surplus: behind the sunset a car would go on with it.
    stores = {*spare, *view.stores()} - {charger}
    giving = sum(max(0, -(seen.watts or 0)) for name in stores if (seen := view.seen(name)) is not None)
    surplus = charging - giving - without - keep_w
    turns = surplus < least_w if memory.charges else surplus >= least_w
    if not turns:
        memory = memory._replace(since_ms=None)
    elif memory.since_ms is None:
        memory = memory._replace(since_ms=view.now.ms)
    elif view.now.ms - memory.since_ms >= (end_ms if memory.charges else begin_ms):
        memory = SurplusMemory(not memory.charges)
    if not memory.charges:
        return memory, ()
    return memory, (asker.at(view, charger, max(least_w, surplus)),)
