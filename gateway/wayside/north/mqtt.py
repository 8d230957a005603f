"""The two MQTT sinks: batches with proof for a receiver that verifies, JSON for people and dashboards.

Topics and promises: docs/delivery.md. Batch format: docs/wire-format.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import NamedTuple

from wayside.evidence.batch import encode_batch
from wayside.evidence.origin import parse_origin
from wayside.net.far_side import Denied, FarSideError, FarSideRefused, Rejected, Unreachable
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.echo import ECHO_S, CannotListen, HeardEcho
from wayside.net.mqtt.session import Message, MqttSession
from wayside.values.expected import Expected

from .announcer import Announcer
from .json_report import as_json
from .report import Report, reports
from .sink import Batch, Lost, SinkLog
from .state_topic import StateTopic

ROOT = "wayside"

_PRESENT_S = 60.0  # in the log: a report that waited longer for a link says how things were
_RECENT_S = 30.0  # a report that is not late may be sent once more for so long: it still says how things are


def log_topic(origin: str) -> str:
    """Where the batches of the log `origin` ("<site>/log/<epoch>") go."""
    return f"{ROOT}/{origin}"


def origin_of(topic: str) -> str:
    """The log whose batches come on `topic`."""
    return topic.removeprefix(f"{ROOT}/")


def device_topic(origin: str, device: str, late: bool) -> str:
    """Where the reports of a device go; late ones apart, so that the topic itself only ever moves forward in time."""
    return f"{ROOT}/{parse_origin(origin).site}/device/{device}" + ("/late" if late else "")


class Unheard(Unreachable):
    """Acknowledged, and thrown away: it did not come back, as others on its topic did or may do."""


class _Mqtt:
    """A sink over one MQTT connection. The log is its memory, so the broker keeps no session for it."""

    def __init__(
        self,
        broker: Broker,
        log: SinkLog,
        client_id: str = "",
        state_topic: str = "",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Without a `client_id` one is made up; with one, a second gateway would throw this one out.

        state_topic: where a retained message says whether the sink is connected; "" for nowhere.
        """
        self._broker = broker
        self._log = log
        self._client_id = client_id
        self._session: MqttSession | None = None
        self._heard = HeardEcho()
        self._announcer = Announcer(clock)
        self._state = StateTopic(state_topic, self._announcer) if state_topic else None
        self._prepare()

    def _prepare(self) -> None:
        """What a kind of sink remembers besides."""

    @property
    def not_announced(self) -> str:
        """What the broker does not take beside the entries, and why; "" where it takes all."""
        return self._announcer.problem

    def connect(self) -> AbstractAsyncContextManager[Lost]:
        return self._connection()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Lost]:
        will = self._state.will if self._state else None
        async with MqttSession(self._broker, self._client_id, will=will) as self._session:
            try:
                if self._state is None:
                    yield self._session.lost
                else:
                    async with self._announcing(self._session, self._state) as lost:
                        yield lost
            finally:
                self._session = None

    @asynccontextmanager
    async def _announcing(self, session: MqttSession, state: StateTopic) -> AsyncIterator[Lost]:
        """Say beside the entries what there is to say."""
        self._announcer.new_connection()
        await state.begin(session)
        for topic_filter in self._reads():
            await self._announcer.listen(session, topic_filter)
        self._announce_all()
        tasks = [asyncio.create_task(each) for each in (self._follow(session), self._announcer.run(session))]

        async def lost() -> None:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

        is_meant = True
        try:
            yield lost
        except FarSideError:
            is_meant = False  # there will be another connection, at once
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if is_meant:
                await state.end(session)

    def _reads(self) -> Sequence[str]:
        """Topics that are read, beside that of the state."""
        return ()

    def _announce_all(self) -> None:
        """What a new connection begins with."""
        if self._state:
            self._state.say()

    async def _follow(self, session: MqttSession) -> None:
        """Answer what others say on our topics."""
        while True:
            message = await session.message()
            session.acknowledge(message)
            self._announcer.came(message.topic, message.payload)
            if self._state and message.topic == self._state.topic:
                self._state.came(message.payload)
            else:
                self._came(message)

    def _came(self, message: Message) -> None:
        """A message on a topic that is read."""

    @property
    def _connected(self) -> MqttSession:
        if self._session is None:
            raise Unreachable("not connected")
        return self._session

    async def _publish(self, topic: str, payload: bytes, is_divisible: bool = False) -> bool:
        """Whether the broker's acknowledgement is known to be worth something.

        is_divisible: smaller messages would do, and may be what the broker takes.
        """
        session, heard = self._connected, self._heard
        if session.version == 5 and session.qos:
            await session.publish(topic, payload)
            return True
        if heard.ever(topic):
            await self._listen(session, topic, payload, is_divisible)
            return True
        if session.qos and not heard.is_due(topic, len(payload)):
            await session.publish(topic, payload)
            return heard.ever(topic)
        async with heard.lock(topic):
            if not session.qos or heard.is_due(topic, len(payload)):
                await self._listen(session, topic, payload, is_divisible)
            else:  # another one has not come back meanwhile
                await session.publish(topic, payload)
        return heard.ever(topic)

    async def _listen(self, session: MqttSession, topic: str, payload: bytes, is_divisible: bool) -> None:
        heard, size = self._heard, len(payload)
        try:
            came = await session.publish_and_listen(topic, payload, ECHO_S)
        except CannotListen:
            heard.cut(topic)
            raise
        if came:
            heard.was(topic, size)
        elif not session.qos:
            raise Unheard(f"{self._broker}: takes QoS 0 only, and what is sent on {topic} does not come back")
        elif heard.shows(topic, size) is not None:
            if heard.ever(topic):
                heard.was_lost(topic)
            raise self._unheard(topic, size)
        elif is_divisible:
            raise Unheard(f"{self._broker}: acknowledges, but {size} bytes on {topic} did not come back")
        else:
            heard.was_not(topic, size)

    def _unheard(self, topic: str, size: int) -> Unheard:
        how = f"{size} bytes on {topic} did not come back, {self._heard.shows(topic, size)} did"
        return Unheard(f"{self._broker}: acknowledges, and throws away: {how}")

    def _doubt(self, topic: str) -> str:
        return (
            f"{self._broker} speaks MQTT 3.1.1 and acknowledges, but nothing sent on {topic} comes back: it is not "
            "known whether anybody can hear it; let the gateway read this topic, or use a broker that speaks MQTT 5"
        )


