"""Somebody on the node's line, or with the right to publish to its topic, against the application in the real VM.

What he has: every byte that was ever said, and the public keys. What was once possible: three packs released by
acknowledgements made from observed bytes, and a clock in the year 2100, worth SYNCED, by one message.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from bench_vm import KEY, Bench, Gateway, Node, bench
from north.mosquitto import PROGRAM, Mosquitto
from test_vm_management import asker
from waiting import until
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession as Connection
from wayside.trust.keys import SoftwareKey
from wayside_wire import cbor, command, frame, link
from wayside_wire.mac import Hmac
from wayside_wire.pack import SYNCED, open_pack, pack_hash
from wayside_wire.session import WELCOME_TYPE, LinkSession
from wayside_wire.statement import sign_statement

YEAR_2100 = 4_102_444_800_000
STRANGER = SoftwareKey(b"s" * 32)
TOPIC = "wayside/test.example/nodes/node-1"


class MqttGateway(Gateway):
    """The test's gateway behind a broker."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()

    def write(self, data: bytes) -> None:
        for piece in data.split(b"\x00"):  # each a publication: a node takes none over 2 KiB
            if piece:
                self.outbox.put_nowait(piece + b"\x00")

    async def serve(self, broker: int) -> None:
        async with Connection(Broker("127.0.0.1", broker), "gateway") as session:
            await session.subscribe(TOPIC + "/up")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(session))
                group.create_task(self._down(session))

    async def _up(self, session: Connection) -> None:
        while True:
            message = await session.message()
            self.hear(message.payload)
            session.acknowledge(message)

    async def _down(self, session: Connection) -> None:
        while True:
            await session.publish(TOPIC + "/down", await self.outbox.get())


def sent_packs(gateway: Gateway) -> Iterator[link.Ack]:
    """The acknowledgement of each pack that was on the line: it has no secret in it."""
    for message in gateway.observed:
        inner = link.decode(message.message) if isinstance(message, link.Sealed) else None
        if isinstance(inner, link.PackMessage):
            pack, _ = open_pack(inner.raw, lambda kid, signed, signature: True)
            yield link.Ack(pack.device, pack.boot, pack.sequence, pack_hash(inner.raw))


def forgeries(gateway: Gateway) -> bytes:
    """All that can be made of what was observed: without a seal, with a seal by another key, by another gateway."""
    sessions = {message.session for message in gateway.observed if isinstance(message, link.Sealed)}
    said = [*sent_packs(gateway), *(link.TimeMessage(YEAR_2100, SYNCED, asked) for asked in range(9))]
    frames = [frame.encode(cbor.encode([4, YEAR_2100, SYNCED]))]  # as version 1 of the link had it
    for message in said:
        frames.append(frame.encode(link.encode(message)))
    for session in sessions:
        forger = LinkSession(session, Hmac(bytes(32)), Hmac(bytes(32)))
        forger.sent = 1 << 40  # above every number that the gateway has used
        frames += [frame.encode(forger.seal(message)) for message in said]
    for message in gateway.observed:
        if isinstance(message, link.Hello):
            fields = (link.VERSION, message.kid, message.share, bytes(range(32)))
            for kid in (KEY.kid, STRANGER.kid):
                welcome = link.Welcome(sign_statement(WELCOME_TYPE, kid, fields, STRANGER.sign))
                frames.append(frame.encode(link.encode(welcome)))
        else:
            frames.append(frame.encode(link.encode(message)))  # the node's own words, sent back
    frames.append(frame.encode(link.encode(link.Error(link.NO_SESSION, "say hello"))))
    return b"".join(frames)


async def attacked(b: Bench, node: Node) -> None:
    """The attack, before a session stands, in it, and against the node's next start."""
    gateway = b.gateway
    gateway.deaf = True
    await node.start()
    await until(lambda: any(isinstance(each, link.Hello) for each in gateway.observed), "a hello")
    for _ in range(3):
        gateway.write(forgeries(gateway))
        await asyncio.sleep(0.3)
    assert not gateway.abouts and not list(sent_packs(gateway)), "no session, no pack, for nobody but its gateway"
    gateway.deaf = False
    await b.packs(3)
    gateway.deaf = True
    before = len(list(sent_packs(gateway)))
    await until(lambda: len(list(sent_packs(gateway))) >= before + 3, "three packs that nobody acknowledges")
    ask = asker(b)
    for _ in range(3):
        gateway.write(forgeries(gateway))
        await asyncio.sleep(0.2)
    counts = cbor.decode((await ask(command.COUNTERS)).data)
    assert counts["seals refused"] >= 9 and counts["messages without a seal"] >= 9
    assert counts["acknowledged"] == len(gateway.order), counts
    await node.kill()
    await node.start()  # what is not released is offered again
    gateway.write(forgeries(gateway))
    gateway.deaf = False
    await until(lambda: any(boot == 2 for boot, _ in gateway.order), "a pack of the next start")
    gateway.write(forgeries(gateway))
    await b.packs(len(gateway.packs) + 3)
    await node.kill()
    gateway.check_chain()  # from 1/0 on, without a gap: nothing was released
    for pack, _ in gateway.packs.values():
        assert pack.time_quality != SYNCED or abs(pack.readings[0].time_ms - gateway.clock()) < 120_000


def test_on_a_serial_line_nobody_but_the_gateway_acknowledges_or_tells_the_time(
    micropython: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            await attacked(b, await b.node(poll_ms=200, report_ms=200))

    asyncio.run(main())


@pytest.mark.skipif(PROGRAM is None, reason="there is no mosquitto; install the Debian package mosquitto")
def test_over_mqtt_nobody_but_the_gateway_acknowledges_or_tells_the_time(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b, AsyncExitStack() as stack:
            broker = stack.enter_context(Mosquitto(tmp_path))
            b.gateway = gateway = MqttGateway()
            serving = asyncio.create_task(gateway.serve(broker.port))
            stack.callback(serving.cancel)
            link_to = {"mqtt": f"mqtt://127.0.0.1:{broker.port}", "topic": TOPIC}
            await attacked(b, await b.node(poll_ms=200, report_ms=200, link=link_to))

    asyncio.run(main())
