"""Others as judges: pysunspec2 commands our simulated site, and our gateway commands registers that pymodbus serves."""

import asyncio
import sys
from typing import Any

import pytest
from modbus.der_site import OLD
from modbus.test_peers import polling, process
from waiting import free_port, until
from wayside import profiles
from wayside.lab.plant.der import Battery
from wayside.lab.plant.energy import BATTERY, METER, PV, EnergySite, serve
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.south.modbus import DeviceSettings
from wayside.south.modbus.carrier import BusCarrier
from wayside.values.carrier import RELEASED, Reversion


def test_pysunspec2_finds_reads_and_commands_the_simulated_battery() -> None:
    client = pytest.importorskip("sunspec2.modbus.client")
    # Its own clock, so that what it says follows from what was written, and not from how busy the machine is.
    now = [0.0]
    site = EnergySite(clock=lambda: now[0])

    def theirs(port: int) -> dict[str, Any]:
        device = client.SunSpecModbusClientDeviceTCP(slave_id=BATTERY, ipaddr="127.0.0.1", ipport=port)
        device.scan()
        control = device.models[704][0]
        control.WSetMod.value = 1
        control.WSet.cvalue = 1_500
        control.WSetRvrtTms.value = 30
        control.write()
        now[0] += 5
        device.models[701][0].read()
        before = device.models[701][0].W.cvalue
        control.WSetEna.value = 1
        control.write()
        now[0] += 5
        for model in (701, 704, 713):
            device.models[model][0].read()
        told = {
            "models": sorted(each for each in device.models if isinstance(each, int)),
            "before": before,
            "W": device.models[701][0].W.cvalue,
            "left": control.WSetRvrtRem.value,
            "SoC": device.models[713][0].SoC.cvalue,
            "factor": control.PFWInj.PF.cvalue,
        }
        now[0] += 30
        control.read()
        device.models[701][0].read()
        told["after"] = (control.WSetEna.value, device.models[701][0].W.cvalue)
        device.close()
        return told

    async def main() -> None:
        async with serve(site) as port:
            told = await asyncio.to_thread(theirs, port)
        assert told == {
            "models": [1, 701, 702, 703, 704, 713], "before": 0, "W": 1500, "left": 25,
            "SoC": pytest.approx(50, abs=0.2),
            "factor": pytest.approx(1.0), "after": (0, 0),
        }  # fmt: skip

    asyncio.run(main())


def test_pysunspec2_reads_the_curve() -> None:
    client = pytest.importorskip("sunspec2.modbus.client")

    def theirs(port: int) -> list[float]:
        device = client.SunSpecModbusClientDeviceTCP(slave_id=PV, ipaddr="127.0.0.1", ipport=port)
        device.scan()
        curve = device.models[705][0].Crv[0]
        points = [each for point in curve.Pt for each in (point.V.cvalue, point.Var.cvalue)]
        device.close()
        return points

    async def main() -> None:
        async with serve(EnergySite()) as port:
            found = await asyncio.to_thread(theirs, port)
        assert found == pytest.approx([92.0, 44.0, 98.0, 0.0, 102.0, 0.0, 108.0, -44.0])

    asyncio.run(main())


_SERVER = """
import asyncio, sys
from pymodbus.server import ModbusTcpServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusDeviceContext, ModbusServerContext
registers = [int(each) for each in sys.argv[2].split(",")]
block = ModbusSequentialDataBlock(40001, registers)
context = ModbusServerContext(devices=ModbusDeviceContext(hr=block), single=True)
async def main():
    server = ModbusTcpServer(context, address=("127.0.0.1", int(sys.argv[1])))
    await server.listen()
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("laid", "control", "count"),
    [
        (Battery(), "active_power", -2500),
        (SunSpecDevice(OLD), "power_limit", 6_000),
        (SunSpecDevice(OLD), "discharge_limit", -10_000),
    ],
)
def test_our_gateway_commands_registers_that_pymodbus_serves(laid: SunSpecDevice, control: str, count: int) -> None:
    pytest.importorskip("pymodbus")
    words = [int.from_bytes(laid.registers[at : at + 2], "big") for at in range(0, len(laid.registers), 2)]

    async def main() -> None:
        port = free_port()
        async with process(sys.executable, "-W", "ignore", "-c", _SERVER, port, ",".join(map(str, words))):
            settings = DeviceSettings("der", 1, profiles.load("sunspec"))
            async with polling(f"tcp://127.0.0.1:{port}", [settings]) as (bus, _):
                await until(lambda: not bus.undiscovered)
                carrier = BusCarrier(bus)
                assert await carrier.set("der", control, count) == count
                assert await carrier.get("der", control) == count
                assert await carrier.set("der", control, RELEASED) == RELEASED
                if control == "discharge_limit":  # it takes a timer, too, and shows none that is left
                    timer = Reversion(60, RELEASED)
                    assert await carrier.set("der", control, count, reversion=timer) == count

    asyncio.run(main())


def test_the_grid_meter_shows_the_sum_of_each_phase() -> None:
    now = [0.0]
    site = EnergySite(clock=lambda: now[0])
    site.sun_w = 3000
    site.step_w[1] = 2000
    settings = DeviceSettings("grid", METER, profiles.load("eastron-sdm630"), poll_ms=50)

    async def main() -> None:
        async with serve(site) as port, polling(f"tcp://127.0.0.1:{port}", [settings]) as (_, reports):
            now[0] += 10
            site.advance()
            expected = [mw // 1000 for mw in site.grid_mw]
            reports.clear()
            await until(lambda: len(reports) > 1 and reports[-1][0].reason == "")
        shown = {one.channel: one.mantissa for one in reports[-1]}
        for name, watts in zip(("l1", "l2", "l3"), expected, strict=True):
            mantissa = shown[f"power_active_{name}"]
            exponent = next(one.exponent for one in reports[-1] if one.channel == f"power_active_{name}")
            assert mantissa is not None and mantissa * 10**exponent == pytest.approx(watts, abs=15)
        assert expected[1] > 500 and expected[0] < -700

    asyncio.run(main())
