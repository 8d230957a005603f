"""What SunSpec devices offer to be told, carried out: read, written in order, read back."""

import asyncio
from collections import defaultdict

from wayside_wire import modbus

from wayside.profiles.sunspec_controls import CONTROLS, Offer
from wayside.text.unknown import unknown
from wayside.values.carrier import RELEASED, CarrierError, NotKeptError, Reversion

from . import sunspec_control
from .bus import ModbusBus, Priority
from .sunspec_control import Write
from .sunspec_points import Points

_SETTLES_S, _LOOK_AGAIN_S = 2.0, 0.2  # a device shows within this time what it was told


class SunSpecCarrier:
    """Functions of the models that devices on one bus have. Raises ModbusError, too."""

    def __init__(self, bus: ModbusBus):
        self._bus = bus
        # What one device is told is read, changed and written: functions share registers.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def check(self, device: str, control: str, count: int) -> None:
        """ValueError when the device says itself that it does not take these counts."""
        offer = self._bus.devices[device].settings.profile.offers.get(control)
        if offer and count != RELEASED:
            CONTROLS[control]._replace(least=offer.least, most=offer.most).check(count)

    async def set(self, device: str, control: str, count: int, reversion: Reversion | None) -> int:
        """As Carrier.set."""
        offer = self._offer(device, control)
        self.check(device, control, count)
        async with self._locks[device]:
            points = await self._read(device, offer)
            wanted = sunspec_control.wanted(offer.function, points, count)
            await self._write(device, offer, sunspec_control.writes(offer.function, points, count, reversion))
            points = await self._settled(device, offer, wanted, reversion)
            found = sunspec_control.found(offer.function, points)
            if count == RELEASED and found != RELEASED and (more := sunspec_control.free(offer.function, points)):
                # Some leave it in force for ever, and say "unlimited" by its value.
                await self._write(device, offer, more)
                points = await self._settled(device, offer, wanted, reversion)
                found = sunspec_control.found(offer.function, points)
            if found != wanted:
                raise NotKeptError(found)
            if trouble := sunspec_control.fault(offer.function, points, count, reversion):
                await self._write(device, offer, sunspec_control.writes(offer.function, points, RELEASED, None))
                raise CarrierError(f"{trouble}; it was given back to the device")
            return found

    async def get(self, device: str, control: str) -> int:
        """As Carrier.get."""
        offer = self._offer(device, control)
        return sunspec_control.found(offer.function, await self._read(device, offer))

    def _offer(self, device: str, control: str) -> Offer:
        offers = self._bus.devices[device].settings.profile.offers
        if control not in offers:
            raise CarrierError(f"it does not offer it: {unknown('control', control, offers)}")
        return offers[control]

    async def _read(self, device: str, offer: Offer) -> Points:
        """The offer's model as it is now; CarrierError where something else stands there."""
        asked = self._bus.devices[device]
        body = modbus.read_request(asked.settings.unit, modbus.READ_HOLDING, offer.address, 2 + offer.length)
        content = await self._bus.request(body, Priority.CONTROL, timeout_s=asked.timeout_s, quiet_s=asked.quiet_s)
        points = Points(offer.function.model, content)
        if points.head != (offer.function.model, offer.length):
            raise CarrierError("its registers mean something else than when it was discovered; nothing was written")
        return points

    async def _write(self, device: str, offer: Offer, writes: list[Write]) -> None:
        asked = self._bus.devices[device]
        for each in writes:
            address = offer.address + each.at
            await self._bus.write(asked.settings.unit, address, each.registers, timeout_s=asked.timeout_s, stays=False)

    async def _settled(self, device: str, offer: Offer, wanted: int, reversion: Reversion | None) -> Points:
        """The model once it shows what is wanted, or will not."""
        end = asyncio.get_running_loop().time() + _SETTLES_S
        while True:
            points = await self._read(device, offer)
            is_there = sunspec_control.found(offer.function, points) == wanted
            trouble = sunspec_control.fault(offer.function, points, wanted, reversion)
            if (is_there and not trouble) or asyncio.get_running_loop().time() >= end:
                return points
            await asyncio.sleep(_LOOK_AGAIN_S)
