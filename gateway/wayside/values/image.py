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

MAX_CHANNELS = 512  # of a device: with more names than any meter has, somebody makes them up


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
