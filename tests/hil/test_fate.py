"""What fate and strangers do to the real image, drawn from fixed seeds: within 15 minutes it is well by itself.

`make fate SECONDS=3600` goes on with other seeds, `make fate ARGS='--seed 7 --steps 1'` replays one.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from wayside_hil.board import Board
from wayside_hil.emulator import FlashWork, Reset, UsbOutput
from wayside_hil.rs485 import Rs485Line
from wayside_hil.wayside.fate.gateway import FateChain, Taken, Violation
from wayside_hil.wayside.fate.node import FateNode
from wayside_hil.wayside.fate.run import TROUBLES, one, total
from wayside_hil.wayside.meter_node import MeterNode, configuration
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack

S = 1_000_000_000
# Steps of each seed. The first seed's first step is the share of `make test`.
SEEDS = {6: 2, 1: 2, 2: 2, 3: 1, 4: 2, 5: 3}


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_within_15_minutes_it_is_well_by_itself(image: Path, seed: int, share: Callable[[int, int], int]) -> None:
    if list(SEEDS).index(seed) >= share(1, len(SEEDS)):
        pytest.skip("a seed of make campaigns")
    result = one(image, seed, range(1, 1 + share(1, SEEDS[seed])))
    print(total([result]))
    assert not result.failed and result.packs > 0


@pytest.mark.campaign
def test_a_board_that_naps_does_what_one_awake_does(image: Path) -> None:
    with MeterNode(image) as awake, MeterNode(image) as asleep:
        for node in (awake, asleep):
            node.provision(configuration(poll_ms=5000, report_ms=5000))
            node.start()
            node.packs(2)
        awake.world.run_for(20 * S)
        end = asleep.world.now + 20 * S
        naps = 0
        while asleep.world.now < end:
            quiet = not asleep.line._planned and not asleep.line._request
            seen = asleep.board.rest(end, S // 2) if quiet else asleep.board.run_for(1_000_000)
            naps += quiet
            for event in seen:
                for plug in asleep.world.plugs:
                    plug.see(event)
            for plug in asleep.world.plugs:
                plug.settle(asleep.world.now)
        assert naps > 10
        assert abs(len(asleep.gateway.packs) - len(awake.gateway.packs)) <= 1
        asleep.gateway.check_chain()


def test_a_watchdog_that_is_fed_spares_in_naps_longer_than_its_time_and_one_that_is_not_bites(image: Path) -> None:
    def causes(node: FateNode, span_s: int) -> list[str]:
        end, seen = node.board.now + span_s * S, []
        while node.board.now < end:
            seen += node.board.rest(end, 45 * S)
        return [event.cause for event in seen if isinstance(event, Reset)]

    node = FateNode(image)
    try:
        node.repl.wait(b">>> ")
        assert causes(node, 300) == []  # it is fed twice a second while somebody has the prompt
        node.board.send_usb(b"import care; care._timer.deinit(); import time; time.sleep(100)\r")
        assert causes(node, 45 + 9) == ["watchdog"]  # after one nap that stands for what it did before
    finally:
        node.close()


def test_the_board_feeds_for_who_is_busy_and_not_for_longer(image: Path) -> None:
    """Decision 0166: what takes longer than the shortest watchdog is no hang; a hang in it is ended all the same."""
    node = FateNode(image)
    try:
        node.repl.enter()
        node.repl.run("import care, time\ncare.watchdog(1000)\ncare.busy(9000)\ntime.sleep(2.5)")
        assert "watchdog" not in node.resets
        node.board.send_usb(b"care.busy(0); time.sleep(9)\x04")
        node.world.go_to(node.world.now + 4 * S)
        assert node.resets["watchdog"] == 1
        node.repl.enter()
        before = node.resets.get("forced", 0)
        node.board.send_usb(b"import care; care.watchdog(1000); care.busy(2000); import time; time.sleep(99)\x04")
        node.world.go_to(node.world.now + 4 * S)
        assert node.resets["forced"] == before + 1 and node.resets["watchdog"] == 1
    finally:
        node.close()


def test_a_processor_that_never_sleeps_is_waited_for_in_pieces(image: Path) -> None:
    """Beside other work 45 s of it took longer than an answer of the emulator may."""
    node = FateNode(image)
    try:
        node.repl.wait(b">>> ")
        node.board.send_usb(b"while True: pass\r\r")
        node.world.run_for(S // 2)
        began = node.board.now
        assert node.board.rest(began + 45 * S, 45 * S) == []
        assert S <= node.board.now - began < 2 * S
    finally:
        node.close()


def test_a_terminal_that_reads_nothing_stops_nobody(image: Path) -> None:
    with MeterNode(image) as node:
        node.provision(configuration(poll_ms=1000, report_ms=1000))
        node.start()
        node.packs(1)
        node.board.set_usb_reads(False)
        node.line.mute = node.gateway.deaf = True  # it has something to say of both
        node.world.run_for(5 * S)
        node.line.mute = node.gateway.deaf = False
        node.start()
        node.packs(5)
        node.world.events.clear()
        node.board.set_usb_reads(True)
        node.world.run_for(S)
        said = b"".join(event.data for event in node.world.events if isinstance(event, UsbOutput))
        assert b"boot 2" in said  # the oldest is kept for a terminal that comes back


def test_a_line_for_a_terminal_that_reads_nothing_is_not_waited_for(image: Path) -> None:
    node = FateNode(image)
    try:
        node.repl.enter()
        node.repl.run(
            "import time\n"
            "from wayside_node.command_line import say\n"
            "took = []\n"
            "def talk():\n"
            "    for _ in range(12):\n"
            "        began = time.ticks_ms()\n"
            "        say('task link: OSError: 5; starting it again in 30000 ms')\n"
            "        took.append(time.ticks_diff(time.ticks_ms(), began))\n"
        )
        node.board.set_usb_reads(False)
        node.board.send_usb(b"talk()\x04")
        node.world.run_for(S)
        node.board.set_usb_reads(True)
        node.world.run_for(S)
        node.board.send_usb(b"print(took)\x04")
        node.world.run_for(S)
        took = json.loads(re.findall(rb"\[[\d, ]+\]", node.console)[-1])
        assert len(took) == 12 and sorted(took)[-2] < 100 and max(took) <= 520, took
    finally:
        node.close()


def test_bits_of_its_flash_turn_over(image: Path) -> None:
    with MeterNode(image) as node:
        before = node.board.flash.read_bytes()
        node.board.flip(0x123456, 0x81)
        node.board.flip(0x123456, 0x80)
        after = node.board.flash.read_bytes()
        assert after[0x123456] == before[0x123456] ^ 0x01
        assert after[:0x123456] == before[:0x123456] and after[0x123457:] == before[0x123457:]
        assert not any(isinstance(event, FlashWork) for event in node.world.events)


def test_troubles_are_the_same_for_the_same_numbers() -> None:
    names = [each.__name__ for each in TROUBLES]
    first = [each.__name__ for each in Random("3 7").sample(TROUBLES, 3)]
    assert first == [each.__name__ for each in Random("3 7").sample(TROUBLES, 3)]
    assert set(first) <= set(names) and len(set(names)) >= 34


def test_of_a_line_that_is_never_idle_no_more_is_kept_than_a_frame_has() -> None:
    class Silent(Board):
        @property
        def now(self) -> int:
            return 0

        def send_uart(self, uart: int, data: bytes, *_: Any, **__: Any) -> int:
            return 0

    line = Rs485Line(Silent(), 1, None, lambda frame: frame)
    end = line.talk(bytes(2000))
    for now in range(0, end, S // 100):
        line.settle(now)
        assert len(line._request) <= 257 + 11  # what came in the last 10 ms
    line.settle(end + S)
    assert len(line.requests) == 1 and not line._request


# --- the judge of losses, without a board ---


class Journals:
    """What check_losses() of a FateNode looks at."""

    def __init__(self, *places: tuple[int, int], broken: tuple[int, int] | None = None):
        self.durable: dict[tuple[str, int, int], bytes] = {}
        self.chains = {"m": FateChain()}
        self.gateway: Any = self
        self.resets: dict[str, int] = {}
        for boot, sequence in places:
            pack = Pack("m", boot, sequence, SYNCED, NO_PREVIOUS, [])
            self.chains["m"].taken.append(Taken(pack, b"%d %d" % (boot, sequence), 0, (boot, sequence) == broken))
            self.chains["m"].raw[boot, sequence] = b"%d %d" % (boot, sequence)

    def check(self) -> None:
        FateNode.check_losses(self)  # type: ignore[arg-type]

    _is_cut_off = FateNode._is_cut_off


def test_a_pack_that_came_is_no_loss() -> None:
    found = Journals((1, 0), (1, 1))
    found.durable["m", 1, 1] = b"1 1"
    found.check()


def test_a_pack_that_has_gone_behind_a_whole_chain_is_a_silent_loss() -> None:
    found = Journals((1, 0), (2, 0))
    found.durable["m", 1, 1] = b"1 1"
    with pytest.raises(Violation, match="silent loss: m boot 1 sequence 1"):
        found.check()


def test_a_pack_that_has_gone_in_a_gap_is_named() -> None:
    found = Journals((1, 0), (2, 0), broken=(2, 0))
    found.durable["m", 1, 1] = b"1 1"
    found.check()


def test_the_last_of_a_boot_that_a_power_cut_ended_may_not_have_become_part_of_its_file() -> None:
    found = Journals((1, 0), (2, 0))
    found.resets["off"] = 1
    found.durable["m", 1, 1] = b"1 1"
    found.check()
    found.durable["m", 1, 2] = b"1 2"
    with pytest.raises(Violation, match="silent loss: m boot 1 sequence 1"):
        found.check()


def test_what_is_said_to_be_given_up_is_named() -> None:
    found = Journals((1, 0), (2, 0))
    found.durable["m", 1, 1] = b"1 1"
    found.chains["m"].given_up = (1, 4)
    found.check()


def test_another_pack_of_the_same_number_is_a_second_history() -> None:
    found = Journals((1, 0), (1, 1))
    found.durable["m", 1, 1] = b"another"
    with pytest.raises(Violation, match="two histories: m boot 1 sequence 1"):
        found.check()
