"""The task that has witnesses co-sign the log; between `intake`, `log` and `witness`, and only `kinds` uses it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from wayside.intake.commit import Committer
from wayside.log import LogReader, keep_cosigned
from wayside.parts.about import BAD, WARNING, About, Family, Marked, Problem, Sheet, seconds, since
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.runtime.threads import in_thread
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


class WitnessAbout(About):
    """What `cosigning` knows of the witness whose key has this name; the log has size() entries."""

    def __init__(self, cosigning: Cosigning, name: str, size: Callable[[], int], clock: Clock):
        super().__init__("witnesses", name)
        self._cosigning = cosigning
        self._size = size
        self._clock = clock

    @property
    def _standing(self) -> Standing:
        return self._cosigning.standings[self.name]

    def status(self) -> dict[str, Any]:
        standing = self._standing
        return {
            "cosigned": standing.size,
            "cosigned_ms": standing.cosigned_ms,
            "last_error": standing.error,
            "unshown_claims": standing.claims,
        }

    def problems(self) -> Iterator[Problem]:
        if error := self._standing.error:
            yield Problem(WARNING, f"witness {self.name}: {error}")

    def lines(self) -> Iterator[str]:
        standing = self._standing
        trouble = f": {standing.error}" if standing.error else ""
        if standing.claims:
            trouble += f"; CLAIMS, AND DOES NOT SHOW, {standing.claims} times"
        age = since(standing.cosigned_ms, self._clock.utc_ms())
        yield f"witness {self.name}: {standing.size} of {self._size()} entries co-signed, {age}{trouble}"

    def sheets(self) -> Iterator[Sheet]:
        standing = self._standing
        age = since(standing.cosigned_ms, self._clock.utc_ms())
        row = (self.name, f"{standing.size} of {self._size()}", age, Marked(standing.error, BAD))
        yield Sheet("Witnesses", ("witness", "co-signed", "when", "error"), [row])

    def metrics(self) -> Iterator[Family]:
        standing, labels = self._standing, {"witness": self.name}
        text = "Entries that it has co-signed."
        yield Family("wayside_witness_cosigned_entries", "gauge", text, [(labels, standing.size)])
        text = "Refusals without a reason shown."
        yield Family("wayside_witness_unshown_claims_total", "counter", text, [(labels, standing.claims)])
        text, when = "Time of its last cosignature.", seconds(standing.cosigned_ms)
        yield Family("wayside_witness_cosigned_timestamp_seconds", "gauge", text, [(labels, when)])
