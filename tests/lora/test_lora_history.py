"""Random histories of a node and its gateway: losses, damage, replays, reboots of either, airtime that runs out.

The node's own code and the gateway's receiver in one process, with the intake's judgement of order. Whatever happens on
the way, after it every report that the node kept is in the log: once, in order, with the values that were measured. Of
every configuration that was ordered the log says what became of it, and both ends agree on the one that is in force.
"""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fakes import Time, files
from wayside.intake.order import Extends, Head, OutOfOrder, judge
from wayside.south.lora.node import AirNode
from wayside.south.lora.orders import SETTLED, Orders
from wayside.south.lora.receiver import LoraReceiver, Sensor
from wayside.south.lora.store import LoraStore
from wayside.south.lora.unsigned import Unsigned
from wayside.values.reading import PackRefused, Reading, TimeQuality
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity
from wayside_node.radio import Budget, Transmitter
from wayside_node.radio_config import RadioSettings
from wayside_node.radio_remote import Remote, Working
from wayside_node.radio_sensor import RadioUplink, UplinkSettings
from wayside_wire import command, link, lora_config, lora_report, pack

KEY = bytes(range(16))
PROFILE = lora_report.AirProfile(
    [lora_report.ReportChannel("t", "Cel", -2), lora_report.ReportChannel("rh", "%RH", -2)]
)


