"""What a controller may know of the channels that it reads: a value that is good and new, or why there is none."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from wayside.control.controllers import Input
from wayside.runtime.clock import Clock
from wayside.values.image import NOTHING_YET, Snapshot, age_s, is_dated
from wayside.values.reading import Quality, Reading, TimeQuality


class Read(NamedTuple):
    """A channel, and the age from which on its reading counts as unknown.

    is_kept: somebody may have kept the reading for long before it came, as a node does; else it came when it was read.
    """

    device: str
    channel: str
    stale_s: float
    is_kept: bool = True


class Inputs:
    """Remembers when each reading came, on a clock that never jumps: it counts for nothing when no newer one comes."""

    def __init__(self, reads: Mapping[str, Read], clock: Clock):
        self._reads = reads
        self._clock = clock
        self._came: dict[str, tuple[Reading, float]] = {}

    def missed(self, why: str) -> dict[str, Input]:
        """By name, of a cycle that came too late: nobody knows what they were meanwhile."""
        return {name: Input(None, "", why) for name in self._reads}

    def of(self, snapshot: Snapshot) -> dict[str, Input]:
        """By name, what is known of each in one snapshot."""
        now_s, utc_ms = self._clock.monotonic(), self._clock.utc_ms()
        known_ms = None if self._clock.time_quality() is TimeQuality.UNSYNCED else utc_ms
        return {name: self._input(name, read, snapshot, now_s, known_ms) for name, read in self._reads.items()}

    def _input(self, name: str, read: Read, snapshot: Snapshot, now_s: float, utc_ms: int | None) -> Input:
        reading = snapshot.get(read.device, {}).get(read.channel)
        if reading is None:
            return Input(None, "", NOTHING_YET)
        before, came_s = self._came.get(name, (None, now_s))
        if before is not reading:
            came_s = now_s
        self._came[name] = (reading, came_s)
        if reading.mantissa is None or reading.quality == Quality.BAD:
            return Input(None, reading.unit, reading.reason or "bad")
        if read.is_kept and (utc_ms is None or not is_dated(reading)):
            whose = "the gateway's" if utc_ms is None else "its node's"
            return Input(None, reading.unit, f"how old it is, nobody knows: {whose} clock is not set")
        if age_s(reading, now_s - came_s, utc_ms) > read.stale_s:
            return Input(None, reading.unit, f"no reading for {read.stale_s:g} s")
        if reading.quality != Quality.GOOD:
            return Input(None, reading.unit, f"uncertain: {reading.reason}" if reading.reason else "uncertain")
        return Input(Decimal(reading.mantissa).scaleb(reading.exponent), reading.unit)
