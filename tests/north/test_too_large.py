"""Messages that are larger than anybody needs: passed over, whatever their size, and everybody else goes on."""

import asyncio
import os
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from north.mosquitto import Mosquitto
from north.raw_publisher import RawPublisher, packet
from waiting import until
from wayside.net.far_side import FarSideError
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.inlet import Inlet, TooLarge
from wayside.net.mqtt.session import LARGEST_RECEIVED, MqttSession
from wayside.south.mqtt_line import TOO_LARGE, MqttLine

LARGEST = 100
GIANT = 20_000_000  # bytes


def publish(topic: bytes, payload: bytes, qos: int, mid: int) -> bytes:
    head = len(topic).to_bytes(2, "big") + topic + (mid.to_bytes(2, "big") if qos else b"")
    return packet(0x30 | qos << 1, head + payload)


_publishes = st.tuples(
    st.binary(max_size=150), st.sampled_from([0, 1, 60, 90, 95, 200, 20_000]), st.integers(0, 1), st.integers(1, 65535)
)


@given(st.lists(_publishes | st.just(None), max_size=6), st.lists(st.integers(1, 5_000), min_size=1, max_size=30))
def test_what_fits_goes_on_as_it_was_and_the_rest_is_named(messages: list, cuts: list[int]):
    stream, fits, large = b"", b"", []
    for message in messages:
        if message is None:  # PINGRESP
            raw = b"\xd0\x00"
        else:
            topic, size, qos, mid = message
            raw = publish(topic, bytes(size), qos, mid)
        stream += raw
        if len(raw) <= LARGEST:
            fits += raw
        else:
            large.append(TooLarge(topic.decode(errors="replace"), len(raw), mid if qos else 0, qos))
    inlet, taken = Inlet(LARGEST), b""
    at = step = 0
    while at < len(stream):
        cut = cuts[step % len(cuts)]
        inlet.feed(stream[at : at + cut])
        at, step = at + cut, step + 1
        assert len(inlet) <= max(cut, LARGEST) and len(inlet._begin) <= 2 + 65_535 + 2
        while len(inlet):
            taken += inlet.take(1 + step % 7)
    assert (taken, list(inlet.too_large)) == (fits, large)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_anything_at_all_is_passed_on_or_is_no_mqtt(pieces: list[bytes]):
    inlet = Inlet(LARGEST)
    with suppress(ValueError):
        for piece in pieces:
            inlet.feed(piece)
    assert len(inlet) <= 400


@pytest.mark.parametrize("kind", [0x20, 0x90, 0x34, 0x36, 0xF0])
def test_what_is_too_large_and_no_message_for_us_ends_the_connection(kind: int):
    with pytest.raises(ValueError):
        Inlet(LARGEST).feed(packet(kind, bytes(200)))


def test_paho_reads_where_we_look():
    """`_sock_recv` is paho's own affair: if another version reads elsewhere, nothing would be bounded any more."""
    from wayside.net.mqtt.client import PahoClient

    inlet = Inlet(LARGEST)
    client = PahoClient(inlet, lambda code: None, client_id="")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client._sock = ours
        theirs.sendall(publish(b"t", bytes(200), 0, 0) + b"\xd0\x00")
        client.loop_read()
        assert [told.size for told in inlet.too_large] == [206] and not len(inlet)
        client._sock = None


async def flooded(
    port: int, version: int, told: list[TooLarge], flood: Callable[[RawPublisher], None]
) -> tuple[list[bytes], int]:
    """The messages that came beside a flood, and the most memory meanwhile."""
    async with MqttSession(Broker("127.0.0.1", port, version=version), "", on_too_large=told.append) as session:
        await session.subscribe("t/#")
        tracemalloc.start()
        raw = await asyncio.to_thread(RawPublisher, port)
        await asyncio.to_thread(flood, raw)
        await asyncio.to_thread(raw.publish, b"t/good", 3)
        raw.close()
        came = []
        while not came or len(came[-1]) != 3:
            message = await session.message()
            session.acknowledge(message)
            came.append(message.payload)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return came, peak


