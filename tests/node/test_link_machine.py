"""An attacker owns the line: he loses, repeats, holds back, reorders, changes and invents, and both ends start again.

The node's own link and the gateway's own end of the session, real keys. Whatever happens: no pack is released that the
gateway has not acknowledged, nobody but the gateway moves the clock, and when the trouble ends a session stands again.
"""

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from fakes import (
    GATEWAY,
    NODE,
    NOW,
    STRANGER,
    LinkGateway,
    Port,
    Time,
    files,
    gateway_end,
    node_end,
)
from hunts import examples
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from wayside_node.journal import PackJournal
from wayside_node.link import NodeLinkEnd
from wayside_wire import WireError, frame, link
from wayside_wire.mac import Hmac
from wayside_wire.pack import HOLDOVER, SYNCED, key_id, pack_hash
from wayside_wire.session import WELCOME_TYPE, LinkSession
from wayside_wire.statement import sign_statement

DEVICE = "meter-1"
PLACES = st.integers(0, 1 << 16)
PROMPT_MS, LATE_MS = 2000, 30000
YEAR_2100 = 4_102_444_800_000


class Attacked(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.boot = 0
        self.time = Time()
        self.seen: list[bytes] = []  # every message that was ever on the line
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.stored = 0
        self.acknowledged: set[int] = set()
        self.start_gateway()

    @initialize()
    def start_node(self):
        """A start of the node: what was in memory is gone, its journal is not."""
        self.boot += 1
        self.port = Port()
        self.clock = self.time.clock()
        self.link = NodeLinkEnd(115200, self.clock, node_end(self.boot), lambda limit: limit // 2, lambda text: None)
        self.link.attach(self.port)
        self.journal = PackJournal(files(), f"{self.folder}/journal", 1 << 16)
        self.link.add(DEVICE, self.journal)
        self.from_node, self.to_node = frame.FrameDecoder(), frame.FrameDecoder()

    def start_gateway(self):
        """Its log is on disk, its sessions are not."""
        self.gateway = LinkGateway(lambda: NOW + self.time.at_ms)

    def teardown(self):
        for _ in range(3000):
            self.step(100)
            while self.up:
                self.reach_gateway(0)
            while self.down:
                self.reach_node(0)
            if not self.held() and self.clock.quality() == SYNCED and self.stands():
                break
        assert self.stands(), "no session stands"
        assert self.held() == [] and self.clock.quality() == SYNCED
        shutil.rmtree(self.folder)

    def stands(self):
        ours, theirs = self.link._handshake.session, self.gateway.end.session
        return ours is not None and theirs is not None and ours.id == theirs.id

    def held(self):
        found, position = [], self.journal.first
        while stored := self.journal.read(position):
            found.append(stored.sequence)
            position = stored.end
        return found

    # --- the honest ends ---

    @rule(ms=st.sampled_from((1, 5, 50, 500, 1500, 12_000, 40_000)))
    def step(self, ms):
        if self.link.agreement_due():
            self.link.agree()
        self.link.step()
        said = self.from_node.feed(self.port.taken())
        self.up += said
        self.seen += said
        self.time.advance(ms)

    @rule(rounds=st.integers(1, 12))
    def go_well(self, rounds):
        """For a while nobody is on the line: without that hardly any session would stand to be attacked."""
        for _ in range(rounds):
            self.step(50)
            while self.up:
                self.reach_gateway(0)
            while self.down:
                self.reach_node(0)

    @rule()
    def store(self):
        self.journal.append_pack(1, self.stored, raw(self.stored))
        self.stored += 1
        self.step(1)

    @rule(place=PLACES)
    @precondition(lambda self: self.up)
    def reach_gateway(self, place):
        """A message of the node arrives, any of those under way."""
        self.hear_gateway(self.up.pop(place % len(self.up)))

    def hear_gateway(self, data):
        try:
            heard, answer = self.gateway.take(data)
        except WireError:
            return
        for message in heard:
            if isinstance(message, link.PackMessage):
                sequence = sequence_of(message.raw)
                assert message.raw == raw(sequence), "a pack that the node has not made"
                self.acknowledged.add(sequence)
                answer += self.gateway.seal(link.Ack(DEVICE, 1, sequence, pack_hash(message.raw)))
        said = self.to_node.feed(answer)
        self.down += said
        self.seen += said

    @rule(place=PLACES)
    @precondition(lambda self: self.down)
    def reach_node(self, place):
        self.hear_node(self.down.pop(place % len(self.down)))

    def hear_node(self, data):
        self.port.put(frame.encode(data))
        self.link._listen()

    @rule()
    def restart_node(self):
        self.start_node()

    @rule()
    def restart_gateway(self):
        self.start_gateway()

    # --- the attacker ---

    @rule(place=PLACES)
    @precondition(lambda self: self.up)
    def lose_up(self, place):
        self.up.pop(place % len(self.up))

    @rule(place=PLACES)
    @precondition(lambda self: self.down)
    def lose_down(self, place):
        self.down.pop(place % len(self.down))

    @rule(place=PLACES, back=st.booleans())
    @precondition(lambda self: self.seen)
    def replay(self, place, back):
        """Something that was on the line once, to whichever end."""
        data = self.seen[place % len(self.seen)]
        (self.hear_node if back else self.hear_gateway)(data)

    @rule(place=PLACES, bit=PLACES, back=st.booleans())
    @precondition(lambda self: self.seen)
    def change(self, place, bit, back):
        data = bytearray(self.seen[place % len(self.seen)])
        data[bit // 8 % len(data)] ^= 1 << bit % 8
        try:
            (self.hear_node if back else self.hear_gateway)(bytes(data))
        except ValueError:
            pass  # a hello of another version

    @rule(ahead=st.sampled_from((0, 1, 50)), back=st.integers(1, 8))
    def forge(self, ahead, back):
        """All that can be made of observed bytes: acknowledgements and times, without a seal and with a wrong one."""
        sealed = [message for message in map(decoded, self.seen) if isinstance(message, link.Sealed)]
        last = sealed[-min(back, len(sealed))] if sealed else link.Sealed(bytes(8), 0, b"", b"")
        forger = LinkSession(last.session, Hmac(bytes(32)), Hmac(bytes(32)))
        forger.sent = last.number + ahead
        acks = [link.Ack(DEVICE, 1, each, pack_hash(raw(each))) for each in range(max(0, self.stored - 9), self.stored)]
        times = [
            link.TimeMessage(utc, SYNCED, asked) for utc in (YEAR_2100, NOW + 3_600_000) for asked in (0, last.number)
        ]
        for message in acks + times:
            self.hear_node(link.encode(message))
            self.hear_node(forger.seal(message))

    @rule(place=PLACES)
    def forge_handshake(self, place):
        """A hello and a confirmation for the node, a welcome for the gateway, by somebody without their keys."""
        hello = node_end().hello()
        self.hear_gateway(link.encode(hello))
        shares = [m.share for m in map(decoded, self.seen) if isinstance(m, link.Hello)] or [bytes(32)]
        stranger = gateway_end(STRANGER)
        fields = (link.VERSION, key_id(NODE.public), shares[place % len(shares)], stranger._share)
        for key in (STRANGER, GATEWAY):
            welcome = sign_statement(WELCOME_TYPE, key_id(key.public), fields, STRANGER.sign)
            self.hear_node(link.encode(link.Welcome(welcome)))

    @rule()
    def hint(self):
        self.hear_node(link.encode(link.Error(link.NO_SESSION, "say hello")))

    # --- what holds all the time ---

    @invariant()
    def nothing_is_released_without_an_acknowledgement(self):
        if hasattr(self, "journal"):
            released = set(range(self.stored)) - set(self.held())
            assert released <= self.acknowledged, released

    @invariant()
    def nobody_else_moves_the_clock(self):
        if hasattr(self, "clock") and self.clock.quality() >= HOLDOVER:
            late_ms = NOW + self.time.at_ms - self.clock.stamp(self.clock.now())
            limit = PROMPT_MS if self.clock.quality() == SYNCED else LATE_MS
            assert 0 <= late_ms <= limit + PROMPT_MS, late_ms


def raw(sequence):
    return sequence.to_bytes(4, "big") + bytes(40)


def sequence_of(data):
    return int.from_bytes(data[:4], "big")


def decoded(data):
    try:
        return link.decode(data)
    except WireError:
        return None


Attacked.TestCase.settings = settings(
    max_examples=examples(80), stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAttacked = Attacked.TestCase
