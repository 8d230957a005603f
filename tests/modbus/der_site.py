"""The simulated energy site on a bus in virtual time, and devices with models 123 and 124 that latch."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from modbus.virtual import Clock, MemoryLink
from waiting import running
from wayside import profiles
from wayside.lab.plant import answer_for
from wayside.lab.plant.energy import BATTERY, PV, EnergySite
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.south.modbus import DeviceSettings, ModbusBus
from wayside.south.modbus.carrier import BusCarrier
from wayside_wire import modbus

Told = list[tuple[str, int]]


class Heard:
    """What is written to the models of a device, by the names of the points."""

    def __init__(self, device: SunSpecDevice, base: int = 40000):
        self.told: Told = []
        self.device = device
        self._names = {base + at // 2: name for (_, name), (at, _) in device.places.items()}

    def write(self, address: int, registers: bytes) -> None:
        self.told.append((self._names[address], int.from_bytes(registers, "big", signed=True)))

    def clear(self) -> Told:
        told, self.told = self.told, []
        return told


def listening(heard: Mapping[int, Heard], answer: Any) -> Any:
    def on_request(body: bytes) -> bytes | None:
        if body[1] == modbus.WRITE_REGISTERS and body[0] in heard:
            heard[body[0]].write(body[2] << 8 | body[3], body[7:])
        return answer(body)  # type: ignore[no-any-return]

    return on_request


class OnBus:
    """The site's devices "pv" and "battery" on a bus that runs."""

    def __init__(self, site: EnergySite, bus: ModbusBus, heard: Mapping[int, Heard]):
        self.site, self.bus, self.carrier = site, bus, BusCarrier(bus)
        self.pv, self.battery = site.pv, site.battery
        self.heard, self.pv_heard = heard[BATTERY], heard[PV]


@contextlib.asynccontextmanager
async def energy_site(**more: Any) -> AsyncIterator[OnBus]:
    site = EnergySite(1, Clock().monotonic, **more)
    heard = {PV: Heard(site.pv), BATTERY: Heard(site.battery)}
    link = MemoryLink(listening(heard, site.answer), character_us=100)
    sunspec = profiles.load("sunspec")
    devices = [DeviceSettings("pv", PV, sunspec), DeviceSettings("battery", BATTERY, sunspec)]
    bus = ModbusBus("bus", link, devices, Clock(), lambda *_: None)
    async with running(bus.run()):
        while bus.undiscovered:
            await asyncio.sleep(0.1)
        yield OnBus(site, bus, heard)


@contextlib.asynccontextmanager
async def one_device(device: Any, laid: SunSpecDevice) -> AsyncIterator[tuple[BusCarrier, Heard]]:
    """A device "der" alone on a bus. laid: its registers."""
    heard = Heard(laid)
    link = MemoryLink(listening({1: heard}, answer_for({1: device})), character_us=100)
    bus = ModbusBus("bus", link, [DeviceSettings("der", 1, profiles.load("sunspec"))], Clock(), lambda *_: None)
    async with running(bus.run()):
        while bus.undiscovered:
            await asyncio.sleep(0.1)
        yield BusCarrier(bus), heard


OLD: dict[int, dict[str, Any]] = {
    1: {"Mn": "Wayside", "Md": "Hybrid", "SN": "1"},
    103: {"W": 100, "W_SF": 0},
    120: {"WRtg": 5000, "WRtg_SF": 0},
    123: {"Conn": 1, "WMaxLimPct": 10_000, "WMaxLimPct_WinTms": 0, "WMaxLimPct_RvrtTms": 0, "WMaxLim_Ena": 0,
          "WMaxLimPct_SF": -2, "OutPFSet_Ena": 0, "VArPct_Ena": 0},
    124: {"WChaMax": 5000, "WChaMax_SF": 0, "StorCtl_Mod": 0, "MinRsvPct": 500, "MinRsvPct_SF": -2, "ChaState": 5_300,
          "ChaState_SF": -2, "ChaSt": 4, "InWRte": 10_000, "OutWRte": 10_000, "InOutWRte_WinTms": 0,
          "InOutWRte_RvrtTms": 0, "ChaGriSet": 0, "InOutWRte_SF": -2},
}  # fmt: skip
"""A hybrid inverter of the models before 701."""
