"""Plain MQTT with Home Assistant's discovery: the reports of `PlainMqtt`, and for each channel, before its
first report, a retained message that says what it is (`discovery`).

What is announced is announced again in every connection and when Home Assistant says that it has started: a broker
loses what it retains. What is announced and has left is cleared. A will says that the gateway is gone. Why so:
docs/decisions/0112-home-assistant.md.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic

from wayside.evidence.origin import parse_origin
from wayside.expected import Expected

from .answers import Will
from .broker import Broker
from .discovery import (
    BIRTH,
    BIRTH_TOPIC,
    OFFLINE,
    ONLINE,
    announcement,
    availability_topic,
    channel_of,
    config_filter,
    config_topic,
    gateway_announcement,
)
from .mqtt import PlainMqtt
from .report import report
from .session import Session
from .sink import Batch, LogReader, Lost

_MAX_CHANNELS = 512  # of a device: who makes up names must not fill the broker's disk with announcements
_GONE_S = 3600.0  # a channel that its device's reports have not had for so long has left


class HomeAssistant(PlainMqtt):
    """`devices`: those of the site; without it any device is one."""

    def __init__(
        self,
        broker: Broker,
        log: LogReader,
        client_id: str = "",
        devices: Mapping[str, Expected] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(broker, log, client_id)
        self._site = parse_origin(log.origin).site
        self.will = Will(availability_topic(self._site), OFFLINE)
        self._devices = devices
        self._clock = clock
        self._units: defaultdict[str, dict[str, str]] = defaultdict(dict)  # device -> channel -> unit, as announced
        self._seen: dict[tuple[str, str], float] = {}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Lost]:
        async with super()._connection():
            session = self._connected
            for topic_filter in (BIRTH_TOPIC, availability_topic(self._site), config_filter(self._site)):
                await session.subscribe(topic_filter)
            await self._announce_all(session)
            following = asyncio.create_task(self._follow(session))

            async def lost() -> None:
                await asyncio.shield(following)

            try:
                yield lost
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _announce_all(self, session: Session) -> None:
        """The gateway and every channel that is known, retained; then that the gateway is here."""
        topic, payload = gateway_announcement(self._site)
        await session.publish(topic, payload, retain=True)
        for device, units in self._units.items():
            for channel, unit in units.items():
                await session.publish(*self._announcement(device, channel, unit), retain=True)
        await session.publish(availability_topic(self._site), ONLINE, retain=True)

    async def _follow(self, session: Session) -> None:
        """Answer what others say on our topics."""
        while True:
            message = await session.message()
            session.acknowledge(message)
            if message.topic == BIRTH_TOPIC:
                if message.payload == BIRTH:
                    await self._announce_all(session)
            elif message.topic == availability_topic(self._site):
                # The will of a connection that broke earlier and was missed by the broker only now.
                if message.payload != ONLINE:
                    await session.publish(message.topic, ONLINE, retain=True)
            elif message.payload and not self._belongs(message.topic):
                await session.publish(message.topic, b"", retain=True)

    def _belongs(self, topic: str) -> bool:
        try:
            device, channel = channel_of(topic)
        except (ValueError, IndexError):
            return False
        return self._has(device, channel)

    def _has(self, device: str, channel: str) -> bool:
        if self._devices is None:
            return True
        return device in self._devices and self._devices[device].has(channel)

    async def send(self, batch: Batch) -> str | None:
        if not batch.late:  # a backlog may be of devices that have left
            for record in batch.records:
                if made := report(self._log.origin, record):
                    device, text = made
                    readings = json.loads(text, parse_float=str)["readings"]
                    await self._announce(device, {channel: each["unit"] for channel, each in readings.items()})
        return await super().send(batch)

    async def _announce(self, device: str, units: Mapping[str, str]) -> None:
        session, now, known = self._connected, self._clock(), self._units[device]
        for channel, unit in units.items():
            if not self._has(device, channel) or (channel not in known and len(known) >= _MAX_CHANNELS):
                continue
            self._seen[device, channel] = now
            if known.get(channel) != unit:
                await session.publish(*self._announcement(device, channel, unit), retain=True)
                known[channel] = unit
        for channel in [each for each in known if now - self._seen[device, each] > _GONE_S]:
            await session.publish(config_topic(self._site, device, channel), b"", retain=True)
            del known[channel], self._seen[device, channel]

    def _announcement(self, device: str, channel: str, unit: str) -> tuple[str, bytes]:
        expected = (self._devices or {}).get(device, Expected())
        return announcement(self._log.origin, device, channel, unit, int(expected.stale_s))
