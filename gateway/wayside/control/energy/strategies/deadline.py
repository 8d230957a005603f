"""Charging by deadline: as late as it can be, so that cheaper energy may come before; then with all there is."""

from collections.abc import Sequence

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View

_WH = 3_600_000


def ask(
    asker: Asker, charger: str, view: View, *, missing_wh: int, depart_ms: int, high_w: int, spare_ms: int = 900_000
) -> Sequence[PowerRequest]:
    """missing_wh: by the charger's own counter since the driver asked; depart_ms: of the clock that never jumps.
    spare_ms: for what a limit or a slow car costs; a tenth of the energy is lost. Behind the deadline it goes on."""
    if missing_wh <= 0 or high_w <= 0:
        return ()
    needs_ms = -(-missing_wh * 10 * _WH // (9 * high_w))
    if view.now.ms + needs_ms + spare_ms < depart_ms:
        return ()
    return (asker.at(view, charger, high_w),)
