"""The radios of a site file, wired: LoRa boards and Bluetooth adapters. Between `south` and `intake`."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path

from wayside_wire import command
from wayside_wire.lora_report import AirProfile, ReportChannel

from wayside.evidence.kinds import CommandBody, DeviceBody
from wayside.evidence.stream import device_stream
from wayside.intake.intake import NodeSource
from wayside.kinds.core import Core
from wayside.parts.part import Part
from wayside.site.config import SiteFileError
from wayside.south.ble.about import Bluetooth, PolledAbout
from wayside.south.ble.environment import Peripheral, Poller
from wayside.south.ble.receiver import BleReceiver, BleSender
from wayside.south.ble.scanner import Scanner, ScannerError
from wayside.south.ble.table import BleEnvironment, BleSensor, BleTable
from wayside.south.ble.watch import BleWatch
from wayside.south.lora.about import Lora
from wayside.south.lora.node import AirNode
from wayside.south.lora.orders import Orders
from wayside.south.lora.port import RadioLink
from wayside.south.lora.receiver import LoraReceiver, Sensor
from wayside.south.lora.store import LoraStore
from wayside.south.lora.table import LoraSensor, RadioTable
from wayside.south.lora.unsigned import Unsigned

_logger = logging.getLogger(__name__)


def make_lora(settings: RadioTable, core: Core) -> Part:
    """What a `[[radio]]` asks for. SiteFileError: a key file cannot be used; sqlite3.Error: the store cannot."""
    lora = Radios(core).lora(settings)
    pulses = (each.unless(lambda: core.committer.in_call) for each in lora.pulses())
    return Part(lora.works(), (lora,), tuple(pulses), close=lora.store.close, lines=tuple(lora.nodes))


def make_bluetooth(settings: BleTable, core: Core) -> Part:
    """What a `[[ble]]` asks for. Errors as of `make_lora`."""
    bluetooth = Radios(core).bluetooth(settings)
    abouts = (bluetooth, *(PolledAbout(device, poller) for device, poller in bluetooth.polled.items()))
    counts = (bluetooth.receiver,)
    return Part(bluetooth.works(), abouts, tuple(bluetooth.pulses()), close=bluetooth.store.close, counts=counts)


class Radios:
    """Makes them. SiteFileError from its methods: a key file cannot be used; sqlite3.Error: a store cannot."""

    def __init__(self, core: Core):
        self._clients, self._state = core.clients, core.state
        self._door, self._intake, self._image, self._clock = core.door, core.intake, core.image, core.clock

    def lora(self, settings: RadioTable) -> Lora:
        with _opened(self._state / f"lora-{settings.name}.db") as store:
            return self._lora(settings, store)

    def _lora(self, settings: RadioTable, store: LoraStore) -> Lora:
        orders = Orders(store, self._record)
        sensors = {sensor.number: self._sensor(sensor) for sensor in settings.sensor}
        unsigned = Unsigned(store, self._enter_unsigned)
        receiver = LoraReceiver(settings.network, sensors, store, self._clock, self._image.update, orders, unsigned)
        nodes = []
        for number, sensor in sensors.items():
            heard_s, waiting = partial(receiver.heard_s.get, number), partial(unsigned.waiting, number)
            nodes.append(AirNode(sensor.name, number, sensor.profile, orders, heard_s, waiting))
        link = RadioLink(settings.name, settings.port, settings.baud, receiver.hear)
        return Lora(settings.name, link, receiver, nodes, store)

    def bluetooth(self, settings: BleTable) -> Bluetooth:
        beacons = {
            sensor.address: BleSender(sensor.device, self._key(sensor)) for sensor in settings.sensor
        }
        polled = {each.device: self._poller(settings.adapter, each) for each in settings.environment}
        with _opened(self._state / f"ble-{settings.adapter}.db") as store:
            receiver = BleReceiver(beacons, store, self._clock, self._intake.report, self._note_counter)
        watch = BleWatch(partial(_scanner, settings.adapter), receiver.take, settings.silence_s)
        return Bluetooth(settings.adapter, watch, receiver, polled, store)

    def _poller(self, adapter: str, settings: BleEnvironment) -> Poller:
        connect = partial(_connect, adapter, settings.address)
        report = partial(self._intake.report, settings.device)
        try:
            return Poller(connect, settings.channels, settings.every_s, self._clock, report)
        except ValueError as error:
            raise SiteFileError([f"{settings.device}: channels: {error}"]) from None

    def _sensor(self, settings: LoraSensor) -> Sensor:
        profile = AirProfile([ReportChannel(row.name, row.unit, row.exponent) for row in settings.channels])
        accept = partial(self._intake.accept, source=NodeSource(settings.name, frozenset({settings.device})))
        return Sensor(
            settings.name,
            settings.device,
            self._key(settings) or b"",
            profile,
            accept,
            partial(self._kids, settings.name),
        )

    async def _record(self, node: str, outcome: str, raw: bytes) -> None:
        """What became of a configuration, into the log."""
        await self._intake.log_all([CommandBody(node, "node", command.CONFIG_USE, outcome, raw)])

    def _note_counter(self, device: str, text: str) -> None:
        """The counter of a beacon has started anew, into the log."""
        _logger.warning("%s %s; after a change of its battery: wayside ble accept", device, text)
        self._intake.keep(device_stream(device), DeviceBody("counter restarted", text, None))

    async def _enter_unsigned(self, device: str, reports: int, text: str) -> None:
        """Reports that nobody but this gateway vouches for, into the log."""
        await self._intake.log(device_stream(device), DeviceBody("unattested", text, None, reports))

    def _kids(self, node: str) -> Sequence[bytes]:
        held = self._door.key_id_of(node)
        return [held] if held else []

    def _key(self, settings: LoraSensor | BleSensor) -> bytes | None:
        return self._clients.radio_key(settings.key_file)


@contextmanager
def _opened(path: Path) -> Iterator[LoraStore]:
    """A store that stays open, unless the block fails."""
    store = LoraStore(path)
    try:
        yield store
    except BaseException:
        store.close()
        raise


def _scanner(adapter: str) -> Scanner:
    try:
        from wayside.south.ble.bleak_scanner import BleakAdapter
    except ImportError:
        raise ScannerError("the package bleak is not installed: pip install wayside[ble]") from None
    return BleakAdapter(adapter)


def _connect(adapter: str, address: str) -> AbstractAsyncContextManager[Peripheral]:
    try:
        from wayside.south.ble.bleak_scanner import connect
    except ImportError:
        raise ScannerError("the package bleak is not installed: pip install wayside[ble]") from None
    return connect(adapter, address)
