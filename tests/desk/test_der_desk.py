"""The desk over the simulated battery, in virtual time: what it does about devices that lose, round, or lie."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from modbus.der_site import OnBus, energy_site
from modbus.virtual import Clock, run
from waiting import running
from wayside.control.desk.about import ControlledAbout
from wayside.control.desk.carried import Carried
from wayside.control.desk.controlled import Controlled
from wayside.evidence.kinds import Body, CommandBody
from wayside.profiles.sunspec_controls import CONTROLS
from wayside.values.carrier import RELEASED, Reversion


@contextlib.asynccontextmanager
async def desk(fail_safe: int | None = None, seconds: int = 30) -> AsyncIterator[tuple[OnBus, Controlled, list[str]]]:
    told: list[str] = []

    def keep(stream: str, body: Body) -> None:
        if isinstance(body, CommandBody):
            told.append(f"{body.what}: {body.outcome}")

    async with energy_site() as it:
        timer = Reversion(seconds, RELEASED if fail_safe is None else fail_safe)
        actuator = Carried("battery", "active_power", CONTROLS["active_power"], lambda: [it.carrier], timer)
        controlled = Controlled(actuator, fail_safe, Clock(), keep, look_s=5, renew_s=seconds / 3)
        async with running(controlled.run()):
            yield it, controlled, told


def test_coarser_steps_are_held_and_not_disputed() -> None:
    async def main() -> None:
        async with desk() as (it, controlled, told):
            it.battery.put(704, "WSet_SF", 1)
            controlled.ask("anna", "-3217", 3600, 8)
            await asyncio.sleep(120)
            assert controlled.hold.reverted == 0 and controlled.hold.shown == -3210 and not controlled.hold.problem
            lines = list(ControlledAbout(controlled, Clock().monotonic).lines())
            assert "reads -3210 W, its nearest" in lines[0]
            assert told.count("-3217 W: reads -3210 W, which is its nearest") == 1
            assert it.battery.power_mw == 3_210_000

    run(main)


def test_a_battery_that_starts_again_gets_its_set_point_and_timer_anew() -> None:
    async def main() -> None:
        async with desk() as (it, controlled, _):
            controlled.ask("anna", "-2000", 3600, 8)
            await asyncio.sleep(10)
            it.site.begin("battery reboots")
            await asyncio.sleep(90)
            assert it.battery.power_mw == 2_000_000 and it.battery.get(704, "WSetRvrtTms") == 30
            assert controlled.hold.shown == -2000

    run(main)


def test_a_cable_that_is_off_for_longer_than_the_timer() -> None:
    async def main() -> None:
        async with desk() as (it, controlled, _):
            controlled.ask("anna", "-2000", 3600, 8)
            await asyncio.sleep(10)
            it.site.begin("battery lost", 60)
            await asyncio.sleep(45)
            it.site.advance()
            assert it.battery.power_mw == 0, "it fell back by itself"
            await asyncio.sleep(90)
            assert it.battery.power_mw == 2_000_000

    run(main)


def test_a_fail_safe_value_stays_without_a_timer_and_is_what_the_device_reverts_to() -> None:
    async def main() -> None:
        async with desk(fail_safe=300) as (it, controlled, _):
            await asyncio.sleep(60)
            assert it.battery.power_mw == -300_000 and it.battery.get(704, "WSetRvrtTms") == 0
            controlled.ask("anna", "-2000", 20, 8)
            await asyncio.sleep(10)
            assert it.battery.power_mw == 2_000_000
            it.site.begin("battery lost", 60)
            await asyncio.sleep(50)
            it.site.advance()
            assert it.battery.power_mw == -300_000
            await asyncio.sleep(60)
            assert it.battery.power_mw == -300_000 and it.battery.get(704, "WSetEna") == 1

    run(main)


def test_a_device_that_will_not_let_go_is_told_and_tried_again() -> None:
    async def main() -> None:
        async with desk() as (it, controlled, told):
            controlled.ask("anna", "-2000", 3600, 8)
            await asyncio.sleep(10)
            it.site.begin("battery ignores", 20)
            controlled.withdraw("anna")
            await asyncio.sleep(10)
            assert any(each.startswith("what the device decides: reads -2000 W: it did not keep") for each in told)
            await asyncio.sleep(150)
            assert it.battery.power_mw == 0
            assert controlled.hold.wanted is None and not controlled.hold.problem

    run(main)
