"""The process image: the last reading of every channel, one consistent snapshot at any time.

Controllers and pages read a snapshot and keep it as long as they like; a cycle's readings replace it whole, so nobody
ever sees half of a cycle. Imports ``reading`` and ``expected`` only.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from wayside.values.expected import Expected
from wayside.values.reading import Quality, Reading

Snapshot = Mapping[str, Mapping[str, Reading]]
"""device -> channel -> reading"""

NOTHING_YET = "nothing since the start"

_A_DATE_MS = 1_500_000_000_000  # an earlier time counts from the boot of a board whose clock is not set

MAX_CHANNELS = 512  # of a device: with more names than any meter has, somebody makes them up


def is_dated(reading: Reading) -> bool:
    """Whether its time counts from 1970, and not from the boot of a board whose clock is not set."""
    return bool(reading.time_ms > _A_DATE_MS)


def age_s(reading: Reading, since_s: float, utc_ms: int | None) -> float:
    """How old a reading is that came `since_s` seconds ago; utc_ms: now, None where nobody knows the time.

    It is at least as old as it is here: what a node kept for an hour is an hour old when it comes, and a wall clock
    that was set back makes nothing younger.
    """
    if utc_ms is None or not is_dated(reading):
        return since_s
    return max(since_s, float(utc_ms - reading.time_ms) / 1000)


class ProcessImage:
    """Holds the newest snapshot, and what is expected of each device, for those who show how old it is."""

    def __init__(self) -> None:
        self.forgotten: Counter[str] = Counter()  # channels of a device that made room for others
        self.expected: Mapping[str, Expected] = {}
        self._snapshot: Snapshot = MappingProxyType({})

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    def update(self, device: str, readings: Iterable[Reading]) -> None:
        """Replace the channels of `device` that `readings` names; older channels stay, with their own time.

        Of more than MAX_CHANNELS those go that were not named for longest.
        """
        channels = dict(self._snapshot.get(device, {}))
        for reading in readings:
            channels.pop(reading.channel, None)
            channels[reading.channel] = reading
        while len(channels) > MAX_CHANNELS:
            del channels[next(iter(channels))]
            self.forgotten[device] += 1
        self._snapshot = MappingProxyType({**self._snapshot, device: MappingProxyType(channels)})

    def without_value(self) -> dict[str, str]:
        """Why a device has no value now, for each of which all is bad or nothing has come; whatever reads it."""
        told = {}
        for device in self.expected:
            readings = self._snapshot.get(device, {}).values()
            if all(each.quality == Quality.BAD for each in readings):
                told[device] = next((each.reason or "bad" for each in readings), NOTHING_YET)
        return told

    def keep_only(self, devices: Mapping[str, Expected]) -> None:
        """Forget every device and channel that is not among `devices`: it does not belong to the site any more."""
        self.expected = devices
        self.forgotten = Counter({name: count for name, count in self.forgotten.items() if name in devices})
        kept = {
            name: MappingProxyType({channel: each for channel, each in readings.items() if devices[name].has(channel)})
            for name, readings in self._snapshot.items()
            if name in devices
        }
        self._snapshot = MappingProxyType(kept)
