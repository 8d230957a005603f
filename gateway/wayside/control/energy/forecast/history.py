"""Means per slot by local day and place in that day, as people and their machines live: 8 o'clock is 8 o'clock.

A day of 23 hours has a stretch of places that nothing is at; on one of 25 hours two slots share each place of the hour
that comes twice, and it holds their mean. Generation follows the sun: its
history is kept in a zone without summer time.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo

DAY_MS = 86_400_000
KEEP_DAYS = 70  # what the longest training needs; older days are forgotten

Place = tuple[int, int]
"""(ordinal of the local day, slot in it by the wall clock)"""

Row = list[float | None]


class History:
    """One quantity, watts; None is a slot that nothing is known of. Slots are a whole part of a day."""

    def __init__(self, zone: tzinfo = UTC, slot_ms: int = 900_000):
        if DAY_MS % slot_ms or slot_ms < 60_000:
            raise ValueError(f"slots of {slot_ms} ms do not fill a day: 900,000 (15 min) or 1,800,000 are usual")
        self.zone = zone
        self.slot_ms = slot_ms
        self.per_day = DAY_MS // slot_ms
        self._days: dict[int, Row] = {}
        self._twice: set[Place] = set()
        self._placed: dict[int, Place] = {}

    def place(self, start_ms: int) -> Place:
        """Where a slot belongs that begins at a time (ms since 1970)."""
        found = self._placed.get(start_ms)
        if found is None:
            local = datetime.fromtimestamp(start_ms / 1000, self.zone)
            second = (local.hour * 60 + local.minute) * 60 + local.second
            found = local.toordinal(), second * 1000 // self.slot_ms
            if len(self._placed) > 8 * self.per_day:
                self._placed.clear()
            self._placed[start_ms] = found
        return found

    def start_of(self, day: int) -> int:
        """When a local day begins, ms since 1970."""
        first = date.fromordinal(day)
        return round(datetime(first.year, first.month, first.day, tzinfo=self.zone).timestamp() * 1000)

    def add(self, start_ms: int, watts: float | None) -> None:
        """What was measured in a slot. None, and what was never added, is a gap: it is no 0 and nothing stands in."""
        day, at = self.place(start_ms)
        row = self._days.setdefault(day, [None] * self.per_day)
        before = row[at]
        if (day, at) in self._twice or watts is None:
            row[at] = watts if before is None else before
        elif before is None:
            row[at] = watts
        else:
            row[at] = (before + watts) / 2
            self._twice.add((day, at))
        if len(self._days) > KEEP_DAYS:
            oldest = min(self._days)
            del self._days[oldest]
            self._twice = {each for each in self._twice if each[0] != oldest}

    def row(self, day: int) -> Row | None:
        """A day's slots, or None of a day that nothing is known of."""
        return self._days.get(day)

    def rows(self, days: Iterable[int]) -> list[Row]:
        """The rows that are known of `days`, in that order."""
        return [row for day in days if (row := self._days.get(day)) is not None]

    @property
    def days(self) -> list[int]:
        """The days that something is known of, in order."""
        return sorted(self._days)
