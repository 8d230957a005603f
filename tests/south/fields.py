"""What each kind of source reads, for the conformance suite: a device that comes, goes, hangs and lies on demand."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from node_peer import NodePeer
from north.mosquitto import PROGRAM, Mosquitto
from north.raw_publisher import RawPublisher
from waiting import free_port
from wayside import profiles
from wayside.kinds import adapters
from wayside.kinds.clients import Clients
from wayside.lab.plant import Sdm630, answer_for
from wayside.lab.plant.cable import raw_pty
from wayside.lab.plant.serve import serve_pty, serve_tcp
from wayside.parts.part import Part
from wayside.runtime.clock import SystemClock
from wayside.site.secret_files import Secrets
from wayside.south import adapter
from wayside.south import adapters as south_adapters
from wayside.south.ble.about import Bluetooth, PolledAbout
from wayside.south.ble.environment import Poller
from wayside.south.ble.receiver import BleReceiver, BleSender
from wayside.south.ble.scanner import Advert, OnAdvert, ScannerError, uuid16
from wayside.south.ble.watch import BleWatch
from wayside.south.lora.about import Lora
from wayside.south.lora.orders import Orders
from wayside.south.lora.port import RadioLink
from wayside.south.lora.receiver import LoraReceiver, Sensor
from wayside.south.lora.store import LoraStore
from wayside.south.lora.unsigned import Unsigned
from wayside.south.modbus import DeviceSettings, ModbusBus, open_link
from wayside.south.modbus.about import BusAbout
from wayside.south.modbus.watch import BusWatch
from wayside.south.node_about import NodeAbout
from wayside.south.nodes import NodeLink, Parties
from wayside.trust.keys import SoftwareKey
from wayside.values.reading import Reading
from wayside_wire import WireError, bthome, frame, link, lora, lora_link, lora_report, modbus, pack
from wayside_wire.pack import BAD, GOOD

EVERY_S = 0.02


class LeapingClock(SystemClock):
    """Wall time that a test puts where it wants."""

    leapt_ms = 0

    def utc_ms(self) -> int:
        return super().utc_ms() + self.leapt_ms


@contextmanager
def example(kind: str, folder: Path) -> Iterator[None]:
    """The example of the documentation is a kind of adapter, as if its file stood beside the others."""
    before = list(south_adapters.__path__)
    (folder / "kinds").mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parents[2] / "docs" / "examples" / f"{kind}.py", folder / "kinds")
    south_adapters.__path__.append(str(folder / "kinds"))
    try:
        yield
    finally:
        south_adapters.__path__[:] = before


class Field:
    """One source and its one device. A kind says `lie`, `hang` and what else it can; the default is that it cannot.

    reports: what the source delivered, in order. channels: what each report has. hangs: it can be there and say
    nothing; floods: how many messages it can be sent at once. is_asked: the source asks, so silence is a bad reading.
    """

    device = "d-1"
    channels: frozenset[str] = frozenset({"temperature"})
    is_asked = True
    hangs = True
    floods = 0
    says_it_is_away = True
    """Whether a problem names it while its port or adapter is away; else its bad readings do."""

    def __init__(self, folder: Path, clock: LeapingClock):
        self.folder = folder
        self.clock = clock
        self.reports: list[Sequence[Reading]] = []
        self.lies = False
        self.part = self.make()

    def make(self) -> Part:
        raise NotImplementedError

    async def come(self) -> None:
        """The device is there, and answers."""
        raise NotImplementedError

    async def go(self) -> None:
        """It is gone, with its port."""
        raise NotImplementedError

    def hang(self) -> None:
        """It is there, and does not answer any more."""

    def hold(self) -> None:
        """Whoever takes the readings takes none for now."""

    async def flood(self) -> None:
        """As much as it can."""

    def deliver(self, device: str, readings: Sequence[Reading]) -> None:
        assert device == self.device
        self.reports.append(readings)

    def good(self) -> int:
        return sum(all(each.quality == GOOD for each in report) for report in self.reports)

    def bad(self) -> list[str]:
        """The reasons of bad readings, newest last."""
        return [each.reason for report in self.reports for each in report if each.quality == BAD]


# --- Modbus ---


class ModbusTcp(Field):
    channels = frozenset({"voltage_l1", "power_active"})

    def endpoint(self) -> str:
        self.port = free_port()
        return f"tcp://127.0.0.1:{self.port}"

    def make(self) -> Part:
        self.units: dict[int, Any] = {}
        self.stack = AsyncExitStack()
        device = DeviceSettings(self.device, 1, profiles.load("eastron-sdm630"), 50, tuple(sorted(self.channels)), 100)
        bus = ModbusBus("line", open_link(self.endpoint()), [device], self.clock, self.deliver)
        watch = BusWatch(bus, self.clock, self.deliver)
        works = {"bus line": watch.run_bus, "watch over bus line": watch.run}
        return Part(works, (BusAbout(bus, self.clock),), (bus.pulse(), watch.pulse()))

    async def come(self) -> None:
        self.units[1] = self
        self.meter = Sdm630(1)
        await self.stack.enter_async_context(serve_tcp(answer_for(self.units), self.port))

    async def go(self) -> None:
        await self.stack.aclose()

    def hang(self) -> None:
        self.units.clear()

    def read(self, function: int, address: int, count: int) -> bytes:
        if self.lies:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        return self.meter.read(function, address, count)

    def write(self, address: int, registers: bytes) -> None:
        raise NotImplementedError


class ModbusSerial(ModbusTcp):
    def endpoint(self) -> str:
        self.path = self.folder / "ttyMETER"
        return f"rtu://{self.path}?baud=115200"

    async def come(self) -> None:
        self.units[1] = self
        self.meter = Sdm630(1)
        pty = await self.stack.enter_async_context(serve_pty(answer_for(self.units), 115200, turnaround_s=0.001))
        self.path.symlink_to(pty)

    async def go(self) -> None:
        self.path.unlink()
        await self.stack.aclose()


# --- what speaks in frames ---


class OnPty(Field):
    """A board on a serial port: `talk` is what it does."""

    is_asked = False

    def __init__(self, folder: Path, clock: LeapingClock):
        self.path = folder / "ttyBOARD"
        self.is_mute = False
        self.taken = asyncio.Event()
        self.taken.set()
        super().__init__(folder, clock)

    async def come(self) -> None:
        self.is_mute = False
        self.stack = AsyncExitStack()
        self.handle, pty = self.stack.enter_context(raw_pty())
        self.path.symlink_to(pty)
        self.decoder = frame.FrameDecoder()
        self.task = asyncio.create_task(self.talk())

    async def go(self) -> None:
        self.path.unlink()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stack.aclose()

    def hang(self) -> None:
        self.is_mute = True

    def hold(self) -> None:
        self.taken.clear()

    async def talk(self) -> None:
        while True:
            with suppress(BlockingIOError):
                for message in self.decoder.feed(os.read(self.handle, 65536)):
                    self.hear(message)
            if not self.is_mute:
                self.speak()
            await asyncio.sleep(EVERY_S)

    def send(self, data: bytes) -> None:
        with suppress(BlockingIOError):
            os.write(self.handle, data)

    async def flood(self) -> None:
        for _ in range(self.floods):
            self.speak()
            await asyncio.sleep(0)

    def hear(self, message: bytes) -> None: ...

    def speak(self) -> None: ...

    def reading(self) -> Reading:
        now_ms = self.clock.utc_ms()
        if self.lies:
            return Reading("temperature", "Cel", None, 0, BAD, "sensor fault", now_ms)
        return Reading("temperature", "Cel", 2150, -2, GOOD, "", now_ms)


class Node(OnPty):
    """A board that signs; whoever takes its packs finds the readings as it wrote them."""

    floods = 300

    def make(self) -> Part:
        self.key, gateway = SoftwareKey(b"n" * 32), SoftwareKey(b"g" * 32)
        self.peer = NodePeer(self.key, gateway.public)
        self.sequence, self.previous = 0, pack.NO_PREVIOUS
        parties = Parties(gateway, lambda: self.key.public)
        made = NodeLink("n-1", str(self.path), 115200, self.accept, self.clock, parties)
        return Part({"node n-1": made.run}, (NodeAbout(made, self.clock),), (made.pulse(),))

    async def accept(self, raw: bytes, _oldest: tuple[int, int]) -> link.Ack:
        await self.taken.wait()
        opened, _ = pack.open_pack(raw, lambda *_: True)
        self.deliver(opened.device, opened.readings)
        return link.Ack(opened.device, opened.boot, opened.sequence, pack.pack_hash(raw))

    def hear(self, message: bytes) -> None:
        with suppress(WireError):
            self.send(self.peer.take(message)[1])

    def speak(self) -> None:
        if self.peer.session is None:
            self.send(self.peer.hello())
            return
        made = pack.Pack(self.device, 1, self.sequence, pack.SYNCED, self.previous, [self.reading()])
        raw = pack.sign_pack(made, pack.key_id(self.key.public), self.key.sign)
        self.send(self.peer.seal(link.PackMessage(1, self.sequence, raw)))
        self.sequence += 1


class LoraNode(OnPty):
    floods = 300

    def make(self) -> Part:
        self.profile = lora_report.AirProfile([lora_report.ReportChannel("temperature", "Cel", -2)])
        self.session = lora.LoraSession(bytes(16), self.profile.digest)
        self.counter = 0
        self.store = LoraStore(self.folder / f"lora-{id(self)}.db")
        kid = pack.key_id(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
        sensor = Sensor("n-1", self.device, bytes(16), self.profile, self.accept, lambda: [kid])
        self.receiver = LoraReceiver(
            7, {3: sensor}, self.store, self.clock, self.deliver, Orders(self.store, self.note),
            Unsigned(self.store, self.note),
        )  # fmt: skip
        made = RadioLink("mast", str(self.path), 115200, self.heard)
        lora_part = Lora("mast", made, self.receiver, [], self.store)
        return Part(lora_part.works(), (lora_part,), lora_part.pulses(), close=self.store.close)

    async def heard(self, raw: bytes, age_ms: int) -> bytes | None:
        await self.taken.wait()
        return await self.receiver.hear(raw, age_ms)

    async def accept(self, raw: bytes, oldest: tuple[int, int]) -> link.Ack:
        raise NotImplementedError

    async def note(self, *_: object) -> None: ...

    def speak(self) -> None:
        time_s = self.clock.utc_ms() // 1000
        one = self.reading()._replace(time_ms=1000 * time_s)
        payload = lora_report.encode_report(self.profile, 1, pack.SYNCED, time_s, [one])
        header = lora.Header(lora.REPORT, False, 7, 3, self.counter)
        self.counter += 1
        heard = lora_link.HeardFrame(0, -80, 20, self.session.seal(header, payload))
        self.send(frame.encode(lora_link.encode(heard)))


# --- Bluetooth ---

ADDRESS = "54:48:E6:8F:80:A5"


class Air:
    """A Bluetooth adapter: `on_advert` while somebody scans."""

    def __init__(self, field: "Beacons"):
        self.field = field

    async def start(self, on_advert: OnAdvert) -> None:
        if not self.field.is_there:
            raise ScannerError("hci0: org.bluez is not there")
        self.field.on_advert = on_advert

    async def stop(self) -> None:
        if self.field.hangs_in_stop:
            await asyncio.Event().wait()
        self.field.on_advert = None

    async def reset(self) -> None: ...


class Beacons(Field):
    """What is heard without being asked for."""

    is_asked = False
    floods = 20_000
    hangs_in_stop = False
    is_there = False
    on_advert: OnAdvert | None = None

    def make(self) -> Part:
        self.number, self.task = 0, None
        store = LoraStore(self.folder / f"ble-{id(self)}.db")
        beacons = {ADDRESS: BleSender(self.device, None)}
        receiver = BleReceiver(beacons, store, self.clock, self.deliver, lambda *_: None)
        watch = BleWatch(lambda: Air(self), receiver.take, 0.2, (0.01, 0.05))
        made = Bluetooth("hci0", watch, receiver, {}, store)
        return Part(made.works(), (made,), tuple(made.pulses()), close=store.close)

    async def come(self) -> None:
        self.is_there = True
        self.task = asyncio.create_task(self.talk())

    async def talk(self) -> None:
        while True:
            self.advertise()
            await asyncio.sleep(EVERY_S)

    def advertise(self) -> None:
        self.number = (self.number + 1) % 256
        celsius = -30_000 if self.lies else 2150
        data = bthome.encode([(0x00, self.number), (0x02, celsius)])
        if self.on_advert:
            self.on_advert(Advert(ADDRESS, -70, {uuid16(bthome.UUID16): data}))

    async def go(self) -> None:
        self.is_there, self.on_advert = False, None
        if self.task:
            self.task.cancel()

    def hang(self) -> None:
        self.hangs_in_stop = True

    async def flood(self) -> None:
        for number in range(self.floods):
            address = ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))
            if self.on_advert:
                self.on_advert(Advert(address, -70, {uuid16(bthome.UUID16): b"\x40"}))


class Environment(Field):
    """What is connected to and read."""

    says_it_is_away = False

    def make(self) -> Part:
        self.is_there = self.is_stuck = False
        poller = Poller(self.connect, ["temperature"], EVERY_S, self.clock, self.report)
        works, name = {}, f"bluetooth {self.device}"
        works[name] = poller.run
        return Part(works, (PolledAbout(self.device, poller),), (poller.pulse(name),))

    def report(self, readings: Sequence[Reading]) -> None:
        self.deliver(self.device, readings)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Environment"]:
        if not self.is_there:
            raise ScannerError("not there")
        yield self

    async def read(self, _uuid: str) -> bytes:
        while self.is_stuck:
            await asyncio.sleep(EVERY_S)
        if not self.is_there:
            raise ScannerError("went away")
        return b"\x00\x80" if self.lies else (2150).to_bytes(2, "little")

    async def come(self) -> None:
        self.is_there = True

    async def go(self) -> None:
        self.is_there = False

    def hang(self) -> None:
        self.is_stuck = True


# --- adapters ---

W1 = "28-3c01d607ed5c"
W1_SAYS = "72 01 4b 46 7f ff 0e 10 57 : crc=57 {0}\n72 01 4b 46 7f ff 0e 10 57 t=21500\n"


class OfAdapter(Field):
    """What one file of wayside.south.adapters reads."""

    def adapter(self, **table: Any) -> Part:
        settings = adapter.AdapterTable(**table)
        assert [(each, told.report_s) for each, told in settings.expected().items()] == [(self.device, 0.1)]
        return adapters.make(settings, self)  # type: ignore[arg-type]

    @property
    def intake(self) -> "OfAdapter":
        return self

    def report(self, device: str, readings: Sequence[Reading]) -> None:
        self.deliver(device, readings)

    def show(self, device: str, readings: Sequence[Reading]) -> None:
        assert device == self.device


class OneWire(OfAdapter):
    says_it_is_away = False

    def make(self) -> Part:
        options = {"thermometers": {"temperature": W1}, "every_s": 0.1, "folder": str(self.folder)}
        return self.adapter(device=self.device, kind="w1_thermometer", options=options)

    @property
    def file(self) -> Path:
        return self.folder / W1 / "w1_slave"

    async def come(self) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.say()

    def say(self) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(W1_SAYS.format("NO" if self.lies else "YES"))
        new.rename(self.file)

    async def go(self) -> None:
        if self.file.is_fifo():
            os.close(os.open(self.file, os.O_RDWR))  # the thread that waits for it goes on
        self.file.unlink()

    def hang(self) -> None:
        self.file.unlink()
        os.mkfifo(self.file)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "lies" and hasattr(self, "part") and self.file.exists():
            self.say()


class UdpLines(OfAdapter):
    """The example of the documentation: it waits for what others send."""

    is_asked = says_it_is_away = False
    floods = 5000

    def make(self) -> Part:
        self.port, self.is_mute, self.task = free_port(), False, None
        options = {"port": self.port, "report_s": 0.1, "sensors": {self.device: {"temperature": "Cel"}}}
        with example("udp_lines", self.folder):
            return self.adapter(name="lines", kind="udp_lines", options=options)

    async def come(self) -> None:
        self.is_mute = False
        self.task = asyncio.create_task(self.talk())

    async def talk(self) -> None:
        while True:
            if not self.is_mute:
                self.send(f"{self.device} temperature {'warm' if self.lies else '21.50'}")
            await asyncio.sleep(EVERY_S)

    def send(self, text: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), ("127.0.0.1", self.port))

    async def go(self) -> None:
        if self.task:
            self.task.cancel()

    def hang(self) -> None:
        self.is_mute = True

    async def flood(self) -> None:
        for number in range(self.floods):
            self.send(f"d-{number} x{number} {number}")
            if number % 50 == 0:
                await asyncio.sleep(0)


class MqttValues(OfAdapter):
    """The other example: it listens to a broker, here a real one."""

    is_asked = says_it_is_away = False
    floods = 500

    def make(self) -> Part:
        if PROGRAM is None:
            pytest.skip("mosquitto is not installed (Debian package mosquitto)")
        self.broker, self.is_mute = Mosquitto(self.folder), False
        self.task: asyncio.Task[None] | None = None
        options = {"prefix": "plant", "report_s": 0.1, "sensors": {self.device: {"temperature": "Cel"}}}
        url = f"mqtt://127.0.0.1:{self.broker.port}"
        with example("mqtt_values", self.folder):
            vars(south_adapters.load("mqtt_values"))["_BACKOFF_S"] = (0.01, 0.05)
            return self.adapter(name="plant", kind="mqtt_values", url=url, options=options)

    @property
    def clients(self) -> Clients:
        return Clients(Secrets(self.folder / "site.toml"), Mock())

    async def come(self) -> None:
        self.is_mute = False
        await asyncio.to_thread(self.broker.start)
        self.publisher = RawPublisher(self.broker.port)
        self.task = asyncio.create_task(self.talk())

    async def talk(self) -> None:
        while True:
            if not self.is_mute:
                self.publisher.say(b"plant/d-1/temperature", b"warm" if self.lies else b"21.50")
            await asyncio.sleep(EVERY_S)

    async def go(self) -> None:
        if self.task:
            self.task.cancel()
            self.publisher.close()
        await asyncio.to_thread(self.broker.stop)

    def hang(self) -> None:
        self.is_mute = True

    async def flood(self) -> None:
        for number in range(self.floods):
            self.publisher.say(b"plant/d-%d/x" % number, b"1")
            if number % 50 == 0:
                await asyncio.sleep(0)


SOURCES: dict[str, Callable[[Path, LeapingClock], Field]] = {
    "modbus over tcp": ModbusTcp,
    "modbus on a serial port": ModbusSerial,
    "node": Node,
    "lora": LoraNode,
    "bluetooth beacon": Beacons,
    "bluetooth device": Environment,
    "1-wire": OneWire,
    "lines over udp": UdpLines,
    "values over mqtt": MqttValues,
}
"""A new source adds itself."""
