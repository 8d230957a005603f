"""The role `beacon` in the real VM, on NimBLE and aioble, heard and visited over Bumble's virtual controllers."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bumble", reason="the package bumble is not installed")
pytest.importorskip("bthome_ble", reason="the package bthome-ble is not installed")
from bthome_peer import values
from bumble.core import UUID
from bumble.device import Peer
from bumble.gatt_client import CharacteristicProxy
from virtual_air import ADDRESS, Air, Node, air, build_board, sources
from waiting import until
from wayside.runtime.clock import SystemClock
from wayside.south.ble import environment
from wayside.south.ble.receiver import BleReceiver, BleSender
from wayside.south.ble.scanner import Advert, uuid16
from wayside.south.lora.store import LoraStore
from wayside.trust.keys import SoftwareKey
from wayside.values.reading import Reading
from wayside_wire import bench, bthome, cbor, command, frame, link
from wayside_wire.pack import BAD, GOOD

KEY = bytes(range(16))
GATEWAY = SoftwareKey(bytes(range(32)))
DESCRIPTION = UUID.from_16_bits(0x2901)


@pytest.fixture(scope="module")
def board() -> tuple[Path, Path]:
    """(the interpreter with NimBLE, the folder of aioble)."""
    nimble, aioble = sources()
    return build_board(nimble), aioble


class Site:
    """One beacon with a thermometer behind a converter and a door's contact, and where it is set up."""

    def __init__(self, folder: Path, board: tuple[Path, Path], **settings: Any):
        self.board = board
        self.folder = folder
        self.volts = folder / "volts"
        self.door = folder / "door"
        self.button = folder / "button"
        self.config = folder / "node.json"
        thermometer = {
            "kind": "analogue", "port": str(self.volts), "channel": "temperature", "unit": "Cel", "exponent": -2,
            "low_mv": 0, "high_mv": 1000, "low": -4000, "high": 6000, "broken_above_mv": 3000, "samples": 1,
        }  # fmt: skip
        door = {"kind": "digital", "port": str(self.door), "name": "door"}
        config = {"role": "beacon", "node": "kerb-7", "state": str(folder / "state"), "report_ms": 1000}
        self.config.write_text(json.dumps(config | {"sensors": [thermometer, door]} | settings))
        self.measure(615000)
        self.door.write_text("1")

    @property
    def kid(self) -> bytes:
        """The node's key id, once it has a key."""
        return SoftwareKey((self.folder / "state" / "node.key").read_bytes()[:32]).kid

    def measure(self, uv: int) -> None:
        """10 mV are a degree, 0 V are -40."""
        new = self.volts.with_suffix(".new")
        new.write_text(str(uv))
        new.rename(self.volts)

    @asynccontextmanager
    async def on_the_air(self) -> AsyncIterator[tuple[Air, Node]]:
        line = self.folder / "hci"
        async with air(line) as around:
            node = Node(*self.board, line, self.config)
            try:
                yield around, node
            except AssertionError as error:
                raise AssertionError(f"{error}; the node said: {node.said}") from error
            finally:
                node.kill()


class Gateway:
    """Our receiver; `told` is the last value of each channel."""

    def __init__(self, folder: Path, key: bytes | None):
        self.told: dict[str, Reading] = {}
        self._store = LoraStore(folder / "ble.db")
        beacons = {ADDRESS: BleSender("kerb-7", key)}
        self._receiver = BleReceiver(beacons, self._store, SystemClock(), self._take, lambda *_: None)

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._receiver.status()["kerb-7"]["counts"])

    def _take(self, _device: str, readings: Any) -> None:
        self.told.update({reading.channel: reading for reading in readings})

    def hear(self, around: Air) -> None:
        for data in around.services():
            self._receiver.take(Advert(ADDRESS, -60, {uuid16(bthome.UUID16): data}))
        around.heard.clear()


def test_a_plain_beacon_is_heard_and_what_is_bad_is_not_said(board: tuple[Path, Path], tmp_path: Path) -> None:
    site = Site(tmp_path, board)
    gateway = Gateway(tmp_path, None)

    async def main() -> None:
        async with site.on_the_air() as (around, _):
            await around.telephone.start_scanning(active=False)
            await until(lambda: bool(around.services()), "an advertisement")
            assert not around.is_connectable, "the bench is off by default"
            assert sorted(values(around.services()[0], None)) == [1, 21.5]  # the door is open: BTHome's door
            gateway.hear(around)
            assert {name: (each.mantissa, each.exponent) for name, each in gateway.told.items()} == {
                "temperature": (2150, -2), "door": (1, 0),
            }  # fmt: skip
            site.measure(3300000)  # the wire breaks

            def last() -> list[list[float | bool]]:
                return [values(data, None) for data in around.services()[-1:]]

            await until(lambda: last() == [[True]], "an advertisement without the temperature")

    asyncio.run(main())


