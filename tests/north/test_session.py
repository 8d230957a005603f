"""One MQTT connection against a real broker, and against none."""

import asyncio
import gc
import socket
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from north.mosquitto import Mosquitto
from north.proxy import Proxy
from waiting import PATIENCE_S, free_port, until
from wayside.net.far_side import Denied, FarSideError, FarSideRefused, Rejected, Unreachable
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.net.mqtt.tls import Tls


@pytest.mark.parametrize("version", [3, 5])
def test_publishes_and_receives(shared_mosquitto: Mosquitto, version: int) -> None:
    async def scenario() -> None:
        broker = Broker("127.0.0.1", shared_mosquitto.port, version=version)
        async with MqttSession(broker, "") as sender, MqttSession(broker, "") as receiver:
            await receiver.subscribe("t/+")
            payloads = [b"%d" % number * 1000 for number in range(300)]
            await asyncio.gather(*(sender.publish("t/a", payload) for payload in payloads))
            for payload in payloads:
                message = await receiver.message()
                assert (message.topic, message.payload) == ("t/a", payload)
                receiver.acknowledge(message)

    asyncio.run(scenario())


@pytest.mark.parametrize("version", [3, 5])
def test_what_was_not_acknowledged_comes_again_to_a_kept_session(shared_mosquitto: Mosquitto, version: int) -> None:
    async def scenario() -> None:
        broker = Broker("127.0.0.1", shared_mosquitto.port, version=version)
        name = f"kept-{version}"
        async with MqttSession(broker, name, clean=False) as receiver:
            await receiver.subscribe(f"kept/{version}")
        async with MqttSession(broker, "") as sender:
            await sender.publish(f"kept/{version}", b"one")
            await sender.publish(f"kept/{version}", b"two")
        async with MqttSession(broker, name, clean=False) as receiver:
            first = await receiver.message()
            await receiver.message()
            receiver.acknowledge(first)
        async with MqttSession(broker, name, clean=False) as receiver:
            again = await receiver.message()
            assert again.payload == b"two"
            receiver.acknowledge(again)
        async with MqttSession(broker, name, clean=True):
            pass

    asyncio.run(scenario())


