"""The three parties under whatever hypothesis thinks of: lamps are never wrong, and mended, the junction runs again.

Frames are lost, repeated, spoilt and come from the past; parties die, stop and start again, one with another junction
file; clocks jump; a controller gone mad orders anything under its own key; detectors and current sensors say anything.
"""

import tempfile
from pathlib import Path

from hunts import examples
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from signals.bench_head import KEYS
from signals.bench_world import MATRIX, STEP_MS, World, reckless_site
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import FAULT, GREEN, Order, Shown
from wayside_wire.signal_line import End

PARTIES = st.sampled_from(["node", *KEYS])
KINDS = st.sampled_from(["good", "lose", "flip", "old", "any"])
FLASH_WITHIN_MS = 450


class Junction(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.world.run(5000)

    @rule(duration_ms=st.one_of(st.integers(20, 600), st.integers(1000, 8000)))
    def run(self, duration_ms: int) -> None:
        self.world.run(duration_ms)

    @rule(party=PARTIES)
    def kill(self, party: str) -> None:
        self.world.kill(party)
        self.flash_follows()

    @rule(party=PARTIES)
    def stop(self, party: str) -> None:
        self.world.stopped.add(party)
        self.flash_follows()

    @rule(party=PARTIES)
    def go_on(self, party: str) -> None:
        if party == "node" and party in self.world.stopped:
            # Its relays fell off because its watchdog reset it: it comes back by a boot, not with the lamps it had.
            self.world.start(party)
        self.world.stopped.discard(party)

    @rule(party=PARTIES, reckless=st.booleans())
    def start(self, party: str, reckless: bool) -> None:
        self.world.start(party, *([reckless_site()] if reckless and party == "controller" else []))

    @rule(name=st.sampled_from(list(KEYS)), back=st.booleans(), kind=KINDS)
    def spoil(self, name: str, back: bool, kind: str) -> None:
        line, chance = self.world.lines[name][back], self.world.chance

        def flip(data: bytes) -> bytes:
            spoilt = bytearray(data)
            spoilt[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            return bytes(spoilt)

        line.fault = {
            "good": lambda data: data,
            "lose": lambda data: b"",
            "flip": flip,
            "old": lambda data: line.passed[0] if line.passed[0] != data else b"",
            "any": lambda data: chance.choice(line.passed),
        }[kind]
        if kind in ("lose", "flip", "old") and not back:
            self.flash_follows()

    @rule(lamps=st.lists(st.integers(0, 15), min_size=4, max_size=4), count=st.integers(1, 30))
    def order_anything(self, lamps: list[int], count: int) -> None:
        """Whoever has the controller's key orders what he likes."""
        thief = End(Hmac(KEYS["controller"]), MATRIX.place, self.world.chance.randbytes(8), Shown)
        for _ in range(count):
            if node := self.world.node:
                thief.hear(self.world.now_ms, node.shown(self.world.now_ms, node.controller, bytes(4), b""))
                order = thief.say(self.world.now_ms, Order, bytes(lamps))
                self.world.lines["controller"][0].waiting += frame.encode(order)
            self.world.run(100)

    @rule(jump_ms=st.sampled_from([3_600_000, -3_600_000, 700, 86_400_000]))
    def set_the_clock(self, jump_ms: int) -> None:
        self.world.jumped_ms += jump_ms
        if self.world.controller and "controller" not in self.world.stopped:
            self.flash_follows()

    @rule(failure=st.sampled_from(["", "full"]))
    def fill_the_disk(self, failure: str) -> None:
        self.world.disk.failure = failure
        if failure:
            self.flash_follows()

    @rule(inputs=st.binary(min_size=3, max_size=3))
    def detect(self, inputs: bytes) -> None:
        self.world.inputs = bytes(each & 1 for each in inputs)

    @rule(channel=st.integers(0, 3), mask=st.integers(0, 15), stuck=st.integers(0, 15))
    def break_a_lamp(self, channel: int, mask: int, stuck: int) -> None:
        """Bulbs burn, relays weld. What the node switches must stay right; what the lamps do is not in its power."""

        def drawn(lamps: bytes) -> bytes:
            spoilt = bytearray(lamps)
            spoilt[channel] = spoilt[channel] & mask | stuck
            return bytes(spoilt)

        self.world.drawn = drawn

    @rule()
    def reset(self) -> None:
        self.world.reset()

    @precondition(lambda self: self.world.lamps != MATRIX.flash())
    @rule()
    def weld_a_conflict(self) -> None:
        self.world.drawn = lambda lamps: bytes([GREEN, GREEN, *lamps[2:]])
        self.world.run(FLASH_WITHIN_MS)
        assert self.world.lamps == MATRIX.flash()
        assert self.world.node is None or "node" in self.world.stopped or self.world.node.mode == FAULT

    def flash_follows(self) -> None:
        for _ in range(FLASH_WITHIN_MS // STEP_MS):
            self.world.run(STEP_MS)
            if self.world.lamps == MATRIX.flash():
                return
        raise AssertionError("no flash")

    @invariant()
    def lamps_are_never_wrong(self) -> None:
        assert not self.world.witness.complaints

    def teardown(self) -> None:
        world = self.world
        world.mend()
        world.start("controller")
        world.run(5000)  # long enough to begin, if that is once too often
        world.reset()
        world.witness.greens.clear()
        world.run(30_000)
        self.lamps_are_never_wrong()
        assert {0, 1} <= world.witness.greens, (world.node.mode, world.node.reason, world.monitor.fault)
        self.folder.cleanup()


TestJunction = Junction.TestCase
TestJunction.settings = settings(max_examples=examples(15), stateful_step_count=12, deadline=None)


def test_a_node_that_was_reset_by_its_watchdog_and_a_controller_that_died():
    """Found by hypothesis: the model let a node go on with the lamps that its relays had just dropped."""
    junction = Junction()
    junction.stop("node")
    junction.go_on("node")
    junction.kill("controller")
    junction.lamps_are_never_wrong()
    junction.teardown()
