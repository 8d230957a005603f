"""Curtailment: an inverter feeds in no more than a share, or than the site uses while feeding in costs money."""

from collections.abc import Sequence

from wayside.control.energy.cycle import How, PowerRequest
from wayside.control.energy.strategies.view import Asker, View


def ask(asker: Asker, inverter: str, rated_w: int, view: View, *, percent: int = 100) -> Sequence[PowerRequest]:
    """percent: of the rated power, as a grid operator says it (100: nothing is curtailed)."""
    if percent >= 100:
        return ()
    return (asker.bound(view, inverter, -(rated_w * max(0, percent) // 100), How.AT_LEAST),)


def ask_at_price(asker: Asker, inverter: str, view: View, price: int | None) -> Sequence[PowerRequest]:
    """price: what feeding in earns now, any unit; None: unknown, nothing is curtailed."""
    without = view.without(inverter)
    if price is None or price >= 0 or without is None:
        return ()
    return (asker.bound(view, inverter, -max(0, without), How.AT_LEAST),)
