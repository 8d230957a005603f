"""The watchdog: the service manager hears a sign of life only while every task that owes work moves.

A task is watched through its `Pulse`, from outside: what it has done, and whether it owes something now. A blocked
event loop shows by itself, for the watchdog's own turn does not come. Imports nothing of the gateway but `pulse` and
`sd_notify`.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence

from wayside.daemon.sd_notify import Notifier
from wayside.runtime.pulse import Pulse

_logger = logging.getLogger(__name__)

_UNWATCHED_S = 20.0  # between looks when no manager waits: what is stuck is logged all the same


class Watchdog:
    """Feeds the manager's watchdog from progress, and says what is stuck when it stops feeding."""

    def __init__(
        self,
        notifier: Notifier,
        pulses: Callable[[], Sequence[Pulse]],
        status: Callable[[], str],
        monotonic: Callable[[], float],
    ):
        """`pulses`: those of the tasks that run at the moment; `status`: a line for people, told with every look;
        `monotonic`: seconds that never jump.
        """
        self._notifier = notifier
        self._pulses = pulses
        self._status = status
        self._monotonic = monotonic
        self._seen: dict[str, tuple[Hashable, float]] = {}
        self.stuck: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Look until cancelled, three times within the manager's patience."""
        every_s = self._notifier.watchdog_s / 3 if self._notifier.watchdog_s else _UNWATCHED_S
        while True:
            self.look()
            await asyncio.sleep(every_s)

    def look(self) -> None:
        """Tell the manager that all is alive, unless something is stuck."""
        now = self._monotonic()
        pulses = self._pulses()
        stuck = frozenset(pulse.name for pulse in pulses if now - self._last_moved(pulse, now) > pulse.within_s)
        self._seen = {pulse.name: self._seen[pulse.name] for pulse in pulses}
        for name in sorted(stuck - self.stuck):
            _logger.error("%s is stuck: it has work and has not moved; the service manager will hear no more", name)
        self.stuck = stuck
        if stuck:
            self._notifier.status(f"stuck: {', '.join(sorted(stuck))}")
            return
        self._notifier.status(self._status())
        self._notifier.alive()

    def _last_moved(self, pulse: Pulse, now: float) -> float:
        moved = pulse.moved()
        before, since = self._seen.get(pulse.name, (None, now))
        if pulse.name not in self._seen or moved != before or not pulse.owes():
            since = now
        self._seen[pulse.name] = (moved, since)
        return since
