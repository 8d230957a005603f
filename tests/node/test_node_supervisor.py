"""The supervisor: what dies is started again, what hangs starves the watchdog."""

import asyncio
import errno

from fakes import Time
from wayside_node.supervisor import NodeSupervisor


class Resort:
    """A LastResort."""

    looks = 0

    def look(self):
        self.looks += 1


class Bench:
    """A supervisor in virtual time; `fed` holds the times at which the watchdog was fed."""

    def __init__(self):
        self.time = Time()
        self.clock = self.time.clock()
        self.fed = []
        self.reports = []
        self.supervisor = NodeSupervisor(self.clock, lambda: self.feed, self.reports.append, Resort())

    def feed(self):
        self.fed.append(self.clock.now())

    def run(self, until_ms):
        async def main():
            task = asyncio.create_task(self.supervisor.run(100))
            while self.clock.now() < until_ms:
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass

        asyncio.run(main())

    def healthy(self):
        async def run(beat):
            while True:
                beat()
                await self.clock.sleep_ms(50)

        return run


def test_the_watchdog_is_fed_while_all_is_well():
    bench = Bench()
    bench.supervisor.add("a", bench.healthy(), 1000)
    bench.supervisor.add("b", bench.healthy(), 1000)
    bench.run(20000)
    assert len(bench.fed) > 50
    assert bench.reports == []


def test_a_task_that_hangs_starves_the_watchdog():
    bench = Bench()

    async def hangs(beat):
        for _ in range(20):
            beat()
            await bench.clock.sleep_ms(50)
        await asyncio.Event().wait()

    bench.supervisor.add("well", bench.healthy(), 1000)
    bench.supervisor.add("stuck", hangs, 1000)
    bench.run(30000)
    assert bench.supervisor.stuck() == "stuck"
    assert 1000 < bench.fed[-1] < 6000


def test_a_task_that_forgets_to_beat_counts_as_stuck():
    bench = Bench()

    async def silent(beat):
        while True:
            await bench.clock.sleep_ms(10)

    bench.supervisor.add("silent", silent, 500)
    bench.run(5000)
    assert bench.supervisor.stuck() == "silent"


def test_a_task_that_dies_is_started_again_with_growing_delay():
    bench = Bench()
    starts = []

    async def dies(beat):
        starts.append(bench.clock.now())
        raise ValueError("broken")

    bench.supervisor.add("dies", dies, 1000)
    bench.supervisor.add("well", bench.healthy(), 1000)
    bench.run(150000)
    pauses = [after - before for before, after in zip(starts, starts[1:])]
    assert pauses[0] >= 500 and pauses[1] >= 1000 and pauses[4] >= 8000
    assert max(pauses) < 60000
    assert bench.supervisor.restarts["dies"] >= len(starts) - 1
    assert "dies: ValueError: broken" in bench.reports[0]
    # Nothing hangs: it is known to be dead, and the others do their work.
    assert bench.fed[-1] > 140000


def test_a_task_that_ends_is_started_again():
    bench = Bench()
    starts = []

    async def ends(beat):
        starts.append(1)

    bench.supervisor.add("ends", ends, 1000)
    bench.run(5000)
    assert len(starts) > 2
    assert "ended" in bench.reports[0]


def test_a_long_life_resets_the_delay():
    bench = Bench()
    starts = []

    async def dies_late(beat):
        starts.append(bench.clock.now())
        until = bench.clock.now() + 70000
        while bench.clock.now() < until:
            beat()
            await bench.clock.sleep_ms(100)
        raise OSError(5)

    bench.supervisor.add("late", dies_late, 1000)
    bench.run(500000)
    assert len(starts) > 3
    assert all([after - before < 75000 for before, after in zip(starts, starts[1:])])


def dying(bench, why):
    async def dies(beat):
        raise why

    return dies


def test_a_task_that_never_gets_well_stops_the_feeding():
    for why in (ValueError("broken"), MemoryError(), OSError(errno.ENOMEM, "no memory")):
        bench = Bench()
        bench.supervisor.add("dies", dying(bench, why), 60000)
        bench.supervisor.add("well", bench.healthy(), 1000)
        bench.run(600000)
        assert bench.supervisor.stuck() == "dies"
        assert 100000 < bench.fed[-1] < 300000


def test_where_a_reset_cannot_help_the_others_go_on():
    bench = Bench()
    bench.supervisor.add("bus", dying(bench, OSError(errno.ENOENT, "none")), 60000)
    bench.supervisor.add("well", bench.healthy(), 1000)
    bench.run(3600000)
    assert bench.supervisor.restarts["bus"] > 100
    assert bench.fed[-1] > 3590000


def test_a_report_that_raises_costs_no_task():
    def raises(text):
        raise MemoryError

    bench = Bench()
    bench.supervisor = NodeSupervisor(bench.clock, lambda: bench.feed, raises, Resort())
    starts = []

    async def dies(beat):
        starts.append(1)
        if len(starts) < 5:
            raise ValueError("broken")
        await bench.healthy()(beat)

    bench.supervisor.add("dies", dies, 60000)
    bench.run(200000)
    assert len(starts) == 5 and bench.supervisor.restarts["dies"] == 4
    assert bench.fed[-1] > 190000


def test_a_task_that_is_not_started_again_is_missed():
    class Broken(ValueError):
        def __str__(self):
            raise MemoryError

    bench = Bench()
    clock = bench.clock
    sleeps = []

    class Sleepless:
        """Of which the dead task's own sleep fails, as nothing should."""

        now = clock.now

        async def sleep_ms(self, ms):
            sleeps.append(ms)
            if ms == 500:
                raise MemoryError
            await clock.sleep_ms(ms)

    bench.supervisor = NodeSupervisor(Sleepless(), lambda: bench.feed, bench.reports.append, Resort())
    bench.supervisor.add("dies", dying(bench, Broken()), 1000)
    bench.supervisor.add("well", bench.healthy(), 1000)
    bench.run(30000)
    assert bench.supervisor.stuck() == "dies"
    assert bench.fed[-1] < 5000


def test_a_death_while_a_configuration_is_on_trial_is_told_to_it():
    class Trial:
        whys = []
        looks = 0

        def look(self):
            self.looks += 1

        def failed(self, why):
            self.whys.append(why)

    bench = Bench()
    trial, resort = Trial(), Resort()
    bench.supervisor = NodeSupervisor(bench.clock, lambda: bench.feed, bench.reports.append, resort, trial)
    bench.supervisor.add("bus S1", dying(bench, OSError(errno.ENOENT, "none")), 60000)
    bench.run(1000)
    assert trial.whys[0].startswith("task bus S1: ") and trial.looks > 1 and resort.looks > 1
