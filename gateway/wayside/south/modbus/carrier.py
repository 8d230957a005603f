"""The controls of polled devices' profiles, as what others may command."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

from wayside_wire.modbus import COUNT, ModbusError

from wayside.south.modbus.bus import Bus
from wayside.values.carrier import Carrier, CarrierError, NotKeptError

_LONGEST_S = 30.0

Result = TypeVar("Result")


class _OtherError(CarrierError):
    """Something else is read than was written."""


class BusCarrier(Carrier):
    """Registers of the devices on one bus, written before anything else and read back."""

    def __init__(self, bus: Bus):
        self._bus = bus

    def carries(self) -> Collection[str]:
        return self._bus.devices.keys()

    async def set(self, device: str, control: str, count: int, *, stays: bool = True) -> int | None:
        try:
            written = await _bounded(self._bus.control(device, control, count, stays=stays))
        except _OtherError:
            raise NotKeptError(await self.get(device, control)) from None
        return None if written.found is None else count

    async def get(self, device: str, control: str) -> int:
        return await _bounded(self._bus.controlled(device, control))


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
