"""Brokers with rules: what they refuse, and what they acknowledge and throw away. Each is a real one, or plays one.

The accounts behind these cases: mosquitto #547, #229, #265, #2022, paho #474, #895, emqx #368, aedes #210,
MQTT.js #1005, zigbee2mqtt #24786, rabbitmq and amqtt answering MQTT 5 in the format of 3.1.1.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from north.mosquitto import Mosquitto, acl
from north.site import Site
from waiting import running, until
from wayside.net.far_side import FarSideRefused, Rejected, Unreachable
from wayside.net.mqtt.answers import Will
from wayside.net.mqtt.broker import Broker, Dialect
from wayside.net.mqtt.session import MqttSession
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt, device_topic, log_topic
from wayside_wire.pack import Reading

LIMITS = ForwardLimits(batch_entries=8, retry_most_s=0.01, refused_most_s=0.02, cursor_every_s=0.005, replay_per_s=1e5)
OLD_NO = b"\x20\x02\x00\x01"  # CONNACK of 3.1.1: unacceptable protocol version
OLD_YES = b"\x20\x02\x00\x00"


@pytest.fixture(autouse=True)
def _quick_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayside.north.mqtt.ECHO_S", 0.3)


def forwarded(
    broker: Broker, site: Site, kind: type[VerifiableMqtt] | type[PlainMqtt], enough: Callable[[Forwarder], bool]
) -> Forwarder:
    """A forwarder of the whole log, run until it is `enough`."""

    async def run() -> Forwarder:
        forwarder = Forwarder("s", kind(broker, site), site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: enough(forwarder))
        return forwarder

    return asyncio.run(run())


def is_through(forwarder: Forwarder) -> bool:
    return not forwarder.lag(forwarder._size) and bool(forwarder.status.delivered or forwarder.status.dead_letters)


# --- MQTT 5: the broker says so ---


def test_what_an_access_list_denies_waits_and_is_told(mosquitto_folder: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "log")
    site.packs(44)
    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, "topic read #", "topic write ours/#")) as mosquitto:
        broker = Broker("127.0.0.1", mosquitto.port)
        forwarder = forwarded(broker, site, VerifiableMqtt, lambda each: each.status.failures > 3)
        assert forwarder.status.delivered == 0 and forwarder.lag(site.log.size) == 45
        assert f"not authorized to publish on {log_topic(site.origin)}" in forwarder.status.last_error
        assert site.log.cursor("s") == 0 and site.log.dead_letters() == []


def test_what_was_denied_goes_out_when_the_list_is_mended(mosquitto_folder: Path, tmp_path: Path) -> None:
    async def scenario(mosquitto: Mosquitto) -> None:
        site = Site(tmp_path / "log")
        site.packs(20)
        forwarder = Forwarder("s", PlainMqtt(Broker("127.0.0.1", mosquitto.port), site), site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: "not authorized" in forwarder.status.last_error)
            mosquitto.stop()
            acl(mosquitto_folder, "topic readwrite #")
            mosquitto.start()
            await until(lambda: forwarder.lag(21) == 0)
        assert (forwarder.status.delivered, forwarder.status.dead_letters) == (21, 0)

    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, "topic read #")) as mosquitto:
        asyncio.run(scenario(mosquitto))


def test_one_topic_that_is_denied_does_not_hold_up_the_others(mosquitto_folder: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "log")
    denied = device_topic(site.origin, "meter-2", late=False)
    rules = [f"topic readwrite {device_topic(site.origin, 'meter-1', late)}" for late in (False, True)]
    site.packs(5)
    site.device.name = "meter-2"
    site.append(*(site.pack_entry(site.device.pack(), "meter-2") for _ in range(2)))
    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, *rules)) as mosquitto:
        forwarder = forwarded(Broker("127.0.0.1", mosquitto.port), site, PlainMqtt, is_through)
    status = forwarder.status
    assert (status.delivered, status.dead_letters, status.failures) == (6, 2, 0)
    [(reason, count)] = status.refused.items()
    assert count == 2 and f"not authorized to publish on {denied}" in reason
    assert [index for _, index, _ in site.log.dead_letters()] == [6, 7]


@pytest.mark.parametrize("reconnects", [True, False])
def test_a_list_that_breaks_later_buries_nothing_and_all_goes_out_when_it_is_mended(
    mosquitto_folder: Path, tmp_path: Path, reconnects: bool
) -> None:
    async def scenario(mosquitto: Mosquitto) -> None:
        def change(*rules: str) -> None:
            acl(mosquitto_folder, *rules)
            if reconnects:
                mosquitto.stop()
                mosquitto.start()
            else:
                mosquitto.reload()

        site = Site(tmp_path / "log")
        site.packs(5)
        forwarder = Forwarder("s", PlainMqtt(Broker("127.0.0.1", mosquitto.port), site), site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(6) == 0)
            change("topic read #")
            site.packs(20)
            await until(lambda: "not authorized" in forwarder.status.last_error)
            assert forwarder.lag(26) == 20 and forwarder.status.delivered == 6
            change("topic readwrite #")
            await until(lambda: forwarder.lag(26) == 0)
        assert (forwarder.status.delivered, forwarder.status.dead_letters) == (26, 0)

    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, "topic readwrite #")) as mosquitto:
        asyncio.run(scenario(mosquitto))


def test_a_denied_device_alone_in_its_batch_is_told_by_what_is_taken_now(
    mosquitto_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report taken last is sent once more, where it is recent; else the denied one waits for another's."""

    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        forwarder = Forwarder("s", PlainMqtt(Broker("127.0.0.1", port), site), site, LIMITS)
        async with running(forwarder.run()):
            site.packs(1)
            await until(lambda: forwarder.lag(2) == 0)
            site.device.name = "meter-2"
            site.append(site.pack_entry(site.device.pack(), "meter-2"))
            await until(lambda: forwarder.lag(3) == 0)
            assert (forwarder.status.dead_letters, forwarder.status.failures) == (1, 0)
            monkeypatch.setattr("wayside.north.mqtt._RECENT_S", -1.0)
            site.append(site.pack_entry(site.device.pack(), "meter-2"))
            await until(lambda: forwarder.status.failures > 2)
            assert (forwarder.status.dead_letters, forwarder.lag(4)) == (1, 1)
            site.device.name = "meter-1"
            site.packs(1)
            await until(lambda: forwarder.lag(5) == 0)
            assert (forwarder.status.dead_letters, forwarder.status.delivered) == (2, 3)

    rules = acl(mosquitto_folder, "topic readwrite wayside/+/+/device/meter-1/#")
    with Mosquitto(mosquitto_folder, rules) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


