"""A `[[bus]]`: one Modbus line, its meters' reports, and what is known of each meter from before. Between `south`,
`intake` and `log`."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from wayside.evidence import kinds
from wayside.evidence.stream import device_stream
from wayside.intake.report import Reporter
from wayside.kinds.core import Core
from wayside.kinds.meter_memory import ELSEWHERE, CountsPlace, LoggedMeterMemory, Placed, place_note, serial_note
from wayside.net.endpoint import Endpoint
from wayside.parts.part import Part
from wayside.profiles.node import aggregate_kind
from wayside.south import bus_table
from wayside.south.bus_table import BusDevice
from wayside.south.modbus import DeviceEvent, DeviceSettings, ModbusBus, PolledDevice, link_to
from wayside.south.modbus.about import BusAbout
from wayside.south.modbus.carrier import BusCarrier
from wayside.south.modbus.device import EventKind, Known
from wayside.south.modbus.proxy import Proxy
from wayside.south.modbus.watch import BusWatch
from wayside.text.redact import redact
from wayside.values.reading import Reading

_logger = logging.getLogger(__name__)

_Before = tuple[bytes | None, Known]
"""What is known of a meter, and the note of the place where it was so; see LoggedMeterMemory."""


def make(settings: bus_table.BusTable, core: Core) -> Part:
    known = LoggedMeterMemory(core.state / "log", core.clock).known([each.name for each in settings.device])
    meters = {each.name: _Meter(each, settings.endpoint, known.get(each.name), core) for each in settings.device}

    def on_readings(device: str, readings: list[Reading]) -> None:
        meters[device].reporter.add(readings)
        # With every poll; what is reported comes less often, and is older where a report is made before its time.
        core.image.update(device, readings)

    def finish() -> None:
        for meter in meters.values():
            meter.reporter.finish()
        for name, device in bus.devices.items():
            meters[name].hand_over(device)

    link, devices = link_to(settings.endpoint, settings.manners), [meter.settings for meter in meters.values()]
    bus = ModbusBus(settings.name, link, devices, core.clock, on_readings, partial(_on_event, core))
    watch = BusWatch(bus, core.clock, on_readings)
    works = {settings.title(): watch.run_bus, f"watch over bus {settings.name}": watch.run}
    if settings.proxy_port:
        proxy = Proxy(bus, settings.proxy_writes)
        works[f"proxy {settings.proxy_port}"] = partial(_listen, proxy, settings.proxy_port)
    about, carrier = BusAbout(bus, core.clock), BusCarrier(bus)
    return Part(works, (about,), (bus.pulse(), watch.pulse()), (bus,), finish, carriers=(carrier,))


class _Meter:
    """One device of a bus, between its polls and the intake."""

    def __init__(self, table: BusDevice, endpoint: Endpoint, known: _Before | None, core: Core):
        profile, channels = table.found.profile, tuple(table.channels) if table.channels else None
        times = (table.timeout_ms, table.longest_answer_ms)
        made = DeviceSettings(table.name, table.unit, profile, table.poll_ms, channels, *times)
        self._core = core
        self._place = CountsPlace.of(endpoint, made)
        self._placed = Placed(table.name, self._place)
        has_number = not profile.fields or "serial_number" in profile.identity
        before: _Before | None = core.handed_over.pop(_meter(table.name), None) or known
        here = self._known_here(table.name, *before, has_number) if before else None
        self.settings = replace(made, max_power_w=table.max_power_w, known=here)
        self.reporter = Reporter(aggregate_kind, table.report_ms // table.poll_ms, self._report)

    def hand_over(self, device: PolledDevice) -> None:
        """What it has counted, to the bus that reads it next; where nothing was counted the log knows better."""
        before = device.known()
        if before and before.at_ms is not None:
            self._core.handed_over[_meter(self.settings.name)] = self._place.note, before

    def _report(self, readings: Sequence[Reading]) -> None:
        self._core.intake.report(self.settings.name, readings, self._placed.with_report(readings))

    def _known_here(self, device: str, before: bytes | None, known: Known, has_number: bool) -> Known:
        """Of what is known of the device of this name what holds where it is now; its counts may begin anew."""
        here = self._place.remembers(before, known, has_number)
        if here.counts != known.counts:
            _logger.warning("%s %s: %s", device, EventKind.UNWATCHED, ELSEWHERE, extra={"device": device})
            body = kinds.DeviceBody(str(EventKind.UNWATCHED), ELSEWHERE, None)
            self._core.intake.keep(device_stream(device), body, {place_note(device): self._place.note})
        return here


def _meter(device: str) -> str:
    return f"meter {device}"


def _on_event(core: Core, event: DeviceEvent) -> None:
    text = redact(f"{event.channel}: {event.text}" if event.channel else event.text)
    _logger.warning("%s %s: %s", event.device, event.kind, text, extra={"device": event.device})
    body = kinds.DeviceBody(str(event.kind), text, event.last_good_ms)
    notes = {serial_note(event.device): event.serial} if event.serial else None
    core.intake.keep(device_stream(event.device), body, notes)


async def _listen(proxy: Proxy, port: int) -> None:
    async with proxy.listen(port):
        await asyncio.Event().wait()
