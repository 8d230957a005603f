"""How many connections a server has, and how long one lives, whatever a client does with it.

aiohttp bounds neither. When all places are taken, whoever has most of them loses his oldest, so that whoever comes next
is answered: clients that hold places and say nothing keep nobody out, from however many addresses of a network.
Imports nothing of the gateway.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import cast

AT_ONCE = 64


class Connections:
    """Makes the protocol of each connection, for `loop.create_server`."""

    def __init__(self, make: Callable[[], asyncio.Protocol], life_s: float, at_once: int = AT_ONCE):
        self._make = make
        self._life_s = life_s
        self._at_once = at_once
        self._ends: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}  # the oldest first

    def __call__(self) -> asyncio.Protocol:
        return _Door(self)

    def __len__(self) -> int:
        """How many there are, without those that somebody else bounds."""
        self._forget_ended()
        return len(self._ends)

    def enter(self, transport: asyncio.Transport) -> asyncio.Protocol:
        self._forget_ended()
        if len(self._ends) >= self._at_once:
            self._make_room()
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

    def _forget_ended(self) -> None:
        for each in [each for each in self._ends if each.is_closing()]:
            self.keep(each)

    def _make_room(self) -> None:
        whose = {each: (network_of(at := _address(each)), at) for each in self._ends}
        held = Counter(network for network, _ in whose.values()), Counter(at for _, at in whose.values())
        oldest = max(self._ends, key=lambda each: (held[0][whose[each][0]], held[1][whose[each][1]]))
        self.keep(oldest)
        cast(asyncio.Transport, oldest).abort()


class _Door(asyncio.Protocol):
    """Only there until the connection is: then the transport talks to the protocol that was made."""

    def __init__(self, connections: Connections):
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._connections.enter(cast(asyncio.Transport, transport))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def network_of(address: str) -> str:
    """Who an address stands for: of IPv6 the /64, all of which one host may have; empty for what is no address."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return str(ip) if ip.version == 4 else str(ip_network((ip, 64), strict=False))


def _address(transport: asyncio.BaseTransport) -> str:
    address = transport.get_extra_info("peername")
    return str(address[0]) if address else ""
