"""The owner of a bus, in virtual time: rates, dead devices, refusals, writes, counters."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from modbus.virtual import Clock, MemoryLink, run
from wayside import profiles
from wayside.lab.plant import Sdm630, answer_for
from wayside.lab.plant.serve import Slave
from wayside.south.modbus import DeviceEvent, DeviceSettings, ModbusBus, PolledDevice, Priority
from wayside.south.modbus.device import EventKind
from wayside.south.modbus.watch import BusWatch
from wayside.values.reading import Quality, Reading
from wayside_wire import modbus
from wayside_wire.modbus import ModbusError

FIVE = ("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2")


class Site:
    """A bus with its reports."""

    def __init__(self, units: dict[int, Slave], devices: list[DeviceSettings], **link: Any):
        self.units = units
        self.link = MemoryLink(answer_for(units), **link)
        self.reports: list[tuple[float, str, list[Reading]]] = []
        self.events: list[DeviceEvent] = []
        self.bus = ModbusBus("bus", self.link, devices, Clock(), self._report, self.events.append)

    def _report(self, device: str, readings: list[Reading]) -> None:
        self.reports.append((asyncio.get_running_loop().time(), device, readings))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        task = asyncio.create_task(self.bus.run())
        try:
            yield self
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert not self.link.connected

    def last(self, device: str) -> dict[str, Reading]:
        return {one.channel: one for one in next(r for _, name, r in reversed(self.reports) if name == device)}

    def good(self, device: str) -> int:
        return self.bus.devices[device].statistics.good_polls


def settings(name: str, unit: int, **more: Any) -> DeviceSettings:
    more.setdefault("channels", FIVE)
    return DeviceSettings(name, unit, profiles.load(more.pop("profile", "eastron-sdm630")), **more)


def test_readings_are_the_meters() -> None:
    async def main() -> None:
        meter = Sdm630(1, Clock().monotonic)
        channels = ("voltage_l1", "power_active", "energy_active_import")
        async with Site({1: meter}, [settings("m", 1, channels=channels)]).running() as site:
            await asyncio.sleep(10.5)
            assert len(site.reports) == 11
            for at, _, readings in site.reports:
                assert [one.quality for one in readings] == [Quality.GOOD] * 3
                assert all(0 <= round(at * 1000) + Clock.START_MS - one.time_ms <= 200 for one in readings)
            last = site.last("m")
            assert abs(last["voltage_l1"].mantissa - meter.phases[0].voltage_mv) <= 1
            joule = last["energy_active_import"].mantissa * 10 ** last["energy_active_import"].exponent
            # Three decimals of a kWh in the profile, a float's 24 bits in the register.
            assert abs(joule - sum(meter.import_mws) / 1000) < 3600
            assert last["energy_active_import"].unit == "J"

    run(main)


def test_a_dead_device_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        meters: dict[int, Slave] = {unit: Sdm630(unit, clock) for unit in range(1, 6)}
        devices = [settings(f"m{unit}", unit) for unit in range(1, 6)]
        async with Site(meters, devices).running() as site:
            await asyncio.sleep(30)
            dead = meters.pop(3)
            before = {unit: site.good(f"m{unit}") for unit in (1, 2, 4, 5)}
            await asyncio.sleep(600)
            for unit, count in before.items():
                assert site.good(f"m{unit}") - count >= 0.95 * 600
            # Reported once, with the last good time; every reading since is bad and has no value.
            unreachable = [event for event in site.events if event.kind is EventKind.UNREACHABLE]
            assert [event.device for event in unreachable] == ["m3"]
            assert unreachable[0].last_good_ms is not None
            assert abs(unreachable[0].last_good_ms - Clock.START_MS - 30_000) < 1500
            dark = [r for at, name, r in site.reports if name == "m3" and at > 33]
            assert len(dark) > 500
            assert all(one.mantissa is None and one.quality == Quality.BAD and one.reason for r in dark for one in r)
            # Single probes, ever farther apart, never more than five minutes.
            probes = [at for at, body in site.link.sent if body[0] == 3 and at > 33]
            pauses = [later - earlier for earlier, later in itertools.pairwise(probes)]
            assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(pauses))
            assert len(probes) <= 9 and max(pauses) < 310
            meters[3] = dead
            await asyncio.sleep(310)
            assert site.events[-1].kind is EventKind.BACK
            assert site.last("m3")["voltage_l1"].quality == Quality.GOOD

    run(main)


def test_a_full_bus_keeps_95_percent_and_still_finds_the_device_that_came_back() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        meters: dict[int, Slave] = {unit: Sdm630(unit, clock) for unit in range(1, 4)}
        # Asked for far more than the line carries.
        devices = [settings(f"m{unit}", unit, poll_ms=20) for unit in (1, 2)] + [settings("m3", 3)]
        async with Site(meters, devices).running() as site:
            await asyncio.sleep(300)
            alone = site.good("m1") + site.good("m2")
            dead = meters.pop(3)
            await asyncio.sleep(300)
            assert site.good("m1") + site.good("m2") - alone >= 0.95 * alone
            meters[3] = dead
            await asyncio.sleep(320)
            assert site.events[-1].kind is EventKind.BACK

    run(main)


def test_the_share_of_the_wire() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        devices = [settings(f"m{unit}", unit, poll_ms=20) for unit in (1, 2, 3)]
        async with Site(
            {unit: Sdm630(unit, clock) for unit in (1, 2, 3)}, devices, turnaround_s=0.002
        ).running() as site:
            await asyncio.sleep(20)
            requests = len(site.link.sent) / 20
            # Request 8, answer 25, silence 2 x 3.5 characters.
            limit = 1 / (40 * 1042e-6 + 0.002)
            assert requests >= 0.95 * limit

    run(main)


class Refusing:
    """A device with registers 0 to 9 and 20 to 29 only, and one that it never gives."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, int]] = []

    def read(self, function: int, address: int, count: int) -> bytes:
        self.requests.append((address, count))
        for one in range(address, address + count):
            if not (one < 10 or 20 <= one < 30) or one == 25:
                raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        return b"".join(one.to_bytes(2, "big") for one in range(address, address + count))

    def write(self, address: int, registers: bytes) -> None:
        raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_FUNCTION)


