"""What a person says of beacons: that the counter of one may start anew. Each is an entry of the log."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from wayside.evidence.kinds import Command
from wayside.south.ble.about import Bluetooth
from wayside.south.ble.receiver import BeginningError

ACCEPT = "accept new counter"


class Beacons:
    """The beacons of one gateway."""

    def __init__(self, adapters: Callable[[], Sequence[Bluetooth]], record: Callable[[Command], Awaitable[None]]):
        """`adapters`: those that there are at the moment; record(body): an entry, once it is durable."""
        self._adapters = adapters
        self._record = record

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """To {"do": "beacons"} or {"do": "accept beacon", "device"}; BeginningError: there is none to accept."""
        told = {device: about for each in self._adapters() for device, about in each.receiver.status().items()}
        if request["do"] == "beacons":
            return {"ok": True, "beacons": told}
        device = request.get("device")
        if not isinstance(device, str) or device not in told:
            raise BeginningError(f"no beacon {device!r}; there are: {', '.join(sorted(told)) or 'none'}")
        [adapter] = [each for each in self._adapters() if device in each.receiver.status()]
        try:
            outcome = adapter.receiver.accept(device)
        except BeginningError as error:
            await self._record(Command(device, "manager", ACCEPT, f"refused: {error}"))
            raise
        await self._record(Command(device, "manager", ACCEPT, outcome))
        return {"ok": True, "outcome": outcome}
