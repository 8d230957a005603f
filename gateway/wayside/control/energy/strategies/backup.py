"""Backup reserve: below an energy, which may be another one in a storm than on a fine day, nothing is discharged."""

from collections.abc import Sequence

from wayside.control.energy.cycle import How, PowerRequest
from wayside.control.energy.strategies.view import Asker, View


def ask(
    asker: Asker, battery: str, view: View, *, keep_wh: int, band_wh: int, charge_w: int = 0
) -> Sequence[PowerRequest]:
    """charge_w: how fast it is brought there, 0: by what others charge only. band_wh: below keep_wh from where on."""
    seen = view.seen(battery)
    if seen is None or seen.energy_wh is None or seen.energy_wh > keep_wh:
        return ()
    watts = charge_w if seen.energy_wh < keep_wh - band_wh else 0
    return (asker.bound(view, battery, watts, How.AT_LEAST),)