@pytest.fixture
def plain(tmp_path: Any) -> Callable[[list[int]], Any]:
    """A profile of u16 registers at the given addresses."""

    def make(addresses: list[int], extra: str = "") -> Any:
        lines = "\n".join(f'r{a} = {{ address = {a}, unit = "V"{extra} }}' for a in addresses)
        path = tmp_path / "plain.toml"
        path.write_text(
            '[profile]\nname = "plain"\ntitle = "t"\nsource = "s"\nverified = "document"\n[requests]\n'
            'max_registers = 60\n[registers]\narea = "holding"\ntype = "u16"\n'
            "[[probe]]\naddress = 0\nmin = 0\nmax = 1\n"
            f"[channels]\n{lines}\n"
        )
        return profiles.load_file(path)

    return make


def test_refused_blocks_are_split_and_remembered(plain: Any) -> None:
    async def main() -> None:
        device = Refusing()
        profile = plain([0, 9, 20, 25, 29])
        async with Site({1: device}, [DeviceSettings("d", 1, profile)]).running() as site:
            await asyncio.sleep(3.5)
            last = site.last("d")
            assert {name: one.mantissa for name, one in last.items()} == {
                "r0": 0,
                "r9": 9,
                "r20": 20,
                "r25": None,
                "r29": 29,
            }
            assert last["r25"].quality == Quality.BAD and "illegal data address" in last["r25"].reason
            assert [(event.kind, event.channel) for event in site.events] == [(EventKind.REFUSED, "r25")]
            learning = len(device.requests)
            await asyncio.sleep(10)
            polls = site.good("d")
            assert polls >= 13
            steady = device.requests[learning:]
            assert not any(address <= 25 < address + count for address, count in steady)
            assert len(steady) <= 10 * 4

    run(main)


