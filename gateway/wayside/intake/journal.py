"""What the gateway says about itself in its log: its configuration, the keys that count, steps of its clock."""

import asyncio
import logging
from collections.abc import Sequence

from wayside.evidence import kinds
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import ConfigurationBody, KeyBody
from wayside.evidence.stream import GATEWAY, KEYS
from wayside.intake.intake import Intake
from wayside.log import Append, Log
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import Pulse

_logger = logging.getLogger(__name__)

CONFIGURATION = "configuration"
"""Under which name the log notes the configuration in force."""

_STEP_MS = 1000  # a wall clock that moves more than this against the monotonic one was set
_LOOK_EVERY_S = 1.0


def announce(log: Log, clock: Clock, configuration: bytes, keys: Sequence[KeyBody]) -> None:
    """Log what `announcement` says. Before anything else: a pack counts only after the entry that registers its key."""
    new = announcement(log.note(CONFIGURATION), clock, configuration, keys)
    if new:
        log.append_entries(new)


def announcement(
    noted: bytes | None, clock: Clock, configuration: bytes, keys: Sequence[KeyBody]
) -> list[Append]:
    """Entries for the configuration (its SHA-256), unless it is what the log has `noted`, and of `keys`."""
    now = (clock.utc_ms(), clock.time_quality())
    new = [Append(KEYS, encode_unplaced(*now, body)) for body in keys]
    if noted != configuration:
        entry = encode_unplaced(*now, ConfigurationBody(configuration))
        new.insert(0, Append(GATEWAY, entry, notes={CONFIGURATION: configuration}))
    return new


class ClockWatch:
    """An entry for each step of the wall clock."""

    def __init__(self, intake: Intake, clock: Clock):
        self._intake = intake
        self._clock = clock
        self._looks = 0

    def pulse(self) -> Pulse:
        return Pulse("clock", lambda: self._looks)

    async def run(self) -> None:
        """Until cancelled."""
        offset = self._offset_ms()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._looks += 1
            step = self._offset_ms() - offset
            if abs(step) > _STEP_MS:
                offset += step
                _logger.warning("the clock was set by %d ms", step)
                self._intake.keep(GATEWAY, kinds.ClockBody(step))

    def _offset_ms(self) -> int:
        return self._clock.utc_ms() - int(self._clock.monotonic() * 1000)
