"""What the gateway says about itself in its log: its configuration, the keys that count, steps of its clock."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from wayside.clock import Clock
from wayside.evidence.entry import Kind, clock_body, configuration_body, key_body
from wayside.intake.intake import GATEWAY_STREAM, Intake
from wayside.log import Log

_logger = logging.getLogger(__name__)

_STEP_MS = 1000  # a wall clock that moves more than this against the monotonic one was set
_LOOK_EVERY_S = 1.0


class KeyHolder(NamedTuple):
    """Who holds a key and which devices it signs for. role: "gateway" or "node"."""

    public: bytes
    role: str
    devices: tuple[str, ...]


class _Statement(NamedTuple):
    kind: Kind
    body: dict[int, Any]
    name: str
    value: bytes


def statements(configuration: bytes, holders: Iterable[KeyHolder]) -> list[_Statement]:
    """An entry for the configuration (its SHA-256) and for each key."""
    result = [_Statement(Kind.CONFIGURATION, configuration_body(configuration), "configuration", configuration)]
    for holder in holders:
        body = key_body(holder.public, holder.role, list(holder.devices), "registered")
        said = "\n".join([holder.role, *holder.devices]).encode()
        result.append(_Statement(Kind.KEY, body, f"key {holder.public.hex()}", said))
    return result


class GatewayJournal:
    """Makes entries of what changed since the last start, then of each step of the wall clock."""

    def __init__(self, log: Log, intake: Intake, clock: Clock, said: Iterable[_Statement]):
        # An unchanged configuration changes nothing, not even the log.
        self._new = [each for each in said if log.note(each.name) != each.value]
        self._intake = intake
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while self._new:
            kind, body, name, value = self._new[0]
            await self._intake.log(GATEWAY_STREAM, kind, body, {name: value})
            self._new.pop(0)
        offset = self._offset_ms()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            step = self._offset_ms() - offset
            if abs(step) > _STEP_MS:
                offset += step
                _logger.warning("the clock was set by %d ms", step)
                await self._intake.log(GATEWAY_STREAM, Kind.CLOCK, clock_body(step))

    def _offset_ms(self) -> int:
        return self._clock.utc_ms() - int(self._clock.monotonic() * 1000)