class Failing(Sdm630):
    """Its registers from 0x46 on fail between two times: with an exception, or in silence."""

    def __init__(self, code: int, until_s: float):
        super().__init__(1)
        self.code, self.until_s = code, until_s

    def read(self, function: int, address: int, count: int) -> bytes:
        is_there = address + count > 0x40 and function == modbus.READ_INPUT
        if is_there and 5 < asyncio.get_running_loop().time() < self.until_s:
            raise ModbusError(modbus.EXCEPTION, "", self.code)
        return super().read(function, address, count)


PARTLY = ("voltage_l1", "power_active_l1", "frequency", "energy_active_import", "energy_active_export")


@pytest.mark.parametrize("code", [modbus.DEVICE_FAILURE, 0])
def test_a_block_that_fails_is_cut_and_costs_no_other_a_value(code: int) -> None:
    """Its parts are other blocks, of which nothing is known: they come behind what answers."""

    async def main() -> None:
        site = Site({1: Failing(code, 1e9)}, [settings("m", 1, channels=PARTLY, poll_ms=500)])
        if not code:
            answer = site.link.answer
            site.link.answer = lambda body: None if (found := answer(body)) and found[1] & 0x80 else found
        async with site.running():
            await asyncio.sleep(60)
        lost = [
            one.channel
            for _, _, readings in site.reports
            for one in readings
            if one.quality == Quality.BAD and one.channel in PARTLY[:2]
        ]
        assert lost == []

    run(main)


@pytest.mark.parametrize("until_s", [8.0, 9.0, 10.8, 30.0])
def test_each_channel_is_refused_once_and_back_once_in_whatever_block_it_is_asked(until_s: float) -> None:
    async def main() -> None:
        site = Site({1: Failing(modbus.DEVICE_FAILURE, until_s)}, [settings("m", 1, channels=PARTLY, poll_ms=500)])
        async with site.running():
            await asyncio.sleep(100)
        told = [(event.kind, event.channel) for event in site.events]
        assert len(told) == len(set(told))
        refused = {channel for kind, channel in told if kind == EventKind.REFUSED}
        assert refused and refused == {channel for kind, channel in told if kind == EventKind.BACK}

    run(main)


class Busy(Sdm630):
    """Says "busy" to two of three requests."""

    asked = 0

    def read(self, function: int, address: int, count: int) -> bytes:
        self.asked += 1
        if self.asked % 3:
            raise ModbusError(modbus.EXCEPTION, "", modbus.BUSY)
        return super().read(function, address, count)


def test_a_busy_device_is_asked_again_and_never_recorded_as_zero() -> None:
    async def main() -> None:
        async with Site({1: Busy(1, Clock().monotonic)}, [settings("m", 1)]).running() as site:
            await asyncio.sleep(5.5)
            assert site.good("m") == 6
            assert all(one.mantissa for _, _, readings in site.reports for one in readings)

    run(main)


class Inverter:
    """Holding registers 0 to 9; register 9 keeps what it likes."""

    def __init__(self) -> None:
        self.registers = bytearray(20)

    def read(self, function: int, address: int, count: int) -> bytes:
        return bytes(self.registers[2 * address : 2 * (address + count)])

    def write(self, address: int, registers: bytes) -> None:
        if address != 9:
            self.registers[2 * address : 2 * address + len(registers)] = registers


def test_a_control_write_waits_for_one_request_at_most_and_is_read_back() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        units: dict[int, Slave] = {unit: Sdm630(unit, clock) for unit in range(1, 11)}
        units[20] = Inverter()
        devices = [settings(f"m{unit}", unit, poll_ms=50) for unit in range(1, 11)]
        async with Site(units, devices).running() as site:
            waits = []
            for step in range(100):
                await asyncio.sleep(0.137)
                asked = clock()
                value = step.to_bytes(2, "big")
                assert (await site.bus.write(20, 3, value)).found == value
                sent = next(at for at, body in site.link.sent if at >= asked and body[0] == 20)
                waits.append(sent - asked)
            # One request of ten registers at 9600 baud with 10 ms of turnaround, and the silence after it.
            assert max(waits) < 0.060
            with pytest.raises(ModbusError, match="wrote 0001, reads 0000"):
                await site.bus.write(20, 9, b"\x00\x01")

    run(main)


