"""How many connections the status site has, and how long one lives, whatever a client does with it.

aiohttp bounds neither. When all places are taken the oldest connection ends, so that whoever comes next is answered:
clients that hold places and say nothing keep nobody out. Imports nothing of the gateway.
"""

import asyncio
from collections.abc import Callable
from typing import cast

AT_ONCE = 64


class Connections:
    """Makes the protocol of each connection, for `loop.create_server`."""

    def __init__(self, make: Callable[[], asyncio.Protocol], life_s: float):
        self._make = make
        self._life_s = life_s
        self._ends: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}  # the oldest first

    def __call__(self) -> asyncio.Protocol:
        return _Door(self)

    def enter(self, transport: asyncio.Transport) -> asyncio.Protocol:
        for each in [each for each in self._ends if each.is_closing()]:
            self.keep(each)
        if len(self._ends) >= AT_ONCE:
            oldest = cast(asyncio.Transport, next(iter(self._ends)))
            self.keep(oldest)
            oldest.abort()
        self._ends[transport] = asyncio.get_running_loop().call_later(self._life_s, transport.abort)
        return self._make()

    def keep(self, transport: asyncio.BaseTransport | None) -> None:
        """This one is bounded by somebody else from now on."""
        if transport and (end := self._ends.pop(transport, None)):
            end.cancel()

    def is_late(self, transport: asyncio.BaseTransport | None) -> bool:
        """Half its life is over: an answer closes it, so that no request is on its way when it ends."""
        end = self._ends.get(transport) if transport else None
        return end is not None and end.when() - asyncio.get_running_loop().time() < self._life_s / 2


class _Door(asyncio.Protocol):
    """Only there until the connection is: then the transport talks to the protocol that was made."""

    def __init__(self, connections: Connections):
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._connections.enter(cast(asyncio.Transport, transport))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
