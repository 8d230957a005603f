"""A retained message that says whether the gateway is connected: "online", and "offline", which is also its will.

What is retained may be lost, refused or overwritten by others: it is said in each connection, and once more whenever
somebody else says something else. A broker that misses an older connection late publishes its will over our "online".
Nothing of it holds up a report or costs one: what the broker does not take of it is named (`announcer`).
"""

import asyncio
from contextlib import suppress

from wayside.net.far_side import FarSideError
from wayside.net.mqtt.answers import Will
from wayside.net.mqtt.session import MqttSession

from .announcer import Announcer

ONLINE, OFFLINE = b"online", b"offline"

_FAREWELL_S = 1.0  # a gateway that is being stopped waits no longer for a link that may be dead


class StateTopic:
    """`topic`: where it is said, through `announcer`."""

    def __init__(self, topic: str, announcer: Announcer):
        self.topic = topic
        self.will = Will(topic, OFFLINE)
        self._announcer = announcer

    async def begin(self, session: MqttSession) -> None:
        """In a new connection, which was given the will. Raises Unreachable when it ends."""
        problem = "" if session.will else "the broker takes no will, so it goes on saying that the gateway is there"
        self._announcer.cannot(f"{self.topic} (at the end)", problem)
        await self._announcer.listen(session, self.topic)

    def say(self) -> None:
        self._announcer.want(self.topic, ONLINE)

    def came(self, payload: bytes) -> None:
        """A message came on the topic."""
        if payload != ONLINE:
            self.say()

    async def end(self, session: MqttSession) -> None:
        """Say that the gateway stops: some brokers take no will, or publish it after minutes."""
        with suppress(FarSideError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await session.publish(self.topic, OFFLINE, retain=True)
