"""Controls that modes put in force: in which order they are written, and that none stays behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from modbus.virtual import Clock, MemoryLink, run
from waiting import running
from wayside import profiles
from wayside.lab.plant import answer_for
from wayside.profiles import Library
from wayside.south.modbus import DeviceSettings, ModbusBus
from wayside.south.modbus.carrier import BusCarrier
from wayside.values.carrier import RELEASED, CarrierError
from wayside_wire import modbus
from wayside_wire.modbus import ModbusError

PROFILE = """
[profile]
name = "battery"
title = "t"
source = "s"
verified = "document"
[requests]
max_registers = 9
[registers]
area = "holding"
type = "u16"
[channels]
power = { address = 1, unit = "W" }
[controls]
charge_power = { address = 3, unit = "W", min = 0, max = 900, mode = [
    { address = 4, on = 7, off = 0, unlocks = true }, { address = 5, on = 1, off = 0 },
    { address = 6, on = 2, off = 3 } ] }
discharge_power = { address = 3, unit = "W", min = 0, max = 900, mode = [{ address = 5, on = 2, off = 0 }] }
active_power = { address = 7, type = "s16", unit = "W", sign = "negated", min = -500, max = 900, read = false, mode = [
    { address = 8, on = 1, off = 0, read = false } ] }
"""


class Registers:
    """Ten holding registers. unread: not to be read; locked: not to be written while register 4 is not 7."""

    def __init__(self) -> None:
        self.held = [0] * 10
        self.unread = {7, 8}
        self.locked = {3}
        self.writes: list[tuple[int, int]] = []

    def read(self, function: int, address: int, count: int) -> bytes:
        if self.unread & set(range(address, address + count)):
            raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        return b"".join(each.to_bytes(2, "big") for each in self.held[address : address + count])

    def write(self, address: int, registers: bytes) -> None:
        value = int.from_bytes(registers, "big")
        if address in self.locked and self.held[4] != 7:
            raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_VALUE)
        self.writes.append((address, value))
        self.held[address] = value

    def clear(self) -> list[tuple[int, int]]:
        writes, self.writes = self.writes, []
        return writes


@contextlib.asynccontextmanager
async def battery(folder: Path) -> AsyncIterator[tuple[BusCarrier, Registers]]:
    (folder / "battery.toml").write_text(PROFILE)
    profile, registers = profiles.load_file(folder / "battery.toml"), Registers()
    link = MemoryLink(answer_for({1: registers}), character_us=100)
    bus = ModbusBus("bus", link, [DeviceSettings("battery", 1, profile)], Clock(), lambda *_: None)
    async with running(bus.run()):
        yield BusCarrier(bus), registers


def test_the_value_then_the_modes_and_back_in_the_other_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with battery(tmp_path) as (carrier, registers):
            assert await carrier.get("battery", "charge_power") == RELEASED
            assert await carrier.set("battery", "charge_power", 800) == 800
            assert registers.clear() == [(4, 7), (3, 800), (5, 1), (6, 2)]
            assert await carrier.get("battery", "charge_power") == 800
            await carrier.set("battery", "charge_power", 700)
            assert registers.clear() == [(3, 700)], "modes that are there are not written again"
            # A control mode that switches itself off: nothing is in force, whatever the value reads.
            registers.held[4] = 0
            assert await carrier.get("battery", "charge_power") == RELEASED
            await carrier.set("battery", "charge_power", 700)
            assert registers.clear() == [(4, 7), (3, 700)]
            assert await carrier.set("battery", "charge_power", RELEASED) == RELEASED
            assert registers.clear() == [(6, 3), (5, 0), (4, 0)]

    run(main)


def test_charging_is_over_when_it_is_discharged(tmp_path: Path) -> None:
    async def main() -> None:
        async with battery(tmp_path) as (carrier, registers):
            registers.locked.clear()
            await carrier.set("battery", "charge_power", 800)
            await carrier.set("battery", "discharge_power", 600)
            assert await carrier.get("battery", "discharge_power") == 600
            assert await carrier.get("battery", "charge_power") == RELEASED
            await carrier.set("battery", "discharge_power", RELEASED)
            assert registers.held[5] == 0

    run(main)


def test_registers_that_nobody_may_read_and_that_count_the_other_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with battery(tmp_path) as (carrier, registers):
            assert await carrier.set("battery", "active_power", -400) is None
            assert registers.clear() == [(7, 400), (8, 1)]
            with pytest.raises(CarrierError, match="lets nobody read it"):
                await carrier.get("battery", "active_power")
            await carrier.set("battery", "active_power", RELEASED)
            assert registers.clear() == [(8, 0)]
            with pytest.raises(CarrierError, match="write -500 to 900"):
                await carrier.set("battery", "active_power", 901)

    run(main)


def test_a_value_that_is_refused_is_not_put_in_force(tmp_path: Path) -> None:
    async def main() -> None:
        async with battery(tmp_path) as (carrier, registers):
            with pytest.raises(CarrierError, match="refused"):
                await carrier.set("battery", "discharge_power", 600)
            await asyncio.sleep(0)
            assert registers.clear() == []

    run(main)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("{ address = 5, on = 1, off = 1 }", "mode 1: on and off are both 1"),
        ("{ address = 3, on = 1, off = 0 }", "mode 1: writes the register of the value once more"),
        ("{ address = 5, on = 1, off = -1 }", "mode 1: off = -1 cannot be written into u16"),
        ("{ address = 5, on = 1, off = 0, area = 'input' }", "mode"),
        ("{ address = 5, on = 1 }", "off"),
    ],
)
def test_a_mode_that_cannot_be(tmp_path: Path, mode: str, said: str) -> None:
    text = PROFILE.replace("{ address = 5, on = 2, off = 0 }", mode)
    assert text != PROFILE
    (tmp_path / "battery.toml").write_text(text)
    with pytest.raises(profiles.ProfileError) as told:
        profiles.load_file(tmp_path / "battery.toml")
    assert said in str(told.value)


def test_what_a_profile_of_ours_commands_is_given_back_or_is_told_to_be_a_limit() -> None:
    usable, problems = Library().all()
    assert not problems
    commanded = {(profile.name, name): limits for profile in usable for name, limits in profile.controls.items()}
    # A current limit of a charger, a timer, and a set-point of which 0 is none.
    plain = {("heidelberg-energy-control", "current_limit"), ("foxess-h3", "reversion"),
             ("victron-gx-system", "grid_power_set")}  # fmt: skip
    assert {place for place, limits in commanded.items() if not limits.modes} == plain
    assert len(commanded) >= 10