def test_a_control_write_goes_first_after_a_quiet_time() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        units: dict[int, Slave] = {unit: Sdm630(unit, clock) for unit in range(1, 6)}
        units[20] = Inverter()
        # Unit 9 is dead from the start: the bus is quiet after its timeout while the others stand in line.
        devices = [settings(f"m{unit}", unit, poll_ms=100) for unit in (1, 2, 3, 4, 5, 9)]
        async with Site(units, devices).running() as site:
            await asyncio.sleep(0.75)
            last_dead = [at for at, body in site.link.sent if body[0] == 9][-1]
            while clock() < last_dead + 0.45:
                await asyncio.sleep(0.01)
            asked = clock()
            await site.bus.write(20, 3, b"\x00\x01")
            after = [body[0] for at, body in site.link.sent if at >= asked]
            assert after[0] == 20

    run(main)


def test_controls_have_limits(tmp_path: Any) -> None:
    path = tmp_path / "inverter.toml"
    path.write_text(
        '[profile]\nname = "inverter"\ntitle = "t"\nsource = "s"\nverified = "document"\n[requests]\n'
        'max_registers = 9\nwrite_function = 6\n[registers]\narea = "holding"\ntype = "s16"\n'
        "[[probe]]\naddress = 0\nmin = 0\nmax = 1\n"
        '[channels]\npower_limit = { address = 3, unit = "%" }\n'
        '[controls]\npower_limit = { address = 3, unit = "%", min = -100, max = 100 }\n'
    )

    async def main() -> None:
        inverter = Inverter()
        async with Site({1: inverter}, [DeviceSettings("pv", 1, profiles.load_file(path))]).running() as site:
            await asyncio.sleep(0.1)
            await site.bus.control("pv", "power_limit", -60)
            assert inverter.registers[6:8] == b"\xff\xc4"
            with pytest.raises(ValueError, match="pv power_limit = 101: write -100 to 100"):
                await site.bus.control("pv", "power_limit", 101)
            await asyncio.sleep(1)
            assert site.last("pv")["power_limit"].mantissa == -60

    run(main)


