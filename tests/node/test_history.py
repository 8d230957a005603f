"""Whatever is lost, spoilt or cut, node and gateway end with one history: every stored pack logged once, no gap.

The node's own packer, journal and link against the gateway's own judgement of what may follow what.
"""

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import wayside_native
from fakes import LinkGateway, Port, Time, files, flush, node_end
from hunts import examples
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from power import MODES, CutFiles, PowerCut
from wayside.intake.order import Earlier, Extends, Head, OutOfOrder, judge
from wayside_node.files import Files
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity
from wayside_node.link import NodeLinkEnd
from wayside_node.packer import Packer
from wayside_wire import frame, link
from wayside_wire.pack import GOOD, Reading, open_pack, pack_hash

DEVICE = "meter-1"
ROOMY = 16384  # segments of 2 KiB come and go, and nothing is dropped


class History(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stored: list[bytes] = []
        self.maybe: list[bytes] = []  # cut while they were stored: there or not
        self.gaps = 0
        self.log: list[bytes] = []
        self.head: Head | None = None
        self.decoder = frame.FrameDecoder()
        self.gateway = LinkGateway(lambda: 1_790_000_000_000)

    def teardown(self):
        for _ in range(150):
            self.send_up(0, 0)
            self.send_down(0, 0)
            self.pass_time(20_000)
        assert set(self.stored) <= set(self.log) <= set(self.stored) | set(self.maybe)
        assert self.journal.read(self.journal.first) is None
        assert self.journal.dropped == 0
        shutil.rmtree(self.folder)

    @initialize()
    def start(self):
        """A start of the node: whatever was in memory is gone."""
        self.time = Time()
        clock = self.time.clock()
        self.identity = open_identity(files(), str(self.folder), wayside_native, bytes)
        self.boot = self.identity.counters.next_boot()
        self.journal = PackJournal(Files(flush, lambda path: None), f"{self.folder}/journal", ROOMY)
        self.packer = Packer(DEVICE, self.boot, self.journal, self.identity, clock)
        self.port = Port()
        self.link = NodeLinkEnd(115200, clock, node_end(self.boot), lambda limit: limit // 2, lambda text: None)
        self.link.attach(self.port)
        self.link.add(DEVICE, self.journal)

    @rule(value=st.integers(-(1 << 40), 1 << 40))
    def report(self, value):
        self.packer.take([Reading("power", "W", value, -3, GOOD, "", self.time.at_ms)])
        self.packer.sign()
        raw = self.packer._raw
        self.packer.store()
        self.stored.append(raw)

    @rule(budget=st.integers(0, 400), mode=st.sampled_from(MODES))
    def power_cut(self, budget, mode):
        """The power fails while a pack is stored."""
        self.journal = PackJournal(CutFiles(budget, mode), f"{self.folder}/journal", ROOMY)
        self.packer = Packer(DEVICE, self.identity.counters.next_boot(), self.journal, self.identity, self.time.clock())
        self.packer.take([Reading("power", "W", 7, 0, GOOD, "", 0)])
        self.packer.sign()
        raw = self.packer._raw
        try:
            self.packer.store()
            self.stored.append(raw)
        except PowerCut:
            self.maybe.append(raw)
        self.start()

    @rule()
    def restart(self):
        self.start()

    @rule(ms=st.integers(1, 5000))
    def pass_time(self, ms):
        self.link.step()
        self.link.tidy()
        self.time.advance(ms)

    @rule(cut=st.integers(0, 3), flip=st.integers(0, 300))
    def send_up(self, cut, flip):
        """What the node has written reaches the gateway, perhaps cut or with a bit flipped."""
        self.link.step()
        for data in self.decoder.feed(spoil(self.port.taken(), cut, flip)):
            heard, answer = self.gateway.take(data)
            self.port.put(answer)
            for message in heard:
                if isinstance(message, link.PackMessage):
                    self.judge(message)

    @rule()
    def restart_gateway(self):
        """Its log is on disk, its sessions are not."""
        self.gateway = LinkGateway(lambda: 1_790_000_000_000)

    @rule(cut=st.integers(0, 3), flip=st.integers(0, 300))
    def send_down(self, cut, flip):
        """What the gateway has answered reaches the node, perhaps spoilt."""
        self.port.waiting = bytearray(spoil(bytes(self.port.waiting), cut, flip))
        self.link.step()
        if self.link.agreement_due():
            self.link.agree()

    def judge(self, message):
        pack, _ = open_pack(message.raw, lambda kid, text, signature: True)
        digest = pack_hash(message.raw)
        verdict = judge(self.head, pack, (message.oldest_boot, message.oldest_sequence))
        if isinstance(verdict, OutOfOrder):
            return
        if isinstance(verdict, Extends):
            self.gaps += len(verdict.gaps)
            assert self.gaps <= len(self.maybe), "a gap, and no power cut has torn a pack there"
            self.log.append(message.raw)
            self.head = Head(pack.boot, pack.sequence, digest)
        assert isinstance(verdict, Extends | Earlier)
        assert message.raw in self.log, "two packs of one number"
        self.port.put(self.gateway.seal(link.Ack(DEVICE, pack.boot, pack.sequence, digest)))

    @invariant()
    def nothing_twice(self):
        assert len(self.log) == len(set(self.log))


def spoil(data: bytes, cut: int, flip: int) -> bytes:
    """`data`, half of it when cut is 1, with one bit flipped when `flip` lies in it and cut is 2."""
    if cut == 1:
        return data[: len(data) // 2]
    if cut == 2 and flip < len(data):
        return data[:flip] + bytes([data[flip] ^ 4]) + data[flip + 1 :]
    return data


History.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHistory = History.TestCase
