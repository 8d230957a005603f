"""A task seen from outside: the noun by which parts tell the watchdog how they move. Imports nothing of the gateway."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

LOOP_S = 60.0
"""For what takes milliseconds when it works."""
OUTSIDE_S = 240.0
"""For what waits for others, each wait with a timeout of its own: polls, brokers, witnesses."""
DISK_S = 600.0
"""For one call to a disk."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """`moved` changes whenever the task `name` gets something done; while it `owes` work, it must within `within_s`.

    Waiting for the world (a poll that is not due, a silent node) is not owing.
    """

    name: str
    moved: Callable[[], Hashable]
    owes: Callable[[], bool] = lambda: True
    within_s: float = LOOP_S

    def unless(self, excuse: Callable[[], bool]) -> "Pulse":
        """The same pulse; it owes nothing while there is an `excuse`."""
        owes = self.owes
        return replace(self, owes=lambda: owes() and not excuse())
