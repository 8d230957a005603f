"""An actuator on a real bus, in virtual time: what is written, what is read back, and what the log says of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from modbus.virtual import Clock, MemoryLink, run
from wayside import profiles
from wayside.control.desk.about import ControlledAbout
from wayside.control.desk.carried import Carried, Timer
from wayside.control.desk.controlled import STREAM, Controlled
from wayside.control.desk.requests import RequestError
from wayside.evidence.kinds import Body, CommandBody, DecisionBody
from wayside.lab.plant import answer_for
from wayside.runtime.supervise import Work
from wayside.south.modbus import DeviceSettings, ModbusBus
from wayside.south.modbus.carrier import BusCarrier
from wayside.values.carrier import Controllable
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
type = "s16"
[[probe]]
address = 0
min = 0
max = 1
[channels]
power = { address = 1, unit = "W", exponent = 1 }
[controls]
power_limit = { address = 3, unit = "W", exponent = 1, min = -500, max = 500 }
other_limit = { address = 5, unit = "W", min = 0, max = 500 }
reversion = { address = 4, type = "u16", unit = "s", min = 0, max = 3600 }
"""


class Battery:
    """Six holding registers. `refused`: writes to them are answered with an exception; `dead`: nothing is answered;
    `dead_controls`: nothing of its controls is; `forgets`: what is written is acknowledged and gone; `counts_down`:
    register 4 reads less than what was written."""

    def __init__(self) -> None:
        self.registers = bytearray(12)
        self.writes: list[tuple[int, int]] = []
        self.refused: set[int] = set()
        self.dead = self.dead_controls = self.forgets = self.counts_down = False
        self.reads = 0

    def read(self, function: int, address: int, count: int) -> bytes:
        self.reads += address == 1
        if address == 4 and self.counts_down:
            return (int.from_bytes(self.registers[8:10], "big") - 2).to_bytes(2, "big")
        return bytes(self.registers[2 * address : 2 * (address + count)])

    def write(self, address: int, registers: bytes) -> None:
        if address in self.refused:
            raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_VALUE)
        self.writes.append((address, int.from_bytes(registers, "big", signed=True)))
        if not self.forgets:
            self.registers[2 * address : 2 * address + 2] = registers

    @property
    def limit(self) -> int:
        return int.from_bytes(self.registers[6:8], "big", signed=True)


class Site:
    """One battery on a bus, and its power limit under the desk. `entries`: what the log was given."""

    def __init__(self, folder: Path, timer: Timer | None = None, fail_safe: int | None = 0, look_s: float = 60.0):
        path = folder / "battery.toml"
        path.write_text(PROFILE)
        profile = profiles.load_file(path)
        self.battery = Battery()
        answer = answer_for({1: self.battery})
        self.link = link = MemoryLink(lambda body: None if self._is_deaf(body) else answer(body))
        self.bus = ModbusBus("bus", link, [DeviceSettings("battery", 1, profile)], Clock(), lambda *_: None)
        self.carriers = [BusCarrier(self.bus)]
        self.entries: list[Body] = []
        what = Controllable("W", 1, -500, 500)
        actuator = Carried("battery", "power_limit", what, lambda: self.carriers, timer)
        self.desk = Controlled(actuator, fail_safe, Clock(), self._keep, look_s, timer and timer.value / 3)

    def _is_deaf(self, body: bytes) -> bool:
        return self.battery.dead or (self.battery.dead_controls and body[3] in (3, 4))

    def _keep(self, stream: str, body: Body) -> None:
        assert stream == STREAM
        self.entries.append(body)

    def told(self) -> list[str]:
        """The entries in words, since the last time."""
        words = []
        for body in self.entries:
            if isinstance(body, CommandBody):
                words.append(f"{body.origin}: {body.what}: {body.outcome}")
            elif isinstance(body, DecisionBody):
                words.append(f"{body.what}: {body.cause}")
        self.entries.clear()
        return words

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        async with _task(self.bus.run), _task(self.desk.run):
            await asyncio.sleep(1)
            yield self


