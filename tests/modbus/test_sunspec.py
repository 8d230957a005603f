"""SunSpec devices describe themselves: the chain of models, scale factors, and pysunspec2 as the other reader."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from modbus.test_peers import good_values, polling, until
from modbus.virtual import Clock, MemoryLink, run
from profiles.schema import Memory
from profiles.test_dumps import FOLDER
from wayside import profiles
from wayside.lab.plant import answer_for, serve_tcp
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.profiles import Profile
from wayside.south.modbus import DeviceSettings, sunspec
from wayside.south.modbus.bus import ModbusBus
from wayside.south.modbus.device import PolledDevice
from wayside.south.modbus.sunspec_chain import BASES, NotSunSpec, ReadRegisters, find_models
from wayside.values.reading import Quality, Reading, format_value
from wayside_wire import modbus, modbus_field, modbus_plan

INVERTER: dict[int, dict[str, int | str]] = {
    1: {"Mn": "Wayside", "Md": "Plant 10", "SN": "4711", "DA": 1},
    103: {"A": 3_210, "AphA": 1_070, "A_SF": -2, "PhVphA": 2_301, "V_SF": -1, "W": 739, "W_SF": 1, "Hz": 5_001,
          "Hz_SF": -2, "PF": -995, "PF_SF": -1, "WH": 12_345_678, "WH_SF": 0, "TmpCab": 41, "Tmp_SF": 0, "St": 4},
    702: {"WMaxRtg": 1_000, "WMax": 1_000, "W_SF": 1},
    713: {"WHRtg": 100, "WHAvail": 55, "WH_SF": 2, "SoC": 553, "Pct_SF": -1},
}  # fmt: skip


def reader(device: SunSpecDevice) -> ReadRegisters:
    async def read(address: int, count: int) -> bytes:
        return device.read(modbus.READ_HOLDING, address, count)

    return read


@pytest.mark.parametrize("base", BASES)
def test_discovery(base: int) -> None:
    profile = asyncio.run(sunspec.discover(reader(SunSpecDevice(INVERTER, base))))
    assert profile.fields["voltage_l1"].exponent == -2, "a digit more than the device has now"
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

    with pytest.raises(NotSunSpec, match="no SunSpec mark"):
        asyncio.run(sunspec.discover(Other(b"\x00\x01").read))
    # A chain that leads nowhere ends, too.
    with pytest.raises(NotSunSpec, match="no end"):
        asyncio.run(sunspec.discover(Other(b"SunS").read))
    with pytest.raises(NotSunSpec, match="models 1: none that is supported"):
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
                "current": "32.100", "current_l1": "10.700", "voltage_l1": "230.10", "power_active": "-7390.00",
                "frequency": "50.010", "power_factor": "-0.9950", "energy_active_export": "44444440800",
                "temperature": "41.00", "state": "4", "storage_energy_available": "19800000",
                "storage_state_of_charge": "0.5530",
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


def polling_once(device: SunSpecDevice, profile: Profile, *channels: str) -> Callable[[], dict[str, str]]:
    """A function that polls the device and returns value or reason of each of `channels`."""
    polled = PolledDevice(DeviceSettings("d", 1, profile, channels=channels), 128, 0.0)

    def poll() -> dict[str, str]:
        outcome = None
        while outcome is None:
            body = polled.next_request(0.0)
            assert body is not None
            data = device.read(body[1], body[2] << 8 | body[3], body[4] << 8 | body[5])
            outcome = polled.answered(data, 0.0, 0.0, 0)
        return {
            one.channel: one.reason or format_value(one.mantissa, one.exponent)
            for one in outcome[0]
            if one.channel in channels
        }

    return poll


def test_a_scale_factor_that_changes_moves_the_point_and_not_the_value() -> None:
    device = SunSpecDevice(INVERTER)
    profile = asyncio.run(sunspec.discover(reader(device)))
    poll = polling_once(device, profile, "voltage_l1")
    assert poll() == {"voltage_l1": "230.10"}
    at = profile.fields["voltage_l1"]
    device.write(at.address, (231).to_bytes(2, "big"))
    device.write(at.scale, b"\x00\x00")
    assert poll() == {"voltage_l1": "231.00"}
    device.write(at.scale, b"\x80\x00")
    assert poll() == {"voltage_l1": "no scale factor"}
    assert len(modbus_plan.plan([at], 100, 128)) == 1


@pytest.mark.parametrize(
    ("before", "after", "raw", "value"),
    [(0, -2, 975, "9.750"), (0, -3, 9_751, "9.751"), (-2, 0, 10, "10.000"), (1, -2, 975, "9.750")],
)
def test_a_finer_scale_factor_loses_no_digit(before: int, after: int, raw: int, value: str) -> None:
    points: dict[str, int | str] = {"A": 10, "A_SF": before % 65536}
    device = SunSpecDevice({1: {}, 103: points})
    profile = asyncio.run(sunspec.discover(reader(device)))
    field = profile.fields["current"]
    device.write(field.address, raw.to_bytes(2, "big"))
    device.write(field.scale, (after % 65536).to_bytes(2, "big"))
    assert polling_once(device, profile, "current")() == {"current": value}


@pytest.mark.parametrize("model", [103, 203])
@pytest.mark.parametrize(
    ("raw", "scale", "active", "apparent", "expected"),
    [
        (-996, -3, 1080, 1090, "-0.9960"),  # a ratio, whatever the definition says
        (-996, -1, 1080, 1090, "-0.9960"),
        (-9960, -2, 1080, 1090, "-0.9960"),
        (-100, 0, 1080, 1090, "-1.0000"),
        (1, 0, 1080, 1090, "1.0000"),
        (-1, 0, -1080, 1090, "-1.0000"),
        (99, -2, 1080, 1090, "0.9900"),
        (50, -2, 500, 1000, "0.5000"),
        (50, 0, 500, 1000, "0.5000"),
        (50, -2, 5, 1000, "0.0050"),  # half a percent, and the powers say so
        (1, 0, 10, 1000, "0.0100"),
        # At night the powers say nothing.
        (0, -2, 0, 0, "0.0000"),
        (99, 0, 0, 0, "0.9900"),
        (-996, -3, 0, 0, "-0.9960"),
        (99, -2, 0, 0, "percent or ratio, not known"),
        (99, -2, 0x8000, 0x8000, "percent or ratio, not known"),
        (99, -2, 1, 1, "percent or ratio, not known"),
        # What cannot be.
        (30, 0, 1080, 1090, "does not fit the powers"),
        (500, 0, 0, 0, "does not fit the powers"),
        (500, 0, 1080, 1090, "does not fit the powers"),
        (0x8000, -2, 1080, 1090, "no value"),
        (99, -0x8000, 1080, 1090, "no scale factor"),
    ],
)
def test_power_factors(model: int, raw: int, scale: int, active: int, apparent: int, expected: str) -> None:
    points: dict[str, int | str] = {
        "PF": raw % 65536, "PF_SF": scale % 65536, "W": active % 65536, "W_SF": 0, "VA": apparent, "VA_SF": 0,
    }  # fmt: skip
    device = SunSpecDevice({1: {}, model: points})
    profile = asyncio.run(sunspec.discover(reader(device)))
    assert polling_once(device, profile, "power_factor")() == {"power_factor": expected}


def test_a_power_factor_beside_powers_of_other_scales() -> None:
    points: dict[str, int | str] = {"PF": 9_960, "PF_SF": 65534, "W": 1_080, "W_SF": 1, "VA": 109, "VA_SF": 2}
    device = SunSpecDevice({1: {}, 103: points})
    profile = asyncio.run(sunspec.discover(reader(device)))
    assert polling_once(device, profile, "power_factor", "power_active")() == {
        "power_factor": "0.9960", "power_active": "-10800.00",
    }  # fmt: skip


CHAIN: list[tuple[int, dict[str, int | str]]] = [
    (1, {"Md": "Inverter", "SN": "1"}),
    (103, {"W": 739, "W_SF": 1, "WH": 9, "WH_SF": 0}),
    (1, {"Md": "Meter", "SN": "2"}),
    (203, {"W": 5, "W_SF": 0, "TotWhImp": 7, "TotWh_SF": 0}),
    (1, {"Md": "Battery", "SN": "3"}),
    (64_001, {}),
]


class Chain:
    """Registers of models, some of which nobody defines; what `answer` says of an address goes before them."""

    def __init__(self, end: bytes = b"\xff\xff\0\0", base: int = 40_000):
        defined = [model for model in CHAIN if model[0] != 64_001]
        self.device = SunSpecDevice(defined, base, b"\xfa\x01\0\2" + bytes(4) + end)
        self.failures: dict[int, modbus.ModbusError] = {}
        self.asked: list[tuple[int, int]] = []

    async def read(self, address: int, count: int) -> bytes:
        self.asked.append((address, count))
        if address in self.failures:
            raise self.failures[address]
        return self.device.read(modbus.READ_HOLDING, address, count)


def test_each_common_model_is_a_device() -> None:
    found = [asyncio.run(sunspec.discover(Chain().read, part)) for part in (1, 2)]
    assert [profile.parts for profile in found] == [3, 3]
    inverter, meter = found
    assert "energy_active_export" in inverter.fields and "energy_active_import" not in inverter.fields
    assert polling_once(Chain().device, inverter, "power_active")() == {"power_active": "-7390.00"}
    assert polling_once(Chain().device, meter, "power_active")() == {"power_active": "5.00"}
    for profile, name in ((inverter, "1"), (meter, "2")):
        field = profile.identity["serial_number"]
        assert modbus_field.text(field, Chain().device.read(3, field.address, field.count)) == name
    with pytest.raises(NotSunSpec, match="models 1, 64001: none that is supported"):
        asyncio.run(sunspec.discover(Chain().read, 3))
    with pytest.raises(NotSunSpec, match=r"part = 4: the chain of models has 3 common models; write 1 to 3"):
        asyncio.run(sunspec.discover(Chain().read, 4))


@pytest.mark.parametrize("end", [b"", b"\0\0\0\0", b"\0\0", b"\xff\xff", b"\xff\xff\xff\xff"])
def test_a_chain_that_ends_without_its_end_model(end: bytes) -> None:
    models = asyncio.run(find_models(Chain(end).read))
    assert [model.id for model in models] == [1, 103, 1, 203, 1, 64_001]


def test_a_last_register_that_cannot_be_read_with_the_next_one() -> None:
    """As an inverter does that answers 4, device failure, where the length of the end model should be."""
    chain = Chain(b"\0\0")
    end = 40_000 + len(chain.device.registers) // 2 - 1
    asked = chain.read

    async def read(address: int, count: int) -> bytes:
        if address <= end < address + count - 1:
            raise modbus.ModbusError(modbus.EXCEPTION, "exception 4: device failure", modbus.DEVICE_FAILURE)
        return await asked(address, count)

    assert len(asyncio.run(find_models(read))) == 6


def test_a_value_comes_with_its_scale_factor() -> None:
    """Read one after the other, a value of before and the scale factor of now would make no value at all."""
    for models in (INVERTER, {1: {}, 203: dict.fromkeys(("A_SF", "V_SF", "W_SF", "VA_SF", "TotWh_SF", "PF_SF"), 0)}):
        profile = asyncio.run(sunspec.discover(reader(SunSpecDevice(models))))
        for blocks in (modbus_plan.plan(profile.fields.values(), 20, 5), modbus_plan.plan(profile.select(), 100, 1)):
            for block in blocks:
                for field in block.fields:
                    assert field.scale is None or block.address <= field.scale < block.address + block.count, field


def test_models_of_floats() -> None:
    points: dict[str, int | str] = {
        "A": 0x40490FDB,
        "W": 0x44BB8000,
        "WH": 0x4B3C614E,
        "PF": 0xC2C1D1EC,
        "VA": 0x7FC00000,
    }
    device = SunSpecDevice({1: {}, 113: points})
    profile = asyncio.run(sunspec.discover(reader(device)))
    assert polling_once(device, profile, "current", "power_active", "energy_active_export", "power_apparent")() == {
        "current": "3.142", "power_active": "-1500.00", "energy_active_export": "44444440800",
        "power_apparent": "no value",
    }  # fmt: skip
    assert "power_factor" not in profile.fields


def test_a_chain_that_breaks_off_is_no_end() -> None:
    chain = Chain()
    last = asyncio.run(find_models(chain.read))[-1]
    chain.failures[last.address] = modbus.ModbusError(modbus.TIMEOUT, "no answer")
    with pytest.raises(modbus.ModbusError, match="no answer"):
        asyncio.run(find_models(chain.read))


@pytest.mark.parametrize(
    "failure",
    [
        modbus.ModbusError(modbus.TIMEOUT, "no answer"),
        modbus.ModbusError(modbus.CRC, "wrong CRC"),
        modbus.ModbusError(modbus.EXCEPTION, "exception 6: device busy", modbus.BUSY),
        modbus.ModbusError(modbus.EXCEPTION, "exception 11: gateway target", modbus.GATEWAY_TARGET),
    ],
)
def test_a_base_that_does_not_answer_says_nothing(failure: modbus.ModbusError) -> None:
    # The mark may stand at the next.
    chain = Chain(base=50_000)
    chain.failures[40_000] = failure
    assert len(asyncio.run(find_models(chain.read))) == 6
    # Where it stands nowhere it is not known that there is none.
    chain.failures[50_000] = modbus.ModbusError(modbus.EXCEPTION, "exception 2", modbus.ILLEGAL_ADDRESS)
    with pytest.raises(modbus.ModbusError, match=f"not every base answers .40000: {failure.text}.$") as error:
        asyncio.run(find_models(chain.read))
    assert error.value.kind == failure.kind


def test_no_two_requests_in_a_row_have_answers_of_one_size() -> None:
    for part in (1, 2):
        chain = Chain()
        asyncio.run(sunspec.discover(chain.read, part))
        counts = [count for _, count in chain.asked]
        assert all(one != other for one, other in itertools.pairwise(counts)), counts


def test_what_a_state_means() -> None:
    profile = asyncio.run(sunspec.discover(reader(SunSpecDevice(INVERTER))))
    assert profile.meaning("state", 4) == "MPPT"


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

    models = asyncio.run(find_models(read))
    assert [model.id for model in models] == [1, *range(701, 715), 64412]
    profile = asyncio.run(sunspec.discover(read))
    expected = {block["id"]: block["expected"] for block in test["blocks"]}
    measured = expected["Model 701"]
    polled = PolledDevice(DeviceSettings("der", 1, profile), 128, 0.0)
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


class Polled:
    """A SunSpec device on a bus in simulated time: `answer` may change; seen: what each channel has said, in order."""

    def __init__(self, answer: Callable[[bytes], bytes | None]):
        self.answer = answer
        self.seen: dict[str, list[str]] = {}
        self.events: list[str] = []

    def _take(self, device: str, readings: list[Reading]) -> None:
        for one in readings:
            said = one.reason if one.mantissa is None else format_value(one.mantissa, one.exponent)
            seen = self.seen.setdefault(one.channel, [])
            if said not in seen[-1:]:
                seen.append(said)

    async def run(self, *steps: Callable[[], None]) -> None:
        link = MemoryLink(lambda body: self.answer(body))
        known = [DeviceSettings("pv", 1, profiles.load("sunspec"))]
        bus = ModbusBus("roof", link, known, Clock(), self._take, lambda event: self.events.append(str(event.kind)))
        task = asyncio.create_task(bus.run())
        for step in (*steps, lambda: None):
            await asyncio.sleep(1000)
            step()
        task.cancel()


def answers(models: dict[int, dict[str, int | str]]) -> Callable[[bytes], bytes | None]:
    return answer_for({1: SunSpecDevice(models)})


def test_a_chain_that_changes_while_the_device_is_polled() -> None:
    """A switch at the device, or other firmware: where the values stood stands something else."""
    device = Polled(answers(INVERTER))
    moved = {number: INVERTER[number] for number in (1, 713, 702, 103)}
    run(lambda: device.run(lambda: setattr(device, "answer", answers(moved))))
    assert device.events == ["identified", "changed"]
    for channel, value in (("voltage_l1", "230.10"), ("energy_active_export", "44444440800"), ("current", "32.100")):
        assert device.seen[channel] == [value, "its registers mean something else now", value]
    assert "energy_active_export.diff" not in device.seen, "it counts on"


def test_an_inverter_that_sleeps_at_the_start() -> None:
    """At night points and their scale factors say that they are not implemented; nothing may be missing by day."""
    night = INVERTER | {103: {name: INVERTER[103][name] for name in ("PhVphA", "V_SF", "WH", "WH_SF", "St")}}
    device = Polled(lambda _: None)

    def falls_asleep() -> None:
        device.answer = answers(night)

    def wakes() -> None:
        device.answer = answers(INVERTER)

    run(lambda: device.run(falls_asleep, wakes, falls_asleep))
    silent = [said for said in device.seen["power_active"] if said.startswith("not discovered: no SunSpec mark")]
    assert silent, "bad with its reason, and not absent"
    assert device.seen["power_active"][len(silent) :] == ["-7390.00", "no value"]
    assert device.seen["voltage_l1"] == ["230.10"]


def test_no_scale_factor_is_read_apart_from_its_value() -> None:
    """In model 701 they are more than 100 registers apart."""
    model = {"W": 100, "W_SF": 0, "VA": 110, "VA_SF": 0, "Hz": 50_000, "Hz_SF": -3, "PF": 99, "PF_SF": -2}
    profile = asyncio.run(sunspec.discover(reader(SunSpecDevice({1: {}, 701: model}))))
    for field in profile.fields.values():
        assert field.scale is None or field.address <= field.scale < field.address + field.count
        assert field.count <= modbus.MAX_READ
