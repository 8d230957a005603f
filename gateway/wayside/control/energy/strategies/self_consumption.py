"""Self-consumption: a battery takes what would be fed in, and gives what would be imported."""

from collections.abc import Sequence

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View


def ask(asker: Asker, battery: str, view: View, *, target_w: int = 0, band_w: int = 50) -> Sequence[PowerRequest]:
    """target_w: what the grid meter is to show; band_w: what it may be apart from it without a move."""
    watts = view.moved(battery, target_w, band_w)
    return () if watts is None else (asker.at(view, battery, watts),)
