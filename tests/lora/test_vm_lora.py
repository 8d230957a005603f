"""Both roles in the real VM: a particle sensor on a UART, a node, the ether, a radio board, the gateway's receiver."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from air import Board, frame
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ether import Ether
from wayside.intake.order import Extends, Head, OutOfOrder, judge
from wayside.lab.plant.cable import raw_pty
from wayside.runtime.clock import SystemClock
from wayside.south.lora.orders import Orders
from wayside.south.lora.port import RadioLink
from wayside.south.lora.receiver import LoraReceiver, Sensor
from wayside.south.lora.store import LoraStore
from wayside.south.lora.unsigned import Unsigned
from wayside.values.reading import PackRefused, Reading
from wayside_node.seal import has_seal, strip
from wayside_node.sensors import sds011
from wayside_wire import link, pack
from wayside_wire.lora_report import AirProfile

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
NETWORK, NODE, KEY = 0x0BADCAFE, 12, bytes(range(16))
SPEED = 10


class Site:
    """What the test looks at: packs by (boot, sequence), counters of the receiver, the ether."""

    def __init__(self, folder: Path, ether: Ether):
        self.folder, self.ether = folder, ether
        self.packs: dict[tuple[int, int], pack.Pack] = {}
        self.hashes: list[bytes] = []
        self.previous: list[bytes] = []
        self.public = b""
        self._busy = asyncio.Lock()
        self.node: Board
        self.radio: Board
        self.link: RadioLink
        self.receiver: LoraReceiver
        self.store: LoraStore
        self.orders: Orders
        self.unsigned: list[str] = []
        self.recorded: list[str] = []

    def open(self) -> None:
        self.store = LoraStore(self.folder / "lora.db")
        unsigned = Unsigned(self.store, self.enter)
        self.orders = Orders(self.store, self._record)
        sensor = Sensor(
            "node", "air-1", KEY, AirProfile(sds011.CHANNELS), self._accept, lambda: [pack.key_id(self.public)]
        )

        def observe(device: str, readings: Sequence[Reading]) -> None: ...

        self.receiver = LoraReceiver(NETWORK, {NODE: sensor}, self.store, SystemClock(), observe, self.orders, unsigned)

    async def enter(self, device: str, reports: int, text: str) -> None:
        self.unsigned.append(text)

    async def _record(self, name: str, outcome: str, command: bytes) -> None:
        self.recorded.append(outcome)

    async def hear(self, raw: bytes, age_ms: int) -> bytes | None:
        async with self._busy:
            return await self.receiver.hear(raw, age_ms)

    async def reboot(self) -> None:
        """The gateway begins anew, from its file."""
        async with self._busy:
            self.store.close()
            self.open()

    async def _accept(self, raw: bytes, oldest: tuple[int, int]) -> link.Ack:
        def verify(kid: bytes, message: bytes, signature: bytes) -> bool:
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            except InvalidSignature:
                return False
            return True

        try:
            opened, _ = pack.open_pack(raw, verify)
        except ValueError as error:
            raise PackRefused(link.REFUSED, str(error)) from None
        place = (opened.boot, opened.sequence)
        head = Head(*list(self.packs)[-1], self.hashes[-1]) if self.packs else None
        verdict = judge(head, opened, oldest)
        if isinstance(verdict, OutOfOrder):
            raise PackRefused(link.OUT_OF_ORDER, "older packs first")
        if isinstance(verdict, Extends):
            assert not verdict.gaps
            self.packs[place] = opened
            self.previous.append(opened.previous)
            self.hashes.append(pack.pack_hash(raw))
        return link.Ack(opened.device, opened.boot, opened.sequence, pack.pack_hash(raw))

    def check_chain(self) -> None:
        assert list(self.packs) == sorted(self.packs)
        assert self.previous == [pack.NO_PREVIOUS, *self.hashes[:-1]]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            seen = f"{dict(self.receiver.counters)} {dict(self.link.counters)} {dict(self.ether.counters)}"
            raise AssertionError(f"never came: {what}; {seen}; {self.node.said} {self.radio.said}") from None


@asynccontextmanager
async def running(micropython: Path, folder: Path, **options: object) -> AsyncIterator[Site]:
    ether = Ether(SPEED)
    port = await ether.open()
    site = Site(folder, ether)
    chip = {"host": "127.0.0.1", "port": port, "speed": SPEED}
    air = {"radio": {"region": "EU868", "sf": 7, "freq_khz": 869525}, "chip": chip}
    with raw_pty() as (sensor_end, sensor_path), raw_pty() as (radio_end, radio_path):
        node = air | {
            "role": "sensor", "state": str(folder / "node"), "network": NETWORK, "node": NODE, "device": "air-1",
            "key": KEY.hex(), "report_ms": 1000, "sign_every": 3, "listen_ms": 600,
            "sensors": [{"kind": "sds011", "port": sensor_path, "warm_up_ms": 2000}],
        }  # fmt: skip
        radio = air | {"role": "radio", "state": str(folder / "radio"), "link": {"port": radio_path}}
        (folder / "node.json").write_text(json.dumps(node | options))
        (folder / "radio.json").write_text(json.dumps(radio))
        site.node = Board(micropython, folder / "node.json")
        site.radio = Board(micropython, folder / "radio.json")
        site.public = await site.node.public_key()
        site.open()

        class Line:
            def fileno(self) -> int:
                return radio_end

            def close(self) -> None: ...

        os.set_blocking(radio_end, False)
        site.link = RadioLink("radio", "", 0, site.hear, lambda path, baud: Line())

        async def breathe() -> None:
            while True:
                os.write(sensor_end, frame(123, 245))
                await asyncio.sleep(0.2)

        tasks = [asyncio.create_task(breathe()), asyncio.create_task(site.link.run())]
        try:
            await site.radio.start()
            await site.until(lambda: site.link.radio is not None, "the radio board")
            await site.node.start()
            yield site
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await site.node.kill()
            await site.radio.kill()
            ether.close()
            site.store.close()


def test_values_of_a_sensor_arrive_signed(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path) as site:

            def warm() -> bool:
                return any(all(each.quality == pack.GOOD for each in made.readings) for made in site.packs.values())

            await site.until(warm, "a pack of good readings")
            site.check_chain()
            last = list(site.packs.values())[-1]
            assert last.time_quality != pack.UNSYNCED, "the node has learnt the time"
            values = {(reading.channel, reading.mantissa) for reading in last.readings}
            assert values == {("pm2.5", 123), ("pm10", 245)}
            first = next(iter(site.packs.values()))
            assert {reading.reason for reading in first.readings} & {"warming up", "no value yet"}

    asyncio.run(main())


def test_lost_and_spoilt_packets_are_asked_for(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path) as site:
            chance = random.Random(7)

            def spoil(packet: bytes) -> tuple[bytes, bool] | None:
                fate = chance.random()
                if fate < 0.1:
                    return None
                if fate < 0.2:
                    return bytes([*packet[:-1], packet[-1] ^ 1]), False  # the chip says so
                if fate < 0.3:
                    # What an old SX126x driver does: a damaged packet, delivered as good.
                    return bytes([*packet[:12], packet[12] ^ 64, *packet[13:]]), True
                return packet, True

            site.ether.spoil = spoil
            missing = "reports missing"
            await site.until(lambda: len(site.packs) >= 2 and site.receiver.counters[missing] > 0, "a bad channel")
            site.ether.spoil = lambda packet: (packet, True)
            count_now = len(site.packs)
            await site.until(lambda: len(site.packs) >= count_now + 1, "packs over a good channel")
            site.check_chain()
            for made in site.packs.values():
                assert all(reading.mantissa in (123, 245, None) for reading in made.readings)

    asyncio.run(main())


def test_either_side_may_be_killed(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path) as site:
            await site.until(lambda: bool(site.packs), "a pack")
            await site.node.kill()
            replay = list(site.ether.heard)
            await site.node.start()
            await site.until(lambda: any(boot == 2 for boot, _ in site.packs), "a pack of the second boot")
            await site.radio.kill()
            await site.reboot()
            await site.radio.start()
            taken = len(site.packs)
            for packet in replay:
                site.ether.inject(packet)
            await site.until(lambda: len(site.packs) >= taken + 1, "packs after the gateway's reboot")
            site.check_chain()
            assert {boot for boot, _ in site.packs} == {1, 2}

    asyncio.run(main())


def test_a_node_that_nobody_answers_says_its_packs_once(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path, listen_ms=0) as site:
            await site.until(lambda: len(site.packs) >= 2, "two packs")
            site.check_chain()
            assert site.receiver.counters["heads"] == len(site.packs)

    asyncio.run(main())


def test_both_seal_their_configuration_and_go_back_to_the_copy(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path) as site:
            await site.until(lambda: bool(site.packs), "a pack")
            await site.node.kill()
            await site.radio.kill()
            for name in ("node.json", "radio.json"):
                path = tmp_path / name
                sealed = path.read_bytes()
                assert has_seal(sealed) and json.loads(strip(sealed)) == json.loads(sealed)
                assert (tmp_path / (name + ".old")).read_bytes() == sealed
                path.write_bytes(sealed.replace(b"869525", b"869425"))  # as a bit that turns over: the air's frequency
            await site.radio.start()
            await site.node.start()
            await site.until(lambda: any(boot == 2 for boot, _ in site.packs), "a pack of the second start")
            for board, name in ((site.node, "node.json"), (site.radio, "radio.json")):
                assert "going on with the configuration before it" in board.said
                assert has_seal((tmp_path / name).read_bytes())

    asyncio.run(main())


def test_a_journal_that_refuses_does_not_silence_a_sensor(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path) as site:
            await site.until(lambda: bool(site.packs), "a pack")
            await site.node.kill()
            journal = tmp_path / "node" / "journal"
            journal.rename(tmp_path / "journal")
            journal.write_bytes(b"as a folder that flash does not give back")
            heard = site.receiver.counters["reports"]
            await site.node.start()
            await site.until(lambda: site.receiver.counters["reports"] >= heard + 3, "reports without a journal")
            assert "journal: " in site.node.said and not any(boot == 2 for boot, _ in site.packs)
            journal.unlink()
            (tmp_path / "journal").rename(journal)
            await site.until(lambda: any(boot == 2 for boot, _ in site.packs), "a pack of this start")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "00"}, "32 hexadecimal digits"),
        ({"radio": {"region": "EU433", "sf": 7}}, "write one of"),
        ({"radio": {"region": "EU868", "sf": 7, "freq_khz": 868650}}, "no band"),
        ({"sensors": [{"kind": "crystal ball"}]}, "no sensor"),
        ({"sensors": []}, "one or more"),
        ({"spare": 1}, "unknown key"),
    ],
)
def test_configurations_that_cannot_be(micropython: Path, tmp_path: Path, change: dict[str, object], said: str) -> None:
    good = {
        "role": "sensor", "state": str(tmp_path / "node"), "network": 1, "node": 1, "device": "a", "key": "00" * 16,
        "radio": {"region": "EU868", "sf": 7}, "chip": {"host": "127.0.0.1", "port": 9}, "sensors": [{"kind": "x"}],
    }  # fmt: skip
    (tmp_path / "node.json").write_text(json.dumps(good | change))

    async def main() -> None:
        board = Board(micropython, tmp_path / "node.json")
        await board.start()
        assert board._process and await board._process.wait() == 1
        assert said in board.said and "Traceback" not in board.said

    asyncio.run(main())
