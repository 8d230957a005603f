"""What a site file lets one expect of a device: how often it reports, which channels, and what may be commanded.

Imports `carrier` only.
"""

from collections.abc import Mapping
from typing import NamedTuple

from wayside.values.carrier import Controllable


class Expected(NamedTuple):
    """`report_s`: the longest time between two reports.

    `channels`, `controls`: None where nobody knows them beforehand.
    """

    report_s: float = 1200.0
    channels: frozenset[str] | None = None
    controls: Mapping[str, Controllable] | None = {}

    @property
    def stale_s(self) -> float:
        """Age from which on a reading says nothing of the present: three reports are missing."""
        return 3 * self.report_s + 15.0

    def at(self, place: str) -> "Expected":
        """The same, of a device whose controls are to be reached at `place`."""
        if not self.controls:
            return self
        return self._replace(controls={name: each.at(place) for name, each in self.controls.items()})

    def has(self, channel: str) -> bool:
        """Whether it may have `channel`, or what is derived of one."""
        return self.channels is None or channel in self.channels or channel.rpartition(".")[0] in self.channels
