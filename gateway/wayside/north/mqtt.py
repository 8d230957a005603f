"""The two MQTT sinks: batches with proof for a receiver that verifies, JSON for people and dashboards.

Topics and promises: docs/delivery.md. Batch format: docs/wire-format.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from wayside.evidence.batch import encode_batch
from wayside.evidence.origin import parse_origin

from .broker import Broker
from .report import report
from .session import Session
from .sink import Batch, LogReader, Lost, Rejected, Unreachable

ROOT = "wayside"


def log_topic(origin: str) -> str:
    """Where the batches of the log `origin` ("<site>/log/<epoch>") go."""
    return f"{ROOT}/{origin}"


def origin_of(topic: str) -> str:
    """The log whose batches come on `topic`."""
    return topic.removeprefix(f"{ROOT}/")


def device_topic(origin: str, device: str, late: bool) -> str:
    """Where the reports of a device go; late ones apart, so that the topic itself only ever moves forward in time."""
    return f"{ROOT}/{parse_origin(origin).site}/device/{device}" + ("/late" if late else "")


class _Mqtt:
    """A sink over one MQTT connection. The log is its memory, so the broker keeps no session for it."""

    def __init__(self, broker: Broker, log: LogReader, client_id: str = "") -> None:
        """Without a `client_id` the broker makes one up; with one, a second gateway would throw this one out."""
        self._broker = broker
        self._log = log
        self._client_id = client_id
        self._session: Session | None = None

    def connect(self) -> AbstractAsyncContextManager[Lost]:
        return self._connection()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Lost]:
        async with Session(self._broker, self._client_id) as self._session:
            try:
                yield self._session.lost
            finally:
                self._session = None

    async def _publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        if self._session is None:
            raise Unreachable("not connected")
        await self._session.publish(topic, payload, retain)


class VerifiableMqtt(_Mqtt):
    """Each batch as one message, with the checkpoint that covers it and the proof that ties the two."""

    async def send(self, batch: Batch) -> None:
        proof = await self._log.prove(batch.first, batch.end)
        data = encode_batch(proof.checkpoint, batch.first, batch.records, proof.hashes)
        await self._publish(log_topic(self._log.origin), data)


class PlainMqtt(_Mqtt):
    """Each pack in a batch as one JSON object on its device's topic; other entries are passed over."""

    async def send(self, batch: Batch) -> None:
        origin = self._log.origin
        reports = [made for record in batch.records if (made := report(origin, record))]
        sent = [self._publish(device_topic(origin, device, batch.late), text.encode()) for device, text in reports]
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        errors = [outcome for outcome in outcomes if outcome is not None]
        # A broken connection says nothing about the messages; a rejection does, once all others had an answer.
        for error in sorted(errors, key=lambda error: isinstance(error, Rejected)):
            raise error
