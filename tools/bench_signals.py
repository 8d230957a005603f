"""Delay at signals, simulated: the fixed plan, SUMO's actuated control, ours, and ours with broken detectors.

All have the same yellow and all-red times. Delay is a vehicle's time loss and departure delay. Every second of ours is
ten ticks of the real core behind the real layers, watched by the observer of the tests. One SUMO at a time.

    bench_signals.py --scenario ingolstadt1 --fault all --share 0 --demand 0.7 --demand 1.3 --minutes 20
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean, median, quantiles
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

from signals_plant import faults, scenarios  # noqa: E402
from signals_plant.network import Signals  # noqa: E402
from signals_plant.plant import ACTUATED, FIXED, OURS, Result, Scenario, run  # noqa: E402
from wayside.control.signals.adaptive import Adaptive  # noqa: E402

_COLUMNS = (
    *("mean", "of unbroken", "median seed", "worst seed", "worst/median", "p95", "stops", "longest wait"),
    *("longest red", "walk", "unfinished", "collisions", "violations", "ms p99", "ms max", "worse than fixed"),
)


def main() -> None:
    arguments = _arguments()
    controls = [FIXED, OURS, *arguments.fault] if arguments.fault else [FIXED, ACTUATED, OURS, "mixed"]
    rows = {}
    with TemporaryDirectory() as folder:
        for plain, demand in product(_scenarios(Path(folder), arguments), arguments.demand):
            scenario = _cut(plain, demand, arguments.minutes)
            runs: dict[str, list[Result]] = {}
            for control in controls:
                seeds = range(arguments.first, arguments.first + arguments.seeds)
                runs[control] = [_run(scenario, control, arguments.share, seed) for seed in seeds]
            name = f"{scenario.name}, demand {demand:g}"
            rows[name] = {control: figures(results, runs[FIXED], runs[OURS]) for control, results in runs.items()}
            print(_table(name, rows[name]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--scenario", action="append", help="all when none is named")
    parser.add_argument("--networks", type=Path, default=scenarios.PUBLIC, help="folder of networks of others")
    parser.add_argument("--demand", action="append", type=float, help="factor of the demand; 1 when none is named")
    parser.add_argument("--fault", action="append", choices=("all", *faults.KINDS), help="see signals_plant/faults.py")
    parser.add_argument("--share", type=float, default=0.2, help="of the detectors that break; 0: one per junction")
    parser.add_argument("--minutes", type=int, help="cut the scenarios there")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    arguments.demand = arguments.demand or [1.0]
    if arguments.fault and "all" in arguments.fault:
        arguments.fault = list(faults.KINDS)
    return arguments


def _scenarios(folder: Path, arguments: argparse.Namespace) -> Iterator[Scenario]:
    makers: dict[str, Callable[[], Scenario]] = {}
    for name, make in scenarios.OWN.items():
        makers[name] = lambda make=make, own=folder / name: (own.mkdir(), make(own))[1]
    for name in scenarios.public_names(arguments.networks):
        makers[name] = lambda name=name: scenarios.public(name, arguments.networks)
    if not scenarios.public_names(arguments.networks):
        print(f"no public scenarios: {arguments.networks} is absent")
    unknown = set(arguments.scenario or ()) - set(makers)
    if unknown:
        raise SystemExit(f"unknown scenario {', '.join(sorted(unknown))}; there are {', '.join(makers)}")
    for name, make in makers.items():
        if not arguments.scenario or name in arguments.scenario:
            yield make()


def _cut(scenario: Scenario, demand: float, minutes: int | None) -> Scenario:
    if minutes is None:
        return replace(scenario, demand=demand)
    end_s = min(scenario.end_s, scenario.begin_s + 60 * minutes)
    return replace(scenario, demand=demand, end_s=end_s, drains=False)


def _run(scenario: Scenario, control: str, share: float, seed: int) -> Result:
    def broken(signals: Signals) -> dict[str, faults.Read]:
        if control not in faults.KINDS:
            return {}
        return faults.some(control, signals, seed, share) if share else faults.one(control, signals, seed)

    base = control if control in (FIXED, ACTUATED) else OURS
    result = run(scenario, base, seed, _adviser, broken)
    print(
        f"  {scenario.name} x {scenario.demand:g} {control} seed {seed}: {mean(result.delays_s):.1f} s, "
        f"longest wait {max(result.waits_s):.0f} s, {result.unfinished} unfinished",
        file=sys.stderr,
        flush=True,
    )
    return result


def _adviser(signals: Signals) -> Adaptive:
    return Adaptive(signals.junction, signals.approaches, signals.exits, (signals.plan,))


def figures(results: list[Result], fixed: list[Result], unbroken: list[Result]) -> dict[str, float]:
    """One row; seconds per vehicle unless the column says otherwise."""
    seeds = [mean(each.delays_s) for each in results]
    delays = [delay for each in results for delay in each.delays_s]
    walks = [walk for each in results for walk in each.walks_s]
    took = [ms for each in results for ms in each.took_ms]
    worse = sum(own > mean(other.delays_s) for own, other in zip(seeds, fixed, strict=True))
    values = (
        *(mean(seeds), mean(seeds) / mean(mean(each.delays_s) for each in unbroken), median(seeds), max(seeds)),
        *(max(seeds) / median(seeds), quantiles(delays, n=20)[-1]),
        *(mean(stop for each in results for stop in each.stops), max(max(each.waits_s) for each in results)),
        *(max(each.longest_red_s for each in results), mean(walks) if walks else 0.0),
        *(sum(each.unfinished for each in results), sum(each.collisions for each in results)),
        *(sum(each.violations.total() for each in results), quantiles(took, n=100)[-1] if took else 0.0),
        *(max(took, default=0.0), worse),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _table(name: str, rows: dict[str, dict[str, float]]) -> str:
    lines = [f"\n| {name} | {' | '.join(_COLUMNS)} |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for control, row in rows.items():
        lines.append(f"| {control} | {' | '.join(f'{value:.4g}' for value in row.values())} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
