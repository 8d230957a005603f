"""What a strategy looks at in one cycle, and how it asks."""

from typing import NamedTuple

from wayside.control.energy.cycle import How, Now, Request, Seen, Snapshot

ALIVE_MS = 5_000
"""A strategy that stops asking is not heard any more after this."""


class View(NamedTuple):
    """room: of core.room, None: the grid meter is not known. volts: the mean of the phases in tenths, None: unknown."""

    now: Now
    snapshot: Snapshot
    room: tuple[tuple[int, int], ...] | None = None
    decivolts: int | None = None

    @property
    def grid(self) -> int | None:
        """Import of the site, None: unknown."""
        return None if self.room is None or self.snapshot.grid is None else self.snapshot.grid.watts

    def seen(self, asset: str) -> Seen | None:
        return self.snapshot.seen.get(asset)

    def without(self, asset: str) -> int | None:
        """What the site would import if `asset` did nothing, None: unknown."""
        seen = self.seen(asset)
        if self.grid is None or seen is None or seen.watts is None:
            return None
        return self.grid - seen.watts


class Asker(NamedTuple):
    """Who asks, and how strongly."""

    source: str
    priority: int = 10

    def at(self, view: View, asset: str, watts: int) -> Request:
        return Request(asset, watts, self.source, self.priority, view.now.ms + ALIVE_MS)

    def bound(self, view: View, asset: str, watts: int, how: How, *, var: int | None = None) -> Request:
        return Request(asset, watts, self.source, self.priority, view.now.ms + ALIVE_MS, how, var=var)