def test_an_encrypted_beacon_counts_on_across_a_power_cut(board: tuple[Path, Path], tmp_path: Path) -> None:
    site = Site(tmp_path, board, key=KEY.hex())
    gateway = Gateway(tmp_path, KEY)
    before: list[bytes] = []

    async def listen() -> None:
        async with site.on_the_air() as (around, _):
            await around.telephone.start_scanning(active=False)
            await until(lambda: len(set(around.services())) > 2, "three advertisements")
            assert sorted(values(around.services()[0], KEY)) == [1, 21.5]
            before.extend(around.services())
            gateway.hear(around)

    asyncio.run(listen())
    reports = gateway.counts["reports"]
    assert reports >= 3 and gateway.told["temperature"].mantissa == 2150
    asyncio.run(listen())
    assert gateway.counts["reports"] > reports, "the counter goes on above the last one"
    counters = [
        bthome.open_sealed(data, KEY, bytes.fromhex(ADDRESS.replace(":", "")))[0] for data in dict.fromkeys(before)
    ]
    assert counters == sorted(counters) and len(set(counters)) == len(counters)
    assert not gateway.counts.get("older counter", 0) and not gateway.counts["malformed or not authentic"]


def test_a_configuration_that_cannot_be_used_gives_way_to_the_one_before(
    board: tuple[Path, Path], tmp_path: Path
) -> None:
    site = Site(tmp_path, board)
    before = site.config.read_bytes()
    site.config.with_name("node.json.old").write_bytes(before)
    site.config.with_name("node.json.trial").write_bytes(b"")
    spoilt = json.loads(before) | {"sensors": [{"kind": "crystal_ball"}]}
    site.config.write_text(json.dumps(spoilt))

    async def main() -> None:
        async with site.on_the_air() as (_, node):
            assert await asyncio.to_thread(node.ended) == 3, "it starts itself again"
            assert "crystal_ball is no sensor" in node.said
        assert site.config.read_bytes() == before
        async with site.on_the_air() as (around, _):
            await around.telephone.start_scanning(active=False)
            await until(lambda: bool(around.services()), "an advertisement")

    asyncio.run(main())


class Technician:
    """Somebody with a telephone at the node's bench."""

    def __init__(self, peer: Peer):
        self._peer = peer
        self._said = frame.FrameDecoder()
        self._answers: list[link.CommandAnswer] = []
        self.values: dict[str, CharacteristicProxy[bytes]] = {}
        self.notified: dict[str, bytes] = {}

    async def look(self) -> None:
        await self._peer.discover_services()
        for service in self._peer.services:
            for characteristic in await service.discover_characteristics():
                await characteristic.discover_descriptors()
        for characteristic in self._peer.get_characteristics_by_uuid(UUID(bench.VALUE)):
            described = characteristic.get_descriptor(DESCRIPTION)
            assert described
            name = (await described.read_value()).decode()
            self.values[name] = characteristic
            await characteristic.subscribe(lambda data, name=name: self.notified.update({name: bytes(data)}))
        (answer,) = self._peer.get_characteristics_by_uuid(UUID(bench.ANSWER))
        await answer.subscribe(lambda data: self._answers.extend(map(link.decode, self._said.feed(bytes(data)))))

    async def standard(self, number: int) -> bytes:
        (it,) = self._peer.get_characteristics_by_uuid(UUID.from_16_bits(number))
        return bytes(await it.read_value())

    async def write(self, data: bytes) -> None:
        (it,) = self._peer.get_characteristics_by_uuid(UUID(bench.COMMAND))
        await it.write_value(data, with_response=True)

    async def order(self, raw: bytes, size: int = 180) -> link.CommandAnswer:
        """The answer to a command, in pieces of `size`; after a delimiter, as nobody knows what stood before."""
        framed = b"\x00" + frame.encode(link.encode(link.CommandMessage(raw)))
        self._answers.clear()
        for at in range(0, len(framed), size):
            await self.write(framed[at : at + size])
        await until(lambda: bool(self._answers), "an answer")
        return self._answers[0]


def ordered(kid: bytes, number: int, verb: str, *arguments: Any, key: SoftwareKey = GATEWAY) -> bytes:
    return bytes(command.sign_command(command.Command(kid, number, verb, list(arguments)), key.kid, key.sign))


