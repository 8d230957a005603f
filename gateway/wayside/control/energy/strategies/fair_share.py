"""Several chargers share what there is: the stronger first, and equal ones alike; who cannot run with its part waits.

What a share is of, `core.room`, is what the core would leave to all of them, so it has nothing to take away again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wayside.control.energy.cycle import PowerRequest
from wayside.control.energy.strategies.view import Asker, View


class ChargeClaim(NamedTuple):
    """What a charger can use; weight: 1 is the strongest. since_ms: since when it waits, the longest goes first."""

    charger: str
    least_w: int
    most_w: int
    weight: int = 8
    since_ms: int = 0


def shares(room_w: int, claims: Sequence[ChargeClaim]) -> dict[str, int]:
    """Watts by charger; 0: it waits. Their sum is no more than `room_w`."""
    order = sorted(claims, key=lambda claim: (claim.weight, claim.since_ms))
    running: list[ChargeClaim] = []
    for claim in order:
        if claim.most_w >= claim.least_w and sum(each.least_w for each in running) + claim.least_w <= room_w:
            running.append(claim)
    given = {claim.charger: 0 for claim in claims} | {claim.charger: claim.least_w for claim in running}
    left = room_w - sum(claim.least_w for claim in running)
    for weight in sorted({claim.weight for claim in running}):
        wanting = [claim for claim in running if claim.weight == weight]
        while wanting and left >= len(wanting):
            part = left // len(wanting)
            for claim in wanting:
                more = min(part, claim.most_w - given[claim.charger])
                given[claim.charger] += more
                left -= more
            wanting = [claim for claim in wanting if given[claim.charger] < claim.most_w]
    return given


def ask(asker: Asker, view: View, claims: Sequence[ChargeClaim], *, others_w: int = 0) -> Sequence[PowerRequest]:
    """others_w: what assets that are no chargers take of the room now. Nothing while the grid meter is not known."""
    if view.room is None:
        return ()
    found = shares(max(0, view.room[0][1] - others_w), claims)
    return [asker.at(view, charger, watts) for charger, watts in found.items()]