class VerifiableMqtt(_Mqtt):
    """Each batch as one message, with the checkpoint that covers it and the proof that ties the two."""

    _taken: bytes | None = None  # the newest that the broker took

    async def send(self, batch: Batch) -> str | None:
        self._announcer.want_again()
        proof = await self._log.prove(batch.first, batch.end)
        data = encode_batch(proof.checkpoint, batch.first, batch.records, proof.hashes)
        topic = log_topic(self._log.origin)
        try:
            is_known = await self._publish(topic, data, is_divisible=len(batch.records) > 1)
        except Rejected as error:
            if len(batch.records) > 1:
                raise
            if not await self._takes_again():
                raise FarSideRefused(str(error)) from None
            is_known = await self._publish(topic, data)  # somebody may have mended a setting in between
        self._taken = data
        return None if is_known else self._doubt(topic)

    async def _takes_again(self) -> bool:
        """Whether the broker takes now what it took before: then what it refuses is meant for one entry.

        Else it may refuse everything, for a setting that somebody will mend.
        """
        if self._taken is None:
            return False
        try:
            await self._connected.publish(log_topic(self._log.origin), self._taken)
        except (Denied, Rejected):
            return False
        return True


class _Message(NamedTuple):
    """A report as it goes out; is_late: it says nothing of the present."""

    topic: str
    payload: bytes
    is_late: bool


class _Taken(NamedTuple):
    """A report that the broker has taken."""

    topic: str
    payload: bytes
    at_s: float


