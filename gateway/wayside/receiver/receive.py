"""Brings batches from the broker to the account, for as long as it is asked to."""

import asyncio
from random import Random

from wayside.evidence.batch import MAX_BATCH
from wayside.net.far_side import FarSideError
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.inlet import TooLarge
from wayside.net.mqtt.session import LARGEST_RECEIVED, MqttSession
from wayside.north.mqtt import log_topic, origin_of
from wayside.runtime.backoff import Backoff
from wayside.text.printable import printable

from .account import SiteAccount

_LARGEST = MAX_BATCH + LARGEST_RECEIVED  # a topic has at most 64 KiB
_BACKOFF_S = (0.1, 1.0)


class SiteReceiver:
    """Subscribes to every log of one site. `state` says in a few words how the connection is."""

    def __init__(self, broker: Broker, site: str, account: SiteAccount, client_id: str = "") -> None:
        """With a `client_id` the broker keeps what comes while the receiver is away; without, that is lost to it."""
        self.account = account
        self.state = "not connected"
        self.ready = asyncio.Event()
        self._broker = broker
        self._topic_filter = log_topic(f"{site}/log/+")
        self._client_id = client_id
        self._backoff = Backoff(*_BACKOFF_S, Random())

    async def run(self) -> None:
        """Receive until cancelled; reconnects by itself. `ready` is set from the first subscription on."""
        while True:
            try:
                clean = not self._client_id
                async with MqttSession(self._broker, self._client_id, clean, _LARGEST, self._pass_over) as session:
                    await self._receive(session)
            except FarSideError as error:
                self.state = str(error)
            await asyncio.sleep(self._backoff.next_s())

    def _pass_over(self, told: TooLarge) -> None:
        self.account.refuse(f"a message of over {MAX_BATCH} bytes on {printable(told.topic, 80)}")

    async def _receive(self, session: MqttSession) -> None:
        await session.subscribe(self._topic_filter)
        self.state = f"{self._broker} connected"
        self.ready.set()
        with self._backoff.holding(asyncio.get_running_loop().time):
            while True:
                message = await session.message()
                self.account.take(origin_of(message.topic), message.payload)
                session.acknowledge(message)
                self._backoff.reset()
