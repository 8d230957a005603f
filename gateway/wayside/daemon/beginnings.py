"""What a person says of counters: that one may start anew. Each is an entry of the log."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from wayside.daemon.manage import Handler
from wayside.evidence.kinds import CommandBody
from wayside.parts.part import BeginningError, CounterBeginnings

ACCEPT = "accept new counter"


class Beginnings:
    """Of the devices of one gateway whose counters somebody has to judge."""

    def __init__(
        self, parts: Callable[[], Sequence[CounterBeginnings]], record: Callable[[CommandBody], Awaitable[None]]
    ):
        """`parts`: those that there are at the moment; record(body): an entry, once it is durable."""
        self._parts = parts
        self._record = record

    def handlers(self) -> dict[str, Handler]:
        """For `serve_manager`; BeginningError: there is none to accept."""
        return {"beacons": self._show, "accept beacon": self._accept}

    async def _show(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        return {"ok": True, "beacons": {device: part.status()[device] for device, part in self._by_device().items()}}

    def _by_device(self) -> dict[str, CounterBeginnings]:
        return {device: part for part in self._parts() for device in part.status()}

    async def _accept(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        parts = self._by_device()
        device = request.get("device")
        if not isinstance(device, str) or device not in parts:
            raise BeginningError(f"no beacon {device!r}; there are: {', '.join(sorted(parts)) or 'none'}")
        try:
            outcome = parts[device].accept(device)
        except BeginningError as error:
            await self._record(CommandBody(device, who, ACCEPT, f"refused: {error}"))
            raise
        await self._record(CommandBody(device, who, ACCEPT, outcome))
        return {"ok": True, "outcome": outcome}
