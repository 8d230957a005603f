"""A broker that takes the connection and then answers nothing: whoever waits for it gives it up, and asks anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from waiting import running, until
from wayside.net.far_side import FarSideError
from wayside.net.mqtt import session
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.remote import link
from wayside.south.mqtt_line import MqttLine

CONNACK = {4: b"\x20\x02\x00\x00", 5: b"\x20\x03\x00\x00\x00"}  # by the version in CONNECT


@asynccontextmanager
async def deaf_broker() -> AsyncIterator[tuple[Broker, list[int]]]:
    """It acknowledges connections, which it counts, and pings."""
    came: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readexactly(9)  # fixed header, "MQTT", version
            came.append(head[8])
            writer.write(CONNACK[head[8]])
            while await reader.read(1000):
                continue
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Broker("127.0.0.1", server.sockets[0].getsockname()[1]), came


class Inbox:
    """What a RemoteLink asks of one before it has a connection."""

    def too_large(self, told: object) -> None:
        raise AssertionError(told)


def node_line(connect: Callable[..., MqttSession]) -> MqttLine:
    return MqttLine("wayside/site/nodes/node-1", connect, FarSideError)


def remote(connect: Callable[..., MqttSession]) -> link.RemoteLink:
    return link.RemoteLink("site", connect, Inbox())  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [node_line, remote], ids=["node", "remote"])
def test_it_is_asked_anew(monkeypatch: pytest.MonkeyPatch, make: Callable[..., MqttLine]) -> None:
    monkeypatch.setattr(session, "_ANSWER_S", 0.1)

    async def main() -> None:
        async with deaf_broker() as (broker, came):
            line = make(lambda on_too_large: MqttSession(broker, "wayside-test", on_too_large=on_too_large))
            async with running(line.run()):
                await until(lambda: len(came) > 2, "a third connection")
                assert "has not answered" in line.last_error

    asyncio.run(main())
