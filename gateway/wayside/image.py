"""The process image: the last reading of every channel, one consistent snapshot at any time.

Controllers and pages read a snapshot and keep it as long as they like; a cycle's readings replace it whole, so nobody
ever sees half of a cycle. Imports ``reading`` only.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from wayside.reading import Reading

Snapshot = Mapping[str, Mapping[str, Reading]]
"""device -> channel -> reading"""


class ProcessImage:
    """Holds the newest snapshot."""

    def __init__(self) -> None:
        self._snapshot: Snapshot = MappingProxyType({})

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    def update(self, device: str, readings: Iterable[Reading]) -> None:
        """Replace the channels of `device` that `readings` names; older channels stay, with their own time."""
        channels = dict(self._snapshot.get(device, {}))
        channels.update((reading.channel, reading) for reading in readings)
        self._snapshot = MappingProxyType({**self._snapshot, device: MappingProxyType(channels)})

    def keep_only(self, devices: Iterable[str]) -> None:
        """Forget every device that is not among `devices`: it does not belong to the site any more."""
        kept = frozenset(devices)
        self._snapshot = MappingProxyType({name: each for name, each in self._snapshot.items() if name in kept})
