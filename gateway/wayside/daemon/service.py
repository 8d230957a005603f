"""The gateway as a service: a Daemon that takes up its site file when asked, and another one for each epoch of its log.

A site file that `wayside config apply` put in place is on trial: it must come up within a time, or the one before it
comes back. Above the daemon; only the command line uses it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wayside.daemon.daemon import Daemon
from wayside.daemon.sd_notify import Notifier
from wayside.log import LogError
from wayside.parts.part import Uplink
from wayside.runtime.clock import Clock
from wayside.runtime.supervise import background
from wayside.site import config
from wayside.site.history import SiteHistory, SiteTrial
from wayside.text.redact import redact

_logger = logging.getLogger(__name__)

_PATIENCE_S = (60.0, 3600.0)
_HEALTHY_S = 6 * 3600.0  # who ran this long starts with the short wait again


# A task that loads a library holds the loop up, for seconds on a small machine, and has shown nothing by it: such a
# hold uses up one part of the time to settle, not all of it.
_SETTLE_PARTS = 10


@dataclass(frozen=True)
class Probation:
    """What a new site file has to show: that it runs for `settle_s` without a failed task, all `within_s`."""

    within_s: float = 60.0
    settle_s: float = 3.0


async def keep_running(
    path: Path,
    clock: Clock,
    notifier: Notifier,
    probation: Probation = Probation(),
    reload: asyncio.Event | None = None,
    runs: Callable[[config.SiteFile], None] = lambda site: None,
) -> None:
    """Run the gateway of the site file at `path` until cancelled. What keeps it from starting is raised.

    LogError also at the end, in the place of the cancellation: something that was read is not stored.

    `reload`: set when the site file is to be taken up again. `runs`: called with the site file that a gateway has begun
    to run.
    """
    reload = reload or asyncio.Event()
    history = SiteHistory(path)
    patience_s = 0.0
    while True:
        trial = history.start_trial()
        began_s = clock.monotonic()
        try:
            site = _load(path)
            daemon = Daemon(site, path, clock, patience_s, notifier, reload.set)
        except Exception as error:
            if not trial:
                raise
            _roll_back(history, trial, str(error))
            continue
        keeper = _Keeper(daemon, path, history, probation, reload)
        try:
            async with background(partial(keeper.run, trial, partial(runs, site))):
                await daemon.run()
        except asyncio.CancelledError:
            if daemon.lost:
                raise LogError(daemon.lost) from None
            raise
        _logger.warning("a witness knows more of this log than its disk: starting again, in a new epoch")
        patience_s = _next_patience_s(patience_s, clock.monotonic() - began_s)


def _load(path: Path) -> config.SiteFile:
    return config.load(path)


def _roll_back(history: SiteHistory, trial: SiteTrial, why: str) -> None:
    why = redact(why)  # kept in the history, and told to whoever asked from afar
    _logger.error(
        "version %d of the site file did not come up, version %d is back: %s", trial.version, trial.before, why
    )
    history.fail(trial, why)


class _Keeper:
    """Has a Daemon take up its site file whenever it is asked to, and judges the one that is on trial."""

    def __init__(self, daemon: Daemon, path: Path, history: SiteHistory, probation: Probation, reload: asyncio.Event):
        self._daemon = daemon
        self._path = path
        self._history = history
        self._probation = probation
        self._reload = reload

    async def run(self, trial: SiteTrial | None, runs: Callable[[], None]) -> None:
        """Judge the start, `trial` being on trial, then wait for requests; until cancelled. `runs`: called once."""
        try:
            await self._daemon.ready.wait()
            runs()
            await self._judge(trial)
            while True:
                await self._reload.wait()
                self._reload.clear()
                trial = self._history.start_trial()
                await self._take_up(trial)
        except asyncio.CancelledError:
            if trial and self._history.trial():
                self._history.interrupt(trial)
            raise

    async def _take_up(self, trial: SiteTrial | None) -> None:
        before = Counter(self._daemon.parts.restarts)
        try:
            started = await self._daemon.apply(_load(self._path), self._path.read_bytes())
        except Exception as error:
            # Whatever it was, the parts are as before, and the gateway must not end by a file.
            if trial:
                _roll_back(self._history, trial, str(error))
            else:
                _logger.error("the site file is not taken up, the gateway goes on as before: %s", error)
            return
        _logger.warning("the site file is taken up; started: %s", ", ".join(started) or "nothing")
        await self._judge(trial, before, started)

    async def _judge(
        self, trial: SiteTrial | None, before: Counter[str] | None = None, started: Collection[str] | None = None
    ) -> None:
        """Give the tasks `started`, None for all, their time; `before`: how often tasks had been started again."""
        why = await self._why_not(trial, before or Counter(), started)
        if why and trial:
            _roll_back(self._history, trial, why)
            self._reload.set()
        if why:
            return
        now = self._history.trial()
        try:
            if trial and now and now.version == trial.version:
                self._history.accept()
            elif not now:  # else that is for the next turn, and has kept this version
                self._history.keep(self._daemon.site_text)
        except OSError as error:
            _logger.warning("this version of the site file is not kept: %s", error)

    async def _why_not(self, trial: SiteTrial | None, before: Counter[str], started: Collection[str] | None) -> str:
        """Why the tasks have not come up; empty when they have."""
        restarts = self._daemon.parts.restarts
        try:
            async with asyncio.timeout(self._probation.within_s):
                for _ in range(_SETTLE_PARTS):
                    await asyncio.sleep(self._probation.settle_s / _SETTLE_PARTS)
                while True:
                    failed = [name for name in sorted(restarts - before) if started is None or name in started]
                    if failed:
                        return f"these tasks failed: {', '.join(failed)}; the gateway's messages say why"
                    if not self._missing(trial):
                        return ""
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return self._missing(trial)

    def _missing(self, trial: SiteTrial | None) -> str:
        """What the Daemon still lacks, empty when nothing."""
        uplinks = self._daemon.parts.running.uplinks()
        sinks = [each for each in uplinks if not each.brings_operators]
        links = [each for each in uplinks if each.brings_operators]
        if trial and trial.needs_sink and not any(map(_delivers, sinks)):
            errors = "; ".join(f"{each.name}: {each.last_error()}" for each in sinks)
            return f"a sink was connected before, and now none is ({errors or 'there is none'})"
        if trial and trial.needs_remote and not any(each.is_connected() for each in links):
            errors = "; ".join(each.last_error() for each in links)
            return f"the operator would not reach it any more ({errors or 'there is no [remote]'})"
        return ""


def _delivers(sink: Uplink) -> bool:
    """Whether a sink is connected and nothing has failed since it last delivered: some only notice when they send."""
    return sink.is_connected() and not sink.last_error()


def _next_patience_s(patience_s: float, ran_s: float) -> float:
    """A witness that lies, or somebody between, must not make the gateway begin one epoch after the other."""
    return _PATIENCE_S[0] if ran_s > _HEALTHY_S else min(max(2 * patience_s, _PATIENCE_S[0]), _PATIENCE_S[1])
