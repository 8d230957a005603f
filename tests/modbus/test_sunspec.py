"""SunSpec devices describe themselves: the chain of models, scale factors, and pysunspec2 as the other reader."""

import asyncio
from typing import Any

import pytest
import yaml
from modbus.test_peers import good_values, polling, until
from profiles.schema import Memory
from profiles.test_dumps import FOLDER
from wayside import profiles
from wayside.plant import answer_for, serve_tcp
from wayside.plant.sunspec import SunSpecDevice
from wayside.reading import Quality, format_value
from wayside.south.modbus import DeviceSettings, sunspec
from wayside.south.modbus.device import Device
from wayside_wire import modbus, modbus_plan

INVERTER: dict[int, dict[str, int | str]] = {
    1: {"Mn": "Wayside", "Md": "Plant 10", "SN": "4711", "DA": 1},
    103: {"A": 3_210, "AphA": 1_070, "A_SF": -2, "PhVphA": 2_301, "V_SF": -1, "W": 739, "W_SF": 1, "Hz": 5_001,
          "Hz_SF": -2, "PF": -995, "PF_SF": -1, "WH": 12_345_678, "WH_SF": 0, "TmpCab": 41, "Tmp_SF": 0, "St": 4},
    702: {"WMaxRtg": 1_000, "WMax": 1_000, "W_SF": 1},
    713: {"WHRtg": 100, "WHAvail": 55, "WH_SF": 2, "SoC": 553, "Pct_SF": -1},
}  # fmt: skip


def reader(device: SunSpecDevice) -> sunspec.ReadRegisters:
    async def read(address: int, count: int) -> bytes:
        return device.read(modbus.READ_HOLDING, address, count)

    return read


@pytest.mark.parametrize("base", sunspec.BASES)
def test_discovery(base: int) -> None:
    profile = asyncio.run(sunspec.discover(reader(SunSpecDevice(INVERTER, base))))
    assert profile.fields["voltage_l1"].exponent == -1
    assert "voltage_l2" in profile.fields, "a point without a value now may have one later"
    assert "dc_power" not in profile.fields, "a point without a scale factor never has one"
    assert "rating_power_active" in profile.fields and "rating_power_active" not in profile.defaults
    assert set(profile.identity) == {"manufacturer", "model", "serial_number"}


def test_what_is_not_sunspec() -> None:
    class Other:
        def __init__(self, data: bytes):
            self.data = data

        async def read(self, address: int, count: int) -> bytes:
            return (self.data * 2 * count)[: 2 * count]

    with pytest.raises(sunspec.NotSunSpec, match="no SunSpec mark"):
        asyncio.run(sunspec.discover(Other(b"\x00\x01").read))
    # A chain that leads nowhere ends, too.
    with pytest.raises(sunspec.NotSunSpec, match="no end"):
        asyncio.run(sunspec.discover(Other(b"SunS").read))
    with pytest.raises(sunspec.NotSunSpec, match="models 1: none that is supported"):
        asyncio.run(sunspec.discover(reader(SunSpecDevice({1: {}}))))


