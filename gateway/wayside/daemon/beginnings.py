"""What a person says of counters: that one may start anew. Each is an entry of the log."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from wayside.evidence.kinds import Command
from wayside.parts.part import BeginningError, Counts

ACCEPT = "accept new counter"


class Beginnings:
    """Of the devices of one gateway whose counters somebody has to judge."""

    def __init__(self, parts: Callable[[], Sequence[Counts]], record: Callable[[Command], Awaitable[None]]):
        """`parts`: those that there are at the moment; record(body): an entry, once it is durable."""
        self._parts = parts
        self._record = record

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """To {"do": "beacons"} or {"do": "accept beacon", "device"}; BeginningError: there is none to accept."""
        parts = {device: part for part in self._parts() for device in part.status()}
        if request["do"] == "beacons":
            return {"ok": True, "beacons": {device: part.status()[device] for device, part in parts.items()}}
        device = request.get("device")
        if not isinstance(device, str) or device not in parts:
            raise BeginningError(f"no beacon {device!r}; there are: {', '.join(sorted(parts)) or 'none'}")
        try:
            outcome = parts[device].accept(device)
        except BeginningError as error:
            await self._record(Command(device, "manager", ACCEPT, f"refused: {error}"))
            raise
        await self._record(Command(device, "manager", ACCEPT, outcome))
        return {"ok": True, "outcome": outcome}