@pytest.mark.parametrize("setting", ["message_size_limit 400", "max_packet_size 450"])
def test_only_what_is_too_large_is_refused(mosquitto_folder: Path, tmp_path: Path, setting: str) -> None:
    site = Site(tmp_path / "log")
    site.packs(3)
    site.device.readings = [Reading(f"channel_{n}", "V", 10**9 + n, -2, 0, "", 1) for n in range(20)]
    site.packs(2)
    site.device.readings = []
    site.packs(3)
    with Mosquitto(mosquitto_folder, setting) as mosquitto:
        forwarder = forwarded(Broker("127.0.0.1", mosquitto.port), site, PlainMqtt, is_through)
    assert (forwarder.status.delivered, forwarder.status.dead_letters, len(forwarder.status.refused)) == (7, 2, 1)
    assert [index for _, index, _ in site.log.dead_letters()] == [4, 5]


@pytest.mark.parametrize("kind", [VerifiableMqtt, PlainMqtt])
@pytest.mark.parametrize("setting", ["message_size_limit 100", "max_packet_size 200"])
def test_a_broker_to_which_everything_is_too_large_buries_nothing(
    mosquitto_folder: Path, tmp_path: Path, setting: str, kind: type[VerifiableMqtt] | type[PlainMqtt]
) -> None:
    site = Site(tmp_path / "log")
    site.packs(5)
    with Mosquitto(mosquitto_folder, setting) as mosquitto:
        broker = Broker("127.0.0.1", mosquitto.port)
        forwarder = forwarded(broker, site, kind, lambda each: each.status.failures > 3)
    assert "large" in forwarder.status.last_error or "at most" in forwarder.status.last_error
    assert forwarder.status.dead_letters == 0 and site.log.cursor("s") <= 1


