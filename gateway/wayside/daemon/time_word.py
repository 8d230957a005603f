"""What a person says of the gateway's clock: that it is right, although it leapt. It is an entry of the log."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wayside.daemon.manage import Handler
from wayside.evidence.finding import utc
from wayside.evidence.kinds import CommandBody
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
        record: Callable[[CommandBody], Awaitable[None]],
    ):
        """record(body): an entry, once it is durable."""
        self._belief = belief
        self._clock = clock
        self._committer = committer
        self._record = record

    def handlers(self) -> dict[str, Handler]:
        """For `serve_manager`; ValueError: nobody doubts it."""
        return {"clock": self._show, CONFIRM: self._confirm}

    async def _show(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        told = {"time": utc(self._clock.utc_ms()), "quality": self._clock.time_quality().name.lower()}
        return {"ok": True, "problem": self._unsynchronised() or self._belief.problem, **told}

    def _unsynchronised(self) -> str:
        if self._clock.time_quality() == TimeQuality.SYNCED:
            return ""
        return "not synchronised: nothing is erased by age until it is"

    async def _confirm(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        if problem := self._unsynchronised():
            raise ValueError(f"the clock is {problem}; nobody can say that for it, see to its time service")
        if not (doubt := self._belief.problem):
            raise ValueError("nobody doubts the clock; there is nothing to confirm")
        await self._committer.call(self._belief.confirm)
        await self._record(CommandBody("gateway", who, CONFIRM, f"believed; before: {doubt}"))
        return await self._show(request, who)
