"""Frames in, packs through the intake's door: what counts, what does not, and what survives a reboot."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wayside.log import LogError
from wayside.runtime.clock import SystemClock
from wayside.south.lora.orders import Orders
from wayside.south.lora.receiver import LoraReceiver, Sensor
from wayside.south.lora.store import LoraStore
from wayside.south.lora.unsigned import Unsigned
from wayside.values.reading import PackRefused, Reading
from wayside_wire import link, lora, lora_config, pack
from wayside_wire import lora_report as wire

NETWORK = 0x57415953
KEY = bytes(range(16))
PROFILE = wire.AirProfile([wire.ReportChannel("t", "Cel", -2), wire.ReportChannel("rh", "%RH", -2)])
START_S = 1_790_000_000


class Node:
    """A node as it should be: reports, then a head over them."""

    def __init__(self, number: int = 3, key: bytes = KEY, boot: int = 1, counter: int = 0):
        self.number, self.boot, self.counter, self.sequence = number, boot, counter, 0
        self.private = Ed25519PrivateKey.generate()
        self.kid = pack.key_id(self.private.public_key().public_bytes_raw())
        self.session = lora.LoraSession(key, PROFILE.digest)
        self.previous = pack.NO_PREVIOUS
        self.group: list[wire.AirReport] = []
        self.raw = b""

    def seal(self, kind: int, payload: bytes) -> bytes:
        header = lora.Header(kind, True, NETWORK, self.number, self.counter)
        self.counter += 1
        return self.session.seal(header, payload)

    def report(self, time_s: int, value: int, quality: int = pack.SYNCED) -> bytes:
        readings = [
            pack.Reading(row.name, row.unit, value + place, row.exponent, pack.GOOD, "", 1000 * time_s)
            for place, row in enumerate(PROFILE.channels)
        ]
        payload = wire.encode_report(PROFILE, self.boot, quality, time_s, readings)
        self.group.append(wire.decode_report(PROFILE, payload))
        return self.seal(lora.REPORT, payload)

    def head(self, older_held: bool = False) -> bytes:
        quality = self.group[0].time_quality
        times = [report.time_s for report in self.group]
        head = wire.AirHead(self.boot, self.sequence, quality, older_held, self.previous, times, bytes(64))
        made = wire.pack_of("air-1", head, {report.time_s: report for report in self.group})
        self.raw = pack.sign_pack(made, self.kid, self.private.sign)
        self.previous, self.sequence, self.group = pack.pack_hash(self.raw), self.sequence + 1, []
        return self.seal(lora.HEAD, wire.encode_head(head._replace(signature=self.raw[-64:])))

    def answer(self, raw: bytes | None) -> wire.AirAnswer:
        assert raw is not None
        header = lora.read_header(raw)
        assert (header.kind, header.counter) == (lora.ANSWER, self.counter - 1)
        return wire.decode_answer(self.session.open(raw))


class Gateway:
    """A receiver over a store, and a door that checks signatures."""

    def __init__(self, folder: Path, node: Node):
        self.node, self.folder = node, folder
        self.packs: list[pack.Pack] = []
        self.refuse: int | None = None
        self.observed: list[Sequence[Reading]] = []
        self.unsigned: list[str] = []
        self.recorded: list[tuple[str, str, bytes]] = []
        self.log_refuses = False
        self.start()

    def start(self) -> None:
        self.store = LoraStore(self.folder / "lora.db")
        sensor = Sensor("air-node", "air-1", KEY, PROFILE, self.accept, lambda: [bytes(8), self.node.kid])
        unsigned = Unsigned(self.store, self.enter)
        self.orders = Orders(self.store, self.record)
        self.receiver = LoraReceiver(
            NETWORK, {self.node.number: sensor}, self.store, SystemClock(), self.observe, self.orders, unsigned
        )

    def observe(self, _: str, got: Sequence[Reading]) -> None:
        self.observed.append(got)

    async def enter(self, device: str, reports: int, text: str) -> None:
        if self.log_refuses:
            raise LogError("the disk is full")
        self.unsigned.append(text)

    async def record(self, name: str, outcome: str, command: bytes) -> None:
        if self.log_refuses:
            raise LogError("the disk is full")
        self.recorded.append((name, outcome, command))

    def reboot(self) -> None:
        self.store.close()
        self.start()

    async def accept(self, raw: bytes, oldest: tuple[int, int]) -> link.Ack:
        def verify(kid: bytes, message: bytes, signature: bytes) -> bool:
            if kid != self.node.kid:
                return False
            self.node.private.public_key().verify(signature, message)
            return True

        if self.refuse:
            raise PackRefused(self.refuse, "not now")
        try:
            opened, _ = pack.open_pack(raw, verify)
        except Exception as error:
            raise PackRefused(link.REFUSED, str(error)) from None
        self.packs.append(opened)
        return link.Ack(opened.device, opened.boot, opened.sequence, pack.pack_hash(raw))

    def hear(self, raw: bytes) -> bytes | None:
        return asyncio.run(self.receiver.hear(raw))

    @property
    def counters(self) -> dict[str, int]:
        return {name: count for name, count in self.receiver.counters.items() if count}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, Node())


def test_reports_and_a_head_become_the_pack_that_was_signed(gateway: Gateway) -> None:
    node = gateway.node
    for place in range(4):
        assert gateway.hear(node.report(START_S + 60 * place, 2000 + place)) is None
    answer = node.answer(gateway.hear(node.head()))
    assert (answer.status, answer.boot, answer.sequence) == (wire.TAKEN, 1, 0)
    assert answer.detail == pack.pack_hash(node.raw)[:8]
    assert [reading.mantissa for reading in gateway.packs[0].readings] == [
        2000,
        2001,
        2001,
        2002,
        2002,
        2003,
        2003,
        2004,
    ]
    assert len(gateway.observed) == 4
    assert gateway.counters == {"reports": 4, "heads": 1, "packs": 1}
    assert gateway.store.reports((3, 1, pack.SYNCED)) == {}


def test_what_was_not_heard_is_asked_for(gateway: Gateway) -> None:
    node = gateway.node
    frames = [node.report(START_S + 60 * place, 2000 + place) for place in range(4)]
    group = list(node.group)
    gateway.hear(frames[0])
    gateway.hear(frames[2])
    head = node.head()
    answer = node.answer(gateway.hear(head))
    assert (answer.status, answer.detail) == (wire.MISSING, 0b1010)
    for place in (1, 3):
        again = wire.encode_report(PROFILE, 1, pack.SYNCED, group[place].time_s, group[place].readings)
        gateway.hear(node.seal(lora.REPORT, again))
    payload = node.session.open(head)
    assert node.answer(gateway.hear(node.seal(lora.HEAD, payload))).status == wire.TAKEN
    # The answer did not arrive: the head comes once more, its reports need not.
    assert node.answer(gateway.hear(node.seal(lora.HEAD, payload))).status == wire.TAKEN
    assert len(gateway.packs) == 1


def test_a_reboot_of_the_gateway_loses_nothing_and_lets_nothing_in(gateway: Gateway) -> None:
    node = gateway.node
    heard = [node.report(START_S + 60 * place, place) for place in range(2)]
    for raw in heard:
        gateway.hear(raw)
    gateway.reboot()
    for raw in heard:
        assert gateway.hear(raw) is None
    assert gateway.counters == {"repeated": 2}
    assert node.answer(gateway.hear(node.head())).status == wire.TAKEN
    assert len(gateway.packs) == 1


def test_a_reboot_of_the_node_is_a_new_boot_with_counters_ahead(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    node.boot, node.counter, node.group = 2, 256, []
    gateway.hear(node.report(START_S, 2))
    assert node.answer(gateway.hear(node.head())).status == wire.TAKEN
    # The report of the boot before has the same time; it does not get into this pack.
    assert [reading.mantissa for reading in gateway.packs[0].readings] == [2, 3]


def test_what_is_not_of_this_network_changes_a_counter_only(gateway: Gateway) -> None:
    node = gateway.node
    good = node.report(START_S, 1)
    stranger = Node(number=9)
    foreign = lora.LoraSession(KEY, PROFILE.digest).seal(lora.Header(lora.REPORT, True, 1, 3, 0), b"x")
    own_answer = node.session.seal(lora.Header(lora.ANSWER, False, NETWORK, 3, 99), b"x")
    for raw in (
        b"",
        b"noise",
        bytes(300),
        foreign,
        stranger.report(START_S, 1),
        Node(key=bytes(16)).report(START_S, 1),
        own_answer,
    ):
        assert gateway.hear(raw) is None
    for bit in random.Random(1).sample(range(8 * len(good)), 60):
        flipped = bytearray(good)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert gateway.hear(bytes(flipped)) is None
    assert not gateway.observed and not gateway.store.last()
    names = {"not a frame", "another network", "unknown node", "not authentic"}
    assert set(gateway.counters) == names
    gateway.hear(good)
    assert gateway.hear(good) is None
    assert gateway.counters["repeated"] == 1 and len(gateway.observed) == 1


def test_authentic_nonsense_is_counted(gateway: Gateway) -> None:
    node = gateway.node
    assert gateway.hear(node.seal(lora.REPORT, b"")) is None
    assert gateway.hear(node.seal(lora.HEAD, bytes(90))) is None
    assert gateway.counters == {"malformed": 2}


def test_a_head_with_another_signature_is_refused(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    payload = bytearray(node.session.open(node.head()))
    payload[-1] ^= 1
    assert node.answer(gateway.hear(node.seal(lora.HEAD, bytes(payload)))).status == wire.REFUSED
    assert gateway.counters["packs refused"] == 1 and not gateway.packs


@pytest.mark.parametrize(("code", "status"), [(link.BUSY, wire.BUSY), (link.OUT_OF_ORDER, wire.OUT_OF_ORDER)])
def test_the_log_says_later(gateway: Gateway, code: int, status: int) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    gateway.refuse = code
    head = node.head()
    assert node.answer(gateway.hear(head)).status == status
    gateway.refuse = None
    assert node.answer(gateway.hear(node.seal(lora.HEAD, node.session.open(head)))).status == wire.TAKEN


def test_a_node_without_time_is_told(gateway: Gateway) -> None:
    answer = gateway.node.answer(gateway.hear(gateway.node.report(5, 1, pack.UNSYNCED)))
    assert answer.status == wire.TIME and abs(answer.utc_ms - SystemClock().utc_ms()) < 60_000
    assert not gateway.observed  # its time counts from the boot: not for an image that people read


def test_a_node_that_never_signs_fills_no_disk(gateway: Gateway) -> None:
    for place in range(300):
        gateway.hear(gateway.node.report(START_S + place, place))
    assert len(gateway.store.reports((3, 1, pack.SYNCED))) == 256
    assert gateway.counters["reports never signed"] == 44
    assert len(gateway.unsigned) == 44  # and what they said is in the log


def test_who_does_not_ask_gets_no_answer(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    payload = node.session.open(node.head())
    quiet = node.session.seal(lora.Header(lora.HEAD, False, NETWORK, 3, 50), payload)
    assert gateway.hear(quiet) is None
    assert len(gateway.packs) == 1


def test_a_disk_that_refuses_is_as_if_nothing_was_heard(gateway: Gateway) -> None:
    node = gateway.node
    first = node.report(START_S, 1)
    gateway.store.close()
    assert gateway.hear(first) is None
    assert gateway.counters == {"disk refuses": 1} and not gateway.observed
    gateway.start()
    gateway.hear(first)
    assert gateway.counters == {"reports": 1}


def test_a_configuration_does_not_keep_a_node_from_its_answers(gateway: Gateway) -> None:
    """It makes an answer longer, perhaps too long for what may be sent at once."""
    config = lora_config.encode_config(PROFILE, lora_config.AirConfig(1, 8, 60, None, None, None, None))
    asyncio.run(gateway.orders.give(3, "air-node", 1, config, b""))
    node = gateway.node
    answers = []
    for place in range(4):
        gateway.hear(node.report(START_S + 60 * place, place))
        answers.append(node.answer(gateway.hear(node.head())))
    assert [answer.config for answer in answers] == [config, b"", config, b""]
    assert {answer.status for answer in answers} == {wire.TAKEN}
    payload = lora_config.encode_status(lora_config.AirStatus(1, 0, b"", 1, lora_config.TRYING, 0, 0, 0))
    told = node.answer(gateway.hear(node.seal(lora.STATUS, payload)))
    assert (told.status, told.config) == (wire.TIME, b"") and gateway.counters["statuses"] == 1
    gateway.log_refuses = True
    payload = lora_config.encode_status(
        lora_config.AirStatus(1, 1, lora_config.digest_of(config), 1, lora_config.KEPT, 0, 0, 0)
    )
    assert gateway.hear(node.seal(lora.STATUS, payload)) is None  # it will be said again
    gateway.log_refuses = False
    assert node.answer(gateway.hear(node.seal(lora.STATUS, payload))).config == b""
    assert len(gateway.recorded) == 1 and "is in force" in gateway.recorded[0][1]
