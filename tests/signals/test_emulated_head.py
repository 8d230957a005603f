"""The real RP2040_SIGNAL image in the emulator: relays with a delay, two masters, simulated time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated import built_image
from signals.bench_head import JUNCTION, KEYS, TOWN, TOWN_KEY
from wayside.control.signals import core
from wayside.control.signals.channels import draft_matrix, lamp_bytes
from wayside.control.signals.junction import Junction
from wayside.evidence.note import sign_note
from wayside_hil.wayside.signal_node import SignalBench
from wayside_wire.signal_frames import FAULT, FINE, NO_FAULT, RESET, RUNNING, Order, Permit
from wayside_wire.signal_matrix import place

MS = 1_000_000
S = 1000 * MS
FLASH_WITHIN_MS = 450
# The board has three channels: the bench's junction without its unused one.
THREE = Junction(
    JUNCTION.groups, JUNCTION.intergreen, JUNCTION.compatible, JUNCTION.stages, JUNCTION.channels[:3],
    JUNCTION.start_flash, JUNCTION.start_all_red,
)  # fmt: skip
NS_GREEN, EW_RED, EW_GREEN = 2, 3, 5  # lamps
CONFLICT = "lamps: CONFLICT: channel 1 (ns) and channel 2 (ew)"


@pytest.fixture(scope="session")
def image() -> Path:
    return built_image("RP2040_SIGNAL")


class Bench:
    """The core as controller, a monitor that permits."""

    def __init__(self, image: Path):
        self.state = core.begin(THREE)
        self.verdict = FINE
        said = {"controller": self.order, "monitor": self.permit}
        self.node = SignalBench(image, KEYS, said, place("bench", 1))
        peers = {name: {"port": name, "key": KEYS[name].hex()} for name in KEYS}
        config = {"node": "head-1", "state": "/state", "lamps": "relays", "inputs": 3, **peers}
        config["matrix"] = {"file": "/matrix", "key": str(TOWN_KEY)}
        note = sign_note(draft_matrix("bench", THREE), TOWN_KEY, TOWN.sign)
        self.node.provision(config, note.encode())
        self.node.start()

    def order(self) -> tuple[object, ...]:
        shown = self.node.controller.shown
        lost = shown is not None and shown.mode != RUNNING and shown.reason != "ordered"
        self.state = core.step(THREE, self.state, core.Requests(frozenset({0, 2}), flash=lost))
        return Order, lamp_bytes(core.outputs(THREE, self.state))

    def permit(self) -> tuple[object, ...]:
        shown = self.node.monitor.shown
        return Permit, self.verdict, shown.fault if shown and self.verdict == RESET else NO_FAULT, 0

    def running(self) -> None:
        self.node.world.until(lambda: self.node.relays.lit(NS_GREEN), "green", 12 * S)

    def dark_after(self, since_ns: int) -> float:
        """Milliseconds from `since_ns` until the green went off."""
        self.node.world.until(lambda: not self.node.relays.lit(NS_GREEN), "flash", 3 * S)
        return (self.node.relays.changes[-1][0] - since_ns) / MS

    @property
    def said(self) -> tuple[int, str]:
        shown = self.node.monitor.shown
        return shown.mode, shown.reason


@pytest.fixture
def bench(image: Path) -> Iterator[Bench]:
    made = Bench(image)
    with made.node:
        yield made


def settle(bench: Bench, text: str) -> None:
    bench.node.world.until(lambda: text in bench.said[1], text, 3 * S)


def test_silence_is_flash_and_a_welded_relay_is_a_fault_that_outlives_the_power(bench: Bench) -> None:
    node = bench.node
    bench.running()
    before, began = node.monitor.pictures, node.world.now
    node.world.run_for(1 * S)
    rate = (node.monitor.pictures - before) * S / (node.world.now - began)

    node.monitor.silent = True
    silent_ms = bench.dark_after(node.monitor.last_ns)
    settle(bench, "no permit for 300 ms")
    assert bench.said[0] != FAULT
    node.monitor.silent = False
    bench.running()

    node.relays.weld(EW_GREEN)
    welded_ms = bench.dark_after(node.world.now)
    settle(bench, CONFLICT)
    assert bench.said[0] == FAULT
    node.relays.mend()
    node.controller.shown = node.monitor.shown = None
    node.start()
    node.world.until(lambda: node.monitor.shown is not None, "the node again")
    node.world.run_for(S // 2)
    assert bench.said == (FAULT, CONFLICT)
    bench.verdict = RESET
    node.world.until(lambda: bench.said[0] != FAULT, "the reset", 3 * S)

    print(f"{rate:.1f} pictures/s; flash {silent_ms:.0f} ms after the last permit, {welded_ms:.0f} ms after a weld")
    assert rate > 8
    assert max(silent_ms, welded_ms) < FLASH_WITHIN_MS


def test_a_burnt_red_is_found(bench: Bench) -> None:
    node = bench.node
    bench.running()
    node.relays.burn(EW_RED)
    took_ms = bench.dark_after(node.world.now)
    settle(bench, "lamps: RED_FAIL: channel 2 (ew)")
    print(f"flash {took_ms:.0f} ms after a red burnt out")
    assert 800 <= took_ms < 800 + FLASH_WITHIN_MS
