"""Keeps the disk bounded: a pass of the log's retention now and then, beside the commits."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wayside.intake.belief import EARLIEST_MS, Belief
from wayside.intake.commit import Committer
from wayside.log import Log, LogError
from wayside.log.retention import RetentionPolicy, expire, fit
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse


@dataclass(frozen=True, slots=True)
class Share:
    """What the log may take of the disk; `streams` give way, all in the same measure, when it takes more."""

    streams: Sequence[str]
    most_bytes: Callable[[], int]


class Expiry:
    """Erases what `policies` (by device) no longer keep, and what the log has beyond its `share` of the disk.

    `sinks` are those whose deliveries age waits for.
    """

    def __init__(
        self,
        committer: Committer,
        clock: Clock,
        policies: Mapping[str, RetentionPolicy],
        sinks: Sequence[str],
        every_s: float,
        share: Share | None = None,
        belief: Belief | None = None,
    ):
        """`belief`: whether the clock is believed; without it, always."""
        self._committer = committer
        self._clock = clock
        self._policies = policies
        self._sinks = sinks
        self._every_s = every_s
        self._share = share
        self._belief = belief
        self.erased = 0
        self.passes = 0

    def pulse(self) -> Pulse:
        return Pulse("retention", lambda: self.passes, within_s=OUTSIDE_S).unless(lambda: self._committer.in_call)

    async def run(self) -> None:
        """Until cancelled. A disk that refuses is asked again at the next pass."""
        while True:
            await asyncio.sleep(self._every_s)
            self.passes += 1
            try:
                while count := await self._pass():
                    self.erased += count
            except LogError:
                continue

    async def _pass(self) -> int:
        return await self._committer.call(self._expire)

    def _expire(self, log: Log) -> int:
        policies = self._policies
        if self._share:
            policies = fit(log, policies, self._share.streams, self._share.most_bytes())
        quality = self._belief.quality(log) if self._belief else self._clock.time_quality()
        return expire(log, policies, self._clock.utc_ms(), quality, self._sinks, EARLIEST_MS)
