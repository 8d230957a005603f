"""What SunSpec devices are told: order of the registers, scale factors, timers, devices that do as they like."""

import asyncio
from collections.abc import Callable, Coroutine
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modbus.der_site import OLD, energy_site, one_device
from modbus.test_sunspec import reader
from modbus.virtual import run
from wayside.lab.plant.der import Battery
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.profiles.sunspec_controls import CONTROLS, FUNCTIONS, Function
from wayside.south.modbus import sunspec, sunspec_control
from wayside.south.modbus.sunspec_points import Points
from wayside.values.carrier import RELEASED, CarrierError, NotKeptError, Reversion
from wayside_wire import modbus_field


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        run(main)

    test.__doc__ = main.__doc__
    return test


@in_virtual_time
async def test_what_a_device_offers() -> None:
    async with energy_site() as it:
        offers = it.bus.devices["battery"].settings.profile.offers
        assert set(offers) == {"active_power", "power_limit", "reactive_power", "power_factor", "connect"}
        assert (offers["active_power"].least, offers["active_power"].most) == (-5000, 5000)
        with pytest.raises(ValueError, match="-6000 W is outside what it may have, -5000 W to 5000 W"):
            it.carrier.check("battery", "active_power", -6000)
        with pytest.raises(CarrierError, match='does not offer it: unknown control "charge_limit"'):
            await it.carrier.set("battery", "charge_limit", 0)


@in_virtual_time
async def test_value_reversion_value_time_and_then_what_puts_it_in_force() -> None:
    async with energy_site() as it:
        assert await it.carrier.get("battery", "active_power") == RELEASED
        assert await it.carrier.set("battery", "active_power", -3000, reversion=Reversion(30, -200)) == -3000
        assert it.heard.clear() == [
            ("WSet", 3000), ("WSetRvrt", 200), ("WSetEnaRvrt", 1), ("WSetRvrtTms", 30), ("WSetEna", 1)
        ]  # fmt: skip
        await asyncio.sleep(5)
        assert await it.carrier.get("battery", "active_power") == -3000
        assert it.battery.power_mw == 3_000_000, "SunSpec counts what is generated"
        # Anew: it is in force, so the timer comes first.
        await it.carrier.set("battery", "active_power", -1000, reversion=Reversion(30, RELEASED))
        assert it.heard.clear() == [("WSetEnaRvrt", 0), ("WSetRvrtTms", 30), ("WSet", 1000), ("WSetEna", 1)]
        await asyncio.sleep(35)
        assert await it.carrier.get("battery", "active_power") == RELEASED
        assert it.battery.power_mw == 0


@in_virtual_time
async def test_a_value_that_stays_has_no_timer_left_from_one_that_did_not() -> None:
    async with energy_site() as it:
        await it.carrier.set("battery", "active_power", -3000, reversion=Reversion(30, RELEASED))
        await it.carrier.set("battery", "active_power", 500)
        await asyncio.sleep(40)
        assert await it.carrier.get("battery", "active_power") == 500
        assert it.battery.power_mw == -500_000
        assert await it.carrier.set("battery", "active_power", RELEASED) == RELEASED
        await asyncio.sleep(2)
        assert it.battery.power_mw == 0 and it.battery.get(704, "WSetEna") == 0
        it.heard.clear()
        await it.carrier.set("battery", "active_power", RELEASED)
        assert it.heard.clear() == [], "it is so already"


@in_virtual_time
async def test_another_mode_of_the_same_function_is_not_what_was_asked_for() -> None:
    async with energy_site() as it:
        await it.carrier.set("battery", "active_power", -3000)
        it.battery.put(704, "WSetMod", 0)  # percent
        assert await it.carrier.get("battery", "active_power") == RELEASED
        await it.carrier.set("battery", "active_power", -3000)
        assert it.battery.get(704, "WSetMod") == 1


@in_virtual_time
async def test_coarser_steps_are_rounded_towards_0_and_told() -> None:
    async with energy_site() as it:
        it.battery.put(704, "WSet_SF", 1)
        assert await it.carrier.set("battery", "active_power", -3217) == -3210
        it.battery.put(704, "WSet_SF", -1)  # other firmware: what it holds means something else now
        assert await it.carrier.get("battery", "active_power") == -32
        assert await it.carrier.set("battery", "active_power", -3217) == -3217
        it.battery.put(704, "WSet_SF", -0x8000)
        with pytest.raises(CarrierError, match="scale factor of WSet says nothing"):
            await it.carrier.set("battery", "active_power", -3217)
        it.heard.clear()
        it.battery.put(704, "WSet_SF", -6)
        with pytest.raises(CarrierError, match="its WSet holds"):
            await it.carrier.set("battery", "active_power", -3217)
        assert it.heard.clear() == []


