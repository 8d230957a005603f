"""Pulses shorter than a tick: each is seen for one, from the node's pictures and from zones, and none is invented."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from signals.test_signals_record import Bench
from wayside.control.signals.detectors import Detector
from wayside.control.signals.inputs import InputPulses, JunctionInputs
from wayside.control.signals.zones import Zones
from wayside_wire.signal_frames import RUNNING, Shown

NO = bytes(8)
RADAR = Detector("radar", -1, ("main",), topic="radar/1")


def rises(levels: list[bool]) -> int:
    return sum(now and not before for before, now in pairwise(levels))


@given(st.lists(st.lists(st.booleans(), max_size=4), max_size=60))
def test_every_rise_is_seen_and_the_end_is_the_level(ticks: list[list[bool]]) -> None:
    pulses = InputPulses()
    now, told, seen, most = False, [False], [False], 0
    for levels in ticks:
        for level in levels:
            pulses.see(level)
            told.append(level)
            now = level
            most = max(most, pulses._waiting)
        seen.append(pulses.tick())
    for _ in range(10):
        seen.append(pulses.tick())
    assert seen[-1] == now
    assert rises(seen) <= rises(told)
    if most < 10:
        assert rises(seen) == rises(told)


def test_two_pictures_of_one_tick_are_two() -> None:
    inputs = JunctionInputs()
    for level in (b"\x00\x01", b"\x01\x01", b"\x00\x01"):
        inputs.take(Shown(NO, NO, 0, NO, 1, RUNNING, NO, "", NO, b"\x01", b"\x01", level))
    assert [inputs.tick() for _ in range(3)] == [b"\x01\x01", b"\x00\x01", b"\x00\x01"]


def test_a_zone_that_is_left_within_a_tick_was_occupied() -> None:
    zones = Zones((RADAR,), lambda: 0.0)
    for count in (b"0", b"1", b"0", b"2"):
        zones.take("radar/1", count)
    assert [zones.occupied()["radar"] for _ in range(5)] == [True, False, True, True, True]


def test_the_controller_sees_a_pulse_between_two_ticks(tmp_path: Path) -> None:
    """Of the fire station: one picture says it, the next one does not, and both come before the tick."""
    bench = Bench(tmp_path)
    bench.ticks(300)
    node = bench.node
    pictures = b"".join(node.picture(bytes([0, 0, 0, 0, level, 0])) for level in (1, 0))
    node.read = lambda size: pictures  # type: ignore[method-assign]
    bench.controller.hear(bench.clock.monotonic())
    del node.read  # type: ignore[method-assign]
    bench.ticks(1)
    assert bench.controller._noted[2] == "fire-engine"