class Keys:
    """Real signatures in place of the native module."""

    @staticmethod
    def ed25519_public_key(seed: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()

    @staticmethod
    def ed25519_sign(seed: bytes, public: bytes, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


class Packet(bytearray):
    rssi, snr, valid_crc = -90, 30, True


class World:
    """`trouble`: chance in per cent that a packet is lost, damaged, or followed by the replay of an old one."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.chance = folder, random.Random(seed)
        self.trouble = 0
        self.time = Time()
        self.before_ms = 1_790_000_000_000
        self.on_air: list[bytes] = []
        self.answers: list[bytes] = []
        self.heard: set[bytes] = set()
        self.answer: bytes | None = None
        self.log: list[pack.Pack] = []
        self.hashes: list[bytes] = []
        self.gaps = 0
        self.observed: set[int | None] = set()
        self.unsigned: list[str] = []
        self.recorded: list[str] = []
        self.ordered: list[int] = []
        self.measured: list[int] = []
        self.start_gateway()
        self.start_node()

    # --- the gateway and its clock ---

    def utc_ms(self) -> int:
        return self.before_ms + self.time.at_ms

    def monotonic(self) -> float:
        return self.utc_ms() / 1000

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED

    def start_gateway(self) -> None:
        self.store = LoraStore(self.folder / "lora.db")
        unsigned = Unsigned(self.store, self.enter)
        self.orders = Orders(self.store, self._record)
        self.operator = AirNode("air-node", 1, PROFILE, self.orders, lambda: None, lambda: 0)
        sensor = Sensor("air-node", "air-1", KEY, PROFILE, self._accept, lambda: [self.identity.kid])
        self.receiver = LoraReceiver(7, {1: sensor}, self.store, self, self.observe, self.orders, unsigned)

    def observe(self, device: str, readings: Sequence[Reading]) -> None:
        self.observed |= {reading.mantissa for reading in readings}

    async def enter(self, device: str, reports: int, text: str) -> None:
        self.unsigned.append(text)

    async def _record(self, name: str, outcome: str, command: bytes) -> None:
        if "is in force" in outcome:
            remote = self.uplink._remote
            assert outcome == f"version {remote.version} is in force, SHA-256 begins {remote.digest.hex()}"
        self.recorded.append(outcome)

    def order(self) -> None:
        """Another configuration, as an operator gives it; at SF9 nobody hears the node."""
        wanted = {"sign_every": self.chance.randrange(1, 5), "trial": self.chance.randrange(1, 6)}
        if self.chance.random() < 0.4:
            wanted["sf"] = 9
        text = json.dumps(wanted).encode()
        words = {command.CONFIG_WRITE: [0, text], command.CONFIG_USE: [len(text), hashlib.sha256(text).digest()]}
        for verb, arguments in words.items():
            raw = command.sign_command(command.Command(bytes(8), 1, verb, arguments), bytes(8), lambda _: bytes(64))
            assert asyncio.run(self.operator.command(raw, 1)).status == command.OK
        self.ordered.append(self.orders.of(1).version)

    async def _accept(self, raw: bytes, oldest: tuple[int, int]) -> link.Ack:
        def verify(kid: bytes, message: bytes, signature: bytes) -> bool:
            self.identity_public.verify(signature, message)
            return True

        opened, _ = pack.open_pack(raw, verify)
        head = Head(self.log[-1].boot, self.log[-1].sequence, self.hashes[-1]) if self.log else None
        verdict = judge(head, opened, oldest)
        if isinstance(verdict, OutOfOrder):
            raise PackRefused(link.OUT_OF_ORDER, "older packs first")
        if isinstance(verdict, Extends):
            self.gaps += len(verdict.gaps)
            self.log.append(opened)
            self.hashes.append(pack.pack_hash(raw))
        return link.Ack(opened.device, opened.boot, opened.sequence, pack.pack_hash(raw))

    # --- the node ---

    def start_node(self) -> None:
        folder = str(self.folder / "node")
        self.before_ms += self.time.at_ms
        self.time = Time()  # its clock begins anew
        clock = self.time.clock()
        self.identity = open_identity(files(), folder, Keys, lambda size: self.chance.randbytes(size))
        seed = (self.folder / "node" / "node.key").read_bytes()[:32]  # and its check sum
        self.identity_public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
        journal = PackJournal(files(), folder + "/journal", 65536)
        budget = Budget(files(), folder + "/airtime", 100, clock)
        radio = RadioSettings("EU868", 869525, 7, 125000)
        sender = Transmitter(self, radio, budget, clock, lambda limit: limit // 2)
        boot = self.identity.counters.next_boot(journal.head.boot + 1)
        settings = UplinkSettings(7, 1, "air-1", 500)
        self.journal = journal
        self.sf = 7
        own = Working(900_000, 3, 7, ["t", "rh"], {})
        remote = Remote(files(), folder + "/remote", PROFILE, own)
        self.uplink = RadioUplink(settings, PROFILE, KEY, self.identity, boot, journal, sender, self, clock, remote)

    def report(self, value: int) -> None:
        self.time.advance(self.chance.choice((20_000, 60_000, 300_000)))
        rows = PROFILE.channels
        readings = [pack.Reading(row.name, row.unit, value, row.exponent, pack.GOOD, "", 0) for row in rows]
        self.measured.append(value)
        asyncio.run(self.uplink.take(readings))

    # --- the modem ---

    def configure(self, settings: dict[str, int]) -> None:
        self.sf = settings["sf"]

    async def send(self, packet: Any) -> None:
        raw = bytes(packet)
        self.time.advance(150)
        self.on_air.append(raw)
        self.answer = None
        if self.sf == 7 and (arrived := self._spoil(raw)) is not None:
            back = await self.receiver.hear(arrived)
            self.heard.add(arrived)
            self.answer = self._spoil(back) if back else None
            self.answers += [self.answer] if self.answer else []
        if self.chance.randrange(100) < self.trouble:
            old = self.chance.choice(self.on_air)
            again = await self.receiver.hear(old)
            assert again is None or old not in self.heard  # one that was lost may come late
            self.heard.add(old)

    async def recv(self, timeout_ms: int) -> Packet | None:
        if self.answers and self.chance.randrange(100) < self.trouble:
            self.time.advance(20)
            return Packet(self.chance.choice(self.answers))  # somebody plays an old one
        answer, self.answer = self.answer, None
        self.time.advance(50 if answer else timeout_ms)
        return Packet(answer) if answer else None

    def _spoil(self, raw: bytes) -> bytes | None:
        if self.chance.randrange(100) >= self.trouble:
            return raw
        if self.chance.random() < 0.5:
            return None
        place = self.chance.randrange(len(raw))
        return raw[:place] + bytes([raw[place] ^ 1 << self.chance.randrange(8)]) + raw[place + 1 :]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_log_is_whole(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    value = 0
    lost_with_the_node: set[int] = set()
    for _ in range(6):
        world.trouble = world.chance.choice((0, 10, 30, 60))
        if world.chance.random() < 0.6:
            world.order()
        for _ in range(world.chance.randrange(3, 12)):
            world.report(value)
            value += 1
        event = world.chance.choice(("node", "gateway", "hour", "nothing"))
        if event == "node":
            # Reports of a pack that is not signed yet are in memory only.
            lost_with_the_node |= {reading.mantissa for each in world.uplink._group for reading in each.readings}
            world.start_node()
        elif event == "gateway":
            world.store.close()
            world.start_gateway()
        elif event == "hour":
            world.time.advance(3_700_000)
    world.trouble = 0
    world.time.advance(3_700_000)
    while world.uplink._group or world.journal.read(world.journal.first) is not None or world.orders.due(1):
        world.report(value)
        value += 1
        assert value < 200, "never comes to rest"
    assert world.gaps == 0
    numbers = [reading.mantissa for each in world.log for reading in each.readings]
    assert numbers == [number for number in range(value) if number not in lost_with_the_node for _ in (0, 1)]
    # What was heard, and gone with the node before it signed it, is in the log as that, and nothing else is.
    never_signed = {round(100 * float(text)) for text in re.findall(r": t ([0-9.]+) Cel", "\n".join(world.unsigned))}
    assert world.observed & lost_with_the_node <= never_signed <= lost_with_the_node
    world.report(value)  # what the node has to say of its configuration comes behind a report
    assert [int(outcome.split()[1]) for outcome in world.recorded] == world.ordered
    remote, order = world.uplink._remote, world.orders.of(1)
    assert order.state == SETTLED and not remote.on_trial and world.sf == 7
    kept = world.orders.kept(1)
    assert kept is not None and remote.digest == (lora_config.digest_of(kept) if kept else b"")
    assert [each.previous for each in world.log] == [pack.NO_PREVIOUS, *world.hashes[:-1]]
