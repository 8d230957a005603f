"""The conformance suite of sources: whatever reads something passes it. A new one adds its field to fields.SOURCES."""

import asyncio
import gc
import logging
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import combinations_with_replacement
from pathlib import Path
from unittest.mock import Mock

import pytest
from south.fields import SOURCES, Environment, Field, LeapingClock
from waiting import until
from wayside.net import frame_port
from wayside.parts.picture import draw
from wayside.runtime.pulse import OUTSIDE_S
from wayside.runtime.supervise import Supervisor
from wayside.site import config
from wayside.south.adapters import Services, w1_thermometer
from wayside.south.ble import environment
from wayside.values.reading import Quality

STOP_S = 10.0
"""So long a source may take to stop, whatever it is doing."""
_DAY_MS = 86_400_000

Scenario = Callable[[Field], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_port, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setattr(w1_thermometer, "_ANSWER_S", 0.2)
    monkeypatch.setattr(environment, "_CONNECT_S", 0.3)


def sources(fits: Callable[[type[Field]], bool] = lambda kind: True) -> pytest.MarkDecorator:
    """Run with each kind of source, or with those that can do what the test is about."""
    fitting = [pytest.param(kind, id=name) for name, kind in SOURCES.items() if fits(kind)]
    return pytest.mark.parametrize("kind", fitting)


@asynccontextmanager
async def running(field: Field) -> AsyncIterator[Supervisor]:
    """Its part runs as the daemon runs it, and stops in time."""
    supervisor = Supervisor()
    for name, work in field.part.works.items():
        supervisor.start(name, work)
    try:
        yield supervisor
        assert not supervisor.restarts, f"a task ended: {supervisor.problems}"
    finally:
        began = time.monotonic()
        await supervisor.stop(field.part.works)
        field.part.close()
        took_s = time.monotonic() - began
    assert took_s < STOP_S, f"it stopped within {took_s:.1f} s"


def conforms(kind: type[Field], folder: Path, scenario: Scenario) -> None:
    async def run() -> None:
        await scenario(kind(folder, LeapingClock()))

    asyncio.run(run())


def says(field: Field) -> tuple[list[str], str]:
    """The problems that the part tells, and its lines; everything else that it says is drawn too, and has no fault."""
    said = draw(list(field.part.abouts), [], print)
    assert not [each.text for each in said.problems if "cannot say" in each.text or "fault" in each.text]
    return [each.text for each in said.problems], "\n".join(said.lines)


async def good_again(field: Field) -> None:
    before = field.good()
    await until(lambda: field.good() > before + 1, "good readings")


# --- readings ---


@sources()
def test_it_starts_before_its_device_is_there_and_says_so(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            if field.says_it_is_away:
                await until(lambda: says(field)[0] != [], "that it is away")
            if field.is_asked:
                await until(lambda: bool(field.bad()), "bad readings")
            assert not field.good()
            await field.come()
            await good_again(field)
            await until(lambda: not [each for each in says(field)[0] if "closed" in each or "connection" in each])
            await field.go()

    conforms(kind, tmp_path, scenario)


@sources()
def test_a_device_that_goes_comes_back_by_itself(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            for _ in range(3):
                await field.come()
                await good_again(field)
                await field.go()
                if field.is_asked:
                    bad = len(field.bad())
                    await until(lambda bad=bad: len(field.bad()) > bad, "bad readings")
                if field.says_it_is_away:
                    await until(lambda: says(field)[0] != [], "that it is away")

    conforms(kind, tmp_path, scenario)


@sources(lambda kind: kind.is_asked)
def test_a_device_that_is_there_and_says_nothing_reads_bad(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            await field.come()
            await good_again(field)
            bad = len(field.bad())
            field.hang()
            await until(lambda: len(field.bad()) > bad + 2, "bad readings")
            good = field.good()
            await until(lambda: len(field.bad()) > bad + 4, "more of them")
            assert field.good() <= good, "nothing of before is told once more"
        await field.go()

    conforms(kind, tmp_path, scenario)


@sources()
def test_a_bad_value_is_a_bad_reading_with_a_reason_and_never_a_missing_one(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            await field.come()
            await good_again(field)
            field.lies = True
            await until(lambda: len(field.bad()) > 3, "bad readings")
            field.lies = False
            await good_again(field)
            await field.go()
        for report in field.reports:
            assert {each.channel for each in report} == field.channels
            for each in report:
                is_bad = each.quality == Quality.BAD
                assert (each.mantissa is None) == is_bad == bool(each.reason), each

    conforms(kind, tmp_path, scenario)


@sources()
def test_a_clock_that_leaps_moves_the_stamps_and_nothing_else(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            await field.come()
            for days in (0, 400, -400, 0):
                field.clock.leapt_ms = days * _DAY_MS
                await good_again(field)
                last = field.reports[-1]
                now_ms = field.clock.utc_ms()
                assert all(abs(now_ms - each.time_ms) < 60_000 for each in last), days
            await field.go()

    conforms(kind, tmp_path, scenario)


# --- its life ---


@sources()
def test_nothing_comes_after_it_was_stopped(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            await field.come()
            await good_again(field)
        stopped = len(field.reports)
        await asyncio.sleep(0.3)
        assert len(field.reports) == stopped
        await field.go()

    conforms(kind, tmp_path, scenario)


@sources()
def test_it_stops_in_time_whatever_it_does(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            pass  # not even begun

    async def away(field: Field) -> None:
        async with running(field):
            await asyncio.sleep(0.05)

    async def hangs(field: Field) -> None:
        async with running(field):
            await field.come()
            await good_again(field)
            field.hold()
            field.hang()
            await asyncio.sleep(0.3)
        stopped = len(field.reports)
        await asyncio.sleep(0.1)
        assert len(field.reports) == stopped
        await field.go()

    for each in (scenario, away, hangs):
        folder = tmp_path / each.__name__
        folder.mkdir()
        conforms(kind, folder, each)


@sources(lambda kind: kind.floods > 0)
def test_more_than_can_be_taken_does_not_grow_the_memory(
    kind: type[Field], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(field: Field) -> None:
        async with running(field):
            await field.come()
            await good_again(field)
            field.hold()
            await field.flood()
            gc.collect()
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                await field.flood()
                gc.collect()
                grown = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert grown < 500_000, f"{grown} bytes"
            await field.go()

    caplog.set_level(logging.ERROR)
    conforms(kind, tmp_path, scenario)


@sources()
def test_its_pulses_and_what_it_says_are_of_its_own_tasks(kind: type[Field], tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        pulses = field.part.pulses
        assert {pulse.name for pulse in pulses} <= set(field.part.works)
        before = [pulse.moved() for pulse in pulses]
        async with running(field):
            await field.come()
            await good_again(field)
            assert [pulse.moved() for pulse in pulses] != before
            assert any(about.name in says(field)[1] for about in field.part.abouts)
            await field.go()

    conforms(kind, tmp_path, scenario)


# --- one of them alone ---


def test_the_time_of_a_reading_is_when_it_was_read_and_not_when_the_connection_was_begun(tmp_path: Path) -> None:
    async def scenario(field: Field) -> None:
        assert isinstance(field, Environment)
        reading = field.read

        async def late(uuid: str) -> bytes:
            field.clock.leapt_ms += 20_000  # so long it took
            return await reading(uuid)

        field.read = late  # type: ignore[method-assign]
        async with running(field):
            await field.come()
            await good_again(field)
            assert field.clock.utc_ms() - field.reports[-1][0].time_ms < 10_000

    conforms(Environment, tmp_path, scenario)


def test_a_locked_one_wire_bus_with_a_hundred_thermometers_is_no_task_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = w1_thermometer._LOST_S + 5.0 + 100 * w1_thermometer._IMPATIENT_S
    assert patience < OUTSIDE_S, "within what its pulse allows beside its interval"
    for name, seconds in (("_ANSWER_S", 0.2), ("_LOST_S", 0.5), ("_IMPATIENT_S", 0.005)):
        monkeypatch.setattr(w1_thermometer, name, seconds)
    numbers = [f"28-{number:012x}" for number in range(30)]
    for number in numbers:
        (tmp_path / number).mkdir()
        os.mkfifo(tmp_path / number / "w1_slave")
    named = {f"t{at}": each for at, each in enumerate(numbers)}
    settings = w1_thermometer.Settings(thermometers=named, folder=str(tmp_path))
    reports: list[object] = []

    async def main() -> None:
        nothing = Mock()
        report = lambda device, readings: reports.append(readings)  # noqa: E731
        services = Services(LeapingClock(), ["d-1"], report, nothing, nothing)
        thermometers = w1_thermometer.open_source(settings, services)
        task = asyncio.create_task(thermometers.run())
        await until(lambda: bool(reports), "a report")
        task.cancel()

    asyncio.run(main())
    for number in numbers:
        os.close(os.open(tmp_path / number / "w1_slave", os.O_WRONLY | os.O_NONBLOCK))


TABLES = {
    "bus": """[[bus]]\nname = "line"\nendpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]\nname = "d-1"\nunit = 1\nprofile = "eastron-sdm630"\n""",
    "node": '[[node]]\nname = "n-{port}"\nport = "/dev/ttyN{port}"\ndevices = ["d-1"]\n',
    "radio": """[[radio]]\nname = "r-{port}"\nport = "/dev/ttyR{port}"\nnetwork = {port}
[[radio.sensor]]\nname = "s-{port}"\ndevice = "d-1"\nnumber = 3\nkey_file = "k"
channels = [{{name = "t", unit = "Cel", exponent = -2}}]\n""",
    "ble": """[[ble]]\nadapter = "hci{port}"\n[[ble.sensor]]\ndevice = "d-1"\naddress = "54:48:E6:8F:80:A{port}"\n""",
    "environment": """[[ble]]\nadapter = "hci{port}"\n[[ble.environment]]\ndevice = "d-1"
address = "54:48:E6:8F:81:A{port}"\nchannels = ["temperature"]\n""",
    "adapter": """[[adapter]]\ndevice = "d-1"\nkind = "w1_thermometer"
options = {{thermometers = {{top = "28-3c01d607ed5c"}}}}\n""",
}


@pytest.mark.parametrize(("one", "other"), list(combinations_with_replacement(TABLES, 2)))
def test_two_sources_with_a_device_of_one_name_are_refused(one: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "k").write_text(bytes(16).hex())
    path = tmp_path / "site.toml"
    alone = f'[site]\nname = "x.example"\nstate = "s"\n{TABLES[one].format(port=1)}'
    path.write_text(alone)
    config.load(path)
    second = TABLES[other].format(port=2).replace('"line"', '"second"')
    path.write_text(alone + second)
    with pytest.raises(config.SiteFileError, match=r'device "d-1" is used twice, also in .*; give each its own'):
        config.load(path)
