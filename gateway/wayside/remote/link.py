"""The connection by which operators reach a gateway: requests come in, answers and the state in force go out."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

from wayside.net.far_side import FarSideError
from wayside.net.mqtt.inlet import TooLarge
from wayside.net.mqtt.session import MqttSession
from wayside.parts.about import WARNING, About, Family, Problem, counted
from wayside.remote.inbox import TOO_LARGE, Inbox
from wayside.remote.messages import topic
from wayside.runtime.backoff import Backoff
from wayside.runtime.pulse import OUTSIDE_S, Pulse

_logger = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 30.0)
_LOOK_EVERY_S = 1.0  # the site file also changes by people on the spot


class RemoteLink(About):
    """`is_connected`: the broker has taken the gateway's state since the connection was made."""

    def __init__(self, site: str, connect: Callable[[Callable[[TooLarge], None]], MqttSession], inbox: Inbox):
        super().__init__("remote")
        self._site = site
        self._connect = connect
        self._inbox = inbox
        self.is_connected = False
        self.last_error = ""
        self._turns = 0

    def status(self) -> dict[str, Any]:
        """How operators reach the gateway, and what they asked for."""
        requests = dict(self._inbox.counters)
        return {"connected": self.is_connected, "last_error": self.last_error, "requests": requests}

    def problems(self) -> Iterator[Problem]:
        if not self.is_connected:
            yield Problem(WARNING, f"operators cannot reach this gateway: {self.last_error}")
        if count := self._inbox.counters[TOO_LARGE]:
            text = f"{count} messages on the topic for site files were too large: who publishes there?"
            yield Problem(WARNING, text)

    def lines(self) -> Iterator[str]:
        state = "connected" if self.is_connected else f"NOT CONNECTED: {self.last_error}"
        yield f"remote: {state}; requests: {counted(self._inbox.counters)}"

    def metrics(self) -> Iterator[Family]:
        requests = [({"outcome": outcome}, count) for outcome, count in self._inbox.counters.items()]
        yield Family("wayside_remote_requests_total", "counter", "Site files that were asked for from afar.", requests)
        reached = int(self.is_connected)
        yield Family("wayside_remote_connected", "gauge", "1 while operators can reach it.", [({}, reached)])

    def pulse(self) -> Pulse:
        """On a connection that stands it looks once a second whether there is anything to tell."""
        return Pulse("remote", lambda: self._turns, within_s=OUTSIDE_S)

    async def run(self) -> None:
        """Until cancelled; a lost connection is made again after an ever longer wait."""
        backoff = Backoff(*_BACKOFF_S, Random())
        while True:
            self._turns += 1
            try:
                async with self._connect(self._inbox.too_large) as session:
                    await session.subscribe(topic(self._site, "request"))
                    told = await self._tell(session, b"")
                    self.is_connected, self.last_error = True, ""
                    with backoff.holding(asyncio.get_running_loop().time):
                        await self._serve(session, told)
            except FarSideError as error:
                if str(error) != self.last_error:  # a broker that is away for a day is told once
                    _logger.warning("remote configuration: %s", error)
                self.last_error = str(error)
            finally:
                self.is_connected = False
            await asyncio.sleep(backoff.next_s())

    async def _serve(self, session: MqttSession, told: bytes) -> None:
        tasks = [asyncio.create_task(each) for each in (self._receive(session), self._send(session, told))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _receive(self, session: MqttSession) -> None:
        while True:
            message = await session.message()
            self._inbox.offer(message.payload)
            session.acknowledge(message)

    async def _send(self, session: MqttSession, told: bytes) -> None:
        inbox = self._inbox
        while True:
            self._turns += 1
            told = await self._tell(session, told)
            while inbox.answers:
                await session.publish(topic(self._site, "result"), inbox.answers[0])
                inbox.answers.popleft()
            inbox.answered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await inbox.answered.wait()

    async def _tell(self, session: MqttSession, told: bytes) -> bytes:
        """The state, published unless it is what was `told`."""
        state = self._inbox.state()
        if state != told:
            # Retained: an operator has to know the number and the file in force before he can ask for another one.
            await session.publish(topic(self._site, "state"), state, retain=True)
        return state
