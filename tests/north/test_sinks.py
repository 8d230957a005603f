"""The conformance suite: every sink passes it. A new sink adds itself to SINKS with what its far side has taken."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from north.mosquitto import Mosquitto
from north.proxy import Proxy
from north.site import Site
from waiting import free_port, running, until
from wayside.evidence.batch import BatchVerifier
from wayside.north.broker import Broker
from wayside.north.forward import Forwarder, Limits
from wayside.north.homeassistant import HomeAssistant
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt, device_topic, log_topic
from wayside.north.session import Session
from wayside.north.sink import Batch, LogReader, Refused, Sink, SinkError, Unreachable

LIMITS = Limits(batch_entries=8, send_s=1.0, retry_most_s=0.01, cursor_every_s=0.005, replay_per_s=1e5)


@dataclass
class Kind:
    """How a sink is made, and how its far side tells which packs it has taken."""

    make: Callable[[Broker, LogReader], Sink]
    topics: Callable[[Site], list[str]]
    sequences: Callable[[Site, bytes], list[int]]


def _in_batch(site: Site, payload: bytes) -> list[int]:
    batch = BatchVerifier(site.key).verify(payload)
    return list(range(batch.first, batch.first + len(batch.records)))


def _in_report(_site: Site, payload: bytes) -> list[int]:
    return [json.loads(payload)["index"]]


def _device_topics(site: Site) -> list[str]:
    return [device_topic(site.origin, "+", late) for late in (False, True)]


SINKS = {
    "verifiable MQTT": Kind(VerifiableMqtt, lambda site: [log_topic(site.origin)], _in_batch),
    "plain MQTT": Kind(PlainMqtt, _device_topics, _in_report),
    "Home Assistant": Kind(HomeAssistant, _device_topics, _in_report),
}


@pytest.fixture(params=SINKS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return SINKS[request.param]


@dataclass
class FarSide:
    """Listens at the broker itself and keeps the index of every entry that arrived, in order, repetitions too."""

    indices: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self, kind: Kind, site: Site, port: int) -> AsyncIterator[None]:
        async with Session(Broker("127.0.0.1", port), "") as session:
            for topic in kind.topics(site):
                await session.subscribe(topic)

            async def listen() -> None:
                while True:
                    message = await session.message()
                    self.indices += kind.sequences(site, message.payload)
                    session.acknowledge(message)

            async with running(listen()):
                yield


def conforms(kind: Kind, folder: Path, port: int, scenario: Callable[..., Any]) -> None:
    """Run `scenario(site, far, sink)` with the sink behind a proxy at `sink.proxy` and the far side listening."""

    async def run() -> None:
        site, far = Site(folder), FarSide()
        async with Proxy(port) as proxy, far.listening(kind, site, port):
            sink = kind.make(Broker("127.0.0.1", proxy.port, connect_s=2.0), site)
            await scenario(site, far, sink, proxy)

    asyncio.run(run())


async def batch_of(site: Site, first: int, count: int) -> Batch:
    return Batch(tuple(await site.read(first, count)))


def test_send_returns_when_the_far_side_has_the_whole_batch(
    kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink, _proxy: Proxy) -> None:
        site.packs(20)
        async with sink.connect():
            await sink.send(await batch_of(site, 0, 8))
            await sink.send(await batch_of(site, 8, 12))
        await until(lambda: len(far.indices) == 20)
        assert sorted(far.indices) == list(range(20))

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_two_batches_at_a_time(kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink, _proxy: Proxy) -> None:
        site.packs(40)
        async with sink.connect():
            live, late = await batch_of(site, 20, 20), await batch_of(site, 0, 20)
            await asyncio.gather(sink.send(live), sink.send(Batch(late.records, late=True)))
        await until(lambda: sorted(far.indices) == list(range(40)))

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_send_says_unreachable_when_the_link_breaks_and_works_again_after_connect(
    kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink, proxy: Proxy) -> None:
        site.packs(5)
        async with sink.connect():
            proxy.passing.clear()
            sending = asyncio.create_task(sink.send(await batch_of(site, 0, 5)))
            await asyncio.sleep(0.01)
            proxy.cut()
            with pytest.raises(Unreachable):
                await sending
            with pytest.raises(Unreachable):
                await sink.send(await batch_of(site, 0, 5))
        proxy.passing.set()
        async with sink.connect():
            await sink.send(await batch_of(site, 0, 5))
        await until(lambda: set(far.indices) == set(range(5)))

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_the_loss_of_an_idle_link_is_told(kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario(_site: Site, _far: FarSide, sink: Sink, proxy: Proxy) -> None:
        async with sink.connect() as lost:
            proxy.cut()
            with pytest.raises(Unreachable):
                async with asyncio.timeout(20):
                    await lost()

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_send_without_connect_is_unreachable(kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario(site: Site, _far: FarSide, sink: Sink, _proxy: Proxy) -> None:
        site.packs(1)
        with pytest.raises(Unreachable):
            await sink.send(await batch_of(site, 0, 1))

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_connect_says_unreachable_and_can_be_cancelled(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = Site(tmp_path)
        with pytest.raises(Unreachable) as caught:
            async with kind.make(Broker("127.0.0.1", free_port()), site).connect():
                pass
        assert not isinstance(caught.value, Refused)
        held: list[object] = []  # a connection that nobody holds is closed
        silent = await asyncio.start_server(lambda *ends: held.append(ends), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                async with kind.make(Broker("127.0.0.1", port), site).connect():
                    pass
        silent.close()
        held.clear()

    asyncio.run(scenario())


def test_connect_says_refused_when_the_far_side_says_no(kind: Kind, mosquitto_folder: Path, tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        with pytest.raises(Refused):
            async with kind.make(Broker("127.0.0.1", port), Site(tmp_path)).connect():
                pass

    with Mosquitto(mosquitto_folder, "allow_anonymous false") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_a_cancelled_send_leaves_a_sink_that_works(kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink, proxy: Proxy) -> None:
        site.packs(10)
        async with sink.connect():
            proxy.passing.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await sink.send(await batch_of(site, 0, 5))
            proxy.passing.set()
            await sink.send(await batch_of(site, 5, 5))
        await until(lambda: set(range(5, 10)) <= set(far.indices))

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_entries_that_the_sink_does_not_carry_do_not_stop_it(
    kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink, _proxy: Proxy) -> None:
        site.append(site.gap_entry(0, 0, 2), site.key_entry(bytes(32)), site.pack_entry(site.device.pack()))
        async with sink.connect():
            await sink.send(await batch_of(site, 0, 2))
            await sink.send(await batch_of(site, 2, 1))
        await until(lambda: 2 in far.indices)

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_nothing_is_lost_under_the_forwarder_while_the_link_flaps(
    kind: Kind, shared_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink, proxy: Proxy) -> None:
        async with running(Forwarder("s", sink, site, LIMITS).run()):
            for up in (0, 3, 14, 20, 500, 4000, 9000):
                proxy.cut_after_up = up
                proxy.cut()
                site.packs(12)
                await asyncio.sleep(0.01)
            await until(lambda: site.log.cursor("s") == site.log.size)
        await until(lambda: set(far.indices) == set(range(site.log.size)))

    conforms(kind, tmp_path, shared_mosquitto.port, scenario)


def test_errors_are_for_people(kind: Kind, tmp_path: Path) -> None:
    async def scenario() -> str:
        try:
            async with kind.make(Broker("127.0.0.1", free_port()), Site(tmp_path)).connect():
                return ""
        except SinkError as error:
            return str(error)

    assert asyncio.run(scenario()).endswith(": Connection refused")
