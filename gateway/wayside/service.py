"""The gateway as a service: a Daemon, and another one whenever its site file or its log's epoch changes.

A site file that `wayside config apply` put in place is on trial: it must come up within a time, or the one before it
comes back. Above the daemon; only the command line uses it.
"""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from wayside import config, profiles
from wayside.clock import Clock
from wayside.daemon import Daemon, Ended
from wayside.sd_notify import Notifier
from wayside.site_history import History, Trial
from wayside.supervise import background

_logger = logging.getLogger(__name__)

_PATIENCE_S = (60.0, 3600.0)
_HEALTHY_S = 6 * 3600.0  # who ran this long starts with the short wait again


@dataclass(frozen=True)
class Probation:
    """What a new site file has to show: that it runs for `settle_s` without a failed task, all `within_s`."""

    within_s: float = 60.0
    settle_s: float = 3.0


async def keep_running(path: Path, clock: Clock, notifier: Notifier, probation: Probation = Probation()) -> None:
    """Run the gateway of the site file at `path` until cancelled. What keeps it from starting is raised."""
    history = History(path)
    patience_s = 0.0
    while True:
        trial = history.start_trial()
        began_s = clock.monotonic()
        try:
            daemon = Daemon(config.load(path, profiles.names()), path, clock, patience_s, notifier)
            verdict = _Verdict(daemon, history, trial, probation)
            async with background(verdict.run):
                ended = await daemon.run()
        except asyncio.CancelledError:
            if trial and history.trial():
                history.interrupt(trial)
            raise
        except Exception as error:
            if not trial:
                raise
            _roll_back(history, trial, str(error))
            continue
        if trial and verdict.why:
            _roll_back(history, trial, verdict.why)
        elif ended is Ended.EPOCH:
            _logger.warning("a witness knows more of this log than its disk: starting again, in a new epoch")
            patience_s = _next_patience_s(patience_s, clock.monotonic() - began_s)
        else:
            _logger.warning("starting again with the site file as it is now")


def _roll_back(history: History, trial: Trial, why: str) -> None:
    _logger.error(
        "version %d of the site file did not come up, version %d is back: %s", trial.version, trial.before, why
    )
    history.fail(trial, why)


class _Verdict:
    """Watches a Daemon come up. `why` it did not, when it did not; then the Daemon has been told to end."""

    def __init__(self, daemon: Daemon, history: History, trial: Trial | None, probation: Probation):
        self._daemon = daemon
        self._history = history
        self._trial = trial
        self._probation = probation
        self.why = ""

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self._probation.within_s):
                await self._comes_up()
        except TimeoutError:
            self.why = self._missing() or "it was not ready in time"
        if self.why:
            if self._trial:
                self._daemon.end(Ended.RELOAD)
            return
        try:
            self._history.accept()
            self._history.keep(self._daemon.site_text)
        except OSError as error:
            _logger.warning("this version of the site file is not kept: %s", error)

    async def _comes_up(self) -> None:
        parts = self._daemon.parts
        await self._daemon.ready.wait()
        await asyncio.sleep(self._probation.settle_s)
        while self._missing() and not parts.restarts:
            await asyncio.sleep(0.05)
        if parts.restarts:
            self.why = f"these tasks failed: {', '.join(sorted(parts.restarts))}; the gateway's messages say why"

    def _missing(self) -> str:
        """What a Daemon that is ready still lacks, empty when nothing."""
        parts = self._daemon.parts
        if self._trial and self._trial.needs_sink and not any(each.status.connected for each in parts.forwarders):
            errors = "; ".join(f"{each.name}: {each.status.last_error}" for each in parts.forwarders)
            return f"a sink was connected before, and now none is ({errors or 'there is none'})"
        return ""


def _next_patience_s(patience_s: float, ran_s: float) -> float:
    """A witness that lies, or somebody between, must not make the gateway begin one epoch after the other."""
    return _PATIENCE_S[0] if ran_s > _HEALTHY_S else min(max(2 * patience_s, _PATIENCE_S[0]), _PATIENCE_S[1])