@in_virtual_time
async def test_nothing_is_written_where_something_else_stands_now() -> None:
    async with energy_site() as it:
        it.battery.put(704, "ID", 705)
        with pytest.raises(CarrierError, match="mean something else"):
            await it.carrier.set("battery", "active_power", -3000)
        assert it.heard.clear() == []


@in_virtual_time
async def test_limit_power_factor_connection_and_reactive_power() -> None:
    async with energy_site() as it:
        it.site.sun_w = 6000
        await it.carrier.set("pv", "power_limit", 2_550, reversion=Reversion(60, RELEASED))
        await asyncio.sleep(10)
        assert it.pv.power_mw == 2_040_000, "25.5 % of 8 kW"
        await it.carrier.set("pv", "connect", 0)
        await asyncio.sleep(10)
        assert it.pv.power_mw == 0
        await it.carrier.set("pv", "connect", 1)
        it.pv_heard.clear()
        assert await it.carrier.set("pv", "power_factor", -950, reversion=Reversion(60, 1000)) == -950
        assert it.pv_heard.clear() == [
            ("PFWInj.PF", 950 << 16 | 1), ("PFWInjRvrt.PF", 1000 << 16), ("PFWInjEnaRvrt", 1), ("PFWInjRvrtTms", 60),
            ("PFWInjEna", 1),
        ]  # fmt: skip
        assert await it.carrier.get("pv", "power_factor") == -950
        await it.carrier.set("pv", "reactive_power", 700)
        assert it.pv.get(704, "VarSet") == 2**32 - 700 and it.pv.get(704, "VarSetMod") == 4
        await asyncio.sleep(60)
        assert await it.carrier.get("pv", "power_factor") == 1000
        assert await it.carrier.get("pv", "power_limit") == RELEASED


@in_virtual_time
async def test_a_limit_of_100_percent_restricts_nothing() -> None:
    """So a device is not blamed that says "unlimited" so."""
    async with energy_site() as it:
        assert await it.carrier.set("pv", "power_limit", 10_000) == RELEASED


class _StaysEnabled(SunSpecDevice):
    """As devices that keep WMaxLim_Ena at 1 for ever."""

    def write(self, address: int, registers: bytes) -> None:
        super().write(address, registers)
        self.put(123, "WMaxLim_Ena", 1)


@in_virtual_time
async def test_a_device_that_stays_enabled_is_given_back_by_its_value() -> None:
    device = _StaysEnabled(OLD)
    async with one_device(device, device) as (carrier, heard):
        await carrier.set("der", "power_limit", 3_000, reversion=Reversion(60, RELEASED))
        assert heard.clear() == [("WMaxLimPct", 3000), ("WMaxLimPct_RvrtTms", 60), ("WMaxLim_Ena", 1)]
        assert await carrier.set("der", "power_limit", RELEASED) == RELEASED
        assert device.get(123, "WMaxLimPct") == 10_000


@in_virtual_time
async def test_a_random_window_of_minutes_is_set_to_0() -> None:
    device = SunSpecDevice(OLD)
    device.put(123, "WMaxLimPct_WinTms", 300)
    async with one_device(device, device) as (carrier, heard):
        await carrier.set("der", "power_limit", 3_000)
        assert heard.clear() == [("WMaxLimPct", 3000), ("WMaxLimPct_WinTms", 0), ("WMaxLim_Ena", 1)]