def test_the_bus_and_pysunspec2_read_and_write_the_same_inverter() -> None:
    client_module = pytest.importorskip("sunspec2.modbus.client")

    def theirs(port: int, w_max: int) -> dict[str, Any]:
        client = client_module.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port)
        client.scan()
        inverter, capacity, storage = client.models[103][0], client.models[702][0], client.models[713][0]
        found = {name: inverter.points[name].cvalue for name in ("A", "PhVphA", "W", "Hz", "PF", "WH", "TmpCab")}
        found["SoC"] = storage.points["SoC"].cvalue
        capacity.points["WMax"].cvalue = w_max
        capacity.write()
        client.close()
        return found

    async def main() -> None:
        device = SunSpecDevice(INVERTER)
        settings = DeviceSettings("pv", 1, profiles.load("sunspec"), poll_ms=30)
        async with (
            serve_tcp(answer_for({1: device})) as port,
            polling(f"tcp://127.0.0.1:{port}", [settings]) as (bus, reports),
        ):
            await until(lambda: good_values(reports))
            ours = {one.channel: one for one in reports[-1]}
            values = {name: format_value(one.mantissa, one.exponent) for name, one in ours.items() if one.reason == ""}
            assert values == {
                "current": "32.10", "current_l1": "10.70", "voltage_l1": "230.1", "power_active": "-7390",
                "frequency": "50.01", "power_factor": "-0.995", "energy_active_export": "44444440800",
                "temperature": "41", "state": "4", "storage_energy_available": "19800000",
                "storage_state_of_charge": "0.553",
            }  # fmt: skip
            assert ours["voltage_l2"].reason == "no value" and ours["voltage_l2"].quality == Quality.BAD
            seen = await asyncio.to_thread(theirs, port, 8_000)
            assert seen == pytest.approx(
                {
                    "A": 32.1,
                    "PhVphA": 230.1,
                    "W": 7390,
                    "Hz": 50.01,
                    "PF": -99.5,
                    "WH": 12345678,
                    "TmpCab": 41,
                    "SoC": 55.3,
                }
            )
            # What they wrote is what we read, and the other way round.
            field = bus.devices["pv"].settings.profile.fields["setting_power_active_max"]
            read = modbus.read_request(1, modbus.READ_HOLDING, field.address, 1)
            assert await bus.request(read) == (800).to_bytes(2, "big")
            await bus.write(1, field.address, (600).to_bytes(2, "big"))
            assert device.read(3, field.address, 1) == (600).to_bytes(2, "big")

    asyncio.run(main())


def test_a_scale_factor_that_changes_moves_the_point_and_not_the_value() -> None:
    device = SunSpecDevice(INVERTER)
    profile = asyncio.run(sunspec.discover(reader(device)))
    polled = Device(DeviceSettings("d", 1, profile, channels=("voltage_l1",)), 128, 0.0)

    def poll() -> str:
        outcome = None
        while outcome is None:
            body = polled.next_request(0.0)
            assert body is not None
            data = device.read(body[1], body[2] << 8 | body[3], body[4] << 8 | body[5])
            outcome = polled.answered(data, 0.0, 0.0, 0)
        return format_value(outcome[0][0].mantissa, outcome[0][0].exponent) if not outcome[0][0].reason else ""

    assert poll() == "230.1"
    at = profile.fields["voltage_l1"]
    device.write(at.address, (231).to_bytes(2, "big"))
    device.write(at.scale, b"\x00\x00")
    assert poll() == "231.0"
    device.write(at.scale, b"\x80\x00")
    assert poll() == ""
    assert len(modbus_plan.plan([at], 100, 128)) == 1


def test_discovery_on_the_dump_of_an_emulated_device() -> None:
    path = FOLDER / "SunSpecEmulatedDer.yaml"
    if not path.exists():
        pytest.skip(f"no {path}")
    schema = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    test = schema["tests"][0]
    memory = Memory()
    for part in test["input"]:
        memory.load(part["firstAddress"], part["rawValues"])

    async def read(address: int, count: int) -> bytes:
        try:
            return b"".join(memory.registers["hr", at] for at in range(address, address + count))
        except KeyError:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS) from None

    models = asyncio.run(sunspec.find_models(read))
    assert [model.id for model in models] == [1, *range(701, 715), 64412]
    profile = asyncio.run(sunspec.discover(read))
    expected = {block["id"]: block["expected"] for block in test["blocks"]}
    measured = expected["Model 701"]
    polled = Device(DeviceSettings("der", 1, profile), 128, 0.0)
    outcome = None
    while outcome is None:
        body = polled.next_request(0.0)
        assert body is not None
        data = asyncio.run(read(body[2] << 8 | body[3], body[4] << 8 | body[5]))
        outcome = polled.answered(data, 0.0, 0.0, 0)
    values = {one.channel: float(format_value(one.mantissa, one.exponent)) for one in outcome[0] if not one.reason}
    for channel, point, factor in (
        ("power_active", "W", -1), ("power_active_l2", "WL2", -1), ("current_l3", "AL3", 1), ("voltage_l1", "VL1", 1),
        ("frequency", "Hz", 1), ("power_apparent", "VA", 1), ("energy_active_export", "TotWhInj", 3600),
    ):  # fmt: skip
        # Three decimals in the dump.
        assert values[channel] == pytest.approx(float(measured[point][0]) * factor, abs=0.0005 * abs(factor)), channel
