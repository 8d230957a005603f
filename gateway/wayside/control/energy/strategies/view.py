"""What a strategy looks at in one cycle, and how it asks."""

from typing import NamedTuple

from wayside.control.energy.cycle import AssetSeen, How, Now, PowerRequest, Snapshot

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

    def seen(self, asset: str) -> AssetSeen | None:
        return self.snapshot.seen.get(asset)

    def without(self, asset: str) -> int | None:
        """What the site would import if `asset` did nothing, None: unknown."""
        seen = self.seen(asset)
        if self.grid is None or seen is None or seen.watts is None:
            return None
        return self.grid - seen.watts

    def stores(self) -> dict[str, AssetSeen]:
        """Those that store energy and do what they are told."""
        return {name: seen for name, seen in self.snapshot.seen.items() if seen.energy_wh is not None and seen.is_ready}

    def moved(self, asset: str, target_w: int = 0, band_w: int = 50) -> int | None:
        """What it is to have next so that the grid meter comes to show `target_w`, or is no more than `band_w` apart
        from it; None: unknown.

        Whoever else stores energy may be moving for the same, so each takes its part of what is apart; and two fifths
        of that in a second, for a meter that is three seconds late shows four moves at once.
        """
        seen = self.seen(asset)
        if self.grid is None or seen is None or seen.watts is None:
            return None
        apart = target_w - self.grid
        if abs(apart) <= band_w:
            return seen.watts
        part = 2 * abs(apart) // (5 * max(1, len(self.stores())))
        return seen.watts + (part if apart > 0 else -part)


class Asker(NamedTuple):
    """Who asks, and how strongly."""

    source: str
    priority: int = 10

    def at(self, view: View, asset: str, watts: int) -> PowerRequest:
        return PowerRequest(asset, watts, self.source, self.priority, view.now.ms + ALIVE_MS)

    def bound(self, view: View, asset: str, watts: int, how: How, *, var: int | None = None) -> PowerRequest:
        return PowerRequest(asset, watts, self.source, self.priority, view.now.ms + ALIVE_MS, how, var=var)
