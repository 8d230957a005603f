"""The gateway daemon: its life from start to end. Nothing imports this module but `service` and the command line."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from wayside import kinds
from wayside.daemon import manage
from wayside.daemon.beginnings import Beginnings
from wayside.daemon.commander import Commander
from wayside.daemon.desk import Desk
from wayside.daemon.gateway_about import (
    ClockAbout,
    DiskAbout,
    FailingAbout,
    ForgottenAbout,
    IntakeAbout,
    LogAbout,
    RestartsAbout,
    StuckAbout,
    ValuesAbout,
)
from wayside.daemon.parts import Running
from wayside.daemon.sd_notify import NOBODY, Notifier
from wayside.daemon.status import SOCKET, Parts, line, picture, serve_status, snapshot
from wayside.daemon.time_word import Time
from wayside.daemon.watchdog import Watchdog
from wayside.evidence.kinds import CommandBody
from wayside.evidence.stream import GATEWAY
from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.intake.journal import ClockWatch
from wayside.kinds.clients import Clients
from wayside.kinds.core import Core
from wayside.log import LogError
from wayside.net import http
from wayside.parts.part import Part, PartPlan, Plans
from wayside.remote.inbox import Inbox
from wayside.runtime.clock import Clock
from wayside.runtime.memory import MemoryWatch
from wayside.runtime.pulse import Pulse
from wayside.runtime.supervise import Supervisor, background
from wayside.settings.kind_files import KindFileError
from wayside.site import secret_files
from wayside.site.certificates import ExpiryWatch, KnownTime, PartCertificates, told
from wayside.site.config import SiteFile, SiteFileError
from wayside.site.cut_off import cut_off, note_running
from wayside.site.log import devices_of_nodes, holders, open_site_log
from wayside.site.secret_files import Secrets
from wayside.site.state import state_folder
from wayside.site.unrecorded import Corrections, unrecorded
from wayside.trust.registry import Doorkeeper, Holder
from wayside.values.image import ProcessImage

_STARTED = "gateway/started"  # what the log keeps beside the cursors: when the gateway started last, ms since 1970
_LAST_FORWARD_S = 3.0
_MEGABYTE = 1_000_000


# What the world does to a part. It is told in a sentence, and tried again; all else is a fault of ours.
_EXPECTED = (OSError, sqlite3.Error, LogError, SiteFileError, KindFileError, http.MissingExtraError)


def _memory_bytes(site: SiteFile) -> int:
    return site.limits.memory_megabytes * _MEGABYTE


class Daemon:
    """The gateway of one site. All that it took is durable when `run` ends.

    It ends by cancellation, or because a witness knows what the log does not hold: then the next Daemon asks the
    witnesses again and begins the next epoch.
    """

    def __init__(
        self,
        site: SiteFile,
        path: Path,
        clock: Clock,
        patience_s: float = 0.0,
        notifier: Notifier = NOBODY,
        reload: Callable[[], None] = lambda: None,
    ):
        """Open the log and the keys of the site file at `path`; LogError or KeyFileError when they cannot be used.

        SiteFileError, and nothing is made, when a file of secrets cannot be.

        `patience_s`: how long what a witness says does not end the epoch, so that one that lies cannot do so for ever.
        `notifier`: who hears that the gateway is ready and alive. `reload`: called when somebody asks, through the
        management socket or the status site, that the site file be taken up; see `apply`.
        """
        self._clock = clock
        self._patient_until_s = clock.monotonic() + patience_s
        self._over = asyncio.Event()
        self._changing = asyncio.Lock()
        self.ready = asyncio.Event()
        self._site, self._path = site, path
        self.site_text = path.read_bytes()
        self._notifier = notifier
        self._reload = reload
        secret_files.check(site, path, secret_files.AT_START)  # before keys and log are made
        opened = open_site_log(site, path, clock)
        try:
            log = opened.log
            lost = cut_off(log, clock)
            silences = unrecorded(log, site.read_by_gateway(), clock, log.cursor(_STARTED))
            if lost or silences:
                log.append_entries([*lost, *(each.entry(clock) for each in silences)])
            log.set_cursor(_STARTED, clock.utc_ms())  # a log that cannot be written ends the start here
            self.image = ProcessImage()
            self.image.keep_only(site.expected())
            self.committer = Committer(log, site.log.commit_ms / 1000)
            self._door = Doorkeeper(opened.keyring)
            self.intake = Intake(
                self.committer,
                self._door,
                opened.identity,
                self.image,
                clock,
                log.starts,
                MemoryWatch(_memory_bytes(site)),
            )
            self.intake.policies = site.limits.overload
            self._corrections = Corrections(clock, self.intake.keep_entry)
            self._corrections.said(silences)
            self._inbox = Inbox(
                site.site.name,
                path,
                opened.keyring,
                opened.identity,
                self._record_command,
                lambda: any(each.is_connected() for each in self._running.uplinks() if not each.brings_operators),
                reload,
            )
            self._desk = Desk(lambda: self._running.commanded())
            state = state_folder(site, path)
            self._belief = belief = Belief(clock, log)
            self._core = Core(
                site.site.name,
                path,
                state,
                clock,
                self.image,
                self.committer,
                self.intake,
                self._door,
                opened,
                self._inbox,
                belief,
                Clients(Secrets(path), KnownTime(clock, log)),
                lambda: picture(self.parts),
                reload,
                self._end_epoch,
                lambda: self._running.carriers(),
                lambda: self._running.commanded(),
                self._desk.answer,
            )
            nodes = devices_of_nodes(site)
            self._manager = manage.KeyManager(self.committer, self.intake, self._door, clock, site.site.name, nodes)
            supervisor = Supervisor(_EXPECTED)
            self._running = Running(supervisor)
            self.parts = Parts(self.committer, belief, self._running, supervisor, kinds.SECTIONS)
            self._running.make(self._plans(site), or_later=(Exception,))
            note_running(log, True)
        except BaseException:
            opened.log.close()
            raise

    def _plans(self, site: SiteFile) -> Plans:
        """The parts of every gateway, and those of the site file."""
        every = (
            self._status,
            self._management,
            self._requests,
            self._clock_watch,
            self._corrections_of_times,
            self._expiry_watch,
            self._watchdog,
        )
        own = {make.__name__: PartPlan(make) for make in every}
        return own | dict(kinds.plans(site, self._core)) | {"values": PartPlan(self._values)}

    async def run(self) -> None:
        # Stopped from the source on: what was taken becomes durable, and what is durable gets a moment to be forwarded.
        async with background(self.committer.run):
            try:
                async with background(self.intake.run):
                    try:
                        self._running.start()
                        self._notifier.ready()
                        self.ready.set()
                        await self._over.wait()
                    finally:
                        await self._changing.acquire()  # for good: no part may start any more
                        await self._running.stop_all(is_north=False)
            finally:
                await self._forward_the_rest()
                await self._running.stop_all(is_north=True)
                await self._note_end()

    @property
    def lost(self) -> str:
        """What was read and is not stored although it should be, once `run` has ended; empty when nothing is."""
        found = [f"{name}: {why}" for name, why in self._running.without_store.items()]
        if count := self.intake.unstored:
            found.append(f"{count} reports are not in the log: {self.committer.problem or 'it was too slow'}")
        return "\n".join(found)

    async def apply(self, site: SiteFile, text: bytes) -> list[str]:
        """Let the parts be those of `site`, whose file holds `text`; the names of the tasks that were started.

        What is the same goes on untouched. SiteFileError, RegistryError, OSError or LogError say what is wrong; the
        parts are then as before.
        """
        if site.site != self._site.site:
            raise SiteFileError([f"{self._path}: [site] differs: stop the gateway and start it with the new file"])
        self._manager.check(self._holders(site))
        async with self._changing:
            try:
                made = await self._put_together(site)
                await self._manager.announce(hashlib.sha256(text).digest(), self._holders(site))
                await self._announce_unrecorded(site)
            except Exception:
                await self._put_together(self._site, or_later=(Exception,))
                self._running.start()
                raise
            self._site, self.site_text = site, text
            self._manager.nodes = devices_of_nodes(site)
            self.committer.commit_s = site.log.commit_ms / 1000
            self.intake.memory.limit_bytes = _memory_bytes(site)
            self.intake.policies = site.limits.overload
            self.image.keep_only(site.expected())
            self._running.start()
        return [work for name in made for work in self._running.works(name)]

    async def _put_together(
        self, site: SiteFile, or_later: tuple[type[Exception], ...] = (sqlite3.Error,)
    ) -> list[str]:
        """Stop what is not as `site` has it, and make, not start, what it lacks; the names of those parts.

        or_later: see Running.make.
        """
        plans = self._plans(site)
        await self._running.stop(self._running.differing(plans))
        # Packs of a device that leaves the site stand before the entry that takes it off the gateway's key.
        await self.intake.flush()
        return self._running.make(plans, or_later)

    async def _announce_unrecorded(self, site: SiteFile) -> None:
        """Of devices that are read from now on, and perhaps were long ago."""
        known = set(self._site.read_by_gateway())
        new = [device for device in site.read_by_gateway() if device not in known]
        silences = await self.committer.call(lambda log: unrecorded(log, new, self._clock))
        for silence in silences:
            self.intake.keep_entry(silence.entry(self._clock))
        self._corrections.said(silences)

    def _holders(self, site: SiteFile) -> list[Holder]:
        opened = self._core.opened
        return holders(site, opened.identity, opened.log_key)

    def _end_epoch(self) -> None:
        if self._clock.monotonic() >= self._patient_until_s:
            self._over.set()

    async def _note_end(self) -> None:
        """That nothing was lost, where nothing was; else the next start says that something is."""
        if not self.intake.unstored:
            with suppress(LogError):
                await self.committer.commit([])  # behind what others gave it to commit
                await self.committer.call(lambda log: note_running(log, False))

    async def _forward_the_rest(self) -> None:
        with suppress(TimeoutError, LogError):
            async with asyncio.timeout(_LAST_FORWARD_S):
                await self.committer.commit([])
                while any(uplink.owes(self.committer.size) for uplink in self._running.uplinks()):
                    await asyncio.sleep(0.02)

    # --- the parts of every gateway ---

    def _status(self) -> Part:
        parts, clock = self.parts, self._clock
        abouts = (
            LogAbout(self._core.opened.log.origin, self.committer, self.intake.counters, clock),
            ClockAbout(clock, self._belief),
            DiskAbout(self._core.state),
            FailingAbout(parts.supervisor),
            RestartsAbout(parts.supervisor),
            IntakeAbout(self.intake.counters, self.intake.refused),
        )
        return Part({"status": partial(serve_status, self._core.state / SOCKET, partial(snapshot, parts))}, abouts)

    def _values(self) -> Part:
        """Said after what each part says of itself: where a value is missing, that is what came of it."""
        return Part({}, (ValuesAbout(self.image, self._judged), ForgottenAbout(self.image)))

    def _judged(self) -> set[str]:
        return {device for about in self._running.abouts() for device in about.judges()}

    def _management(self) -> Part:
        identity = self._core.opened.identity
        commander = Commander(self._running.lines, identity, self._door.key_id_of, self._clock, self._record_done)
        beginnings = Beginnings(self._running.counts, self._record_done)
        time = Time(self._belief, self._clock, self.committer, self._record_done)
        handlers: dict[str, manage.Handler] = {"reload": self._reload_asked}
        for each in (self._manager, commander, beginnings, time, self._desk):
            handlers |= each.handlers()
        serve = partial(manage.serve_manager, self._core.state / manage.SOCKET, handlers)
        return Part({"manager": serve, "trials": commander.stand_trials}, pulses=(commander.pulse("trials"),))

    async def _reload_asked(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        self._reload()
        return {"ok": True, "entries": 0}

    def _requests(self) -> Part:
        return Part({"configuration": self._inbox.run}, pulses=(self._inbox.pulse("configuration"),))

    def _clock_watch(self) -> Part:
        watch = ClockWatch(self.intake, self._clock)
        return Part({"clock": watch.run}, pulses=(watch.pulse(),))

    def _corrections_of_times(self) -> Part:
        name = "times not recorded"
        return Part({name: self._corrections.run}, pulses=(self._corrections.pulse(name),))

    def _expiry_watch(self) -> Part:
        watch = ExpiryWatch(self._certificates)
        return Part({"certificates": watch.run}, (watch,), (watch.pulse("certificates"),))

    def _certificates(self) -> list[dict[str, Any]]:
        return told(self._running.of(PartCertificates), self._clock.utc_ms(), self._clock.time_quality())

    def _watchdog(self) -> Part:
        watchdog = Watchdog(self._notifier, self.pulses, partial(line, self.parts), self._clock.monotonic)
        return Part({"watchdog": watchdog.run}, (StuckAbout(lambda: watchdog.stuck),))

    def pulses(self) -> list[Pulse]:
        """Of all that has to move, as it is now."""
        return [*self.committer.pulses(), self.intake.pulse(), *self._running.pulses()]

    def _record_command(self, body: CommandBody) -> "asyncio.Future[None]":
        return self.intake.keep(GATEWAY, body)

    async def _record_done(self, body: CommandBody) -> None:
        """Of a command that was given already: what the log refuses for now waits for it."""
        with suppress(LogError):
            await self._record_command(body)
