"""Plain MQTT with Home Assistant's discovery: the reports of `PlainMqtt`, and for each channel, before its
first report, a retained message that says what it is (`discovery`).

What is announced is announced again in every connection and when Home Assistant says that it has started: a broker
loses what it retains. What is announced and has left is cleared. A will says that the gateway is gone. What the broker
does not take of all this stops no report (`announcer`). Why so: docs/decisions/0112-home-assistant.md.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from wayside.evidence.origin import parse_origin
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import Message
from wayside.values.expected import Expected

from .discovery import (
    BIRTH,
    BIRTH_TOPIC,
    announcement,
    availability_topic,
    channel_of,
    config_filter,
    config_topic,
    gateway_announcement,
)
from .mqtt import PlainMqtt
from .report import Report
from .sink import SinkLog

_MAX_CHANNELS = 512  # of a device: who makes up names must not fill the broker's disk with announcements
_FIRST_S = 5.0  # a report waits so long for the announcement of its channels: Home Assistant misses it else
_GONE_S = 3600.0  # a channel that its device's reports have not had for so long has left


class HomeAssistant(PlainMqtt):
    """`devices`: those of the site; without it any device is one."""

    def __init__(
        self,
        broker: Broker,
        log: SinkLog,
        client_id: str = "",
        devices: Mapping[str, Expected] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._site = parse_origin(log.origin).site
        super().__init__(broker, log, client_id, availability_topic(self._site), clock)
        self._devices = devices
        self._clock = clock
        self._units: defaultdict[str, dict[str, str]] = defaultdict(dict)  # device -> channel -> unit, as announced
        self._seen: dict[tuple[str, str], float] = {}

    def _reads(self) -> Sequence[str]:
        return BIRTH_TOPIC, config_filter(self._site), gateway_announcement(self._site)[0]

    def _announce_all(self) -> None:
        """The gateway and every channel that is known; then that the gateway is here."""
        self._announcer.want(*gateway_announcement(self._site))
        for device, units in self._units.items():
            for channel, unit in units.items():
                self._announcer.want(*self._announcement(device, channel, unit))
        super()._announce_all()

    def _came(self, message: Message) -> None:
        if message.topic == BIRTH_TOPIC:
            if message.payload == BIRTH:
                self._announce_all()
            return
        is_own = message.topic == gateway_announcement(self._site)[0]
        if not is_own and message.payload and not self._belongs(message.topic):
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
        await super()._introduce(found)
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
