"""Plain MQTT with Home Assistant's discovery: the reports of `PlainMqtt`, and for each channel, before its
first report, a retained message that says what it is (`discovery`).

What is announced is announced again in every connection and when Home Assistant says that it has started: a broker
loses what it retains. What is announced and has left is cleared. A will says that the gateway is gone. What the broker
does not take of all this stops no report (`announcer`). Why so: docs/decisions/0112-home-assistant.md.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from wayside.evidence.origin import parse_origin
from wayside.expected import Expected

from .announcer import Announcer
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
from .report import Report
from .session import Session
from .sink import LogReader, Lost

_MAX_CHANNELS = 512  # of a device: who makes up names must not fill the broker's disk with announcements
_FIRST_S = 5.0  # a report waits so long for the announcement of its channels: Home Assistant misses it else
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
        self._announcer = Announcer(clock)

    @property
    def not_announced(self) -> str:
        """What the broker does not take of the announcements, and why; "" where it takes all."""
        return self._announcer.problem

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Lost]:
        async with super()._connection():
            session = self._connected
            self._announcer.new_connection()
            problem = "" if session.will else "the broker takes no will, so it goes on saying that the gateway is there"
            self._announcer.cannot(f"{availability_topic(self._site)} (at the end)", problem)
            own = gateway_announcement(self._site)[0]
            for topic_filter in (BIRTH_TOPIC, availability_topic(self._site), config_filter(self._site), own):
                await self._announcer.listen(session, topic_filter)
            self._announce_all()
            tasks = [asyncio.create_task(each) for each in (self._follow(session), self._announcer.run(session))]

            async def lost() -> None:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()

            try:
                yield lost
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _announce_all(self) -> None:
        """The gateway and every channel that is known; then that the gateway is here."""
        self._announcer.want(*gateway_announcement(self._site))
        for device, units in self._units.items():
            for channel, unit in units.items():
                self._announcer.want(*self._announcement(device, channel, unit))
        self._announcer.want(availability_topic(self._site), ONLINE)

    async def _follow(self, session: Session) -> None:
        """Answer what others say on our topics."""
        own = gateway_announcement(self._site)[0]
        while True:
            message = await session.message()
            session.acknowledge(message)
            self._announcer.came(message.topic, message.payload)
            if message.topic == BIRTH_TOPIC:
                if message.payload == BIRTH:
                    self._announce_all()
            elif message.topic == availability_topic(self._site):
                # The will of a connection that broke earlier and was missed by the broker only now.
                if message.payload != ONLINE:
                    self._announcer.want(message.topic, ONLINE)
            elif message.topic != own and message.payload and not self._belongs(message.topic):
                self._announcer.want_cleared(message.topic)

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

    async def _introduce(self, found: Sequence[Report]) -> None:
        """Announce what is new. Not what a backlog has: it may be of devices that have left."""
        is_new = False
        for report in found:
            is_new |= self._announce(report.device, {each.channel: each.unit for each in report.readings})
        self._announcer.want_again()
        if is_new:
            await self._announcer.told(_FIRST_S)

    def _longest_delay_s(self, device: str) -> float:
        return self._expected(device).report_s

    def _expected(self, device: str) -> Expected:
        return (self._devices or {}).get(device, Expected())

    def _announce(self, device: str, units: Mapping[str, str]) -> bool:
        """Announce what is new of a device and clear what has left; whether something is new."""
        now, known, is_new = self._clock(), self._units[device], False
        for channel, unit in units.items():
            if not self._has(device, channel) or (channel not in known and len(known) >= _MAX_CHANNELS):
                continue
            self._seen[device, channel] = now
            if known.get(channel) != unit:
                self._announcer.want(*self._announcement(device, channel, unit))
                known[channel], is_new = unit, True
        for channel in [each for each in known if now - self._seen[device, each] > _GONE_S]:
            self._announcer.want(config_topic(self._site, device, channel), b"")
            del known[channel], self._seen[device, channel]
        return is_new

    def _announcement(self, device: str, channel: str, unit: str) -> tuple[str, bytes]:
        return announcement(self._log.origin, device, channel, unit, int(self._expected(device).stale_s))