def test_a_broker_that_takes_qos_0_only_is_believed_by_its_echo(mosquitto_folder: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "log")
    site.packs(5)
    with Mosquitto(mosquitto_folder, "max_qos 0") as mosquitto:
        forwarder = forwarded(Broker("127.0.0.1", mosquitto.port), site, VerifiableMqtt, is_through)
        assert (forwarder.status.delivered, forwarder.status.unproven) == (6, 0)


def test_qos_0_without_an_echo_delivers_nothing(mosquitto_folder: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "log")
    site.packs(1)
    with Mosquitto(mosquitto_folder, "max_qos 0", acl(mosquitto_folder, "topic write #")) as mosquitto:
        broker = Broker("127.0.0.1", mosquitto.port)
        forwarder = forwarded(broker, site, VerifiableMqtt, lambda each: each.status.failures > 1)
    assert forwarder.status.delivered == 0 and "takes QoS 0 only" in forwarder.status.last_error


def test_what_cannot_be_retained_is_published_all_the_same(mosquitto_folder: Path) -> None:
    async def scenario(port: int) -> None:
        broker = Broker("127.0.0.1", port)
        async with (
            MqttSession(broker, "") as listener,
            MqttSession(broker, "", will=Will("t/will", b"gone")) as session,
        ):
            await listener.subscribe("t/#")
            await session.publish("t/a", b"x", retain=True)
            assert (await listener.message()).payload == b"x"
            session._driver.close()
            assert (await listener.message()).payload == b"gone"

    with Mosquitto(mosquitto_folder, "retain_available false") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


@pytest.mark.parametrize("version", [3, 5])
def test_a_will_is_published_when_the_session_ends(mosquitto_folder: Path, version: int) -> None:
    async def scenario(port: int) -> None:
        broker = Broker("127.0.0.1", port, version=version)
        async with MqttSession(broker, "") as listener:
            await listener.subscribe("t/#")
            async with MqttSession(broker, "", will=Will("t/will", b"gone")):
                pass
            assert (await listener.message()).payload == b"gone"

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_no_more_messages_in_flight_than_the_broker_wants(mosquitto_folder: Path) -> None:
    async def scenario(port: int) -> None:
        async with MqttSession(Broker("127.0.0.1", port), "") as session:
            assert session._window._value == 2
            await asyncio.gather(*(session.publish("t", b"%d" % number) for number in range(50)))

    with Mosquitto(mosquitto_folder, "max_inflight_messages 2") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_a_broker_that_wants_client_identifiers(mosquitto_folder: Path) -> None:
    async def scenario(port: int) -> None:
        for version in (3, 5):
            async with MqttSession(Broker("127.0.0.1", port, version=version), "") as session:
                await session.publish("t", b"x")

    with Mosquitto(mosquitto_folder, "allow_zero_length_clientid false") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


# --- MQTT 3.1.1: only an echo tells ---


def old(port: int) -> Broker:
    return Broker("127.0.0.1", port, version=3)


@pytest.mark.parametrize("kind", [VerifiableMqtt, PlainMqtt])
def test_an_echo_shows_that_the_topic_is_heard(
    mosquitto_folder: Path, tmp_path: Path, kind: type[VerifiableMqtt] | type[PlainMqtt]
) -> None:
    site = Site(tmp_path / "log")
    site.packs(20)
    with Mosquitto(mosquitto_folder) as mosquitto:
        forwarder = forwarded(old(mosquitto.port), site, kind, is_through)
    assert (forwarder.status.delivered, forwarder.status.unproven, forwarder.status.doubt) == (21, 0, "")


