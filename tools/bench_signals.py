"""Delay at signals, simulated: the fixed plan, SUMO's actuated control, ours, and ours with broken detectors.

All have the same yellow and all-red times. Delay is a vehicle's time loss and departure delay. Every second of ours is
ten ticks of the real core behind the real layers, watched by the observer of the tests. One SUMO at a time.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median, quantiles
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

from signals_plant import scenarios  # noqa: E402
from signals_plant.plant import ACTUATED, FIXED, OURS, Result, Scenario, run  # noqa: E402
from wayside.control.signals.adaptive import Adaptive  # noqa: E402

BROKEN = "ours, 20 % broken"
_SHARE = 0.2
_COLUMNS = (
    *("mean", "median seed", "worst seed", "worst/median", "p95", "stops", "longest wait", "longest red"),
    *("walk", "unfinished", "collisions", "violations", "ms p99", "ms max", "worse than fixed"),
)


def main() -> None:
    arguments = _arguments()
    rows = {}
    with TemporaryDirectory() as folder:
        for scenario in _scenarios(Path(folder), arguments.scenario):
            runs = {
                control: [_run(scenario, control, seed) for seed in range(1, arguments.seeds + 1)]
                for control in (FIXED, ACTUATED, OURS, BROKEN)
            }
            rows[scenario.name] = {control: figures(results, runs[FIXED]) for control, results in runs.items()}
            print(_table(scenario.name, rows[scenario.name]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    names = [*scenarios.OWN, *scenarios.public_names()]
    parser.add_argument("--scenario", action="append", choices=names, help="all when none is named")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    return parser.parse_args()


def _scenarios(folder: Path, wanted: list[str] | None) -> Iterator[Scenario]:
    makers: dict[str, Callable[[], Scenario]] = {}
    for name, make in scenarios.OWN.items():
        makers[name] = lambda make=make, own=folder / name: (own.mkdir(), make(own))[1]
    for name in scenarios.public_names():
        makers[name] = lambda name=name: scenarios.public(name)
    if not scenarios.public_names():
        print(f"no public scenarios: {scenarios.PUBLIC} is absent")
    for name, make in makers.items():
        if not wanted or name in wanted:
            yield make()


def _run(scenario: Scenario, control: str, seed: int) -> Result:
    result = run(
        scenario,
        OURS if control == BROKEN else control,
        seed,
        lambda signals: Adaptive(signals.junction, signals.approaches, signals.exits),
        _SHARE if control == BROKEN else 0.0,
    )
    print(f"  {scenario.name} {control} seed {seed}: {mean(result.delays_s):.1f} s", file=sys.stderr, flush=True)
    return result


def figures(results: list[Result], fixed: list[Result]) -> dict[str, float]:
    """One row; seconds per vehicle unless the column says otherwise."""
    seeds = [mean(each.delays_s) for each in results]
    delays = [delay for each in results for delay in each.delays_s]
    walks = [walk for each in results for walk in each.walks_s]
    took = [ms for each in results for ms in each.took_ms]
    worse = sum(own > mean(other.delays_s) for own, other in zip(seeds, fixed, strict=True))
    values = (
        *(mean(seeds), median(seeds), max(seeds), max(seeds) / median(seeds), quantiles(delays, n=20)[-1]),
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
