"""The node's state machine alone: what is no fault, what is one, and what neither forgets."""

from signals.bench_world import MATRIX
from wayside_signal.head import Head
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import (
    FAULT,
    FINE,
    FLASHING,
    GREEN,
    RED,
    RESET,
    RUNNING,
    STOP,
    Order,
    Permit,
    seal,
    unseal,
)

CONTROLLER, MONITOR = Hmac(b"c" * 32), Hmac(b"m" * 32)
NONCE = bytes(8)
FLASH = MATRIX.flash()
ALL_RED = bytes([RED] * 4)
NS = bytes([GREEN, RED, RED, RED])


class Bench:
    def __init__(self, fault: str = "") -> None:
        self.head = Head(MATRIX, NONCE, CONTROLLER, MONITOR, fault=fault)
        self.now_ms = 0
        self.number = 0

    def play(self, lamps: bytes, duration_ms: int, verdict: int = FINE) -> None:
        """Orders and permits every 100 ms, a look every 20 ms; the lamps draw what they should."""
        for _ in range(duration_ms // 20):
            self.head.wake(self.now_ms)
            if self.now_ms % 100 == 0:
                self.number += 1
                self.head.take_order(self.now_ms, seal(Order(NONCE, self.number, lamps), CONTROLLER))
                self.head.take_permit(self.now_ms, seal(Permit(NONCE, self.number, verdict), MONITOR))
            self.head.tick(self.now_ms, self.head.lamps)
            self.now_ms += 20


def running() -> Bench:
    bench = Bench()
    bench.play(FLASH, 1000)
    bench.play(ALL_RED, 4000)
    bench.play(NS, 1000)
    assert (bench.head.mode, bench.head.lamps) == (RUNNING, NS)
    return bench


def test_orders_count_only_behind_flash() -> None:
    bench = Bench()
    bench.play(NS, 1000)
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
    for _ in range(30):
        bench.head.wake(bench.now_ms)
        bench.head.tick(bench.now_ms, bench.head.lamps)
        bench.now_ms += 20
    assert (bench.head.mode, bench.head.reason, bench.head.lamps) == (FLASHING, "no order for 300 ms", FLASH)
    bench.play(NS, 1000)  # the controller did not notice
    assert bench.head.mode == FLASHING
    bench.play(FLASH, 500)
    bench.play(ALL_RED, 4000)
    assert bench.head.mode == RUNNING


def test_a_repeated_frame_does_not_count() -> None:
    bench = running()
    order = seal(Order(NONCE, bench.number, NS), CONTROLLER)
    for number in range(20):
        bench.head.wake(bench.now_ms)
        bench.head.take_order(bench.now_ms, order)
        bench.head.take_permit(bench.now_ms, seal(Permit(NONCE, 1000 + number, FINE), MONITOR))
        bench.head.tick(bench.now_ms, bench.head.lamps)
        bench.now_ms += 20
    assert (bench.head.mode, bench.head.reason) == (FLASHING, "no order for 300 ms")


def test_a_fault_is_forgotten_by_the_monitors_reset_alone() -> None:
    bench = running()
    bench.play(NS, 200, STOP)
    assert (bench.head.mode, bench.head.reason) == (FAULT, "stopped by the monitor")
    bench.play(FLASH, 2000)
    bench.play(ALL_RED, 5000)
    assert (bench.head.mode, bench.head.lamps) == (FAULT, FLASH)
    bench.head.take_order(bench.now_ms, seal(Permit(NONCE, 10_000, RESET), CONTROLLER))
    bench.head.take_permit(bench.now_ms, seal(Permit(NONCE, 10_000, RESET), CONTROLLER))
    bench.head.take_permit(bench.now_ms, seal(Order(NONCE, 10_000, FLASH), MONITOR))
    assert bench.head.mode == FAULT
    bench.play(FLASH, 200, RESET)
    assert bench.head.mode == FLASHING


def test_a_kept_fault_is_there_from_the_first_look() -> None:
    bench = Bench(fault="lamps: CONFLICT")
    shown = unseal(bench.head.shown(bench.head.monitor, FLASH, b""), MONITOR)
    assert (shown.mode, shown.reason, shown.lamps) == (FAULT, "lamps: CONFLICT", FLASH)


def test_each_line_hears_what_was_taken_of_it() -> None:
    bench = running()
    for master, key in ((bench.head.controller, CONTROLLER), (bench.head.monitor, MONITOR)):
        assert unseal(bench.head.shown(master, NS, b""), key).answered == bench.number
    bench.head.take_permit(bench.now_ms, seal(Permit(NONCE, 999, FINE), MONITOR))
    assert unseal(bench.head.shown(bench.head.monitor, NS, b""), MONITOR).answered == 999
    assert unseal(bench.head.shown(bench.head.controller, NS, b""), CONTROLLER).answered == bench.number


def test_a_reason_fits_the_wire() -> None:
    bench = running()
    bench.head._fail("x" * 200)
    assert len(unseal(bench.head.shown(bench.head.monitor, FLASH, b""), MONITOR).reason) == 96
