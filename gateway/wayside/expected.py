"""What a site file lets one expect of a device: how often it reports, and which channels. Imports nothing."""

from typing import NamedTuple


class Expected(NamedTuple):
    """`report_s`: the longest time between two reports; `channels`: None where nobody knows them beforehand."""

    report_s: float = 1200.0
    channels: frozenset[str] | None = None

    @property
    def stale_s(self) -> float:
        """Age from which on a reading says nothing of the present: three reports are missing."""
        return 3 * self.report_s + 15.0

    def has(self, channel: str) -> bool:
        """Whether it may have `channel`, or what is derived of one."""
        return self.channels is None or channel in self.channels or channel.rpartition(".")[0] in self.channels