def test_the_bench_by_contact(board: tuple[Path, Path], tmp_path: Path) -> None:
    button = tmp_path / "button"
    site = Site(tmp_path, board, gateway=GATEWAY.public.hex(), bench={"contact": str(button)})

    async def main() -> None:
        async with site.on_the_air() as (around, node):
            await around.telephone.start_scanning(active=False)
            await until(lambda: bool(around.services()), "an advertisement")
            assert not around.is_connectable
            button.write_text("1")
            await until(lambda: around.is_connectable, "a connectable advertisement")
            connection = await around.connect()
            gone = asyncio.Event()
            connection.on("disconnection", lambda reason: gone.set())
            peer = Peer(connection)
            await peer.request_mtu(247)
            visitor = Technician(peer)
            await visitor.look()
            await read(visitor, site)
            await configure(visitor, site)
            await until(lambda: bool(around.services()), "an advertisement beside the connection")
            button.write_text("0")
            async with asyncio.timeout(60):
                await gone.wait()
            around.heard.clear()
            await until(lambda: bool(around.services()), "an advertisement after the visit")
            assert not around.is_connectable
            assert "starting it again" not in node.said

    asyncio.run(main())


def test_visitors_who_talk_nonsense_and_leave_in_the_middle(board: tuple[Path, Path], tmp_path: Path) -> None:
    site = Site(tmp_path, board, gateway=GATEWAY.public.hex(), bench={"after_start_s": 600})

    async def main() -> None:
        async with site.on_the_air() as (around, node):
            await around.telephone.start_scanning(active=False)
            for visit in range(3):
                await until(lambda: around.is_connectable, "a connectable advertisement")
                connection = await around.connect()
                visitor = Technician(Peer(connection))  # with the smallest MTU there is
                await visitor.look()
                for nonsense in (b"\x00" * 20, bytes(range(1, 21)), ordered(site.kid, 9, command.INFO)[:20]):
                    await visitor.write(nonsense)
                told = await visitor.order(ordered(site.kid, visit + 1, command.COUNTERS), 20)
                assert told.status == command.OK and cbor.decode(told.data)["connections"] == visit + 1
                await visitor.write(ordered(site.kid, 9, command.REBOOT)[:15])
                await connection.disconnect()
            assert "starting it again" not in node.said

    asyncio.run(main())


async def read(visitor: Technician, site: Site) -> None:
    assert sorted(visitor.values) == ["door /", "temperature Cel"]

    async def value(name: str) -> object:
        return bench.decode_value(bytes(await visitor.values[name].read_value()))

    assert await value("temperature Cel") == (GOOD, 2150, -2, "")
    assert await value("door /") == (GOOD, 1, 0, "")
    assert environment.decode(0x2A6E, await visitor.standard(0x2A6E), 0)[2:5] == (2150, -2, GOOD)
    site.measure(3300000)
    await until(lambda: visitor.notified.get("temperature Cel", b"")[:1] == bytes([BAD]), "a notification")
    assert bench.decode_value(visitor.notified["temperature Cel"]) == (BAD, None, 0, "broken wire")
    assert await value("temperature Cel") == (BAD, None, 0, "broken wire")
    assert environment.decode(0x2A6E, await visitor.standard(0x2A6E), 0).reason == "value is not known"
    site.measure(400000)
    await until(lambda: visitor.notified["temperature Cel"][:1] == bytes([GOOD]), "a notification")
    assert bench.decode_value(visitor.notified["temperature Cel"]) == (GOOD, 0, -2, "")


async def configure(visitor: Technician, site: Site) -> None:
    kid = site.kid
    stranger = await visitor.order(ordered(kid, 1, command.INFO, key=SoftwareKey(bytes(32))))
    assert stranger.status == command.REFUSED
    told = await visitor.order(ordered(kid, 1, command.INFO))
    assert told.status == command.OK and cbor.decode(told.data)[0] == "kerb-7"
    assert (await visitor.order(ordered(kid, 1, command.REBOOT))).status == command.REPLAYED
    wanted = json.dumps(json.loads(site.config.read_text()) | {"node": "kerb-8"}).encode()
    for number, at in enumerate(range(0, len(wanted), command.PIECE), 2):
        piece = wanted[at : at + command.PIECE]
        assert (await visitor.order(ordered(kid, number, command.CONFIG_WRITE, at, piece))).status == command.OK
    digest = hashlib.sha256(wanted).digest()
    assert (await visitor.order(ordered(kid, 100, command.CONFIG_USE, len(wanted), digest))).status == command.OK
    assert site.config.read_bytes() == wanted
