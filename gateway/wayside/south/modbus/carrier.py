"""The controls of polled devices, of their profiles or offered by themselves (SunSpec), as what others may command."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

from wayside_wire import modbus_field
from wayside_wire.modbus import COUNT, ModbusError

from wayside.profiles import DISCOVERED
from wayside.profiles.loader import ControlLimits, ControlMode
from wayside.south.modbus.bus import ModbusBus
from wayside.south.modbus.sunspec_carrier import SunSpecCarrier
from wayside.text.unknown import unknown
from wayside.values.carrier import RELEASED, Carrier, CarrierError, NotKeptError, Reversion

_LONGEST_S = 30.0

Result = TypeVar("Result")


class _OtherError(CarrierError):
    """Something else is read than was written."""


class BusCarrier(Carrier):
    """Registers of the devices on one bus, written before anything else and read back."""

    def __init__(self, bus: ModbusBus):
        self._bus = bus
        self._sunspec = SunSpecCarrier(bus)

    def carries(self) -> Collection[str]:
        return self._bus.devices.keys() | self._bus.undiscovered.keys()

    async def set(
        self, device: str, control: str, count: int, *, stays: bool = True, reversion: Reversion | None = None
    ) -> int | None:
        if self._describes_itself(device):
            return await _bounded(self._sunspec.set(device, control, count, reversion))
        if count == RELEASED:
            return await _bounded(self._release(device, control))
        limits = self._limits(device, control)
        for mode in limits.modes:
            if mode.unlocks:
                await _bounded(self._write_mode(device, mode, mode.on))
        try:
            written = await _bounded(self._bus.control(device, control, count, stays=stays and limits.is_read))
        except _OtherError:
            raise NotKeptError(await self.get(device, control)) from None
        for mode in limits.modes:
            if not mode.unlocks:
                await _bounded(self._write_mode(device, mode, mode.on))
        return None if written.found is None else count

    async def get(self, device: str, control: str) -> int:
        if self._describes_itself(device):
            return await _bounded(self._sunspec.get(device, control))
        limits = self._limits(device, control)
        for mode in limits.modes:
            if mode.is_read and await _bounded(self._bus.read_field(device, mode.field)) != mode.on:
                return RELEASED
        if not limits.is_read:
            raise CarrierError("the device lets nobody read it")
        return await _bounded(self._bus.controlled(device, control))

    def check(self, device: str, control: str, count: int) -> None:
        if device in self._bus.devices and self._describes_itself(device):
            self._sunspec.check(device, control, count)

    def _describes_itself(self, device: str) -> bool:
        """CarrierError while it has not said yet what it has."""
        if silent := self._bus.undiscovered.get(device):
            raise CarrierError(silent.reason or "it was not asked yet what it has")
        return self._bus.devices[device].settings.profile.name == DISCOVERED.name

    def _limits(self, device: str, control: str) -> ControlLimits:
        controls = self._bus.devices[device].settings.profile.controls
        if control not in controls:
            raise CarrierError(unknown("control", control, controls))
        return controls[control]

    async def _release(self, device: str, control: str) -> int:
        """Every mode register as it was, the last first: one that is left keeps the device in our hands."""
        for mode in reversed(self._limits(device, control).modes):
            await self._write_mode(device, mode, mode.off)
        return RELEASED

    async def _write_mode(self, device: str, mode: ControlMode, count: int) -> None:
        if mode.is_read and await self._bus.read_field(device, mode.field) == count:
            return  # many devices keep what is written in a memory that wears out
        asked = self._bus.devices[device]
        unit, function = asked.settings.unit, asked.settings.profile.write_function
        registers = modbus_field.encode(mode.field, count)
        await self._bus.write(
            unit, mode.field.address, registers, function, timeout_s=asked.timeout_s, stays=mode.is_read
        )


async def _bounded(act: Coroutine[Any, Any, Result]) -> Result:
    try:
        async with asyncio.timeout(_LONGEST_S):
            return await act
    except ModbusError as error:
        raise (_OtherError if error.kind == COUNT else CarrierError)(error.text) from None
    except (KeyError, ValueError) as error:
        raise CarrierError(str(error)) from None
    except TimeoutError:
        raise CarrierError(f"its bus did not get to it within {_LONGEST_S:.0f} s") from None
