"""Keeps the disk bounded: a pass of the log's retention now and then, beside the commits."""

import asyncio
from collections.abc import Mapping, Sequence

from wayside.clock import Clock
from wayside.intake.commit import Committer
from wayside.log import LogError
from wayside.log.retention import Policy, expire


class Expiry:
    """Erases what `policies` (by device) no longer keep; `sinks` are those whose deliveries age waits for."""

    def __init__(
        self, committer: Committer, clock: Clock, policies: Mapping[str, Policy], sinks: Sequence[str], every_s: float
    ):
        self._committer = committer
        self._clock = clock
        self._policies = policies
        self._sinks = sinks
        self._every_s = every_s
        self.erased = 0
        self.passes = 0

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
        now = (self._clock.utc_ms(), self._clock.time_quality())
        return await self._committer.call(lambda log: expire(log, self._policies, *now, self._sinks))