def test_who_asks_may_go_away() -> None:
    async def main() -> None:
        units: dict[int, Slave] = {1: Sdm630(1, Clock().monotonic)}
        async with Site(units, [settings("m", 1)], turnaround_s=0.2).running() as site:
            await asyncio.sleep(0.5)
            body = modbus.read_request(1, 4, 0, 2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await site.bus.request(body)
            # The answer to the one that was given up is not given to the next.
            data = await site.bus.request(modbus.read_request(1, 4, 0x46, 2))
            assert data == Sdm630(1, Clock().monotonic).read(4, 0x46, 2) or data[:2] == b"\x42\x48"
            assert site.link.guard.counts == {}
            with pytest.raises(ModbusError) as caught:
                await site.bus.request(modbus.read_request(9, 4, 0, 2), Priority.NORMAL)
            assert caught.value.kind == modbus.TIMEOUT

    run(main)


def test_a_bus_that_is_run_again_polls_as_before() -> None:
    async def main() -> None:
        units: dict[int, Slave] = {unit: Sdm630(unit, Clock().monotonic) for unit in (1, 2)}
        site = Site(units, [settings("m1", 1), settings("m2", 2)])
        for _ in range(3):
            async with site.running():
                await asyncio.sleep(5.02)
        # Each device once a second: nobody was queued twice.
        assert 28 <= len(site.reports) <= 34

    run(main)


def test_a_pulled_cable() -> None:
    async def main() -> None:
        async with Site({1: Sdm630(1, Clock().monotonic)}, [settings("m", 1)]).running() as site:
            await asyncio.sleep(5.5)
            site.link.drop()
            await asyncio.sleep(5)
            assert {one.reason for one in site.last("m").values()} == {"no link"}
            assert [event.kind for event in site.events] == [EventKind.IDENTIFIED, EventKind.UNREACHABLE]
            site.link.reachable = True
            await asyncio.sleep(2.1)  # a new connection within about a second, then the next poll
            assert {one.quality for one in site.last("m").values()} == {Quality.GOOD}
            assert site.bus.connects == 2

    run(main)


def test_a_line_that_is_never_silent() -> None:
    """A stuck transmitter, or a line without bias: bytes closer together than what ends a frame."""

    async def main() -> None:
        site = Site({1: Sdm630(1, Clock().monotonic)}, [settings("m", 1)])
        async with site.running():
            await asyncio.sleep(5.5)
            turns = site.bus.turns
            end = asyncio.get_running_loop().time() + 30
            while asyncio.get_running_loop().time() < end:
                site.link._arrived(b"\x5a")
                await asyncio.sleep(0.003)
                assert site.bus.turns < turns + 5 or site.bus.last_error  # to wait is not to get on
            bad = [readings for _, _, readings in site.reports if readings[0].reason == "line never silent"]
            assert len(bad) in range(24, 30)
            told = [(event.kind, event.text) for event in site.events[1:]]
            assert told == [(EventKind.UNREACHABLE, "line never silent")]
            assert site.bus.last_error == "line never silent"
            with pytest.raises(ModbusError, match="line never silent"):
                await site.bus.write(1, 0, b"\x00\x01")
            await asyncio.sleep(2.1)
            assert {one.quality for one in site.last("m").values()} == {Quality.GOOD}
            assert site.bus.last_error == ""

    run(main)


def test_who_watches_a_bus_speaks_for_it_while_it_is_down() -> None:
    async def main() -> None:
        site = Site({1: Sdm630(1, Clock().monotonic)}, [settings("m", 1), settings("slow", 2, poll_ms=60_000)])
        watch = BusWatch(site.bus, Clock(), site._report)
        looking = asyncio.create_task(watch.run())
        async with site.running():
            await asyncio.sleep(180.5)  # a bus that waits for the next poll is not down
            assert all("bus down" not in one.reason for _, _, readings in site.reports for one in readings)
            # It stands still in one turn.
            hangs = asyncio.get_running_loop().create_future()
            exchange, site.link.exchange = site.link.exchange, lambda *_: hangs
            await asyncio.sleep(30)
            down = [at for at, name, readings in site.reports if readings[0].reason == "bus down: it stands still"]
            assert len(down) in range(17, 25)  # each poll of the one from the tenth second on
            site.link.exchange = exchange
            hangs.set_exception(ModbusError(modbus.TIMEOUT, "timeout"))
            await asyncio.sleep(3)
            assert {one.quality for one in site.last("m").values()} == {Quality.GOOD} and not watch.reason
        looking.cancel()

    run(main)


class Counter:
    """One u16 register that says what it is told."""

    value = 0

    def read(self, function: int, address: int, count: int) -> bytes:
        return self.value.to_bytes(2, "big")

    def write(self, address: int, registers: bytes) -> None: ...


def test_counters_roll_over_and_are_not_fooled(tmp_path: Any) -> None:
    path = tmp_path / "counter.toml"
    path.write_text(
        '[profile]\nname = "counter"\ntitle = "t"\nsource = "s"\nverified = "document"\n[requests]\nmax_registers = 9\n'
        '[registers]\narea = "holding"\ntype = "u16"\n[[probe]]\naddress = 0\nmin = 0\nmax = 1\n'
        '[channels]\nenergy_active_import = { address = 0, unit = "Wh", rollover = 10_000 }\n'
    )

    async def main() -> None:
        device = Counter()
        async with Site({1: device}, [DeviceSettings("d", 1, profiles.load_file(path))]).running() as site:
            seen = []
            for device.value in (9_990, 9_995, 0, 0, 9_996, 3, 4, 500, *range(100, 170)):
                await asyncio.sleep(1)
                reading = site.last("d")["energy_active_import"]
                seen.append(None if reading.mantissa is None else reading.mantissa // 36)
            # The zeros were a glitch. The 3 counts on, near the start of the range. The 100 has to count for a minute.
            assert seen[:8] == [9_990, 9_995, None, None, 9_996, None, 4, 500]
            assert seen[8:68] == [None] * 60 and seen[68:] == list(range(160, 170))
            assert [(event.kind, event.before, event.after) for event in site.events] == [
                (EventKind.ROLLOVER, 9_996 * 36, 3 * 36),
                (EventKind.RESET, 500 * 36, 100 * 36),
            ]
            assert site.events[0].text == "counter rolled over: 35985600 J, then 10800 J"

    run(main)


def test_another_meter_is_known_by_its_serial_number() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        kwh = 3_600_000_000
        old, new = Sdm630(1, clock, import_mws=5000 * kwh), Sdm630(2, clock, import_mws=0)
        units: dict[int, Slave] = {1: old}
        async with Site(units, [settings("m", 1, channels=("energy_active_import",))]).running() as site:
            await asyncio.sleep(5)
            last = site.last("m")["energy_active_import"].mantissa
            del units[1]
            await asyncio.sleep(10)
            units[1] = new
            await asyncio.sleep(40)
            kinds = [(event.kind, event.channel, event.before) for event in site.events]
            assert (EventKind.REPLACED, "", None) in kinds
            assert (EventKind.REPLACED, "energy_active_import", last) in kinds
            # The new meter's count is good from its first reading on.
            after = [r[0] for at, _, r in site.reports if at > 15 and r[0].quality == Quality.GOOD]
            assert after[0].mantissa < 36_000 and len(after) > 5
            assert not any("went back" in r[0].reason for _, _, r in site.reports)

    run(main)


def test_what_is_known_of_a_meter_goes_on_in_a_changed_bus() -> None:
    async def main() -> None:
        meter: Slave = Sdm630(1, Clock().monotonic)
        counting = settings("m", 1, channels=("energy_active_import",))
        async with Site({1: meter}, [counting]).running() as site:
            await asyncio.sleep(5.5)
            known = site.bus.devices["m"].known()
            assert known and known.serial and known.at_ms == pytest.approx(5000, abs=200)
            last = site.last("m")["energy_active_import"]
            assert known.counts == {"energy_active_import": (last.mantissa, last.exponent)}
        async with Site({1: meter}, [replace(counting, known=known)]).running() as site:
            await asyncio.sleep(5)
            assert not site.events and site.last("m")["energy_active_import"].quality == Quality.GOOD
        other = Sdm630(2, Clock().monotonic, import_mws=9_000 * 3_600_000_000)
        async with Site({1: other}, [replace(counting, known=known)]).running() as site:
            await asyncio.sleep(5)
            assert [event.kind for event in site.events] == [EventKind.REPLACED, EventKind.REPLACED]
            assert site.events[0].serial == other.serial.to_bytes(4, "big")
            assert [reading.channel for reading in site.reports[0][2]] == [
                "energy_active_import.diff",
                "energy_active_import",
            ]

    run(main)


def test_minimum_gap_between_requests() -> None:
    async def main() -> None:
        units: dict[int, Slave] = {1: Sdm630(1, Clock().monotonic), 2: Sdm630(2, Clock().monotonic)}
        slow = settings(
            "slow", 1, profile="eastron-sdm72d", channels=("power_active", "power_active_import"), poll_ms=20
        )
        async with Site(units, [slow, settings("fast", 2, poll_ms=20)]).running() as site:
            await asyncio.sleep(5)
            times = [at for at, body in site.link.sent if body[0] == 1]
            assert len(times) > 20
            assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.1
            # The other device has the line meanwhile.
            assert site.good("fast") > 35

    run(main)


def test_statistics() -> None:
    async def main() -> None:
        async with Site({1: Sdm630(1, Clock().monotonic)}, [settings("m", 1), settings("x", 2)]).running() as site:
            await asyncio.sleep(5)
            device: PolledDevice = site.bus.devices["m"]
            p99 = device.statistics.answer_p99_s()
            assert p99 is not None and 0.04 < p99 < 0.08
            assert site.bus.devices["x"].statistics.answer_p99_s() is None
            assert site.bus.devices["x"].statistics.failures["timeout"] >= 2

    run(main)
