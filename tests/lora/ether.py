"""A modelled ether for modelled modems (boards/UNIX/board_lora.py): who is in reach hears everybody else.

Who sends at one spreading factor is heard at no other. What it does to a packet is the test's: `spoil(packet) ->
(packet, CRC right?)`, None: nobody hears it. Packets of one spreading factor that overlap in time meet: both are lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

Spoil = Callable[[bytes], tuple[bytes, bool] | None]


class Ether(asyncio.DatagramProtocol):
    def __init__(self, speed: int):
        self.speed = speed
        self.spoil: Spoil = lambda packet: (packet, True)
        self.counters: Counter[str] = Counter()
        self.heard: list[bytes] = []
        self.sf_of_last = 0
        self._members: dict[tuple[str, int], int] = {}  # spreading factors
        self._transport: asyncio.DatagramTransport
        self._busy: list[list[object]] = []  # [packet, lost?, whose] of what is on the air

    async def open(self) -> int:
        """The port on 127.0.0.1."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._transport = transport
        return int(transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._members[address] = data[0]
        duration_us, packet = int.from_bytes(data[1:4], "big"), data[4:]
        if not packet:
            return
        self.sf_of_last = data[0]
        flying: list[object] = [packet, False, address]
        for other in self._busy:
            sender = other[2]
            assert isinstance(sender, tuple)
            # Nobody meets himself: his packet before is only late in this loop.
            if sender != address and self._members[sender] == data[0]:
                other[1] = flying[1] = True
        self._busy.append(flying)
        loop = asyncio.get_running_loop()
        loop.call_later(duration_us / 1e6 / self.speed, self._arrive, flying, address)

    def _arrive(self, flying: list[object], sender: tuple[str, int] | None) -> None:
        self._busy.remove(flying)
        packet = flying[0]
        assert isinstance(packet, bytes)
        self.counters["packets"] += 1
        if flying[1]:
            self.counters["collisions"] += 1
            return
        self.heard.append(packet)
        changed = self.spoil(packet)
        if changed is None:
            self.counters["lost"] += 1
            return
        self.inject(*changed, sender=sender)

    def inject(self, packet: bytes, valid: bool = True, sender: tuple[str, int] | None = None) -> None:
        """Let everybody but the sender hear this."""
        data = (-87).to_bytes(2, "big", signed=True) + (30).to_bytes(2, "big", signed=True) + bytes([valid]) + packet
        for member, sf in self._members.items():
            if member != sender and (sender is None or sf == self._members[sender]):
                self._transport.sendto(data, member)