def test_a_broken_connection_ends_everything_that_waits(shared_mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Proxy(shared_mosquitto.port) as proxy, MqttSession(Broker("127.0.0.1", proxy.port), "") as session:
            proxy.passing.clear()
            publishing = asyncio.create_task(session.publish("t", b"x"))
            receiving = asyncio.create_task(session.message())
            await asyncio.sleep(0)
            proxy.cut()
            for waiting in (publishing, receiving):
                with pytest.raises(Unreachable, match=f":{proxy.port}: connection lost"):
                    await waiting
            with pytest.raises(Unreachable):
                await session.publish("t", b"y")
            with pytest.raises(Unreachable):
                await session.message()

    asyncio.run(scenario())


def test_a_half_open_link_is_noticed_by_the_keepalive(shared_mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Proxy(shared_mosquitto.port) as proxy:
            async with MqttSession(Broker("127.0.0.1", proxy.port, keepalive_s=1), "") as session:
                proxy.passing.clear()
                async with asyncio.timeout(60):
                    with pytest.raises(Unreachable):
                        await session.message()
            proxy.passing.set()

    asyncio.run(scenario())


def test_nobody_listens() -> None:
    async def scenario() -> None:
        with pytest.raises(Unreachable, match="Connection refused"):
            async with MqttSession(Broker("127.0.0.1", free_port()), ""):
                pass

    asyncio.run(scenario())


def test_the_name_is_not_known() -> None:
    async def scenario() -> None:
        with pytest.raises(Unreachable, match=r"mqtt://broker\.invalid:1883: "):
            async with MqttSession(Broker("broker.invalid"), ""):
                pass

    asyncio.run(scenario())


def test_a_name_server_that_does_not_answer_holds_up_neither_the_caller_nor_the_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def never(*_args: object, **_names: object) -> list[object]:
        answered.wait()
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", never)

    async def scenario() -> None:
        with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
            async with MqttSession(Broker("broker.example", connect_s=0.05), ""):
                pass

    try:
        asyncio.run(scenario())  # would hang here in the default executor's shutdown
    finally:
        answered.set()


def test_something_that_is_not_a_broker_or_says_nothing() -> None:
    async def scenario() -> None:
        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            if answer:
                await writer.drain()
                writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):  # noqa: B007 - read by `other`
            with pytest.raises(Unreachable):
                async with MqttSession(Broker("127.0.0.1", port, connect_s=0.3), ""):
                    pass
        server.close()

    asyncio.run(scenario())


def test_a_broker_that_says_nothing_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """paho closes the socket once more when it is collected, long after the loop has forgotten it."""
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    async def scenario() -> None:
        silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with silent:
            port = silent.sockets[0].getsockname()[1]
            for _ in range(3):  # the last one is held until the loop has gone round
                with pytest.raises(Unreachable):
                    async with MqttSession(Broker("127.0.0.1", port, connect_s=0.05), ""):
                        pass
                gc.collect()

    asyncio.run(scenario())
    assert not complaints


@pytest.mark.parametrize("version", [3, 5])
def test_wrong_credentials_are_refused_and_the_password_is_not_told(mosquitto_folder: Path, version: int) -> None:
    async def scenario(port: int) -> None:
        broker = Broker("127.0.0.1", port, "user", "secret-word", version=version)
        with pytest.raises(FarSideRefused) as caught:
            async with MqttSession(broker, ""):
                pass
        assert "refused" in str(caught.value)
        assert "secret-word" not in str(caught.value) + repr(broker)

    with Mosquitto(mosquitto_folder, "allow_anonymous false") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_the_broker_stops(mosquitto_folder: Path) -> None:
    async def scenario(mosquitto: Mosquitto) -> None:
        async with MqttSession(Broker("127.0.0.1", mosquitto.port), "") as session:
            await session.publish("t", b"x")
            mosquitto.stop()
            with pytest.raises(Unreachable, match="connection lost"):
                await session.message()

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto))


def test_leaves_no_descriptor_behind(shared_mosquitto: Mosquitto) -> None:
    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    async def scenario() -> None:
        good, bad = Broker("127.0.0.1", shared_mosquitto.port), Broker("127.0.0.1", free_port())
        async with MqttSession(good, "") as session:
            await session.publish("t", b"x")
        before = descriptors()
        for _ in range(20):
            async with MqttSession(good, "") as session:
                await session.publish("t", b"x")
            with pytest.raises(Unreachable):
                async with MqttSession(bad, ""):
                    pass
        await until(lambda: descriptors() <= before)

    asyncio.run(scenario())


def test_urls() -> None:
    assert Broker.from_url("mqtt://b.example") == Broker("b.example", 1883)
    assert Broker.from_url("mqtt://me%40x@b.example:1884", password="p") == Broker("b.example", 1884, "me@x", "p")
    assert Broker.from_url("mqtts://b.example") == Broker("b.example", 8883, tls=Tls())
    assert str(Broker.from_url("mqtts://[::1]:99")) == "mqtts://[::1]:99"
    for url, word in [
        ("http://b.example", 'write "mqtt://HOST:PORT"'),
        ("b.example:1883", 'write "mqtt://HOST:PORT"'),
        ("mqtt://", 'write "mqtt://HOST:PORT"'),
        ("mqtt://b.example:99999", "host or port cannot be read"),
        ("mqtt://b.example/topic", "may follow the port"),
        ("mqtt://me:secret@b.example", "put the password into a file"),
    ]:
        with pytest.raises(ValueError, match=word) as caught:
            Broker.from_url(url)
        assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="certificates need mqtts"):
        Broker.from_url("mqtt://b.example", tls=Tls())


