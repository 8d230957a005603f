"""Time of use: charge while energy is cheap, discharge while it is dear.

Prices come by slots of UTC, so a day of 23 or 25 hours has as many slots as it has hours, and needs no rule.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View


class Slot(NamedTuple):
    """A price, any unit, from begin_ms to before end_ms (UTC)."""

    begin_ms: int
    end_ms: int
    price: int


def price_at(slots: Sequence[Slot], utc_ms: int) -> int | None:
    """The price now; of slots that overlap the last one; None: nobody knows."""
    found = [slot.price for slot in slots if slot.begin_ms <= utc_ms < slot.end_ms]
    return found[-1] if found else None


def ask(
    asker: Asker,
    battery: str,
    view: View,
    slots: Sequence[Slot],
    *,
    charge_w: int,
    discharge_w: int,
    cheap: int,
    dear: int,
) -> Sequence[PowerRequest]:
    """cheap, dear: at or below which price it is charged, at or above which discharged. Discharged is no more than the
    site uses."""
    price = price_at(slots, view.now.utc_ms)
    without = view.without(battery)
    if price is None or without is None:
        return ()
    if price <= cheap:
        return (asker.at(view, battery, charge_w),)
    if price >= dear:
        return (asker.at(view, battery, -max(0, min(discharge_w, without))),)
    return ()
