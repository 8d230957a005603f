"""What a person says of the gateway's clock: that it is right, although it leapt. It is an entry of the log."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wayside.evidence.finding import utc
from wayside.evidence.kinds import Command
from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.runtime.clock import Clock
from wayside.values.reading import TimeQuality

CONFIRM = "confirm clock"


class Time:
    """The clock of one gateway."""

    def __init__(
        self,
        belief: Belief,
        clock: Clock,
        committer: Committer,
        record: Callable[[Command], Awaitable[None]],
    ):
        """record(body): an entry, once it is durable."""
        self._belief = belief
        self._clock = clock
        self._committer = committer
        self._record = record

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """To {"do": "clock"} or {"do": "confirm clock"}; ValueError: nobody doubts it."""
        quality = self._clock.time_quality()
        problem = "" if quality == TimeQuality.SYNCED else "not synchronised: nothing is erased by age until it is"
        if request["do"] == CONFIRM:
            if problem:
                raise ValueError(f"the clock is {problem}; nobody can say that for it, see to its time service")
            if not (doubt := self._belief.problem):
                raise ValueError("nobody doubts the clock; there is nothing to confirm")
            await self._committer.call(self._belief.confirm)
            await self._record(Command("gateway", "manager", CONFIRM, f"believed; before: {doubt}"))
        told = {"time": utc(self._clock.utc_ms()), "quality": quality.name.lower()}
        return {"ok": True, "problem": problem or self._belief.problem, **told}
