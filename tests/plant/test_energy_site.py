"""The simulated energy site: the same by seed, its meter the sum of all else, and what goes wrong by name."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.lab.plant.der import LIMIT, SET, Battery
from wayside.lab.plant.energy import BATTERY, FAULTS, METER, PV, Accelerated, EnergySite
from wayside_wire import modbus
from wayside_wire.modbus import read_request, write_request


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(battery: Battery, **points: int) -> None:
    """Write points of model 704, each for itself, in this order."""
    for name, value in points.items():
        at, size = battery.places[704, name]
        battery.write(40000 + at // 2, (value % (1 << 8 * size)).to_bytes(size, "big"))


def test_the_same_seed_is_the_same_day_however_often_it_is_looked_at() -> None:
    often, once, other = (EnergySite(seed, Clock()) for seed in (3, 3, 4))
    for second in range(0, 120):
        often.advance_to(1000 * second + 370)
    for site in (often, once, other):
        site.advance_to(120_000)
    assert often.grid_mw == once.grid_mw and often.meter.import_mws == once.meter.import_mws
    assert often.grid_mw != other.grid_mw


def test_the_meter_counts_what_all_others_give_and_take() -> None:
    site = EnergySite(5, Clock(), start_s=12 * 3600)
    before = sum(site.meter.import_mws) - sum(site.meter.export_mws)
    site.step_w[2] = 1500
    counted = 0
    told(site.battery, WSet=-2000, WSetEna=1)
    for second in range(1, 61):
        counted += sum(phase.active_mw for phase in site.meter.phases)
        site.advance_to(1000 * second)
    assert sum(site.meter.import_mws) - sum(site.meter.export_mws) - before == counted
    for phase in range(3):
        flows = site.grid_mw[phase] + site.pv.share_mw(phase) + site.battery.share_mw(phase)
        assert flows >= 0, "what is left is the loads"


def test_what_is_written_waits_for_the_enable_register_a_delay_and_a_ramp() -> None:
    battery = Battery(w_max=4000, delay_ms=500)
    told(battery, WSet=4000)
    battery.tick(1000, 100, 0)
    assert battery.power_mw == 0 and battery.set_point(SET) is None
    told(battery, WSetEna=1)
    powers = []
    for now_ms in range(1100, 3100, 100):
        battery.tick(now_ms, 100, 0)
        powers.append(battery.power_mw // 1000)
    assert powers[:4] == [0, 0, 0, 0] and powers[4:14] == [400 * i for i in range(1, 11)] and powers[-1] == 4000
    told(battery, WSet=1000)
    battery.tick(3200, 100, 0)
    assert battery.power_mw == 4_000_000, "not latched"


def test_after_its_time_it_has_what_it_was_told_to_revert_to() -> None:
    battery = Battery(delay_ms=0)
    told(battery, WSet=3000, WSetRvrt=-500, WSetEnaRvrt=1, WSetRvrtTms=4, WSetEna=1)
    for now_ms in range(100, 3900, 100):
        battery.tick(now_ms, 100, 0)
    assert battery.power_mw == 3_000_000
    for now_ms in range(3900, 6000, 100):
        battery.tick(now_ms, 100, 0)
    assert battery.power_mw == -500_000 and battery.get(704, "WSetEna") == 1


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(-6000, 6000), st.integers(1, 400)), min_size=1, max_size=12))
def test_a_battery_never_gives_what_it_has_not(steps: list[tuple[int, int]]) -> None:
    battery, now_ms = Battery(watt_hours=100, charge_percent=20), 0
    given_mwms = 0
    began = battery.stored_mwms
    for watts, seconds in steps:
        told(battery, WSet=watts, WSetEna=1)
        for _ in range(seconds):
            now_ms += 1000
            battery.tick(now_ms, 1000, 0)
            given_mwms += battery.power_mw * 1000
            assert 0 <= battery.stored_mwms <= battery.capacity_mwms
            assert abs(battery.power_mw) <= 5_000_000
    assert given_mwms <= began - battery.stored_mwms + 1, "there are losses, and no gains"


def test_a_battery_with_a_loop_of_its_own_balances_the_meter() -> None:
    site = EnergySite(1, Clock(), start_s=0, battery=Battery(balances=True))
    site.step_w[0] = 1200
    site.advance_to(30_000)
    assert abs(sum(site.grid_mw)) < 60_000
    told(site.battery, WSet=0, WSetEna=1)
    site.advance_to(40_000)
    assert sum(site.grid_mw) > 1_200_000, "what is set counts more"


def test_what_goes_wrong_by_name() -> None:
    clock = Clock()
    site = EnergySite(1, clock)
    meter, battery = read_request(METER, modbus.READ_INPUT, 0x34, 2), read_request(BATTERY, 3, 40000, 2)
    at = 40000 + site.battery.places[704, "WSet"][0] // 2
    write = write_request(BATTERY, at, (2500).to_bytes(4, "big"))
    assert site.answer(meter) and site.answer(battery) == bytes((3, 3, 4)) + b"SunS"
    site.begin("meter lost", 5)
    assert site.answer(meter) is None and site.answer(battery)
    clock.now = 6
    assert site.answer(meter)
    site.begin("battery refuses", 5)
    assert site.answer(write) == bytes((3, 0x90, modbus.DEVICE_FAILURE))
    site.end("battery refuses")
    site.begin("battery ignores", 5)
    assert site.answer(write) == write[:6] and site.battery.get(704, "WSet") == 0
    site.end("battery ignores")
    site.begin("battery sticks", 100)
    told(site.battery, WSet=2500, WSetEna=1)
    clock.now = 20
    site.advance()
    assert site.battery.get(704, "WSetEna") == 1 and site.battery.power_mw == 0
    site.end("battery sticks")
    told(site.battery, WSetEna=1)
    clock.now = 30
    site.advance()
    assert site.battery.power_mw == 2_500_000
    site.begin("battery reboots")
    assert site.answer(battery) is None and site.battery.power_mw == 0
    clock.now = 60
    assert site.answer(battery) and site.battery.get(704, "WSetEna") == 0
    site.begin("pv late", 5)
    assert site.late_s(read_request(PV, 3, 40000, 2)) > 1 and site.late_s(battery) == 0
    for wrong in ("meter reboots", "battery burns", "grid lost", "lost"):
        with pytest.raises(ValueError, match="write one of meter, pv, battery"):
            site.begin(wrong)
    assert "sticks" in FAULTS


def test_less_is_generated_where_a_limit_says_so_and_no_more_than_the_sun_gives() -> None:
    site = EnergySite(1, Clock())
    site.sun_w = 6000
    site.advance_to(5_000)
    assert site.pv.power_mw == 6_000_000
    at, _ = site.pv.places[704, "WMaxLimPct"]
    site.pv.write(40000 + at // 2, (250).to_bytes(2, "big"))
    site.pv.write(40000 + site.pv.places[704, LIMIT.enable][0] // 2, b"\0\1")
    site.advance_to(10_000)
    assert site.pv.power_mw == 2_000_000
    site.sun_w = 500
    site.advance_to(10_100)
    assert site.pv.power_mw == 500_000, "a cloud asks nobody"


def test_it_may_run_faster_than_we_do() -> None:
    site = EnergySite(1, Accelerated(200.0))
    end = time.monotonic() + 60
    while site.now_ms < 20_000 and time.monotonic() < end:
        site.advance()
    assert site.now_ms >= 20_000