@pytest.mark.parametrize("version", [3, 5])
def test_a_giant_is_not_in_memory_and_the_connection_goes_on(shared_mosquitto: Mosquitto, version: int):
    told: list[TooLarge] = []
    came, peak = asyncio.run(flooded(shared_mosquitto.port, version, told, lambda raw: raw.publish(b"t/big", GIANT)))
    assert came == [bytes(3)] and peak < 3_000_000
    assert told == [TooLarge("t/big", GIANT + (14 if version == 3 else 15), told[0].mid, 1)]


def test_more_giants_than_a_broker_sends_without_an_answer(shared_mosquitto: Mosquitto):
    told: list[TooLarge] = []

    def flood(raw: RawPublisher) -> None:
        for _ in range(50):
            raw.publish(b"t/big", LARGEST_RECEIVED + 1)

    came, _ = asyncio.run(flooded(shared_mosquitto.port, 3, told, flood))
    assert came == [bytes(3)] and len(told) == 50


def test_a_retained_giant_comes_once_in_a_connection(mosquitto_folder: Path):
    async def scenario(port: int) -> None:
        raw = await asyncio.to_thread(RawPublisher, port)
        await asyncio.to_thread(raw.publish, b"t/big", GIANT, True)
        told: list[TooLarge] = []
        async with MqttSession(Broker("127.0.0.1", port, version=3), "", on_too_large=told.append) as session:
            await session.subscribe("t/#")
            await until(lambda: bool(told))
            await asyncio.to_thread(raw.publish, b"t/good", 3)
            assert (await session.message()).payload == bytes(3) and len(told) == 1
        raw.close()

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_what_nobody_takes_makes_the_broker_wait(shared_mosquitto: Mosquitto):
    """QoS 0 knows no answers: 40 MB published to who does not read are held by the broker or by nobody, not here."""

    async def scenario() -> None:
        async with MqttSession(Broker("127.0.0.1", shared_mosquitto.port), "") as session:
            await session.subscribe("t/#")
            raw = await asyncio.to_thread(RawPublisher, shared_mosquitto.port)
            for _ in range(800):
                await asyncio.to_thread(raw.publish, b"t/0", 50_000, qos=0)
            await until(lambda: not session._driver.reads)
            assert session._held <= 4 * LARGEST_RECEIVED + 60_000
            for _ in range(6):
                assert len((await session.message()).payload) == 50_000
            await until(lambda: session._messages.qsize() > 2)
            raw.close()

    asyncio.run(scenario())


def test_empty_messages_that_nobody_takes_are_bounded_too(shared_mosquitto: Mosquitto):
    async def scenario() -> None:
        async with MqttSession(Broker("127.0.0.1", shared_mosquitto.port), "", largest=1024) as session:
            await session.subscribe("t/#")
            raw = await asyncio.to_thread(RawPublisher, shared_mosquitto.port)
            for _ in range(500):
                await asyncio.to_thread(raw.publish, b"t/0", 0, qos=0)
            await until(lambda: not session._driver.reads)
            assert session._messages.qsize() < 20
            for _ in range(100):
                await session.message()
            raw.close()

    asyncio.run(scenario())


def test_a_giant_on_a_nodes_topic_costs_the_node_nothing(shared_mosquitto: Mosquitto):
    broker = Broker("127.0.0.1", shared_mosquitto.port, version=3)

    async def scenario() -> MqttLine:
        line = MqttLine("line", lambda refuse: MqttSession(broker, "", on_too_large=refuse), FarSideError)
        running = asyncio.create_task(line.run())
        await until(lambda: line._theirs is not None)
        port = line.open("", 0)
        raw = await asyncio.to_thread(RawPublisher, broker.port)
        for size in (10, GIANT, 20):
            await asyncio.to_thread(raw.publish, b"line/up", size)
        came = b""
        while len(came) < 30:
            with suppress(BlockingIOError):
                came += os.read(port.fileno(), 100)
            await asyncio.sleep(0.01)
        raw.close()
        running.cancel()
        port.close()
        assert came == bytes(30)
        return line

    line = asyncio.run(scenario())
    assert line.counters == {TOO_LARGE: 1} and not line.last_error