@contextlib.asynccontextmanager
async def _task(work: Work) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_request_is_carried_out_and_ends_in_the_fail_safe_value(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            assert site.battery.writes == [(3, 0)]
            assert site.told() == [
                "battery power_limit: 0 W: nobody asks: the fail-safe value",
                "desk: 0 W: reads as written",
            ]
            site.desk.ask("operator anna", "-3000", 60, 8)
            await asyncio.sleep(1)
            assert site.battery.limit == -300
            await asyncio.sleep(58.5)
            assert site.battery.limit == -300
            await asyncio.sleep(1.5)
            assert site.battery.limit == 0
            assert site.told() == [
                "operator anna: -3000 W for 60 s, priority 8: request 1",
                "battery power_limit: -3000 W: request 1 of operator anna",
                "desk: -3000 W: reads as written",
                "operator anna: request 1: its time is over",
                "battery power_limit: 0 W: nobody asks: the fail-safe value",
                "desk: 0 W: reads as written",
            ]

    run(main)


def test_when_the_desk_stops_the_device_has_its_fail_safe_value(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        async with site.running():
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(1)
            assert site.battery.limit == 400
        assert site.battery.limit == 0
        assert site.told()[-2:] == ["battery power_limit: 0 W: the desk stops", "desk: 0 W: reads as written"]

    run(main)


def test_a_desk_that_is_run_again_carries_out_what_stands(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        async with _task(site.bus.run):
            async with _task(site.desk.run):
                site.desk.ask("operator anna", "4000", 3600, 8)
                await asyncio.sleep(1)
            async with _task(site.desk.run):
                await asyncio.sleep(3)
                assert site.battery.limit == 400

    run(main)


def test_what_is_refused_is_an_entry_and_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.told()
            with pytest.raises(RequestError, match="-5000 W to 5000 W"):
                site.desk.ask("operator anna", "5010", 60, 8)
            await asyncio.sleep(1)
            assert site.battery.writes == [(3, 0)]
            assert site.told() == [
                "operator anna: 5010 W for 60 s, priority 8: refused: 5010 W is outside what it may have, "
                "-5000 W to 5000 W"
            ]

    run(main)


def test_a_device_that_refuses_is_one_entry_and_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.told()
            site.battery.refused = {3}
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(300)
            assert site.desk.hold.problem.startswith("refused:")
            told = site.told()
            assert len(told) == 3 and "refused:" in told[-1]
            site.battery.refused = set()
            await asyncio.sleep(61)
            assert site.battery.limit == 400 and site.desk.hold.problem == ""
            assert site.told() == ["desk: 4000 W: reads as written"]

    run(main)


def test_a_device_that_acknowledges_and_does_not_keep_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.told()
            site.battery.forgets = True
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(30)
            assert site.told()[-1].startswith("desk: 4000 W: reads 0 W: it did not keep the value")
            assert site.desk.hold.shown == 0

    run(main)


def test_who_else_writes_is_seen_and_overruled(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(1)
            site.told()
            site.battery.registers[6:8] = b"\x00\x07"
            await asyncio.sleep(61)
            assert site.battery.limit == 400
            words = site.told()
            assert words[0].startswith("desk: 4000 W: reads 70 W: it did not keep the value")
            assert words[1] == "desk: 4000 W: reads as written"

    run(main)


def test_a_dead_device_gets_what_is_in_force_when_it_is_back(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        site.battery.dead = True
        async with site.running():
            site.desk.ask("operator anna", "4000", 600, 8)
            await asyncio.sleep(300)
            assert site.desk.hold.problem
            site.battery.dead = False
            await asyncio.sleep(70)
            assert site.battery.limit == 400
            site.battery.dead = True
            await asyncio.sleep(400)
            site.battery.dead = False
            await asyncio.sleep(70)
            assert site.battery.limit == 0

    run(main)


def test_the_devices_own_timer_is_begun_before_the_value_and_renewed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path, Timer("reversion", 90)).running() as site:
            assert site.battery.writes == [(3, 0)], "the fail-safe value may stay"
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(2)
            assert site.battery.writes[1:] == [(4, 90), (3, 400)]
            await asyncio.sleep(30)
            assert site.battery.writes[1:] == 2 * [(4, 90), (3, 400)]

    run(main)


def test_without_a_fail_safe_value_nothing_is_written_until_somebody_asks(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path, Timer("reversion", 90), fail_safe=None).running() as site:
            await asyncio.sleep(600)
            assert site.battery.writes == []
            site.desk.ask("operator anna", "4000", 60, 8)
            await asyncio.sleep(600)
            written = site.battery.writes
            assert written[:2] == [(4, 90), (3, 400)] and len(written) == 4
        assert site.battery.writes == written

    run(main)


def test_a_bus_that_is_made_anew_costs_no_request(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        async with _task(site.desk.run):
            async with _task(site.bus.run):
                await asyncio.sleep(1)
                site.battery.dead = True
                site.desk.ask("operator anna", "4000", 3600, 8)
                await asyncio.sleep(0.2)  # the bus waits for an answer
            carriers, site.carriers[:] = [*site.carriers], []
            await asyncio.sleep(5)
            assert site.desk.hold.problem == "nothing that speaks to it is running"
            site.battery.dead = False
            site.carriers += carriers
            async with _task(site.bus.run):
                await asyncio.sleep(61)
                assert site.battery.limit == 400

    run(main)


def test_a_timer_that_fails_keeps_nobody_from_the_fail_safe_value(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path, Timer("reversion", 90))
        async with site.running():
            site.desk.ask("operator anna", "4000", 60, 8)
            await asyncio.sleep(2)
            site.battery.refused = {4}
            await asyncio.sleep(62)
            assert site.battery.limit == 0
            site.desk.ask("operator anna", "4000", 60, 8)
            await asyncio.sleep(30)
            assert site.battery.limit == 0 and "refused" in site.desk.hold.problem

    run(main)


def test_a_timer_that_counts_down_is_begun_by_being_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path, Timer("reversion", 90)).running() as site:
            site.battery.counts_down = True
            site.desk.ask("operator anna", "4000", 60, 8)
            await asyncio.sleep(2)
            assert site.battery.limit == 400

    run(main)


def test_what_was_withdrawn_while_the_timer_was_begun_is_not_written(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path, Timer("reversion", 90)).running() as site:
            site.link.turnaround_s = 0.4
            site.desk.ask("operator anna", "4000", 60, 8)
            await asyncio.sleep(0.2)
            site.desk.withdraw("operator anna")
            await asyncio.sleep(5)
            assert (3, 400) not in site.battery.writes

    run(main)


def test_a_flood_of_requests_leaves_the_bus_its_polls(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            before = site.battery.reads
            for number in range(1200):
                site.desk.ask("operator anna", str(10 * (number % 2)), 60, 8)
                await asyncio.sleep(0.05)
            assert site.battery.reads - before > 50, "a poll a second"
            assert len(site.battery.writes) < 65, "one a second"
            site.told()
            with pytest.raises(RequestError, match="too many requests"):
                for _ in range(2000):
                    site.desk.ask("operator anna", "10", 60, 8)
            assert len(site.entries) < 1000

    run(main)


def test_a_flood_costs_nobody_else_a_request(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        for second in range(3600):
            with contextlib.suppress(RequestError):
                site.desk.ask("operator mallory", "999999", 60, 16)
            site.desk.renew("controller c", str(10 * (second % 2)), 10, 12)
            await asyncio.sleep(1)
        for _ in range(2000):
            with contextlib.suppress(RequestError):
                site.desk.ask("operator mallory", "999999", 60, 16)
        assert "request" in site.desk.ask("operator olga", "100", 60, 8)
        with pytest.raises(RequestError, match="too many requests of operator mallory for battery power_limit"):
            site.desk.ask("operator mallory", "100", 60, 16)

    run(main)


def test_what_is_read_now_so_and_now_so_is_no_entry_for_each_look(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path, look_s=1.0).running() as site:
            site.desk.ask("operator anna", "4000", 86_400, 8)
            await asyncio.sleep(2)
            site.told()
            for second in range(900):
                site.battery.registers[6:8] = (400 - second % 2).to_bytes(2, "big")
                await asyncio.sleep(1)
            told = site.told()
            assert 60 < len(told) <= 60 + 15 + 1
            assert "times something else before" in told[-1]
            site.battery.registers[6:8] = (400).to_bytes(2, "big")
            await asyncio.sleep(200)
            assert site.told()[-1].startswith("desk: 4000 W: reads as written"), "what it comes to is told"
            site.desk.ask("operator anna", "3000", 86_400, 8)
            await asyncio.sleep(3)
            assert site.told()[-1] == "desk: 3000 W: reads as written"
            for second in range(200):
                site.battery.registers[6:8] = (400 - second % 2).to_bytes(2, "big")
                await asyncio.sleep(1)
            site.battery.dead = True
        assert "given up" in site.told()[-1], "the last word always is"

    run(main)


def test_each_outage_and_each_return_is_an_entry(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.desk.ask("operator anna", "4000", 86_400, 8)
            await asyncio.sleep(2)
            site.told()
            for _ in range(3):
                site.battery.dead = True
                await asyncio.sleep(120)
                site.battery.dead = False
                await asyncio.sleep(120)
            told = [words == "desk: 4000 W: reads as written" for words in site.told()]
            assert told.count(True) == 3 and told[-1], "each return"
            assert sum(before and not each for before, each in pairwise([True, *told])) == 3, "each outage"

    run(main)


def test_a_request_that_ends_while_the_device_is_slow_has_an_entry(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.battery.dead = True
            site.desk.ask("operator anna", "4000", 0.5, 8)
            await asyncio.sleep(0.8)
            site.desk.ask("planner", "3000", 60, 12)
            await asyncio.sleep(5)
            assert sum("its time is over" in words for words in site.told()) == 1

    run(main)


def test_what_becomes_of_the_fail_safe_value_at_the_end_is_always_told(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        async with site.running():
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(2)
            site.battery.dead = True
            await asyncio.sleep(70)
            site.told()
        words = site.told()
        assert words[0] == "battery power_limit: 0 W: the desk stops" and words[1].startswith("desk: 0 W: ")
        assert "reads as written" not in words[1]

    run(main)


def test_the_fail_safe_value_at_the_end_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        async with site.running():
            site.desk.ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(2)
            site.battery.refused = {3}
            asyncio.get_running_loop().call_later(5, site.battery.refused.clear)
        assert site.battery.limit == 0 and site.told()[-1] == "desk: 0 W: reads as written"

    run(main)


def test_what_could_not_be_written_at_the_end_is_the_last_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        for fault, has in (("dead", "nobody knows what it has: "), ("forgets", "it has 4000 W: ")):
            site = Site(tmp_path)
            async with site.running():
                site.desk.ask("operator anna", "4000", 3600, 8)
                await asyncio.sleep(2)
                setattr(site.battery, fault, True)
                before_s = Clock().monotonic()
            after_s = Clock().monotonic()  # virtual time
            assert 14 < after_s - before_s < 16
            last = site.told()[-1]
            assert last.startswith(f"desk: 0 W: given up after 15 s, {has}")
            assert last.removeprefix("desk: ") in caplog.messages[-1]

    run(main)


@pytest.mark.parametrize("died_s", [60, 5])
@pytest.mark.parametrize("count", [3, 10])
def test_dead_neighbours_keep_no_healthy_device_from_its_fail_safe_value(
    count: int, died_s: int, tmp_path: Path
) -> None:
    """They are asked first, each with a time-out of seconds; the healthy one is the last."""

    async def main() -> None:
        site = Site(tmp_path)
        settings = site.bus.devices["battery"].settings
        units = {f"dead {n}": n for n in range(2, count + 2)} | {"battery": 1}
        neighbours = [replace(settings, name=name, unit=unit, timeout_ms=1500) for name, unit in units.items()]
        site.bus = ModbusBus("bus", site.link, neighbours, Clock(), lambda *_: None)
        site.carriers[:] = [BusCarrier(site.bus)]
        there = {unit: site.battery if unit == 1 else Battery() for unit in units.values()}
        site.link.answer = answer_for(there)
        carried = [Carried(name, "power_limit", site.desk.what, lambda: site.carriers) for name in units]
        desks = [Controlled(each, 0, Clock(), site._keep, 60.0) for each in carried]
        async with _task(site.bus.run):
            tasks = [asyncio.ensure_future(each.run()) for each in desks]
            await asyncio.sleep(20)
            desks[-1].ask("operator anna", "4000", 3600, 8)
            await asyncio.sleep(20)
            assert site.battery.limit == 400
            site.link.answer = lambda body: answer_for(there)(body) if body[0] == 1 else None
            await asyncio.sleep(died_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert site.battery.limit == 0

    run(main)


def test_dead_devices_and_values_that_change_cost_the_others_little(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.battery.dead_controls = True
            before = site.battery.reads
            for number in range(60):
                site.desk.ask("planner", str(10 * number), 60, 8)
                await asyncio.sleep(1)
            assert site.battery.reads - before > 20, "it is polled all the same"

    run(main)


def test_at_its_end_the_desk_believes_no_look_of_before(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        async with site.running():
            await asyncio.sleep(61)
            site.battery.registers[6:8] = b"\x00\x07"  # somebody else, since
        assert site.battery.limit == 0

    run(main)


def test_sixteen_weak_requests_keep_no_strong_one_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            for number in range(16):
                site.desk.ask(f"program {number}", "10", 60, 12)
            with pytest.raises(RequestError, match="as strongly"):
                site.desk.ask("one more", "10", 60, 12)
            site.desk.ask("anna", "20", 60, 8)
            await asyncio.sleep(3)
            assert site.battery.limit == 2

    run(main)


def test_who_asks_again_and_again_has_one_request_and_one_entry(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(tmp_path).running() as site:
            site.told()
            about = ControlledAbout(site.desk, Clock().monotonic)
            for _ in range(3600):
                site.desk.renew("controller c", "4000", 10, 12)
                assert [each["in_force"] for each in about.status()["requests"]][1:] == []
                await asyncio.sleep(1)
            assert about.status()["requests"][0]["in_force"]
            assert site.told() == [
                "controller c: 4000 W for 10 s and as long as it is renewed, priority 12: request 1",
                "battery power_limit: 4000 W: request 1 of controller c",
                "desk: 4000 W: reads as written",
            ]
            site.desk.renew("controller c", "3000", 10, 12)
            await asyncio.sleep(2)
            assert site.battery.limit == 300
            await asyncio.sleep(10)
            assert site.battery.limit == 0
            assert sum("its time is over" in each for each in site.told()) == 1

    run(main)


def test_who_renews_is_carried_out_however_slow_the_device_is(tmp_path: Path) -> None:
    """What is renewed while the device's timer is begun is the same request."""

    async def main() -> None:
        async with Site(tmp_path, Timer("reversion", 90)).running() as site:
            site.link.turnaround_s = 0.15
            for _ in range(200):
                site.desk.renew("controller c", "4000", 10, 12)
                await asyncio.sleep(0.05)
            assert site.battery.limit == 400

    run(main)


def test_a_renewal_passes_nobody(tmp_path: Path) -> None:
    """Of equally strong requests the newest counts: which is new is not who said so last."""

    async def main() -> None:
        async with Site(tmp_path).running() as site:
            for _ in range(20):
                for who, number in (("controller a", "1000"), ("controller b", "2000")):
                    site.desk.renew(who, number, 10, 12)
                await asyncio.sleep(1)
            assert site.battery.writes == [(3, 0), (3, 200)]

    run(main)
