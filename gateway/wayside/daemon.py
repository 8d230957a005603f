"""The gateway daemon: wiring only. Nothing imports this module but `service` and the command line."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from wayside import manage, profiles
from wayside.backlog import Backlog
from wayside.clock import Clock
from wayside.commander import Commander, Line
from wayside.config import Bus as BusSettings
from wayside.config import JournalFolder, Node, Retention, Sink, SiteFile
from wayside.cosigning import Cosigning
from wayside.evidence.entry import Kind, device_body
from wayside.http_service import serve
from wayside.image import ProcessImage
from wayside.intake.commit import Committer
from wayside.intake.expiry import Expiry
from wayside.intake.intake import Intake, Source
from wayside.intake.journal import ClockWatch
from wayside.intake.report import Reporter
from wayside.journal_feed import JournalFeed, note_of
from wayside.log import Log, LogError
from wayside.log.reader import newest_epoch
from wayside.log.retention import Policy
from wayside.log.tile_service import TileServer
from wayside.log_view import LogView
from wayside.north.broker import Broker, Tls
from wayside.north.forward import Forwarder
from wayside.north.homeassistant import HomeAssistant
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt
from wayside.north.session import Session
from wayside.north.sink import LogReader, Unreachable
from wayside.north.webhook import Hook, Webhook
from wayside.profiles.node import aggregate_kind
from wayside.pulses import pulses
from wayside.radios import Radios
from wayside.reading import Reading
from wayside.sd_notify import NOBODY, Notifier
from wayside.site_log import (
    SiteLog,
    devices_of_nodes,
    latest_note,
    open_site_log,
    state_folder,
    witness_clients,
)
from wayside.south.modbus import Bus, DeviceEvent, DeviceSettings, open_link
from wayside.south.modbus.proxy import Proxy
from wayside.south.mqtt_line import MqttLine
from wayside.south.nodes import NodeLink, open_serial
from wayside.status import SOCKET, Parts, line, serve_status, snapshot
from wayside.supervise import Supervisor, background
from wayside.trust.registry import Doorkeeper
from wayside.watchdog import Watchdog

_logger = logging.getLogger(__name__)

_LAST_FORWARD_S = 3.0
_EXPIRY_EVERY_S = 60.0
_DAY_MS = 86_400_000
_MEGABYTE = 1_000_000


class Ended(Enum):
    """Why a Daemon ended by itself; each time a new one goes on."""

    EPOCH = "a witness knows what the log does not hold: the new Daemon asks again and begins the next epoch"
    RELOAD = "somebody asked for it: the new Daemon reads the site file again"


class Daemon:
    """The gateway of one site. `run` ends by cancellation or as `Ended` says; all that it took is durable then."""

    def __init__(self, site: SiteFile, path: Path, clock: Clock, patience_s: float = 0.0, notifier: Notifier = NOBODY):
        """Open the log and the keys of the site file at `path`; LogError or KeyFileError when they cannot be used.

        `patience_s`: how long what a witness says does not end the epoch, so that one that lies cannot do so for ever.
        `notifier`: who hears that the gateway is ready and alive.
        """
        self._clock = clock
        self._patient_until_s = clock.monotonic() + patience_s
        self._over: Ended | None = None
        self._wake = asyncio.Event()
        self.ready = asyncio.Event()
        self.site_text = path.read_bytes()
        self._notifier = notifier
        opened = open_site_log(site, path, clock)
        try:
            self._assemble(site, path, opened)
        except BaseException:
            opened.log.close()
            raise

    def _assemble(self, site: SiteFile, path: Path, opened: SiteLog) -> None:
        log, clock, state = opened.log, self._clock, state_folder(site, path)
        self.image = ProcessImage()
        self.committer = Committer(log, site.log.commit_ms / 1000)
        self._web = partial(self._serve_web, site, path) if site.web else None
        self._tiles = partial(_tile_server, site.log.http, state / "log") if site.log.http else None
        clients = witness_clients(site)
        witnesses = partial(
            Cosigning, state / "log", clients, self.committer, site.log.cosign_s, clock, self._end_epoch
        )
        self.cosigning = witnesses() if clients else None
        door = Doorkeeper(opened.keyring)
        self.intake = Intake(self.committer, door, opened.identity, self.image, clock, log.starts)
        self._manager = manage.KeyManager(self.committer, self.intake, door, site.site.name, devices_of_nodes(site))
        self._manager_socket = state / manage.SOCKET
        self._origin = log.origin
        view = LogView(log.origin, self.committer)
        self.lines = {node.name: self._mqtt_line(site.site.name, node, path) for node in site.node if node.is_mqtt}
        self.links = [self._node_link(node) for node in site.node]
        self.buses = [self._bus(bus) for bus in site.bus]
        self.radios = Radios(site, path.parent, state, door, self.intake, self.image, clock)
        lines: list[Line] = [*self.links, *self.radios.nodes]
        self._commander = Commander(lines, opened.identity, door.key_id_of, clock, self._record_command)
        self.proxies = [
            (settings.proxy_port, Proxy(bus, settings.proxy_writes))
            for settings, bus in zip(site.bus, self.buses, strict=True)
            if settings.proxy_port
        ]
        makers = [_sink_maker(sink, path) for sink in site.sink]
        self.forwarders = [Forwarder(sink.name, make(view), view) for sink, make in zip(site.sink, makers, strict=True)]
        self.backlogs = [
            Backlog(sink.name, state / "log", newest_epoch(state / "log"), make)
            for sink, make in zip(site.sink, makers, strict=True)
        ]
        self.journals = [self._journal_feed(each, opened.log, state, path) for each in site.journal]
        self._clock_watch = ClockWatch(self.intake, clock)
        policies = {device: _policy(each) for each in site.retention for device in each.devices}
        sinks = [sink.name for sink in site.sink]
        self._expiry = Expiry(self.committer, clock, policies, sinks, _EXPIRY_EVERY_S)
        self._restarts: Counter[str] = Counter()
        self.parts = Parts(
            self._origin,
            self.committer,
            self.cosigning,
            self.intake,
            self.links,
            self.buses,
            self.forwarders,
            self.backlogs,
            self.journals,
            self._clock_watch,
            self._expiry,
            self._restarts,
            self.radios,
        )
        watched = pulses(self.parts, clock.monotonic)
        self._watchdog = Watchdog(self._notifier, watched, partial(line, self.parts), clock.monotonic)
        self._status_socket = state / SOCKET

    async def run(self) -> Ended:
        south, north = Supervisor(self._restarts), Supervisor(self._restarts)
        south.add("clock", self._clock_watch.run)
        south.add("retention", self._expiry.run)
        for name, topics in self.lines.items():
            south.add(f"mqtt {name}", topics.run)
        for link in self.links:
            south.add(f"node {link.name}", link.run)
        for journal in self.journals:
            south.add(f"journal {journal.name}", journal.run)
        for bus in self.buses:
            south.add(f"bus {bus.name}", bus.run)
        for name, run in self.radios.tasks():
            south.add(name, run)
        for port, proxy in self.proxies:
            south.add(f"proxy {port}", partial(_listen, proxy, port))
        south.add("status", partial(serve_status, self._status_socket, partial(snapshot, self.parts)))
        reload = partial(self.end, Ended.RELOAD)
        serve_manager = partial(manage.serve_manager, self._manager_socket, self._manager, reload, self._commander)
        south.add("manager", serve_manager)
        if self._web:
            north.add("web", self._web)
        if self._tiles:
            north.add("tiles", partial(serve, self._tiles))
        if self.cosigning:
            north.add("witnesses", self.cosigning.run)
        for forwarder in self.forwarders:
            north.add(f"sink {forwarder.name}", forwarder.run)
        for backlog in self.backlogs:
            north.add(f"backlog {backlog.name}", backlog.run)
        # Stopped from the source on: what was taken becomes durable, and what is durable gets a moment to be forwarded.
        async with background(self.committer.run), background(north.run):
            try:
                async with background(self.intake.run), background(south.run), background(self._watchdog.run):
                    self._notifier.ready()
                    self.ready.set()
                    await self._wake.wait()
            finally:
                await self._forward_the_rest()
        assert self._over
        return self._over

    def end(self, why: Ended) -> None:
        """Let `run` come to its end, in order."""
        self._over = self._over or why
        self._wake.set()

    def _end_epoch(self) -> None:
        if self._clock.monotonic() >= self._patient_until_s:
            self.end(Ended.EPOCH)

    async def _forward_the_rest(self) -> None:
        with suppress(TimeoutError, LogError):
            async with asyncio.timeout(_LAST_FORWARD_S):
                await self.committer.append([])
                while any(forwarder.lag(self.committer.size) for forwarder in self.forwarders):
                    await asyncio.sleep(0.02)

    async def _serve_web(self, site: SiteFile, path: Path) -> None:
        """The status site, imported only where it is wanted: aiohttp is an extra."""
        from wayside.web.daemon import serve_web

        assert site.web
        state = state_folder(site, path)
        tell = partial(snapshot, self.parts)
        await serve_web(site, path, state, tell, self.image, self._clock, partial(self.end, Ended.RELOAD))

    def _record_command(self, body: dict[int, Any]) -> "asyncio.Future[None]":
        return self.intake.log_all(Kind.COMMAND, [body])

    def _journal_feed(self, settings: JournalFolder, log: Log, state: Path, path: Path) -> JournalFeed:
        begin = latest_note(state / "log", log, note_of(settings.name))
        return JournalFeed(settings.name, path.parent / settings.folder, self.committer, begin)

    def _node_link(self, node: Node) -> NodeLink:
        source = Source(node.name, frozenset(node.devices))
        accept = partial(self.intake.accept, source=source)
        open_port = self.lines[node.name].open if node.is_mqtt else open_serial
        return NodeLink(node.name, node.port, node.baud, accept, self._clock, open_port)

    def _mqtt_line(self, site: str, node: Node, path: Path) -> MqttLine:
        connect = partial(Session, _broker(node.port, node, path), f"{site}/{node.name}")
        return MqttLine(f"wayside/{site}/nodes/{node.name}", connect, Unreachable)

    def _bus(self, settings: BusSettings) -> Bus:
        devices: list[DeviceSettings] = []
        reporters: dict[str, Reporter] = {}
        for device in settings.device:
            profile = profiles.load(device.profile)
            channels = tuple(device.channels) if device.channels else None
            times = (device.timeout_ms, device.longest_answer_ms)
            devices.append(DeviceSettings(device.name, device.unit, profile, device.poll_ms, channels, *times))
            deliver = partial(self.intake.report, device.name)
            reporters[device.name] = Reporter(aggregate_kind, device.report_ms // device.poll_ms, deliver)

        def on_readings(device: str, readings: list[Reading]) -> None:
            reporters[device].add(readings)

        return Bus(settings.name, open_link(settings.endpoint), devices, self._clock, on_readings, self._on_event)

    def _on_event(self, event: DeviceEvent) -> None:
        text = f"{event.channel}: {event.text}" if event.channel else event.text
        _logger.warning("%s %s: %s", event.device, event.kind, text)
        self.intake.log(event.device, Kind.DEVICE, device_body(event.device, event.kind, text, event.last_good_ms))


async def _listen(proxy: Proxy, port: int) -> None:
    async with proxy.listen(port):
        await asyncio.Event().wait()


def _tile_server(address: str, folder: Path) -> TileServer:
    host, _, port = address.rpartition(":")
    return TileServer((host, int(port)), folder)


def _policy(settings: Retention) -> Policy:
    max_bytes = settings.megabytes * _MEGABYTE if settings.megabytes else None
    return Policy(settings.days * _DAY_MS if settings.days else None, max_bytes)


_SINKS: dict[str, type[VerifiableMqtt] | type[PlainMqtt]] = {
    "mqtt": VerifiableMqtt,
    "mqtt-json": PlainMqtt,
    "mqtt-homeassistant": HomeAssistant,
}


def _sink_maker(sink: Sink, path: Path) -> Callable[[LogReader], VerifiableMqtt | PlainMqtt | Webhook]:
    if sink.kind != "webhook":
        return partial(_SINKS[sink.kind], _broker(sink.url, sink, path))
    token, tls = _secrets(sink, path)
    return partial(Webhook, Hook(sink.url, token, tls))


def _broker(url: str, settings: Sink | Node, path: Path) -> Broker:
    """The broker at `url`, with the files and names of `settings`."""
    password, tls = _secrets(settings, path)
    return Broker.from_url(url, username=settings.username, password=password, tls=tls)


def _secrets(settings: Sink | Node, path: Path) -> tuple[str | None, Tls | None]:
    """The password and certificates that `settings` names; paths of files start at the site file."""

    def file(name: str | None) -> Path | None:
        return path.parent / name if name else None

    password_file = file(settings.password_file)
    password = password_file.read_text().strip() if password_file else None
    files = (file(settings.ca_file), file(settings.cert_file), file(settings.key_file))
    return password, Tls(*files) if any(files) else None
