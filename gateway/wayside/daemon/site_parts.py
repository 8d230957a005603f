"""What a site file asks for: the plan of every part, and how each is made. Wiring only; only the daemon uses it."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from wayside import config, config_bus, http, secret_files, toml_file
from wayside.certificates import Certificates
from wayside.config import JournalFolder, Node, Retention, SiteFile
from wayside.daemon.core import Core
from wayside.daemon.cosigning import Cosigning, WitnessAbout
from wayside.daemon.journal_feed import JournalFeed, note_of
from wayside.daemon.junction_view import JunctionView
from wayside.daemon.kinds import KINDS
from wayside.daemon.meter_memory import ELSEWHERE, MeterMemory, Place, Placed, place_note, serial_note
from wayside.daemon.parts import Plan, Plans
from wayside.endpoint import Address
from wayside.evidence import kinds
from wayside.evidence.stream import device_stream, journal_stream
from wayside.frame_port import OpenPort
from wayside.intake.expiry import Expiry, Share
from wayside.intake.intake import Source
from wayside.intake.report import Reporter
from wayside.log.retention import Policy
from wayside.north.broker import Broker
from wayside.north.inlet import TooLarge
from wayside.north.session import LARGEST_RECEIVED, Session
from wayside.north.sink import SinkError
from wayside.north.sink_table import Sink
from wayside.part import Part
from wayside.profiles.node import aggregate_kind
from wayside.rate import Rate
from wayside.reading import Reading
from wayside.redact import redact
from wayside.remote.link import RemoteLink
from wayside.remote.messages import MAX_MESSAGE
from wayside.secret_files import Secrets
from wayside.secret_role import PlainFile, Role
from wayside.serial_port import open_port
from wayside.site.log import latest_note, witness_clients
from wayside.south.modbus import Bus, DeviceEvent, DeviceSettings, link_to
from wayside.south.modbus.about import BusAbout
from wayside.south.modbus.device import EventKind, Known
from wayside.south.modbus.proxy import Proxy
from wayside.south.modbus.watch import Watch
from wayside.south.mqtt_line import MqttLine
from wayside.south.node_about import NodeAbout
from wayside.south.nodes import NodeLink, Parties
from wayside.supervise import Work
from wayside.table import Table

_logger = logging.getLogger(__name__)

SECTIONS = (
    "witnesses",
    "nodes",
    "buses",
    "journals",
    "junctions",
    *(section for kind in KINDS.values() for section in kind.sections),
)
"""Of the status: what a program that reads it finds there also where the site file names nothing of the kind."""

_EXPIRY_EVERY_S = 60.0
_DAY_MS = 86_400_000
_MEGABYTE = 1_000_000


class SiteParts:
    """The plans of a site file's parts over one `core`.

    `on_ahead`: a witness knows what the log does not hold; `serve_web`: the task of the status site.
    """

    def __init__(self, core: Core, on_ahead: Callable[[], None], serve_web: Callable[[SiteFile], Any]):
        self._core = core
        self._on_ahead = on_ahead
        self._serve_web = serve_web
        self._secrets = Secrets(core.path)
        self._meters: dict[str, tuple[bytes, Known]] = {}  # of buses that are being changed, as MeterMemory knows them

    def plans(self, site: SiteFile) -> Plans:
        """A plan for each part of `site`, by name. The order is that of starting."""
        return dict(self._plans(site))

    def _plans(self, site: SiteFile) -> Iterator[tuple[str, Plan]]:
        sinks = [sink.name for sink in site.sink]
        percent = site.limits.disk_percent
        journals = [journal_stream(each.name) for each in site.journal]
        streams = [*map(device_stream, site.expected()), *journals] if percent else []
        limits = (site.retention, sinks, percent, streams)
        yield "retention", Plan(partial(self._retention, *limits), limits)
        for node in site.node:
            yield f"node {node.name}", self._plan(node, partial(self._node, site.site.name, node))
        for journal in site.journal:
            yield f"journal {journal.name}", self._plan(journal, partial(self._journal, journal))
        for bus in site.bus:
            yield f"bus {bus.name}", self._plan(bus, partial(self._bus, bus))
        yield from self._of_kinds(site, is_north=False)
        if site.web:
            yield "web", self._plan(site.web, partial(self._web, site), is_north=True)
        if site.remote:
            yield "remote", self._plan(site.remote, partial(self._remote, site.site.name, site.remote), is_north=True)
        if site.log.http:
            yield "tiles", Plan(partial(self._tiles, site.log.http), site.log.http, is_north=True)
        if site.witness:
            yield "witnesses", Plan(partial(self._witnesses, site), (site.witness, site.log.cosign_s), is_north=True)
        yield from self._of_kinds(site, is_north=True)

    def _of_kinds(self, site: SiteFile, *, is_north: bool) -> Iterator[tuple[str, Plan]]:
        for _, settings in site.placed():
            kind = KINDS.get(type(settings))
            if kind and kind.is_north == is_north:
                devices = site.expected() if isinstance(settings, Sink) and settings.announces() else {}
                make = partial(kind.make, settings, replace(self._core, devices=devices))
                plan = self._plan(settings, make, is_north=is_north)
                yield settings.title(), replace(plan, settings=(plan.settings, devices))

    def _plan(self, settings: Table, make: Callable[[], Part], *also: Table, is_north: bool = False) -> Plan:
        """A plan that also changes with the content of the files that `settings` names: certificates are renewed."""
        digests = [digest for each in (settings, *also) for digest in self._digests(each)]
        return Plan(make, (settings, also, digests), is_north)

    def _digests(self, settings: Table) -> Iterator[bytes]:
        """SHA-256 of each file that `settings` names, in order; a file that cannot be read counts as empty."""
        for use in secret_files.uses(settings):
            if use.file.role is not Role.USERS:  # looked at whenever somebody comes
                yield self._secrets.digest(use)
        for _, value in settings:
            if isinstance(value, PlainFile):
                data = b""
                with suppress(OSError):
                    data = toml_file.read(self._core.path.parent / value.path)
                yield hashlib.sha256(data).digest()

    # --- south ---

    def _retention(self, retention: list[Retention], sinks: list[str], percent: int | None, streams: list[str]) -> Part:
        core = self._core
        policies = {device_stream(device): _policy(each) for each in retention for device in each.devices}
        share = Share(streams, partial(_disk_bytes, core.state, percent)) if percent else None
        expiry = Expiry(core.committer, core.clock, policies, sinks, _EXPIRY_EVERY_S, share, core.belief)
        return Part({"retention": expiry.run}, (), (expiry.pulse(),), (expiry,))

    def _node(self, site: str, node: Node) -> Part:
        source = Source(node.name, frozenset(node.devices), rate=Rate(node.packs_per_hour))
        accept = partial(self._core.intake.accept, source=source)
        works: dict[str, Work] = {}
        open_line: OpenPort = open_port
        topics: MqttLine | None = None
        certificates = self._core.clients.certificates(f"node {node.name}", node)
        if node.is_mqtt:
            broker, client_id = self._core.clients.broker(node.port, node, certificates), f"{site}/{node.name}"
            connect = partial(_session, broker, client_id, LARGEST_RECEIVED)
            topics = MqttLine(f"wayside/{site}/nodes/{node.name}", connect, SinkError)
            works[f"mqtt {node.name}"], open_line = topics.run, topics.open
        parties = Parties(self._core.opened.identity, partial(self._core.door.public_key_of, node.name))
        give_up = partial(self._core.intake.give_up, source=source)
        link = NodeLink(node.name, node.port, node.baud, accept, self._core.clock, parties, open_line, give_up)
        if topics:
            topics.counters = link.counters
        pulses = [link.pulse(), *(topics.pulse(name) for name in works if topics)]
        about = NodeAbout(link, self._core.clock)
        return Part(works | {f"node {node.name}": link.run}, (about,), tuple(pulses), (link, certificates))

    def _journal(self, settings: JournalFolder) -> Part:
        core = self._core
        begin = partial(latest_note, core.state / "log", key=note_of(settings.name))
        folder = core.path.parent / settings.folder
        journal = JournalFeed(settings.name, folder, core.committer, core.clock, begin)
        junction_file = core.path.parent / settings.junction_file.path if settings.junction_file else None
        view = JunctionView(settings.name, folder, junction_file, core.clock)
        work = f"junction {settings.name}"
        works = {f"journal {settings.name}": journal.run, work: view.run}
        return Part(works, (journal, view), (journal.pulse(), view.pulse(work)))

    def _bus(self, settings: config_bus.Bus) -> Part:
        devices: list[DeviceSettings] = []
        reporters: dict[str, Reporter] = {}
        places: dict[str, Place] = {}
        known = MeterMemory(self._core.state / "log", self._core.clock).known([one.name for one in settings.device])
        for device in settings.device:
            channels = tuple(device.channels) if device.channels else None
            profile = device.found.profile
            times = (device.timeout_ms, device.longest_answer_ms)
            made = DeviceSettings(device.name, device.unit, profile, device.poll_ms, channels, *times)
            place = Place.of(settings.endpoint, made)
            before = self._meters.pop(device.name, None) or known.get(device.name)
            has_number = not profile.fields or "serial_number" in profile.identity
            here = self._known_here(device.name, place, *before, has_number) if before else None
            devices.append(replace(made, max_power_w=device.max_power_w, known=here))
            places[device.name] = place
            deliver = partial(self._report, device.name, Placed(device.name, place))
            reporters[device.name] = Reporter(aggregate_kind, device.report_ms // device.poll_ms, deliver)

        def on_readings(device: str, readings: list[Reading]) -> None:
            self._core.image.update(device, readings)  # with every poll; what it reports comes less often
            reporters[device].add(readings)

        def finish() -> None:
            for reporter in reporters.values():
                reporter.finish()
            for name, device in bus.devices.items():
                before = device.known()
                if before and before.at_ms is not None:  # else the log knows better
                    self._meters[name] = places[name].note, before

        link = link_to(settings.endpoint, settings.manners)
        bus = Bus(settings.name, link, devices, self._core.clock, on_readings, self._on_event)
        watch = Watch(bus, self._core.clock, on_readings)
        works = {f"bus {settings.name}": watch.run_bus, f"watch over bus {settings.name}": watch.run}
        if settings.proxy_port:
            proxy = Proxy(bus, settings.proxy_writes)
            works[f"proxy {settings.proxy_port}"] = partial(_listen, proxy, settings.proxy_port)
        about = BusAbout(bus, self._core.clock)
        return Part(works, (about,), (bus.pulse(), watch.pulse()), (bus,), finish)

    def _report(self, device: str, placed: Placed, readings: Sequence[Reading]) -> None:
        self._core.intake.report(device, readings, placed.with_report(readings))

    def _known_here(self, device: str, place: Place, before: bytes | None, known: Known, has_number: bool) -> Known:
        """Of what is known of the device of this name what holds where it is now; its counts may begin anew."""
        here = place.remembers(before, known, has_number)
        if here.counts != known.counts:
            _logger.warning("%s %s: %s", device, EventKind.UNWATCHED, ELSEWHERE, extra={"device": device})
            body = kinds.Device(str(EventKind.UNWATCHED), ELSEWHERE, None)
            self._core.intake.keep(device_stream(device), body, {place_note(device): place.note})
        return here

    def _on_event(self, event: DeviceEvent) -> None:
        text = redact(f"{event.channel}: {event.text}" if event.channel else event.text)
        _logger.warning("%s %s: %s", event.device, event.kind, text, extra={"device": event.device})
        body = kinds.Device(str(event.kind), text, event.last_good_ms)
        notes = {serial_note(event.device): event.serial} if event.serial else None
        self._core.intake.keep(device_stream(event.device), body, notes)

    # --- north ---

    def _web(self, site: SiteFile) -> Part:
        assert site.web
        path = self._core.clients.path(site.web.cert_file)
        files = {"server": path} if path else {}
        return Part({"web": partial(self._serve_web, site)}, things=(Certificates("status site", files),))

    def _remote(self, site: str, settings: config.Remote) -> Part:
        certificates = self._core.clients.certificates("remote", settings)
        broker = self._core.clients.broker(settings.url, settings, certificates)
        connect = partial(_session, broker, "", MAX_MESSAGE + LARGEST_RECEIVED)
        link = RemoteLink(site, connect, self._core.inbox)
        return Part({"remote": link.run}, (link,), (link.pulse(),), (certificates,))

    def _tiles(self, address: Address) -> Part:
        return Part({"tiles": partial(_serve_tiles, address, self._core.state / "log")})

    def _witnesses(self, site: SiteFile) -> Part:
        core = self._core
        clock = core.clock
        clients = witness_clients(site, core.opened.log_key.public, lambda: (clock.utc_ms(), clock.time_quality()))
        log = core.state / "log"
        cosigning = Cosigning(log, clients, core.committer, site.log.cosign_s, core.clock, self._on_ahead)
        names, size = cosigning.standings, lambda: core.committer.size
        abouts = tuple(WitnessAbout(cosigning, name, size, core.clock) for name in names)
        return Part({"witnesses": cosigning.run}, abouts, (cosigning.pulse(),), (cosigning,))


def _session(broker: Broker, client_id: str, largest: int, on_too_large: Callable[[TooLarge], None]) -> Session:
    return Session(broker, client_id, largest=largest, on_too_large=on_too_large)


async def _serve_tiles(address: Address, folder: Path) -> None:
    """Imported only where it is wanted: aiohttp is an extra."""
    http.require("[log] http")
    from wayside.log.tile_service import TileServer

    await TileServer(address, folder).run()


async def _listen(proxy: Proxy, port: int) -> None:
    async with proxy.listen(port):
        await asyncio.Event().wait()


def _disk_bytes(folder: Path, percent: int) -> int:
    """So much of the file system that holds `folder`."""
    system = os.statvfs(folder)
    return system.f_blocks * system.f_frsize * percent // 100


def _policy(settings: Retention) -> Policy:
    max_bytes = settings.megabytes * _MEGABYTE if settings.megabytes else None
    return Policy(settings.days * _DAY_MS if settings.days else None, max_bytes)
