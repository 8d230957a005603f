"""The operator's side: sign a new site file for a gateway, send it, wait for the gateway's signed answer."""

import asyncio
from contextlib import suppress
from typing import TypeVar

from wayside.evidence import EvidenceError
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.remote.messages import Request, Result, State, by, digest, open_statement, pack_request, sign, topic
from wayside.trust.keys import SigningKey

_STATE_S = 10.0

_Kind = TypeVar("_Kind", Result, State)


class PushError(Exception):
    """Nothing was sent, or no answer came; the text says why and what to do."""


async def push(
    broker: Broker, site: str, gateway: bytes, key: SigningKey, before: bytes, after: bytes, answer_s: float
) -> Result:
    """What the gateway with the public key `gateway` answers. PushError; FarSideError: the broker.

    `before`: the site file in force, as the operator knows it; `after`: the new one; `answer_s`: how long to wait.
    """
    async with MqttSession(broker, "") as session:
        await session.subscribe(topic(site, "result"))
        await session.subscribe(topic(site, "state"))
        try:
            async with asyncio.timeout(_STATE_S):
                state = await _next(session, State, site, gateway)
        except TimeoutError:
            raise PushError(f"{site} has not told this broker its state; look at its [remote] and --gateway") from None
        if state.digest != digest(before):
            raise PushError(f"{site} has another site file in force ({state.digest.hex()}): get that first")
        request = Request(site, state.next_number, digest(before), digest(after))
        raw = sign(request, key)
        await session.publish(topic(site, "request"), pack_request(raw, after))
        try:
            async with asyncio.timeout(answer_s):
                while True:
                    result = await _next(session, Result, site, gateway)
                    if result.request == digest(raw):
                        return result
        except TimeoutError:
            raise PushError(f"no answer from {site} within {answer_s:g} s; look again before asking again") from None


async def _next(session: MqttSession, kind: type[_Kind], site: str, gateway: bytes) -> _Kind:
    """The next statement of this kind by this gateway; what others say is passed over."""
    while True:
        message = await session.message()
        session.acknowledge(message)
        with suppress(EvidenceError):
            _, said = open_statement(message.payload, kind, by(gateway))
            if said.site == site:
                return said
