"""The energy core's figures: overshoot after steps, set-points that turn back, and how long a cycle takes.

Each on the simulated site of the tests, judged by their observer. A cycle is a second.

    bench_energy.py --seeds 5 --cycles 500
"""

import argparse
import platform
import random
import sys
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from energy.campaign import campaign  # noqa: E402
from energy.sites import BATTERY, CAR, INVERTER, PUMP, V2G, VAN, fuse, house  # noqa: E402
from energy.world import World  # noqa: E402
from wayside.control.energy import core  # noqa: E402
from wayside.control.energy.cycle import PowerRequest, PowerRequests  # noqa: E402

_UNTIL = 500_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="random sites with faults")
    parser.add_argument("--cycles", type=int, default=1_000, help="of each")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    print(steps())
    print(faults(arguments.seeds, arguments.cycles))
    print(cycle_times())


def machine() -> str:
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    return f"{name}, {len(cpus)} processors, {platform.system()}, Python {platform.python_version()}"


def steps() -> str:
    """Steps of load beside a car, a van and a battery behind a fuse of 8 kW a phase."""
    rows = ["| step, W | seconds over | overshoot, kW·s | turns of car, van, battery |", "| --- | --- | --- | --- |"]
    wanted = PowerRequests(tuple(PowerRequest(name, 11_040, "bench", 8, _UNTIL) for name in ("car", "van")))
    for load in (2_000, 4_000, 6_000, 9_000):
        world = World(house(VAN, CAR, BATTERY, parties=(fuse(8_000),)))
        world.run(120, wanted)
        world.base = (300 + load, 300, 300)
        over, seconds = 0, 0
        for _ in range(30):
            world.cycle(wanted)
            over += max(0, max(world.grid[1:]) - 8_000)
            seconds += max(world.grid[1:]) > 8_000
        turns = ", ".join(str(world.observer.turns[name]) for name in ("car", "van", "battery"))
        rows.append(f"| {load} | {seconds} | {over / 1000:.1f} | {turns} |")
    return "\n".join(rows) + "\n"


def faults(seeds: int, cycles: int) -> str:
    """Random sites, requests and faults."""
    violations, turns, minutes = 0, 0, 0.0
    for seed in range(seeds):
        world = campaign(seed, cycles)
        violations += sum(world.observer.violations.values())
        turns += sum(world.observer.turns.values())
        minutes += cycles * len(world.site.assets) / 60
    head = "| random cycles with faults | violations | turns per asset and minute |\n| --- | --- | --- |\n"
    return f"{head}| {seeds * cycles} | {violations} | {turns / minutes:.2f} |\n"


def cycle_times() -> str:
    """By the wall, and of the processor alone: the two are apart where others work beside it."""
    rows = [
        "| assets | cycles | mean, ms | p99, ms | most, ms | p99 of the processor, ms | start-up, ms |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for count in (5, 50):
        kinds = islice(cycle((VAN, CAR, BATTERY, INVERTER, V2G, PUMP)), count)
        assets = [replace(asset, name=f"{asset.name}{number}") for number, asset in enumerate(kinds)]
        dice = random.Random(1)
        begun = time.perf_counter()
        world = World(house(*assets, parties=(fuse(60_000),)))
        start_ms = (time.perf_counter() - begun) * 1000
        taken, worked = [], []
        for _ in range(600):
            world.base = tuple(dice.randrange(0, 70_000) for _ in "abc")
            world.sun = dice.randrange(100)
            world._move()
            wanted = tuple(
                PowerRequest(asset.name, dice.randint(asset.low_w, asset.high_w), "bench", dice.randint(1, 16), _UNTIL)
                for asset in assets
            )
            snapshot = world.snapshot()
            begun, began = time.perf_counter(), time.thread_time()
            found = core.decide(world.site, world.state, snapshot, PowerRequests(wanted), world.now)
            worked.append((time.thread_time() - began) * 1000)
            taken.append((time.perf_counter() - begun) * 1000)
            world.state, world.points, _ = found
            world._queue.append({point.asset: (point.watts, point.phases) for point in world.points})
            world.now_ms += 1_000
        p99, own = quantiles(taken, n=100)[98], quantiles(worked, n=100)[98]
        mean = sum(taken) / len(taken)
        rows.append(
            f"| {count} | {len(taken)} | {mean:.2f} | {p99:.2f} | {max(taken):.2f} | {own:.2f} | {start_ms:.1f} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