def test_certificate_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    for tls, name in [
        (Tls(ca_file=tmp_path / "missing.pem"), "missing.pem"),
        (Tls(ca_file=broken), "broken.pem"),
        (Tls(certificate_file=broken), "broken.pem"),
    ]:
        with pytest.raises(OSError, match=name):
            tls.context()

        async def scenario(tls: Tls = tls) -> None:
            async with MqttSession(Broker("127.0.0.1", free_port(), tls=tls), ""):
                pass

        with pytest.raises(FarSideRefused, match=name):
            asyncio.run(scenario())
    assert Tls().context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (0x90, Rejected),
        (0x95, Rejected),
        (0x99, Rejected),
        (0x80, FarSideRefused),
        (0x83, FarSideRefused),
        (0x87, Denied),
        (0x97, FarSideRefused),
        (0x91, Unreachable),
        (0xEE, Unreachable),
    ],
)
def test_what_an_mqtt_5_broker_says_about_a_message(code: int, error: type[FarSideError]) -> None:
    async def scenario() -> None:
        async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1000)
            # CONNACK with Receive Maximum 2, so no third message before an answer, and Maximum Packet Size 99.
            writer.write(b"\x20\x0b\x00\x00\x08\x21\x00\x02\x27\x00\x00\x00\x63")
            await reader.readexactly(2 * 12)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    pytest.fail(f"came without an answer: {await reader.readexactly(1)!r}")
            writer.write(b"\x40\x03\x00\x01" + bytes([code]) + b"\x40\x03\x00\x02\x10")  # nobody listens
            await reader.readexactly(12)
            writer.write(b"\x40\x02\x00\x03")

        server = await asyncio.start_server(broker, "127.0.0.1", 0)
        async with MqttSession(Broker("127.0.0.1", server.sockets[0].getsockname()[1], version=5), "") as session:
            one, two, three = (asyncio.create_task(session.publish("t", b"1234")) for _ in range(3))
            with pytest.raises(FarSideError) as caught:
                await one
            assert type(caught.value) is error
            await asyncio.gather(two, three)
            with pytest.raises(Rejected, match="takes at most 99 bytes"):
                await session.publish("t", b"x" * 99)
        server.close()

    asyncio.run(scenario())


@settings(max_examples=150, deadline=None)
@example(3, [b"\x30\x05\x00\x01t12", b"\x32\x05\x00\x01\xff\x00\x01"])  # a message waits when the connection ends
@example(3, [b"\x32\x05\x00\x01\xff\x00\x01"])  # a topic that is not UTF-8: paho raises, again and again
@given(
    st.sampled_from([3, 5]),
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            # A packet type, a length that fits, and anything as the rest.
            st.builds(lambda kind, rest: bytes([kind, len(rest)]) + rest, st.integers(0, 255), st.binary(max_size=40)),
        ),
        max_size=6,
    ),
)
def test_a_broker_that_sends_anything_at_all_ends_the_connection_at_most(version: int, packets: list[bytes]) -> None:
    connack = b"\x20\x03\x00\x00\x00" if version == 5 else b"\x20\x02\x00\x00"

    async def scenario() -> None:
        unhandled: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))

        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(connack + b"".join(packets))
            writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", 0)
        broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1], version=version, connect_s=5)
        with pytest.raises(Unreachable):
            async with MqttSession(broker, "") as session, asyncio.timeout(PATIENCE_S):
                while True:
                    session.acknowledge(await session.message())
        server.close()
        assert unhandled == []

    asyncio.run(scenario())


def test_a_broker_that_does_not_answer_to_mqtt_5_is_asked_for_the_older_version_alone():
    assert Broker.from_url("mqtt://host?version=3.1.1").version == 3 and Broker.from_url("mqtt://host").version is None
    for url in ("mqtt://host?version=5", "mqtt://host?a=b", "mqtt://host/x?version=3.1.1"):
        with pytest.raises(ValueError, match=r"nothing but \?version=3.1.1 may follow the port"):
            Broker.from_url(url)
