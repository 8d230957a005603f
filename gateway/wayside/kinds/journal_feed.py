"""Journals of controllers become entries of the log: each once, in order, with the time at which it was decided.

A controller runs in a process of its own and never waits for the gateway; it writes a journal
(wayside.control.journal), and this follows it. Where it has got to is kept in the log together with the entries, so
nothing is taken twice. What is spoilt, torn off, missing or not as it was left is named by an entry.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from wayside.control.follow import FollowedEntry, Trail, decode, encode, follow
from wayside.evidence import EvidenceError
from wayside.evidence.entry import MAX_NUMBER, decode_entry, encode_unplaced, kind_name, place
from wayside.evidence.kinds import CommandBody, DecisionBody
from wayside.evidence.stream import journal_stream
from wayside.intake.commit import Committer
from wayside.log import Append, Log, LogError
from wayside.parts.about import BAD, About, Family, Problem
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse

_logger = logging.getLogger(__name__)

_EVERY_S = 1.0
_BATCH = 200


def note_of(name: str) -> str:
    """Under which name the log keeps how far a journal was taken."""
    return f"journal {name}"


class JournalFeed(About):
    """The journal in one folder, under the stream `name`."""

    def __init__(
        self,
        name: str,
        folder: Path,
        committer: Committer,
        clock: Clock,
        begin: Callable[[Log], bytes] = lambda log: b"",
        every_s: float = _EVERY_S,
    ):
        """`begin`: how far the earlier epochs of a log had got, see note_of(); asked on the thread that owns it."""
        super().__init__("journals", name)
        self.taken = 0
        self.problem = ""
        self._turns = 0
        self._folder = folder
        self._committer = committer
        self._clock = clock
        self._every_s = every_s
        self._begin = begin
        self._before: bytes | None = None
        self._note = note_of(name)

    def status(self) -> dict[str, Any]:
        return {"taken": self.taken, "problem": self.problem}

    def problems(self) -> Iterator[Problem]:
        if self.problem:
            yield Problem(BAD, f"journal {self.name}: {self.problem}")

    def lines(self) -> Iterator[str]:
        yield f"journal {self.name}: {self.problem or f'{self.taken} entries taken'}"

    def metrics(self) -> Iterator[Family]:
        text = "Entries that were taken from a controller's journal."
        yield Family("wayside_journal_entries_total", "counter", text, [({"journal": self.name}, self.taken)])

    def pulse(self) -> Pulse:
        pulse = Pulse(self._note, lambda: (self._turns, self.taken), within_s=OUTSIDE_S)
        return pulse.unless(lambda: self._committer.in_call)

    async def run(self) -> None:
        """Until cancelled. What the disk or the log refuses is asked for again."""
        while True:
            self._turns += 1
            try:
                while await self._take():
                    continue
                self.problem = ""
            except (EvidenceError, LogError, OSError) as error:
                if str(error) != self.problem:
                    _logger.warning("journal %s: %s", self.name, error)
                self.problem = str(error)
            await asyncio.sleep(self._every_s)

    async def _take(self) -> int:
        """How many entries were taken, durably."""
        trail = decode(await self._committer.call(self._place))
        found = await asyncio.to_thread(self._read, trail)
        stream = journal_stream(self.name)
        group = [Append(stream, self._raw(step)) for step in found]
        if group:
            group[-1] = Append(stream, group[-1].data, notes={self._note: encode(found[-1].trail)})
            await asyncio.shield(self._committer.commit(group))
            self.taken += len(group)
        return len(group)

    def _place(self, log: Log) -> bytes:
        noted = log.note(self._note)
        if noted is None and self._before is None:
            self._before = self._begin(log)
        return noted or self._before or b""

    def _read(self, trail: Trail) -> list[FollowedEntry]:
        found: list[FollowedEntry] = []
        try:
            for step in islice(follow(self._folder, trail), _BATCH):
                found.append(step)
        except (EvidenceError, OSError):
            if not found:
                raise
        return found  # and then the rest

    def _raw(self, step: FollowedEntry) -> bytes:
        if step.lost:
            return self._lost(step.lost)
        try:
            entry = decode_entry(place(step.raw, journal_stream(self.name), MAX_NUMBER))
            if not isinstance(entry.body, DecisionBody | CommandBody):
                raise EvidenceError(f"a {kind_name(entry.kind)} entry is nothing that a controller writes")
        except EvidenceError as error:
            last = step.trail[0]
            return self._lost(f"{last.file}: before byte {last.end}: {error}")
        return step.raw

    def _lost(self, why: str) -> bytes:
        """The entry that stands for what cannot be read."""
        body = DecisionBody("gateway", "entries of this journal are lost", why)
        return encode_unplaced(self._clock.utc_ms(), self._clock.time_quality(), body)
