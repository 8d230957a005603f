"""Retained messages that say what the reports are about, told beside these: what the broker does not take of them
stops no report, is named, and is told again later. One after the other, so that it shows on which a connection ends.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from wayside.net.far_side import FarSideError, FarSideRefused, Unreachable
from wayside.net.mqtt.echo import ECHO_S
from wayside.net.mqtt.session import MqttSession

_AGAIN_S = 600.0
_CUTS = 2  # connections that ended on a message, or a subscription, before it is left out for a while
_MOST = 16_384  # messages of others to clear at a time: the rest is there at the next connection

_UNHEARD = "acknowledged, but it does not come back: it is not known whether anybody can hear it"


class _Untold(NamedTuple):
    payload: bytes | None
    """None: a subscription."""
    why: str
    since_s: float
    """From when on it is a problem: before that an echo may come."""
    again_s: float


class Announcer:
    """What is wanted to stand at the broker, and what of it the broker did not take."""

    def __init__(self, clock: Callable[[], float] = monotonic):
        self._clock = clock
        self._wanted: dict[str, bytes] = {}
        self._untold: dict[str, _Untold] = {}
        self._cuts: Counter[str] = Counter()
        self._is_wanted = asyncio.Event()
        self._is_told = asyncio.Event()

    @property
    def problem(self) -> str:
        """How many messages the broker did not take, and of one of them why; "" when it took all."""
        now = self._clock()
        open_ones = {topic: each.why for topic, each in self._untold.items() if each.since_s <= now}
        for topic, why in open_ones.items():
            return f"{len(open_ones)} of its topics, such as {topic}: {why}"
        return ""

    def new_connection(self) -> None:
        """Forget what was still to be told: it is wanted anew."""
        self._wanted.clear()

    def cannot(self, name: str, why: str) -> None:
        """Note what else the broker does not take; an empty `why`: it does."""
        if why:
            self._note(name, None, why)
        else:
            self._untold.pop(name, None)

    async def listen(self, session: MqttSession, topic_filter: str) -> None:
        """Subscribe. Raises Unreachable when the connection ends."""
        name = f"{topic_filter} (to read)"
        if self._is_left_out(name):
            return
        try:
            await session.subscribe(topic_filter)
        except FarSideRefused as error:
            self._note(name, None, str(error))
        except Unreachable as error:
            self._note_cut(name, None, error)
            raise
        else:
            self._untold.pop(name, None)
        self._cuts.pop(name, None)

    def want(self, topic: str, payload: bytes) -> None:
        """Retain `payload` on `topic` at the broker, soon; empty clears it."""
        if not self._is_left_out(topic):
            self._wanted[topic] = payload
            self._is_told.clear()
            self._is_wanted.set()

    def want_cleared(self, topic: str) -> None:
        """The same of topics that others can make up."""
        if len(self._wanted) + len(self._untold) < _MOST:
            self.want(topic, b"")

    def want_again(self) -> None:
        """What was not taken some time ago: access lists are mended while a connection lasts."""
        now = self._clock()
        for topic, each in list(self._untold.items()):
            if each.payload is not None and each.again_s <= now:
                self.want(topic, each.payload)

    def came(self, topic: str, payload: bytes) -> None:
        """A message came: perhaps ours, on its way back."""
        if topic in self._untold and self._untold[topic].payload == payload:
            del self._untold[topic]

    async def told(self, within_s: float) -> None:
        """Wait, but not for long, until the broker has had all that is wanted."""
        waiting = asyncio.create_task(self._is_told.wait())
        try:
            await asyncio.wait([waiting], timeout=within_s)
        finally:
            waiting.cancel()

    async def run(self, session: MqttSession) -> None:
        """Tell what is wanted until the connection ends: then Unreachable."""
        while True:
            while self._wanted:
                topic = next(iter(self._wanted))
                await self._tell(session, topic, self._wanted.pop(topic))
            self._is_told.set()
            self._is_wanted.clear()
            await self._is_wanted.wait()

    async def _tell(self, session: MqttSession, topic: str, payload: bytes) -> None:
        is_believed = session.version == 5 and session.qos > 0
        if not is_believed:  # before it is sent: an echo may come before the acknowledgement
            self._note(topic, payload, _UNHEARD, ECHO_S)
        try:
            await session.publish(topic, payload, retain=True)
        except FarSideError as error:
            if session.is_lost:
                self._note_cut(topic, payload, error)
                raise
            self._note(topic, payload, str(error))
        else:
            if is_believed:
                self._untold.pop(topic, None)
        self._cuts.pop(topic, None)

    def _note(self, name: str, payload: bytes | None, why: str, after_s: float = 0.0) -> None:
        now = self._clock()
        self._untold[name] = _Untold(payload, why, now + after_s, now + _AGAIN_S)

    def _note_cut(self, name: str, payload: bytes | None, error: FarSideError) -> None:
        self._cuts[name] += 1
        if self._cuts[name] >= _CUTS:
            self._note(name, payload, f"the connection ends on it: {error}")

    def _is_left_out(self, name: str) -> bool:
        return self._cuts[name] >= _CUTS and name in self._untold and self._clock() < self._untold[name].again_s
