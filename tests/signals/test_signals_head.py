"""The node's state machine alone: what is no fault, what is one, and what neither forgets."""

import random

from signals.bench_world import MATRIX
from wayside_signal.head import SignalHead
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import (
    AMBER,
    FAULT,
    FINE,
    FLASHING,
    GREEN,
    NO_FAULT,
    RED,
    RESET,
    RUNNING,
    STOP,
    WAIT,
    Order,
    Permit,
    Shown,
)
from wayside_wire.signal_line import End
from wayside_wire.signal_matrix import place

CONTROLLER, MONITOR = Hmac(b"c" * 32), Hmac(b"m" * 32)
FLASH = MATRIX.flash()
ALL_RED = bytes([RED] * 4)
NS = bytes([GREEN, RED, RED, RED])
NS_AMBER = bytes([AMBER, RED, RED, RED])


class Bench:
    """A node, and masters that answer each of its pictures after `way_ms`; a master in `silent` does not."""

    def __init__(self, fault: str = "") -> None:
        self.chance = random.Random(0)
        self.now_ms = 0
        self.way_ms = 0
        self.watched = 0
        self.silent: set[str] = set()
        self.on_the_way: list[tuple[int, str, bytes]] = []
        self.controller = End(CONTROLLER, MATRIX.place, self.chance.randbytes(8), Shown)
        self.monitor = End(MONITOR, MATRIX.place, self.chance.randbytes(8), Shown)
        self.start(fault)

    def start(self, fault: str = "", starts: tuple[int, ...] = ()) -> None:
        self.head = SignalHead(MATRIX, self.chance.randbytes, CONTROLLER, MONITOR, fault, starts=starts)

    def play(self, lamps: bytes, duration_ms: int, verdict: int = FINE, fault: bytes = b"") -> None:
        """A look every 20 ms, a picture every 100 ms; the lamps draw what they should."""
        said = {"controller": (Order, lamps), "monitor": (Permit, verdict, fault or self.head.fault_id, self.watched)}
        for _ in range(duration_ms // 20):
            while self.on_the_way and self.on_the_way[0][0] <= self.now_ms:
                _, name, raw = self.on_the_way.pop(0)
                (self.head.take_order if name == "controller" else self.head.take_permit)(self.now_ms, raw)
            self.head.tick(self.now_ms, self.head.lamps)
            if self.now_ms % 100 == 0:
                for name, what in said.items():
                    shown = self.head.shown(self.now_ms, getattr(self.head, name), self.head.lamps, b"")
                    master = getattr(self, name)
                    master.hear(self.now_ms, shown)
                    if name not in self.silent:
                        raw = master.say(self.now_ms, *what)
                        self.on_the_way.append((self.now_ms + self.way_ms, name, raw))
            self.now_ms += 20


def begin(bench: Bench) -> None:
    bench.play(FLASH, 4000)
    bench.play(ALL_RED, 4000)


def running() -> Bench:
    bench = Bench()
    begin(bench)
    bench.play(NS, 1000)
    assert (bench.head.mode, bench.head.lamps) == (RUNNING, NS)
    return bench


def test_orders_count_only_behind_flash() -> None:
    bench = Bench()
    bench.play(NS, 4000)
    assert (bench.head.mode, bench.head.reason) == (FLASHING, "orders have to begin with flash")
    assert bench.head.lamps == FLASH


def test_a_long_sleep_is_an_interruption_and_no_fault() -> None:
    bench = running()
    bench.now_ms += 400
    bench.play(NS, 100)
    assert (bench.head.mode, bench.head.lamps) == (FLASHING, FLASH)
    bench = running()
    bench.now_ms += 200
    bench.play(NS, 100)
    assert bench.head.mode == RUNNING


def test_silence_is_an_interruption_and_no_fault() -> None:
    bench = running()
    bench.silent = {"controller"}
    bench.play(NS, 600)
    assert (bench.head.mode, bench.head.reason, bench.head.lamps) == (FLASHING, "no order for 300 ms", FLASH)
    bench.silent = set()
    bench.play(NS, 1000)  # the controller did not notice
    assert bench.head.mode == FLASHING
    begin(bench)
    assert bench.head.mode == RUNNING


def test_a_lost_frame_is_nothing() -> None:
    bench = running()
    for name in ("controller", "monitor"):
        for _ in range(20):
            bench.silent = {name}
            bench.play(NS, 100)
            bench.silent = set()
            bench.play(NS, 100)
            assert bench.head.mode == RUNNING


def test_a_repeated_frame_does_not_count() -> None:
    bench = running()
    bench.silent = {"controller"}
    order = bench.controller.say(bench.now_ms, Order, NS)
    for _ in range(20):
        bench.head.take_order(bench.now_ms, order)
        bench.play(NS, 20)
    assert (bench.head.mode, bench.head.reason) == (FLASHING, "no order for 300 ms")


def test_frames_that_are_held_back_do_not_count() -> None:
    """EN 50159's delay: somebody stores every frame of a line and lets them out one by one, in order."""
    for name, reason in (("controller", "no order for 300 ms"), ("monitor", "no permit for 300 ms")):
        bench = running()
        bench.way_ms = 160
        bench.play(NS, 2000)
        assert bench.head.mode == RUNNING, "a line that is slow, but quick enough"
        held: list[bytes] = []
        for _ in range(10):
            shown = bench.head.shown(bench.now_ms, getattr(bench.head, name), NS, b"")
            getattr(bench, name).hear(bench.now_ms, shown)
            what = (Order, NS) if name == "controller" else (Permit, FINE, NO_FAULT, 0)
            held.append(getattr(bench, name).say(bench.now_ms, *what))
            bench.play(NS, 100)
        bench.silent = {name}
        died_at = bench.now_ms
        for raw in held:
            (bench.head.take_order if name == "controller" else bench.head.take_permit)(bench.now_ms, raw)
            bench.play(NS, 100)
            if bench.now_ms - died_at > 300:
                assert (bench.head.mode, bench.head.reason) == (FLASHING, reason)


def test_a_line_that_is_slower_than_fresh_is_silent() -> None:
    bench = running()
    bench.way_ms = 320
    bench.play(NS, 2000)
    assert bench.head.mode == FLASHING


def test_what_an_earlier_start_of_either_end_said_does_not_count() -> None:
    """As GOOSE receivers were passed by: another state number, and any old frame was taken."""
    bench = running()
    old_order = bench.controller.say(bench.now_ms, Order, NS)
    old_picture = bench.head.shown(bench.now_ms, bench.head.controller, NS, b"")
    bench.start()
    bench.play(FLASH, 1000)
    bench.head.take_order(bench.now_ms, old_order)
    assert bench.head.lamps == FLASH
    assert bench.controller.hear(bench.now_ms, old_picture) is None
    # The controller starts again while its predecessor's last order is still under way.
    late = bench.controller.say(bench.now_ms, Order, NS)
    bench.controller = End(CONTROLLER, MATRIX.place, b"anew....", Shown)
    assert bench.controller.hear(bench.now_ms, old_picture) is None
    bench.play(FLASH, 200)
    heard_at = bench.head.controller.heard_at
    bench.head.take_order(bench.now_ms, late)
    assert bench.head.controller.heard_at == heard_at


def test_ends_that_start_again_meet_again() -> None:
    bench = running()
    for again in range(4):
        if again % 2:
            bench.controller = End(CONTROLLER, MATRIX.place, bench.chance.randbytes(8), Shown)
            bench.monitor = End(MONITOR, MATRIX.place, bench.chance.randbytes(8), Shown)
        if again >= 1:
            bench.start()
        begin(bench)
        assert bench.head.mode == RUNNING


def test_a_permit_that_waits_permits_nothing() -> None:
    bench = running()
    bench.play(NS, 600, WAIT)
    assert (bench.head.mode, bench.head.reason) == (FLASHING, "no permit for 300 ms")


def test_a_fault_is_forgotten_by_the_monitors_reset_alone() -> None:
    bench = running()
    bench.play(NS, 200, STOP)
    assert (bench.head.mode, bench.head.reason) == (FAULT, "stopped by the monitor")
    bench.play(FLASH, 2000)
    bench.play(ALL_RED, 5000)
    assert (bench.head.mode, bench.head.lamps) == (FAULT, FLASH)
    bench.head.take_order(bench.now_ms, bench.controller.say(bench.now_ms, Permit, RESET, bench.head.fault_id, 0))
    bench.head.take_permit(bench.now_ms, bench.controller.say(bench.now_ms, Permit, RESET, bench.head.fault_id, 0))
    bench.head.take_permit(bench.now_ms, bench.monitor.say(bench.now_ms, Order, FLASH))
    assert bench.head.mode == FAULT
    bench.play(FLASH, 200, RESET)
    assert bench.head.mode == FLASHING


def test_a_reset_resets_the_fault_that_it_names() -> None:
    """It is said for a second; a fault of the second after it is another one."""
    bench = running()
    bench.play(NS, 200, STOP)
    first = bench.head.fault_id
    assert first != NO_FAULT
    bench.play(FLASH, 200, RESET, first)
    assert (bench.head.mode, bench.head.fault_id) == (FLASHING, NO_FAULT)
    bench.play(FLASH, 200, STOP)
    bench.play(FLASH, 1000, RESET, first)
    assert bench.head.mode == FAULT and bench.head.fault_id not in (first, NO_FAULT)
    bench.play(FLASH, 1000, RESET, NO_FAULT)
    assert bench.head.mode == FAULT


def test_orders_of_another_junction_are_named_and_do_not_count() -> None:
    bench = running()
    bench.controller = End(CONTROLLER, place("elsewhere", 1), b"foreign.", Shown)
    bench.controller._other = bench.head.controller._nonce
    bench.play(NS, 600)
    assert bench.head.reason == "no order of this junction and version for 300 ms"


def test_a_kept_fault_is_there_from_the_first_look() -> None:
    bench = Bench(fault="lamps: CONFLICT")
    assert bench.monitor.hear(0, bench.head.shown(0, bench.head.monitor, FLASH, b"")) is None
    bench.head.take_permit(0, bench.monitor.say(0, Permit, WAIT, NO_FAULT, 0))
    shown = bench.monitor.hear(20, bench.head.shown(20, bench.head.monitor, FLASH, b""))
    assert (shown.mode, shown.reason, shown.lamps) == (FAULT, "lamps: CONFLICT", FLASH)


def test_flash_is_no_way_around_yellow() -> None:
    """100 ms of it, and all red: it flashes for as long as the shortest yellow, and through flash alone goes on."""
    bench = running()
    bench.play(FLASH, 100)
    began = bench.now_ms
    while bench.head.lamps == FLASH:
        bench.play(ALL_RED if bench.head.reason == "ordered" else FLASH, 20)
    assert 3000 <= bench.now_ms - began + 100 <= 3300
    bench.play(FLASH, 100)
    bench.play(ALL_RED, 10_000)  # whoever does not wait has to begin with flash again
    assert (bench.head.lamps, bench.head.reason) == (FLASH, "orders have to begin with flash")


def interrupt(bench: Bench, how: str) -> None:
    if how == "restart":
        bench.start(starts=bench.head.starts)
    elif how == "flash":
        bench.play(NS, 100)
        bench.play(FLASH, 100)
    elif how == "flash behind a blink of red":
        bench.play(NS, 5000)
        bench.play(NS_AMBER, 3000)
        bench.play(ALL_RED, 500)
        bench.play(FLASH, 100)
    else:
        bench.silent = {"controller"}
        bench.play(FLASH, 500)
        bench.silent = set()


def test_service_that_begins_too_often_is_a_fault() -> None:
    for how in ("silence", "flash", "flash behind a blink of red", "restart"):
        bench = running()
        for _ in range(5):
            interrupt(bench, how)
            begin(bench)
            assert bench.head.mode == RUNNING
        interrupt(bench, how)
        begin(bench)
        assert (bench.head.mode, bench.head.reason) == (FAULT, "service began 6 times within an hour")
        bench.start(bench.head.reason, bench.head.starts)
        begin(bench)
        assert bench.head.mode == FAULT
        bench.play(FLASH, 200, RESET)
        begin(bench)
        assert (bench.head.mode, bench.head.starts) == (RUNNING, (0,))


def test_flash_in_order_ends_nothing() -> None:
    """A calendar flashes at night, and each train needs service: the sixth one within an hour was a fault."""
    bench = Bench()
    for _ in range(12):
        begin(bench)
        assert bench.head.mode == RUNNING
    interrupt(bench, "silence")
    begin(bench)
    assert (bench.head.mode, len(bench.head.starts)) == (RUNNING, 2)


def test_service_that_begins_now_and_then_is_none() -> None:
    """As mains come back several times in a week: what is longer ago than an hour does not count."""
    bench = running()
    for again in range(20):
        bench.watched += 13 if again % 2 else 11
        interrupt(bench, "restart")
        begin(bench)
        assert bench.head.mode == RUNNING
    bench.watched = 0  # the monitor lost its record: no time has passed, as far as anybody knows
    interrupt(bench, "silence")
    begin(bench)
    assert max(bench.head.starts) == 0


def test_a_controller_that_comes_and_goes_while_it_flashes_begins_nothing() -> None:
    bench = Bench()
    for _ in range(20):
        bench.play(FLASH, 4000)
        interrupt(bench, "silence")
    assert (bench.head.mode, bench.head.starts) == (FLASHING, (0,))


def test_a_reason_fits_the_wire() -> None:
    bench = running()
    bench.head._fail("x" * 200)
    shown = bench.monitor.hear(bench.now_ms, bench.head.shown(bench.now_ms, bench.head.monitor, FLASH, b""))
    assert len(shown.reason) == 96
