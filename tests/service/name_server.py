"""A name server that knows one name and can fall silent or go away; and a program that forwards with its help.

Run by test_faults in a network and mount namespace of its own, where 127.0.0.1 is the only name server.
"""

import asyncio
import fcntl
import socket
import struct
import sys
from pathlib import Path

from north.mosquitto import Mosquitto
from north.site import Site
from waiting import running, until
from wayside.net.mqtt.broker import Broker
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.mqtt import VerifiableMqtt

LIMITS = ForwardLimits(batch_entries=8, retry_most_s=0.05, cursor_every_s=0.01)
NAME = "broker.test"


class NameServer(asyncio.DatagramProtocol):
    """RFC 1035: every question for an IPv4 address is answered with 127.0.0.1, others with nothing."""

    def __init__(self) -> None:
        self.is_silent = False
        self.asked = 0
        self._transport: asyncio.DatagramTransport

    async def listen(self) -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, ("127.0.0.1", 53))
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.asked += 1
        if self.is_silent:
            return
        question = data[12 : data.index(b"\0", 12) + 5]
        is_ipv4 = question[-4:-2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton("127.0.0.1") if is_ipv4 else b""
        header = data[:2] + struct.pack(">5H", 0x8180, 1, int(is_ipv4), 0, 0)
        self._transport.sendto(header + question + answer, address)


async def scenario(folder: Path, mosquitto: Mosquitto) -> None:
    site, server = Site(folder), NameServer()
    named = Forwarder("named", VerifiableMqtt(Broker(NAME, mosquitto.port, connect_s=1.0), site), site, LIMITS)
    other = Forwarder("other", VerifiableMqtt(Broker("127.0.0.1", mosquitto.port), site), site, LIMITS)

    async def other_goes_on() -> None:
        site.packs(5)
        await until(lambda: other.lag(site.log.size) == 0, "the other sink delivers")
        assert named.lag(site.log.size) > 0

    async with running(named.run(), other.run()):
        await until(lambda: named.status.failures > 2, "no name server: each try fails")
        assert f"mqtt://{NAME}" in named.status.last_error, named.status.last_error
        await other_goes_on()
        await server.listen()
        server.is_silent = True
        await until(lambda: server.asked > 0, "a silent name server: look-ups hang")
        await other_goes_on()
        server.is_silent = False
        await until(lambda: named.lag(site.log.size) == 0, "the name server is back: all is delivered")
        server.close()
        site.packs(5)
        await until(lambda: named.lag(site.log.size) == 0, "a connection that stands needs no name")
        failures = named.status.failures
        await asyncio.to_thread(mosquitto.stop)
        await until(lambda: named.status.failures > failures + 1, "both gone")
        await asyncio.to_thread(mosquitto.start)
        await other_goes_on()
        await server.listen()
        await until(lambda: named.lag(site.log.size) == 0, "back again")
    server.close()
    print("everything was delivered")


def main() -> None:
    with socket.socket() as any_socket:  # "up" for the loopback of a new namespace, netdevice(7)
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x49))
    folder = Path(sys.argv[1])
    with Mosquitto(folder) as mosquitto:
        asyncio.run(scenario(folder / "log", mosquitto))


if __name__ == "__main__":
    main()
