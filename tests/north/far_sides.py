"""What is at the other end of each sink, for the conformance suite: it keeps what arrived, and breaks as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from north.file_sink import FileSink
from north.mosquitto import PROGRAM, Mosquitto
from north.proxy import Proxy
from north.site import Site
from waiting import running
from wayside.evidence.batch import BatchVerifier
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.north.homeassistant import HomeAssistant
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt, device_topic, log_topic
from wayside.north.sink import Sink, SinkLog
from wayside.north.webhook import Hook, Webhook


class FarSide(Protocol):
    """`indices`: of the entries that arrived, repetitions too. `proxy`: the link, None where there is none."""

    proxy: Proxy | None

    @property
    def indices(self) -> list[int]: ...
    def sink(self, log: SinkLog) -> Sink:
        """A sink that sends here."""

    async def down(self) -> None:
        """From now on nothing can be reached."""

    async def up(self) -> None: ...


@dataclass(frozen=True)
class Kind:
    """A kind of sink.

    has_connection: its loss shows although nothing is sent. can_reject: the far side can say that it will never take an
    entry; here those over `largest` bytes. can_refuse: it can say no to all of it.
    """

    make: Callable[..., object]
    has_link: bool = True
    has_connection: bool = True
    can_reject: bool = True
    can_refuse: bool = True

    def far_side(
        self, site: Site, folder: Path, largest: int | None = None, refuses: bool = False
    ) -> "AsyncIterator[FarSide]":
        return self.make(site, folder, largest, refuses)  # type: ignore[return-value]


# --- MQTT ---


@dataclass
class Linked:
    """A far side behind a proxy."""

    proxy: Proxy
    make: Callable[[int, SinkLog], Sink]
    indices: list[int] = field(default_factory=list)

    def sink(self, log: SinkLog) -> Sink:
        return self.make(self.proxy.port, log)

    async def down(self) -> None:
        await self.proxy.refuse()

    async def up(self) -> None:
        await self.proxy.listen()


def _in_batch(site: Site, payload: bytes) -> list[int]:
    batch = BatchVerifier(site.key).verify(payload)
    return list(range(batch.first, batch.first + len(batch.records)))


def _in_report(_site: Site, payload: bytes) -> list[int]:
    return [json.loads(payload)["index"]]


def _log_topics(site: Site) -> list[str]:
    return [log_topic(site.origin)]


def _device_topics(site: Site) -> list[str]:
    return [device_topic(site.origin, "+", late) for late in (False, True)]


def _mqtt(
    sink: Callable[[Broker, SinkLog], Sink],
    version: int | None,
    topics: Callable[[Site], list[str]],
    found: Callable[[Site, bytes], list[int]],
) -> Kind:
    @asynccontextmanager
    async def make(site: Site, folder: Path, largest: int | None, refuses: bool) -> AsyncIterator[FarSide]:
        if PROGRAM is None:
            pytest.skip("mosquitto is not installed (Debian package mosquitto)")
        lines = [f"max_packet_size {largest}"] if largest else []
        lines += ["allow_anonymous false"] if refuses else []
        with Mosquitto(folder, *lines) as mosquitto:
            async with Proxy(mosquitto.port) as proxy:

                def to_broker(port: int, log: SinkLog) -> Sink:
                    return sink(Broker("127.0.0.1", port, connect_s=2.0, version=version), log)

                made = Linked(proxy, to_broker)
                if refuses:
                    yield made
                    return
                async with MqttSession(Broker("127.0.0.1", mosquitto.port), "") as session:
                    for topic in topics(site):
                        await session.subscribe(topic)

                    async def listen() -> None:
                        while True:
                            message = await session.message()
                            made.indices.extend(found(site, message.payload))
                            session.acknowledge(message)

                    async with running(listen()):
                        yield made

    return Kind(make, can_reject=version != 3)


# --- a webhook ---


@asynccontextmanager
async def _webhook(_site: Site, _folder: Path, largest: int | None, refuses: bool) -> AsyncIterator[FarSide]:
    def to_hook(port: int, log: SinkLog) -> Sink:
        return Webhook(Hook(f"http://127.0.0.1:{port}/in"), log)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
            status = 401 if refuses else 413 if largest and len(body) > largest else 200
            if status == 200:
                made.indices.extend(each["index"] for each in json.loads(body, parse_float=str))
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        made = Linked(proxy, to_hook)
        yield made
    server.close()


# --- a file ---


class _Folder:
    """The folder of a file sink, which comes and goes like a network drive."""

    proxy = None

    def __init__(self, folder: Path, largest: int | None):
        self._folder, self._largest = folder, largest
        self._away = folder.with_name("away")

    @property
    def indices(self) -> list[int]:
        lines = (self._folder / "reports").read_text().splitlines() if (self._folder / "reports").exists() else []
        return [json.loads(line)["index"] for line in lines]

    def sink(self, log: SinkLog) -> Sink:
        return FileSink(self._folder / "reports", log, self._largest)

    async def down(self) -> None:
        self._folder.rename(self._away)

    async def up(self) -> None:
        self._away.rename(self._folder)


@asynccontextmanager
async def _file(_site: Site, folder: Path, largest: int | None, _refuses: bool) -> AsyncIterator[FarSide]:
    yield _Folder(folder, largest)


SINKS = {
    "verifiable MQTT": _mqtt(VerifiableMqtt, None, _log_topics, _in_batch),
    "verifiable MQTT 3.1.1": _mqtt(VerifiableMqtt, 3, _log_topics, _in_batch),
    "verifiable MQTT 5": _mqtt(VerifiableMqtt, 5, _log_topics, _in_batch),
    "plain MQTT": _mqtt(PlainMqtt, 3, _device_topics, _in_report),
    "Home Assistant": _mqtt(HomeAssistant, 5, _device_topics, _in_report),
    "webhook": Kind(_webhook, has_connection=False),
    "file": Kind(_file, has_link=False, has_connection=False, can_refuse=False),
}
