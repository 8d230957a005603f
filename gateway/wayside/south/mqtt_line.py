"""A pair of MQTT topics as a node's serial line: what the node publishes can be read, what is written is published.

`open` is what NodeLink asks for a port. Nothing is kept over a lost connection: the node sends again what the gateway
has not acknowledged.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random

from wayside_wire.frame import MAX_FRAME

from wayside.net.frame_port import BytePort
from wayside.runtime.backoff import Backoff
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.south.adapters import BrokerSession
from wayside.text.complaints import Complaints

_logger = logging.getLogger(__name__)

_BACKOFF_S = (0.5, 60.0)
_PIECE = 4096

TOO_LARGE = "messages too large"
"""Among the counters: messages on the node's topic that nobody has read."""


class MqttLine:
    """The topics `<topic>/up` and `<topic>/down` of one node."""

    def __init__(
        self,
        topic: str,
        connect: Callable[[Callable[[object], None]], AbstractAsyncContextManager[BrokerSession]],
        passing: type[Exception],
    ):
        """`connect` makes a connection; `passing`: what it raises when there is none for now.

        `connect` is given what is to be called for a message that was too large to be read; its text says which.
        `counters` say how often that was.
        """
        self._topic = topic
        self._connect = connect
        self._passing = passing
        self._ours: socket.socket | None = None
        self._theirs: socket.socket | None = None
        self.last_error = ""
        self._backoff = Backoff(*_BACKOFF_S, Random())
        self._turns = 0
        self._is_open = self._is_sending = False
        self.counters: Counter[str] = Counter()
        self._complaints = Complaints(_logger)

    def open(self, _path: str, _baud: int) -> BytePort:
        """The gateway's end of the line; OSError while the broker is away or the line is in use."""
        theirs, self._theirs = self._theirs, None
        if theirs is None:
            raise OSError("the broker is not connected")
        return theirs

    def pulse(self, name: str) -> Pulse:
        """Of the task `name`. On a connection that stands it owes only what the node is to be told."""
        return Pulse(
            name,
            lambda: (self._turns, self._is_open, self._is_sending),
            lambda: self._is_sending or not self._is_open,
            OUTSIDE_S,
        )

    async def run(self) -> None:
        """Keep the connection until cancelled; a lost one is made again after an ever longer wait."""
        while True:
            self._turns += 1
            try:
                async with self._connect(self._pass_over) as session:
                    await session.subscribe(f"{self._topic}/up")
                    self.last_error = ""
                    with self._backoff.holding(asyncio.get_running_loop().time):
                        await self._serve(session)
            except self._passing as error:
                if str(error) != self.last_error:  # a broker that is away for a day is told once
                    _logger.warning("node %s: %s", self._topic, error)
                self.last_error = str(error)
            await asyncio.sleep(self._backoff.next_s())

    def _pass_over(self, told: object) -> None:
        self.counters[TOO_LARGE] += 1
        self._complaints.say(f"node {self._topic}", told)

    async def _serve(self, session: BrokerSession) -> None:
        ours, self._theirs = socket.socketpair()
        ours.setblocking(False)
        self._theirs.setblocking(False)
        self._is_open = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(session, ours))
                group.create_task(self._down(session, ours))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._is_open = self._is_sending = False
            ours.close()
            if self._theirs:
                self._theirs.close()
                self._theirs = None

    async def _up(self, session: BrokerSession, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await session.message()
            # A reader that does not read makes the broker wait, and the node with it.
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(ours, message.payload)
            session.acknowledge(message)
            self._backoff.reset()

    async def _down(self, session: BrokerSession, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        data = b""
        while True:
            piece = await loop.sock_recv(ours, _PIECE)
            if not piece:
                raise self._passing("the line was closed")
            whole, separator, data = (data + piece).rpartition(b"\0")
            if len(data) > MAX_FRAME:
                data = b""
            if separator:
                self._is_sending = True
                await session.publish(f"{self._topic}/down", whole + separator)
                self._is_sending = False
