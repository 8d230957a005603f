"""The radios of a site file, wired: LoRa boards and Bluetooth adapters. Imported by daemon alone."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from wayside_wire import command
from wayside_wire.lora_report import Channel, Profile

from wayside.clock import Clock
from wayside.config import Ble, ConfigError, LoraSensor, Radio, SiteFile
from wayside.evidence.entry import Kind, command_body
from wayside.image import ProcessImage
from wayside.intake.intake import Intake, Source
from wayside.south.ble.environment import Peripheral, Poller
from wayside.south.ble.receiver import Beacon
from wayside.south.ble.receiver import Receiver as BleReceiver
from wayside.south.ble.scanner import Scanner, ScannerError
from wayside.south.ble.watch import Watch
from wayside.south.lora.node import AirNode
from wayside.south.lora.orders import Orders
from wayside.south.lora.port import RadioLink
from wayside.south.lora.receiver import Receiver, Sensor
from wayside.south.lora.store import Store
from wayside.trust.registry import Doorkeeper

Run = Callable[[], Awaitable[None]]


class Radios:
    """What hears sensors without a wire. `lora` and `ble`: (link, receiver) and (watch, receiver) by name."""

    def __init__(
        self,
        site: SiteFile,
        folder: Path,
        state: Path,
        door: Doorkeeper,
        intake: Intake,
        image: ProcessImage,
        clock: Clock,
    ):
        """`folder`: where paths in the site file start. ConfigError for a key file that cannot be used."""
        self._folder, self._state = folder, state
        self._door, self._intake, self._image, self._clock = door, intake, image, clock
        self.lora: dict[str, tuple[RadioLink, Receiver]] = {}
        self.nodes: list[AirNode] = []
        self.ble: dict[str, tuple[Watch, BleReceiver]] = {}
        self.polled: dict[str, Poller] = {}
        for radio in site.radio:
            self._add_lora(radio)
        for settings in site.ble:
            self._add_ble(settings)

    def tasks(self) -> Iterator[tuple[str, Run]]:
        """(name, coroutine function) of each."""
        for name, (link, _) in self.lora.items():
            yield f"radio {name}", link.run
        for name, poller in self.polled.items():
            yield f"bluetooth {name}", poller.run
        for name, (watch, _) in self.ble.items():
            yield f"bluetooth {name}", watch.run

    def status(self) -> dict[str, Any]:
        """What each of them tells: board, airtime of the last hour, and counters of what came and went wrong."""
        return {
            "radios": {
                name: {
                    "board": link.radio.board if link.radio else "",
                    "firmware": link.radio.firmware if link.radio else "",
                    "airtime_us": link.radio.used_us if link.radio else None,
                    "airtime_limit_us": link.radio.limit_us if link.radio else None,
                    "on_board": dict(link.radio.counts) if link.radio else {},
                    "link": dict(link.counters),
                    "frames": dict(receiver.counters),
                }
                for name, (link, receiver) in self.lora.items()
            },
            "bluetooth": {
                name: {"scan": dict(watch.counters), "last_error": watch.last_error, "sensors": dict(receiver.counters)}
                for name, (watch, receiver) in self.ble.items()
            },
            "environment": {name: dict(poller.counters) for name, poller in self.polled.items()},
        }

    def _add_lora(self, settings: Radio) -> None:
        store = Store(self._state / f"lora-{settings.name}.db")
        orders = Orders(store, self._record)
        sensors = {sensor.number: self._sensor(sensor) for sensor in settings.sensor}
        receiver = Receiver(settings.network, sensors, store, self._clock, self._image.update, orders)
        for number, sensor in sensors.items():
            self.nodes.append(
                AirNode(sensor.name, number, sensor.profile, orders, partial(receiver.heard_s.get, number))
            )
        self.lora[settings.name] = (RadioLink(settings.name, settings.port, settings.baud, receiver.hear), receiver)

    def _sensor(self, settings: LoraSensor) -> Sensor:
        profile = Profile([Channel(row.name, row.unit, row.exponent) for row in settings.channels])
        accept = partial(self._intake.accept, source=Source(settings.name, frozenset({settings.device})))
        return Sensor(
            settings.name,
            settings.device,
            self._key(settings.key_file),
            profile,
            accept,
            partial(self._kids, settings.name),
        )

    async def _record(self, node: str, outcome: str, raw: bytes) -> None:
        """What became of a configuration, into the log."""
        await self._intake.log_all(Kind.COMMAND, [command_body(node, "node", command.CONFIG_USE, outcome, raw)])

    def _kids(self, node: str) -> Sequence[bytes]:
        held = self._door.key_id_of(node)
        return [held] if held else []

    def _add_ble(self, settings: Ble) -> None:
        store = Store(self._state / f"ble-{settings.adapter}.db")
        beacons = {
            sensor.address: Beacon(sensor.device, self._key(sensor.key_file) if sensor.key_file else None)
            for sensor in settings.sensor
        }
        receiver = BleReceiver(beacons, store, self._clock, self._intake.report)
        watch = Watch(partial(_scanner, settings.adapter), receiver.take, settings.silence_s)
        self.ble[settings.adapter] = (watch, receiver)
        for each in settings.environment:
            connect = partial(_connect, settings.adapter, each.address)
            report = partial(self._intake.report, each.device)
            try:
                self.polled[each.device] = Poller(connect, each.channels, each.every_s, self._clock, report)
            except ValueError as error:
                raise ConfigError([f"{each.device}: channels: {error}"]) from None

    def _key(self, name: str) -> bytes:
        path = self._folder / name
        try:
            key = bytes.fromhex(path.read_text().strip())
        except (OSError, ValueError):
            key = b""
        if len(key) != 16:
            raise ConfigError([f"{path}: write a file with the 32 hexadecimal digits of the sensor's key for the air"])
        return key


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