@in_virtual_time
async def test_storage_functions_share_one_register_and_one_timer() -> None:
    device = SunSpecDevice(OLD)
    async with one_device(device, device) as (carrier, heard):
        # Both at once: each reads, changes and writes StorCtl_Mod.
        await asyncio.gather(
            carrier.set("der", "discharge_limit", 0, reversion=Reversion(60, RELEASED)),
            carrier.set("der", "charge_limit", 2_500, reversion=Reversion(60, RELEASED)),
        )
        assert device.get(124, "StorCtl_Mod") == 3
        heard.clear()
        await carrier.set("der", "charge_limit", 5_000)
        assert device.get(124, "InOutWRte_RvrtTms") == 60, "the other relies on it"
        await carrier.set("der", "charge_limit", RELEASED)
        assert (device.get(124, "StorCtl_Mod"), device.get(124, "OutWRte")) == (2, 0)
        await carrier.set("der", "discharge_limit", RELEASED)
        assert device.get(124, "StorCtl_Mod") == 0
        # Charging from the grid: discharging below 0, and allowed to.
        await carrier.set("der", "charge_from_grid", 1)
        assert await carrier.set("der", "discharge_limit", -5_000, reversion=Reversion(60, RELEASED)) == -5_000
        assert device.get(124, "OutWRte") == 2**16 - 5_000
        assert await carrier.set("der", "storage_reserve", 1_000) == 1_000


@in_virtual_time
async def test_the_timer_of_a_model_without_reversion_value_ends_the_function_and_no_more() -> None:
    device = SunSpecDevice(OLD)
    async with one_device(device, device) as (carrier, heard):
        with pytest.raises(CarrierError, match='cannot be told another value; write fail_safe = "device"'):
            await carrier.set("der", "power_limit", 3_000, reversion=Reversion(60, 5_000))
        assert heard.clear() == []
        device.put(123, "WMaxLimPct_RvrtTms", 0xFFFF)  # not implemented
        with pytest.raises(CarrierError, match="it has no timer for WMaxLimPct"):
            await carrier.set("der", "power_limit", 3_000, reversion=Reversion(60, RELEASED))
        assert heard.clear() == [] and device.get(123, "WMaxLim_Ena") == 0


class _NoTimer(Battery):
    """Takes the reversion time and never counts it down."""

    def _latch(self, function: Any) -> None:
        super()._latch(function)
        self._ends_ms.clear()
        self.put(704, function.left, 0)


class _OwnTime(Battery):
    """Has an hour as its reversion time, whatever is written."""

    def write(self, address: int, registers: bytes) -> None:
        super().write(address, registers)
        self.put(704, "WSetRvrtTms", 3600)


@pytest.mark.parametrize(
    ("battery", "said"),
    [
        (_NoTimer, "its timer does not run: WSetRvrtRem is 0 s of 30 s"),
        (_OwnTime, "its WSetRvrtTms is 3600 s, and was"),
    ],
)
def test_a_value_that_no_timer_would_end_is_not_left(battery: type[Battery], said: str) -> None:
    async def main() -> None:
        async with energy_site(battery=battery()) as it:
            with pytest.raises(CarrierError, match=said):
                await it.carrier.set("battery", "active_power", -3000, reversion=Reversion(30, RELEASED))
            await asyncio.sleep(2)
            assert it.battery.power_mw == 0 and it.battery.get(704, "WSetEna") == 0

    run(main)


@in_virtual_time
async def test_what_refuses_ignores_is_lost_or_reboots() -> None:
    async with energy_site() as it:
        it.site.begin("battery refuses", 5)
        with pytest.raises(CarrierError, match="refused"):
            await it.carrier.set("battery", "active_power", -3000, reversion=Reversion(30, RELEASED))
        assert it.heard.clear() == [("WSet", 3000)], "after a refusal nothing is put in force"
        await asyncio.sleep(6)
        it.site.begin("battery ignores", 5)
        with pytest.raises(NotKeptError) as told:
            await it.carrier.set("battery", "active_power", -3000, reversion=Reversion(30, RELEASED))
        assert told.value.found == RELEASED
        await asyncio.sleep(6)
        await it.carrier.set("battery", "active_power", -3000, reversion=Reversion(90, RELEASED))
        await asyncio.sleep(3)
        assert it.battery.power_mw == 3_000_000
        it.site.begin("battery reboots")
        with pytest.raises(CarrierError):
            await it.carrier.get("battery", "active_power")
        await asyncio.sleep(25)
        assert await it.carrier.get("battery", "active_power") == RELEASED, "it has lost its set-point"


@in_virtual_time
async def test_older_models_are_read_too() -> None:
    battery = {"SoC": 553, "SoC_SF": -1, "WHRtg": 100, "WHRtg_SF": 2, "ChaSt": 4}
    for models, charge in ((OLD, 5_300), ({1: {}, 103: {"W": 1, "W_SF": 0}, 802: battery}, 5_530)):
        profile = await sunspec.discover(reader(SunSpecDevice(models)))
        field = profile.fields["storage_state_of_charge"]
        data = await reader(SunSpecDevice(models))(field.address, field.count)
        at = 2 * ((field.scale or field.address) - field.address)
        scale = modbus_field.signed(int.from_bytes(data[at : at + 2], "big"), 16)
        assert modbus_field.decode(field, data, scale)[0] == charge and field.exponent == -4
        assert profile.meanings["storage_status"][4] == "CHARGING"


