"""The task that has witnesses co-sign the log; between `intake`, `log` and `witness`, and only the daemon uses it."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

from wayside.clock import Clock
from wayside.intake.commit import Committer
from wayside.log import LogReader, keep_cosigned
from wayside.pulse import OUTSIDE_S, Pulse
from wayside.threads import in_thread
from wayside.witness.client import WitnessClient
from wayside.witness.collect import Collector, Standing


class Cosigning:
    """Shows the last checkpoint to every witness, at most once in `every_s` seconds; keeps what came back."""

    def __init__(
        self,
        folder: Path,
        clients: Sequence[WitnessClient],
        committer: Committer,
        every_s: float,
        clock: Clock,
        on_ahead: Callable[[], None],
    ):
        """`folder`: that of the log; `on_ahead`: a witness knows what this log does not hold, so its epoch is over."""
        self._folder = folder
        self._clients = clients
        self._committer = committer
        self._every_s = every_s
        self._on_ahead = on_ahead
        # A reader of its own for each witness: the thread that owns the log never waits for a network.
        open_log = partial(LogReader, folder)
        self._collector = Collector(clients, open_log, Random(), clock.utc_ms, first_wait_s=2 * every_s)
        self._rounds = 0
        self.size = 0
        """Entries under the newest checkpoint that all witnesses co-signed."""

    @property
    def standings(self) -> dict[str, Standing]:
        """How each witness stands to this log, by its key's name."""
        return self._collector.standings

    def pulse(self) -> Pulse:
        """A round owes nothing while the log does not grow; each witness has a time within which it has to answer."""
        log = self._committer
        pulse = Pulse("witnesses", lambda: self._rounds, lambda: log.size > self.size, self._every_s + OUTSIDE_S)
        return pulse.unless(lambda: log.in_call)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._rounds += 1
            size = await self._committer.grown_beyond(self.size)
            checkpoint = await self._committer.call(lambda log: log.checkpoint)
            if await in_thread(partial(self._collect, checkpoint)) == len(self._clients):
                self.size = size
            if self._collector.ahead:
                self._on_ahead()
            await asyncio.sleep(self._every_s)

    def _collect(self, checkpoint: bytes) -> int:
        """How many witnesses have co-signed."""
        return keep_cosigned(self._folder, self._collector.collect(checkpoint))