def test_what_cannot_be_heard_is_said_to_be_unknown(mosquitto_folder: Path, tmp_path: Path) -> None:
    """The list denies the topic, and 3.1.1 acknowledges: 45 of 45, nobody got any."""
    site = Site(tmp_path / "log")
    site.packs(2)
    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, "topic read #")) as mosquitto:
        forwarder = forwarded(old(mosquitto.port), site, VerifiableMqtt, is_through)
    assert forwarder.status.unproven == forwarder.status.delivered == 3
    assert "not known whether anybody can hear it" in forwarder.status.doubt


@pytest.mark.parametrize("kind", [VerifiableMqtt, PlainMqtt])
def test_what_is_thrown_away_after_a_first_echo_is_not_delivered_and_goes_out_later(
    mosquitto_folder: Path, tmp_path: Path, kind: type[VerifiableMqtt] | type[PlainMqtt]
) -> None:
    """The list breaks while the connection lasts: 20 of 20 acknowledged, nobody got any, for ten minutes."""

    async def scenario(mosquitto: Mosquitto) -> None:
        site = Site(tmp_path / "log")
        site.packs(5)
        forwarder = Forwarder("s", kind(old(mosquitto.port), site), site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(6) == 0)
            acl(mosquitto_folder, "topic read #")
            mosquitto.reload()
            site.packs(20)
            await until(lambda: "throws away" in forwarder.status.last_error)
            await until(lambda: forwarder.status.failures > 3)
            assert (forwarder.status.delivered, forwarder.lag(26), site.log.cursor("s")) == (6, 20, 6)
            acl(mosquitto_folder, "topic readwrite #")
            mosquitto.reload()
            await until(lambda: forwarder.lag(26) == 0)
        assert (forwarder.status.delivered, forwarder.status.unproven) == (26, 0)

    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, "topic readwrite #")) as mosquitto:
        asyncio.run(scenario(mosquitto))


LARGE = [Reading(f"channel_{n}.mean", "V", 10**9 + n, -2, 0, "", 1) for n in range(20)]


@pytest.mark.parametrize("kind", [VerifiableMqtt, PlainMqtt])
def test_what_is_thrown_away_for_its_size_is_not_delivered(
    mosquitto_folder: Path, tmp_path: Path, kind: type[VerifiableMqtt] | type[PlainMqtt]
) -> None:
    """3.1.1 acknowledges it; it waits at the end of the queue, all others go on."""

    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        forwarder = Forwarder("s", kind(old(port), site), site, LIMITS)
        async with running(forwarder.run()):
            site.packs(3)
            await until(lambda: forwarder.lag(4) == 0 and forwarder.status.delivered == 4)
            site.device.readings = LARGE
            site.packs(1)
            site.device.readings = []
            site.packs(7)
            await until(lambda: forwarder.lag(12) == 1 and forwarder._live == 12)
            await until(lambda: "entry 4: " in forwarder.status.held and "throws away" in forwarder.status.held)
            assert forwarder.status.unproven == 0
            await until(lambda: site.log.cursor("s") == 4)

    with Mosquitto(mosquitto_folder, "message_size_limit 1100") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_a_large_one_among_small_ones_is_known_from_the_first_batch_on(mosquitto_folder: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "log")
    site.device.readings = LARGE
    site.packs(1)
    site.device.readings = []
    site.packs(5)
    with Mosquitto(mosquitto_folder, "message_size_limit 1100") as mosquitto:
        broker = old(mosquitto.port)
        forwarder = forwarded(broker, site, PlainMqtt, lambda each: bool(each.status.held))
    assert forwarder.status.unproven == 0 and "throws away" in forwarder.status.held


