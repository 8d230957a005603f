"""The supply's voltage: what the board measures of it, and that it is reset where it is too low."""

import pytest
from wayside_hil.emulator import Emulator, Reset
from wayside_hil.repl import BoardRepl
from wayside_hil.supply import Slope, Supply
from wayside_hil.world import World

MS = 1_000_000


@pytest.fixture
def supply(pico: Emulator, world: World) -> Supply:
    made = Supply(pico)
    world.plugs.append(made)
    return made


def resets(world: World) -> list[tuple[int, str]]:
    return [(event.at, event.cause) for event in world.events if isinstance(event, Reset)]


def measured_mv(repl: BoardRepl) -> int:
    return int(repl.run("from machine import ADC\nprint(ADC(29).read_u16()*9900//65535)"))


def test_a_slope_reaches_each_voltage_once() -> None:
    slope = Slope(100, 5000, 1100, 1000)
    assert [slope.at(ns) for ns in (100, 600, 1100, 2000)] == [5000, 3000, 1000, 1000]
    assert [slope.crosses(mv) for mv in (5000, 3000, 1000)] == [100, 600, 1100]


def test_the_board_measures_its_own_supply(supply: Supply, repl: BoardRepl) -> None:
    for mv in (5000, 3300, 2000):
        supply.go_to(mv)
        assert measured_mv(repl) == pytest.approx(mv, abs=3)
    assert supply.brown_outs == 0


def test_it_is_off_while_the_voltage_is_too_low(supply: Supply, world: World, repl: BoardRepl) -> None:
    world.events.clear()
    begin = world.now
    supply.go_to(1000, within_ns=400 * MS)
    world.run_for(500 * MS)
    # 5 V to 1 V in 400 ms: 1.8 V is reached after 320.
    assert resets(world) == [(pytest.approx(begin + 320 * MS, abs=2), "off")]
    begin = world.now
    supply.go_to(5000, within_ns=400 * MS)
    world.run_for(500 * MS)
    # And 1.9 V after 90.
    assert resets(world)[1:] == [(pytest.approx(begin + 90 * MS, abs=2), "power")]
    repl.wait(b">>> ")
    assert supply.brown_outs == 1


def test_a_dip_resets_or_does_not(supply: Supply, world: World, repl: BoardRepl) -> None:
    world.events.clear()
    supply.dip(1900, 20 * MS)
    world.run_for(50 * MS)
    assert resets(world) == [] and supply.mv == 5000
    supply.dip(1500, 20 * MS)
    world.run_for(50 * MS)
    (off, _), (on, _) = resets(world)
    assert [cause for _, cause in resets(world)] == ["off", "power"] and on - off == pytest.approx(20 * MS, abs=MS)


@pytest.mark.parametrize("ppm", [-20000, 0, 20000])
def test_a_crystal_that_is_wrong_makes_time_and_bauds_wrong(
    pico: Emulator, world: World, repl: BoardRepl, ppm: int
) -> None:
    pico.set_crystal(ppm)
    repl.run("import time\nfrom machine import UART, Pin\nu=UART(1,9600,tx=Pin(4),rx=Pin(5))")
    before, started = int(repl.run("print(time.ticks_us())")), pico.now
    world.run_for(1000 * MS)
    passed_us = int(repl.run("print(time.ticks_us())")) - before
    assert passed_us * 1000 / (pico.now - started) == pytest.approx(1 + ppm / 1e6, rel=5e-3)
    world.events.clear()
    repl.run("u.write(b'x')\nu.flush()")
    (sent,) = [event for event in world.events if getattr(event, "uart", None) == 1]
    assert sent.bit_ns == pytest.approx(1e9 / 9600 / (1 + ppm / 1e6), rel=1e-3)
    assert sent.end - sent.start == pytest.approx(10 * sent.bit_ns, rel=1e-3)
    # A receiver bears it: it samples the tenth bit a fifth of a bit beside its middle.
    pico.send_uart(1, b"y", 9600)
    assert repl.run("time.sleep_ms(5)\nprint(u.read())") == "b'y'\n"
