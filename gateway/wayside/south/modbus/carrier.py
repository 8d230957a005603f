"""The controls of polled devices' profiles, as what others may command."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

from wayside_wire.modbus import ModbusError

from wayside.carrier import Carrier, CarrierError
from wayside.south.modbus.bus import Bus

_LONGEST_S = 30.0

Result = TypeVar("Result")


class BusCarrier(Carrier):
    """Registers of the devices on one bus, written before anything else and read back."""

    def __init__(self, bus: Bus):
        self._bus = bus

    def carries(self) -> Collection[str]:
        return self._bus.devices.keys()

    async def set(self, device: str, control: str, value: int) -> int | None:
        written = await _bounded(self._bus.control(device, control, value))
        return None if written.found is None else value

    async def get(self, device: str, control: str) -> int:
        return await _bounded(self._bus.controlled(device, control))


async def _bounded(act: Coroutine[Any, Any, Result]) -> Result:
    try:
        async with asyncio.timeout(_LONGEST_S):
            return await act
    except (ModbusError, KeyError, ValueError) as error:
        raise CarrierError(error.text if isinstance(error, ModbusError) else str(error)) from None
    except TimeoutError:
        raise CarrierError(f"its bus did not get to it within {_LONGEST_S:.0f} s") from None