def test_a_broker_that_ends_the_connection_on_a_subscription_still_gets_its_messages(tmp_path: Path) -> None:
    """3.1.1 leaves it that way of saying no."""
    got: list[bytes] = []

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                size = shift = 0
                while (byte := (await reader.readexactly(1))[0]) & 0x80:
                    size, shift = size | (byte & 0x7F) << shift, shift + 7
                body = await reader.readexactly(size | byte << shift)
                if kind == 8:
                    break
                if kind == 3:
                    end = 2 + int.from_bytes(body[:2], "big")
                    got.append(body[:end])
                    writer.write(b"\x40\x02" + body[end : end + 2])
                elif kind == 1:
                    writer.write(OLD_YES)
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async def scenario() -> None:
        site = Site(tmp_path / "log")
        site.packs(3)
        server = await asyncio.start_server(broker, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        forwarder = Forwarder("s", VerifiableMqtt(old(port), site), site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(4) == 0 and forwarder.status.delivered == 4)
        assert got and forwarder.status.unproven == 4 and "not known" in forwarder.status.doubt
        server.close()

    asyncio.run(scenario())


# --- brokers that know no MQTT 5 ---


@asynccontextmanager
async def playing(*answers: bytes | None) -> AsyncIterator[tuple[int, list[int]]]:
    """A broker that gives one answer to each CONNECT, the last for ever (None: silence); its port, and the asked."""
    asked: list[int] = []

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(2)
        connect = await reader.readexactly(head[1])
        asked.append(connect[6])
        answer = answers[min(len(asked), len(answers)) - 1]
        if answer is not None:
            writer.write(answer)
            if answer != OLD_YES or connect[6] == 5:
                writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], asked
    server.close()


async def opened(broker: Broker) -> int:
    async with MqttSession(broker, "") as session:
        return session.version


@pytest.mark.parametrize("no", [OLD_NO, b"\x20\x03\x00\x84\x00", b"\x20\x02\x00\x05", b"\x20\x02\x00\x00"])
def test_one_that_says_that_it_knows_no_mqtt_5_is_spoken_to_in_3_1_1(no: bytes) -> None:
    async def scenario() -> None:
        async with playing(no, OLD_YES) as (port, asked):
            assert await opened(Broker("127.0.0.1", port)) == 3
            assert asked == [5, 4]
        async with playing(no) as (port, _):
            with pytest.raises(FarSideRefused, match="speaks no MQTT 5"):
                await opened(Broker("127.0.0.1", port, version=5))

    asyncio.run(scenario())


@pytest.mark.parametrize("no", [b"", None])
def test_one_that_closes_or_is_silent_on_mqtt_5_is_asked_twice_and_then_for_3_1_1(no: bytes | None) -> None:
    async def scenario() -> None:
        async with playing(no, no, OLD_YES) as (port, asked):
            broker = Broker("127.0.0.1", port, connect_s=0.2)
            for _ in range(2):
                with pytest.raises(Unreachable):
                    await opened(broker)
            assert [await opened(broker), await opened(broker)] == [3, 3]
            assert asked == [5, 5, 4, 4]

    asyncio.run(scenario())


def test_one_that_knows_neither_says_so() -> None:
    async def scenario() -> None:
        async with playing(OLD_NO) as (port, asked):
            with pytest.raises(FarSideRefused, match="neither MQTT 5"):
                await opened(Broker("127.0.0.1", port))
            assert asked == [5, 4]

    asyncio.run(scenario())


def test_a_broker_is_asked_for_mqtt_5_again_after_a_while() -> None:
    now = [0.0]
    dialect = Dialect(lambda: now[0])
    dialect.unanswered(5)
    dialect.unanswered(5)
    assert dialect.version == 3
    dialect.answered(3)
    assert dialect.version == 3
    now[0] = 601.0
    assert dialect.version == 5
    dialect.unanswered(5)
    dialect.answered(5)
    dialect.unanswered(5)
    assert dialect.version == 5, "a broker that was started anew has closed a connection or two"


def test_a_disconnect_that_names_the_only_message_as_too_large_is_about_it() -> None:
    async def scenario() -> None:
        async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readexactly(2)
            await reader.readexactly(head[1])
            writer.write(b"\x20\x03\x00\x00\x00")
            await reader.read(100)
            writer.write(b"\xe0\x01\x95")
            writer.close()

        server = await asyncio.start_server(broker, "127.0.0.1", 0)
        async with MqttSession(Broker("127.0.0.1", server.sockets[0].getsockname()[1]), "") as session:
            with pytest.raises(Rejected, match="too large"):
                await session.publish("t", b"x")
        server.close()

    asyncio.run(scenario())