@in_virtual_time
async def test_an_hour_that_the_device_had_set_does_not_end_what_is_to_stay() -> None:
    device = SunSpecDevice(OLD)
    device.put(124, "InOutWRte_RvrtTms", 3600)
    async with one_device(device, device) as (carrier, heard):
        await carrier.set("der", "discharge_limit", 0)
        assert heard.clear() == [("OutWRte", 0), ("InOutWRte_RvrtTms", 0), ("StorCtl_Mod", 2)]
        assert await carrier.get("der", "discharge_limit") == 0
        device.put(124, "StorCtl_Mod", 0)  # it was ended all the same, silently
        assert await carrier.get("der", "discharge_limit") == RELEASED


# ---- any function of any scale: the pure part


def _points(function: Function, scale: int, enabled: int, before: int) -> SunSpecDevice:
    """A model in which all that the function needs is implemented."""
    fresh = SunSpecDevice(
        {1: {}, function.model: {"PFWInj": {"PF": 900, "Ext": 0}, "PFWInjRvrt": {"PF": 900, "Ext": 0}}}
    )
    names = (function.value, function.enable, function.seconds, function.left, function.reverts_to, function.window)
    for name in (*names, function.reverts_enabled, function.mode[0] if function.mode else "", function.side):
        if name:
            fresh.put(function.model, name, 0)
    if function.enable:
        fresh.put(function.model, function.enable, enabled)
    fresh.put(function.model, function.value, before)
    for name, (_, size) in ((name, place) for (model, name), place in fresh.places.items() if model == function.model):
        if name.endswith("_SF") and size == 2:
            fresh.put(function.model, name, scale)
    return fresh


def _read(device: SunSpecDevice, model: int) -> Points:
    start, _ = device.places[model, "ID"]
    return Points(model, bytes(device.registers[start:-4]))


@given(
    st.sampled_from([each for known in FUNCTIONS.values() for each in known]),
    st.integers(-4, 3),
    st.integers(0, 1),
    st.integers(0, 900),
    st.integers(-10_000, 10_000),
    st.none() | st.builds(Reversion, st.integers(3, 60_000), st.just(RELEASED)),
)
def test_whatever_is_told_reads_so_or_less_and_is_put_in_force_last(
    function: Function, scale: int, enabled: int, before: int, count: int, reversion: Reversion | None
) -> None:
    device = _points(function, scale, enabled, before)
    points = _read(device, function.model)
    if not function.seconds:
        reversion = None
    try:
        writes = sunspec_control.writes(function, points, count, reversion)
    except CarrierError:
        return  # it does not fit into the register
    start = device.places[function.model, "ID"][0]
    names = {at: name for (model, name), (at, _) in device.places.items() if model == function.model}
    order = [names[start + 2 * each.at] for each in writes]
    for each in writes:
        device.registers[start + 2 * each.at : start + 2 * each.at + len(each.registers)] = each.registers
    after = _read(device, function.model)
    found, wanted = sunspec_control.found(function, after), sunspec_control.wanted(function, points, count)
    assert found == wanted
    if found != RELEASED:
        step = points.step(function.value)
        assert step is not None
        assert abs(found) <= abs(count) and abs(found - count) < max(1, step / Fraction(10) ** function.exponent)
    if function.enable:
        assert order[-1] == function.enable and order.count(function.enable) == 1
    if reversion:
        assert function.seconds in order[:-1]
        assert after.raw(function.seconds) == reversion.seconds
    assert len(set(order)) == len(order), "no register twice"
    given_back = sunspec_control.writes(function, after, RELEASED, None) if function.enable else []
    assert len(given_back) <= 1


def test_every_control_is_of_one_kind_in_all_models() -> None:
    for name, known in FUNCTIONS.items():
        first = known[0]
        assert {(each.unit, each.exponent, bool(each.seconds), bool(each.enable)) for each in known} == {
            (first.unit, first.exponent, bool(first.seconds), bool(first.enable))
        }, name
        assert CONTROLS[name].reverts is bool(first.seconds)
