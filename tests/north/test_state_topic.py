"""The retained topic that says whether a gateway is connected, at a real broker, with everything that breaks it.

The accounts behind these cases: telegraf #16046 (no will), evcc #9196 and zigbee2mqtt #4854 (a restarted broker), evcc
#7801 (an older connection's will), zigbee2mqtt #32067 (nothing retained), Tasmota #7189, ioBroker.mqtt-client #50 and
Home Assistant #36905 (a clean stop), Home-Assistant-Mitsubishi #60 and monitor #60 (one of the two not retained),
Tasmota #916 (cleared by hand), mosquitto #3552, mosquitto-auth-plug #13 and emqx #2167 (a will that is denied).
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from north.mosquitto import Mosquitto, acl
from north.proxy import Proxy
from north.site import Site
from waiting import running, until
from wayside.net.far_side import FarSideRefused
from wayside.net.mqtt.answers import Will
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.north import sinks
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt
from wayside.site import config

TOPIC = "works/site-7/state"
LIMITS = ForwardLimits(retry_most_s=0.05, refused_most_s=0.05, cursor_every_s=0.01)
WILL = Will(TOPIC, b"offline")
KINDS = pytest.mark.parametrize("kind", [VerifiableMqtt, PlainMqtt])
Kind = type[VerifiableMqtt] | type[PlainMqtt]
SITE = """[site]
name = "test.example"
state = "state"
[[sink]]
name = "dashboard"
kind = "mqtt-json"
url = "mqtt://127.0.0.1:{port}"
options = {options}
"""


@pytest.fixture(autouse=True)
def _quick_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mqtt", "announcer"):
        monkeypatch.setattr(f"wayside.north.{module}.ECHO_S", 0.2)


def forwarder(kind: Kind, site: Site, port: int, name: str = "s") -> Forwarder:
    return Forwarder(name, kind(Broker("127.0.0.1", port), site, state_topic=TOPIC), site, LIMITS)


@asynccontextmanager
async def watching(port: int) -> AsyncIterator[tuple[MqttSession, list[bytes]]]:
    """Who comes now, and what he is told on the topic from then on."""
    said: list[bytes] = []
    async with MqttSession(Broker("127.0.0.1", port), "") as session:
        await session.subscribe(TOPIC)

        async def listen() -> None:
            while True:
                message = await session.message()
                session.acknowledge(message)
                said.append(message.payload)

        async with running(listen()):
            yield session, said


async def retained(port: int) -> bytes:
    """What somebody is told who comes only now."""
    async with watching(port) as (_, said):
        await until(lambda: bool(said))
        return said[0]


# --- the daemon ---


def test_a_daemon_that_is_killed_started_again_and_stopped(mosquitto_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    words = [sys.executable, "-m", "wayside", "run", str(path)]

    async def scenario(port: int) -> None:
        async with watching(port) as (_, said):
            for ended_by, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
                said.clear()
                gateway = await asyncio.create_subprocess_exec(
                    *words, stderr=asyncio.subprocess.DEVNULL, env=os.environ
                )
                try:
                    await until(lambda: said[-1:] == [b"online"])
                    assert await retained(port) == b"online"
                    gateway.send_signal(ended_by)
                    await until(lambda: said[-1] == b"offline")
                    assert await gateway.wait() == status
                finally:
                    if gateway.returncode is None:
                        gateway.kill()
                assert await retained(port) == b"offline"

    with Mosquitto(mosquitto_folder) as mosquitto:
        path.write_text(SITE.format(port=mosquitto.port, options=f'{{state_topic = "{TOPIC}"}}'))
        asyncio.run(scenario(mosquitto.port))


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ('{state_topic = "a/#"}', "options.state_topic: a topic has 1 to 200 characters, no + or #"),
        ('{state_topic = ""}', "options.state_topic: a topic has 1 to 200"),
        ('{state_topic = "$SYS/x"}', "options.state_topic: a topic has 1 to 200"),
        ('{state_topic = "wayside/x.org/device/meter-1"}', "options.state_topic: reports, batches or announcements go"),
        ('{state_topic = "homeassistant/status"}', "options.state_topic: reports, batches or announcements go there"),
        ("{state_topic = true}", "options.state_topic: the value must be a text in quotes"),
        ('{state_topics = "x"}', 'options: unknown key "state_topics"; did you mean "state_topic"?'),
        ('"x"', "options: "),
    ],
)
def test_what_is_wrong_with_the_options_is_said_with_the_line(tmp_path: Path, options: str, wrong: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(port=1, options=options))
    with pytest.raises(config.SiteFileError) as error:
        config.load(path)
    assert wrong.removeprefix("options: ") in str(error.value) and f"{path}:" in str(error.value)


def test_a_kind_without_options_of_its_own_takes_none(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(port=1, options='{state_topic = "x"}').replace("mqtt-json", "mqtt-homeassistant"))
    with pytest.raises(config.SiteFileError, match='unknown key "state_topic"'):
        config.load(path)


@pytest.mark.parametrize("name", ["mqtt", "mqtt-json"])
def test_what_an_ended_epoch_owes_says_nothing_of_the_gateway(name: str, tmp_path: Path) -> None:
    kind, site = sinks.load(name), Site(tmp_path)
    far_side = sinks.FarSide("mqtt://127.0.0.1", options=sinks.StateOptions(state_topic=TOPIC))
    assert [made(far_side, site)._state is None for made in (kind.make, kind.make_late)] == [False, True]  # type: ignore[attr-defined]
    site.log.close()


# --- the broker ---


@KINDS
def test_a_broker_that_has_lost_everything_is_told_again(mosquitto_folder: Path, tmp_path: Path, kind: Kind) -> None:
    async def scenario(mosquitto: Mosquitto) -> None:
        site = Site(tmp_path / "log")
        async with running(forwarder(kind, site, mosquitto.port).run()):
            assert await retained(mosquitto.port) == b"online"
            await asyncio.to_thread(mosquitto.stop)
            await asyncio.to_thread(mosquitto.start)
            assert await retained(mosquitto.port) == b"online"
        assert await retained(mosquitto.port) == b"offline"
        site.log.close()

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto))


@pytest.mark.parametrize("payload", [b"offline", b"", b"nonsense"])
def test_what_others_say_there_is_contradicted(mosquitto_folder: Path, tmp_path: Path, payload: bytes) -> None:
    """The will of an older connection that the broker missed late; a topic that somebody has cleared."""

    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        async with running(forwarder(PlainMqtt, site, port).run()), watching(port) as (session, said):
            await until(lambda: said[-1:] == [b"online"])
            await session.publish(TOPIC, payload, retain=True)
            await until(lambda: payload in said and said[-1] == b"online")
            assert await retained(port) == b"online"
        site.log.close()

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


@KINDS
def test_a_link_that_breaks_shows_and_its_return_too(mosquitto_folder: Path, tmp_path: Path, kind: Kind) -> None:
    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        async with Proxy(port) as proxy, watching(port) as (_, said):
            async with running(forwarder(kind, site, proxy.port).run()):
                await until(lambda: said[-1:] == [b"online"])
                await proxy.refuse()
                proxy.cut()
                await until(lambda: said[-1] == b"offline")
                await proxy.listen()
                await until(lambda: said[-1] == b"online")
            await until(lambda: said[-1] == b"offline")
        site.log.close()

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_sinks_that_share_a_topic_are_offline_when_none_is_connected(mosquitto_folder: Path, tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        async with watching(port) as (_, said):
            async with running(forwarder(VerifiableMqtt, site, port, "a").run()):
                async with running(forwarder(PlainMqtt, site, port, "b").run()):
                    await until(lambda: said[-2:] == [b"online", b"online"])
                await until(lambda: b"offline" in said and said[-1] == b"online")
            await until(lambda: said[-1] == b"offline")
        site.log.close()

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_a_broker_that_retains_nothing_is_told_all_the_same(mosquitto_folder: Path, tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        async with watching(port) as (_, said):
            async with running(forwarder(PlainMqtt, site, port).run()):
                await until(lambda: said == [b"online"])
            await until(lambda: said[-1] == b"offline")
        site.log.close()

    with Mosquitto(mosquitto_folder, "retain_available false") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


@KINDS
def test_a_topic_that_is_denied_is_named_and_stops_nothing(mosquitto_folder: Path, tmp_path: Path, kind: Kind) -> None:
    """mosquitto takes the will all the same, and throws it away in the end."""

    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        site.packs(3)
        sender = forwarder(kind, site, port)
        async with running(sender.run()):
            await until(lambda: sender.lag(4) == 0 and f"not authorized to publish on {TOPIC}" in sender.not_announced)
            assert (sender.status.delivered, sender.status.failures) == (4, 0)
        site.log.close()

    with Mosquitto(mosquitto_folder, acl(mosquitto_folder, "topic readwrite wayside/#")) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


# --- brokers that refuse a will ---


@asynccontextmanager
async def refusing(answer: bytes, is_of_will: bool = True) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A broker that refuses whoever has a will (or everybody); its port, and the payloads that it took."""
    took: list[bytes] = []
    yes = {4: b"\x20\x02\x00\x00", 5: b"\x20\x03\x00\x00\x00"}

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version = 0
        try:
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                size = shift = 0
                while (byte := (await reader.readexactly(1))[0]) & 0x80:
                    size, shift = size | (byte & 0x7F) << shift, shift + 7
                body = await reader.readexactly(size | byte << shift)
                if kind == 1:
                    version = body[6]
                    if body[7] & 4 or not is_of_will:
                        writer.write(answer if version == 5 or len(answer) == 4 else b"\x20\x02\x00\x05")
                        break
                    writer.write(yes[version])
                elif kind == 3:
                    end = 2 + int.from_bytes(body[:2], "big")
                    took.append(body[end + 2 + (version == 5) :])
                    writer.write(b"\x40\x02" + body[end : end + 2])
                elif kind == 8:
                    writer.write(b"\x90" + bytes([3 + (version == 5)]) + body[:2] + b"\x00" * (version == 5) + b"\x01")
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], took
    server.close()


