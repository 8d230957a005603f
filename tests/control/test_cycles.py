"""A controller in virtual time, with a real desk and an actuator that does what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from modbus.virtual import Clock, run
from wayside.control import controllers
from wayside.control.controllers import Ask, Cycle, Input, Options, State
from wayside.control.cycles import Cycles, MadeOf, Surroundings
from wayside.control.cycles_about import CyclesAbout
from wayside.control.desk.controlled import Controlled
from wayside.control.inputs import Inputs, Read
from wayside.evidence.kinds import Body, CommandBody, DecisionBody
from wayside.parts.picture import draw
from wayside.runtime.supervise import Supervisor
from wayside.values.carrier import Controllable
from wayside.values.image import ProcessImage, Snapshot
from wayside.values.reading import Quality, Reading, TimeQuality

STALE_S = 30.0


class Leaping(Clock):
    """A wall clock that a test puts where it wants, on a machine that it may have sleep for late_s."""

    leapt_ms = 0
    late_s = 0
    quality = TimeQuality.SYNCED

    def monotonic(self) -> float:
        return super().monotonic() + self.late_s

    def time_quality(self) -> TimeQuality:
        return self.quality

    def utc_ms(self) -> int:
        return super().utc_ms() + self.leapt_ms


class Relay:
    """An actuator in memory: what it was written, and what it has."""

    name = "relay coil"
    what = Controllable("", 0, 0, 1)

    def __init__(self) -> None:
        self.has = 0
        self.writes: list[int] = []

    async def guard(self) -> None:
        pass

    def check(self, value: int) -> None:
        pass

    async def write(self, value: int, *, is_guarded: bool) -> int:
        self.has = value
        self.writes.append(value)
        return value

    async def read(self) -> int:
        return self.has


class Site:
    """A meter that is polled once a second, a controller, and a relay under the desk."""

    def __init__(self, kind: str = "threshold", **options: Any):
        self.clock = Leaping()
        self.image = ProcessImage()
        self.relay = Relay()
        self.entries: list[tuple[str, Body]] = []
        self.desk = Controlled(self.relay, 0, self.clock, self.keep, 60.0)
        self.commanded = [self.desk]
        self.supervisor = Supervisor()
        self.watts: int | None = 5000
        self.is_polled = True
        given = {"unit": "W", "on_above": 2000, "off_below": 300} | options
        settings = controllers.load(kind).Settings.model_validate(given) if kind == "threshold" else Options()
        reads = {"value": Read("meter", "power", STALE_S, is_kept=False)}
        made_of = MadeOf("boiler", kind, settings, reads, {"load": "relay coil"}, 12, 1.0)
        self.snapshots = 0
        around = Surroundings(self.snapshot, lambda: self.commanded, self.keep)
        self.cycles = Cycles(made_of, around, self.clock)

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        return self.image.snapshot

    def keep(self, stream: str, body: Body) -> None:
        self.entries.append((stream, body))

    async def poll(self) -> None:
        while True:
            if self.is_polled:
                quality = Quality.BAD if self.watts is None else Quality.GOOD
                reason = "no answer" if self.watts is None else ""
                now_ms = self.clock.utc_ms()
                self.image.update("meter", [Reading("power", "W", self.watts, 0, int(quality), reason, now_ms)])
            await asyncio.sleep(1)

    def decisions(self) -> list[str]:
        return [
            f"{body.what}: {body.cause}"
            for _, body in self.entries
            if isinstance(body, DecisionBody) and body.controller == "boiler"
        ]

    def requests(self) -> list[str]:
        return [
            f"{body.origin}: {body.what}: {body.outcome}"
            for _, body in self.entries
            if isinstance(body, CommandBody) and body.origin != "desk"
        ]

    def said(self) -> tuple[list[str], list[str]]:
        """Problems and lines."""
        picture = draw([CyclesAbout(self.cycles)], ["controllers"], print)
        assert picture.families() and "controllers" in picture.told()
        return [each.text for each in picture.problems], list(picture.lines)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        works = {"poll": self.poll, "desk": self.desk.run, "boiler": self.cycles.run}
        for name, work in works.items():
            self.supervisor.start(name, work)
        await asyncio.sleep(2)
        try:
            yield self
        finally:
            await self.supervisor.stop(works)


def scenario(test: Callable[[Site], Any], **options: Any) -> Site:
    site = Site(**options)

    async def main() -> None:
        async with site.running():
            await test(site)

    run(main)
    return site


def test_what_it_asks_for_is_in_force_as_long_as_it_goes_on_and_is_one_request() -> None:
    async def test(site: Site) -> None:
        assert site.relay.has == 1
        await asyncio.sleep(1200)
        assert site.snapshots == site.cycles.turns > 1000, "one of each cycle"
        assert site.relay.writes == [0, 1], "the fail-safe value at the start, and then one"
        assert site.requests() == ["controller boiler: 1 for 10 s and as long as it is renewed, priority 12: request 1"]
        assert (
            site.decisions()
            == [
                "relay coil: nothing: the value is not known: nothing since the start",
                "relay coil: 1: on until it is below 300 W",
            ][-len(site.decisions()) :]
        )
        desk = [body.what for _, body in site.entries if isinstance(body, DecisionBody) and body.controller == "desk"]
        assert desk == ["relay coil: 0", "relay coil: 1"]
        site.watts = 100
        await asyncio.sleep(3)
        assert site.relay.has == 0

    scenario(test)


def test_one_that_hangs_or_is_gone_leaves_the_fail_safe_value_within_its_time() -> None:
    async def test(site: Site) -> None:
        task = site.supervisor._tasks["boiler"]
        site.cycles._withdraw = lambda output: None  # type: ignore[method-assign]
        task.cancel()
        await asyncio.sleep(5)
        assert site.relay.has == 1
        await asyncio.sleep(7)
        assert site.relay.has == 0
        assert "request 1: its time is over" in str(site.requests())

    scenario(test)


def test_when_it_stops_it_takes_back_what_it_asked_for() -> None:
    async def test(site: Site) -> None:
        await site.supervisor.stop(["boiler"])
        await asyncio.sleep(2)
        assert site.relay.has == 0 and site.requests()[-1] == "controller boiler: request 1: withdrawn"
        site.supervisor.start("boiler", site.cycles.run)

    scenario(test)


def test_an_operator_is_stronger_and_the_controller_goes_on_behind_him() -> None:
    async def test(site: Site) -> None:
        site.desk.ask("operator anna", "0", 60, 8)
        await asyncio.sleep(2)
        assert site.relay.has == 0
        await asyncio.sleep(60)
        assert site.relay.has == 1 and len(site.requests()) == 3

    scenario(test)


def test_a_bad_reading_and_one_that_does_not_come_any_more() -> None:
    async def test(site: Site) -> None:
        site.watts = None
        await asyncio.sleep(9)
        assert site.relay.has == 1 and site.said()[0] == ["controller boiler does not know meter power: no answer"]
        await asyncio.sleep(6)
        assert site.relay.has == 0
        assert site.decisions()[-1] == "relay coil: nothing: the value is not known: no answer"
        site.watts = 5000
        await asyncio.sleep(3)
        assert site.relay.has == 1 and site.said()[0] == []
        site.is_polled = False
        await asyncio.sleep(STALE_S + 15)
        assert site.relay.has == 0
        assert site.decisions()[-1] == "relay coil: nothing: the value is not known: no reading for 30 s"

    scenario(test)


@pytest.mark.parametrize("leap_ms", [-(10**12), -3_600_000, 3_600_000, 10**12])
def test_a_wall_clock_that_jumps_makes_no_old_reading_new(leap_ms: int) -> None:
    async def test(site: Site) -> None:
        site.is_polled = False
        await asyncio.sleep(5)
        site.clock.leapt_ms = leap_ms
        await asyncio.sleep(STALE_S + 15)
        assert site.relay.has == 0, "silence is silence"
        site.is_polled = True
        await asyncio.sleep(5)
        assert site.relay.has == 1, "and what comes is new, whatever year it is"
        before = list(site.relay.writes)
        site.clock.leapt_ms = 0
        await asyncio.sleep(30)
        assert site.relay.writes == before, "one jump between two polls costs nothing"

    scenario(test)


def test_a_reading_that_was_kept_for_an_hour_is_old_when_it_comes() -> None:
    async def test(site: Site) -> None:
        site.is_polled = False
        for _ in range(60):
            old_ms = site.clock.utc_ms() - 3_600_000
            site.image.update("meter", [Reading("power", "W", 5000, 0, int(Quality.GOOD), "", old_ms)])
            await asyncio.sleep(1)
        assert site.relay.has == 0

    scenario(test)


def test_an_uncertain_reading_is_not_known() -> None:
    async def test(site: Site) -> None:
        site.is_polled = False
        for _ in range(30):
            now_ms = site.clock.utc_ms()
            site.image.update("meter", [Reading("power", "W", 5000, 0, int(Quality.UNCERTAIN), "", now_ms)])
            await asyncio.sleep(1)
        assert site.relay.has == 0 and "uncertain" in site.decisions()[-1]

    scenario(test)


def test_what_the_desk_refuses_is_told_and_not_asked_each_second() -> None:
    async def test(site: Site) -> None:
        await asyncio.sleep(600)
        assert 5 < len(site.requests()) < 15
        assert "outside what it may have" in site.said()[0][0]

    scenario(test, on=7)


def test_an_actuator_that_is_made_anew_is_asked_again() -> None:
    async def test(site: Site) -> None:
        site.commanded.clear()
        await asyncio.sleep(3)
        assert site.said()[0] == ["controller boiler cannot command relay coil: the actuator is not running"]
        site.commanded.append(site.desk)
        await asyncio.sleep(2)
        assert site.said()[0] == [] and site.relay.has == 1

    scenario(test)


class Failing(ModuleType):
    """A kind that does what it must not."""

    Settings = Options

    def __init__(self, step: Callable[[int], Mapping[str, Ask]]):
        super().__init__("failing")
        self.does = step

    def begin(self, _settings: Options) -> State:
        return {"cycles": 0}

    def step(self, _settings: Options, state: State, _cycle: Cycle) -> tuple[State, Mapping[str, Ask]]:
        cycles = int(state["cycles"] or 0) + 1
        return {"cycles": cycles}, self.does(cycles)


@pytest.mark.parametrize("does", ["raises", "says nothing", "asks for no number"])
def test_a_fault_of_a_kind_costs_nobody_else_and_leaves_the_fail_safe_value(
    does: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(cycles: int) -> Mapping[str, Ask]:
        if cycles < 5:
            return {"load": Ask(Decimal(1), "well")}
        if does == "raises":
            raise ZeroDivisionError
        return {} if does == "says nothing" else {"load": Ask(Decimal("NaN"), "well")}

    monkeypatch.setattr(controllers, "load", lambda kind: Failing(step))

    async def test(site: Site) -> None:
        assert site.relay.has == 1
        await asyncio.sleep(4)
        assert "boiler" in site.supervisor.problems and site.supervisor.restarts["boiler"]
        assert site.relay.writes[:3] == [0, 1, 0]

    scenario(test, kind="failing")


def test_another_reason_for_the_same_is_an_entry_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        controllers, "load", lambda kind: Failing(lambda cycles: {"load": Ask(Decimal(1), f"cycle {cycles}")})
    )

    async def test(site: Site) -> None:
        await asyncio.sleep(3600)
        assert 55 < len(site.decisions()) < 65

    scenario(test, kind="failing")


def test_a_value_that_changes_each_second_is_followed_at_a_bounded_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    does = {"takes back": False}

    def step(cycles: int) -> Mapping[str, Ask]:
        return {"load": Ask(None if does["takes back"] else Decimal(cycles % 2), f"cycle {cycles}")}

    monkeypatch.setattr(controllers, "load", lambda kind: Failing(step))

    async def test(site: Site) -> None:
        await asyncio.sleep(3600)  # of what may come at once nothing is left
        site.entries.clear()
        await asyncio.sleep(3600)
        assert 700 < len(site.decisions()) < 740 and len(site.entries) < 4 * 740
        assert not any("its time is over" in each for each in site.requests()), "what it asked for before goes on"
        does["takes back"] = True
        await asyncio.sleep(3)
        assert site.desk.requests.standing() == [], "which never waits"

    scenario(test, kind="failing")


@pytest.mark.parametrize("whose", ["the gateway's", "its node's"])
def test_a_reading_of_unknown_age_is_not_known_where_somebody_may_have_kept_it(whose: str) -> None:
    async def test(site: Site) -> None:
        if whose == "the gateway's":
            site.clock.quality = TimeQuality.UNSYNCED
        time_ms = 5000 if whose == "its node's" else site.clock.utc_ms()
        site.image.update("tank", [Reading("level", "m", 123, -2, int(Quality.GOOD), "", time_ms)])
        reads = {"kept": Read("tank", "level", STALE_S), "polled": Read("tank", "level", STALE_S, is_kept=False)}
        known = Inputs(reads, site.clock).of(site.image.snapshot)
        assert known["polled"].value == Decimal("1.23")
        assert known["kept"] == Input(None, "m", f"how old it is, nobody knows: {whose} clock is not set")

    scenario(test)


def test_a_cycle_that_comes_too_late_knows_nothing_of_the_time_between() -> None:
    async def test(site: Site) -> None:
        await asyncio.sleep(5)
        assert site.relay.has == 0
        site.clock.late_s = 600
        await asyncio.sleep(5)
        assert site.relay.has == 0 and any("no cycle for 60" in each for each in site.decisions()), site.decisions()

    scenario(test, on_after_s=300)