class PlainMqtt(_Mqtt):
    """Each pack in a batch as one JSON object on its device's topic; other entries are passed over.

    Who reads that topic takes for the present what comes on it, so reports that are old go beside it, as those do that
    younger ones overtook.
    """

    _taken: dict[bool, _Taken]
    """The newest report in this connection, by whether it is late."""
    _live: asyncio.Lock
    """Held while reports that are not late are sent: their topics only move forward."""

    def _prepare(self) -> None:
        self._taken = {}
        self._live = asyncio.Lock()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Lost]:
        self._taken.clear()
        async with super()._connection() as lost:
            yield lost

    async def send(self, batch: Batch) -> str | None:
        found = reports(self._log.origin, batch.records)
        if batch.late:
            return await self._send(found, late=True)
        await self._introduce(found)
        async with self._live:
            return await self._send(found, late=False)

    async def _introduce(self, found: Sequence[Report]) -> None:
        """What there is to say before reports that are not late go out."""
        self._announcer.want_again()

    async def _send(self, found: Sequence[Report], late: bool) -> str | None:
        made = {each.entry_index: self._message(each, late) for each in found}
        sent = [self._publish(each.topic, each.payload) for each in made.values()]
        outcomes = dict(zip(made, await asyncio.gather(*sent, return_exceptions=True), strict=True))
        doubt = None
        refused: dict[int, str] = {}
        no = None  # after which the broker has taken nothing
        for index, outcome in outcomes.items():
            topic, payload, is_late = made[index]
            if isinstance(outcome, Rejected | Denied):
                refused[index] = no = str(outcome)
            elif isinstance(outcome, BaseException):
                # A broken connection says nothing about the messages; refusals do, once all others had an answer.
                raise outcome
            else:
                no = None
                self._taken[is_late] = _Taken(topic, payload, monotonic())
                if not outcome:
                    if self._heard.shows(topic, len(payload)) is not None:  # by now, of this one that did not come back
                        raise self._unheard(topic, len(payload))
                    doubt = self._doubt(topic)
        if no and not await self._still_takes(late):
            raise Denied(no)
        refused = await self._refused_again(made, refused)
        if refused:
            raise Rejected(next(iter(refused.values())), refused)
        return doubt

    async def _refused_again(self, made: dict[int, _Message], refused: dict[int, str]) -> dict[int, str]:
        """Of what was refused before another report was taken: what is refused once more.

        Somebody may have mended the list in between.
        """
        asked = [self._connected.publish(made[index].topic, made[index].payload) for index in refused]
        outcomes = dict(zip(refused, await asyncio.gather(*asked, return_exceptions=True), strict=True))
        for outcome in outcomes.values():
            if isinstance(outcome, BaseException) and not isinstance(outcome, Rejected | Denied):
                raise outcome
        return {index: str(outcome) for index, outcome in outcomes.items() if outcome}

    async def _still_takes(self, late: bool) -> bool:
        """Whether the broker takes a report now that it took before: then what it refuses is meant for one.

        Else its access list may be broken as a whole, or its limits; then all has to wait until somebody mends them.
        """
        if not late:
            return await self._takes_again(False) or await self._takes_again(True)
        if await self._takes_again(True):
            return True
        async with self._live:
            return await self._takes_again(False)

    async def _takes_again(self, late: bool) -> bool:
        taken = self._taken.get(late)
        if taken is None or (not late and monotonic() - taken.at_s > _RECENT_S):
            return False
        try:
            await self._connected.publish(taken.topic, taken.payload)
        except (Denied, Rejected):
            return False
        return True

    def _message(self, report: Report, late: bool) -> _Message:
        is_late = late or not self._is_present(report)
        topic = device_topic(self._log.origin, report.device, is_late)
        return _Message(topic, as_json(report).encode(), is_late)

    def _is_present(self, report: Report) -> bool:
        """Whether it still says how things are."""
        age_s = self._log.age_s(report.entry_index)
        return age_s <= _PRESENT_S and age_s + report.delay_s <= max(_PRESENT_S, self._longest_delay_s(report.device))

    def _longest_delay_s(self, device: str) -> float:
        """How long a report of `device` may be on its way and still be its newest."""
        return Expected().report_s