@pytest.mark.parametrize(
    ("version", "answer"),
    [(5, bytes((0x20, 3, 0, code, 0))) for code in (0x80, 0x83, 0x87, 0x90, 0x95, 0x99)]
    + [(3, bytes((0x20, 2, 0, code))) for code in (1, 5)],
)
def test_a_broker_that_refuses_the_will_gets_the_reports_without_one(
    tmp_path: Path, version: int, answer: bytes
) -> None:
    """And the gateway says itself that it stops."""

    async def scenario() -> None:
        site = Site(tmp_path)
        site.packs(3)
        async with refusing(answer) as (port, took):
            sink = PlainMqtt(Broker("127.0.0.1", port, version=version), site, state_topic=TOPIC)
            sender = Forwarder("s", sink, site, LIMITS)
            async with running(sender.run()):
                await until(lambda: b"online" in took and sum(each.startswith(b"{") for each in took) == 3)
                assert sender.status.failures == 0
                assert "takes no will" in sender.not_announced or TOPIC in sender.not_announced
            await until(lambda: took[-1] == b"offline")
        site.log.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("code", [0x84, 0x86, 0x87, 0x88, 0x8A])
def test_a_broker_that_refuses_everybody_refuses(code: int) -> None:
    async def scenario() -> None:
        async with refusing(bytes((0x20, 3, 0, code, 0)), is_of_will=False) as (port, took):
            with pytest.raises(FarSideRefused, match="refused"):
                async with MqttSession(Broker("127.0.0.1", port, version=5), "", will=WILL):
                    pass
            assert not took

    asyncio.run(scenario())
