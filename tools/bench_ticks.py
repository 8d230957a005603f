"""The work of one tick of a junction's controller: layers, adviser and core, counted in calls and bytecodes.

Counts are the same on every machine and under any load; times are not. One minute of random traffic of one seed, at
the junction of the example file and at two of twenty groups: with as many sets of compatible groups as `check` lets
pass, and with 1,024, which it refuses. `--digest` prints a hash of every decision instead: two versions that print the
same ask the core for the same.
"""

import argparse
import hashlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import time
from functools import partial
from itertools import combinations
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from signals.junctions import build  # noqa: E402
from wayside.control.signals import core, pilot  # noqa: E402
from wayside.control.signals.adaptive import Adaptive  # noqa: E402
from wayside.control.signals.chain import Level  # noqa: E402
from wayside.control.signals.demand import Approach, Lane  # noqa: E402
from wayside.control.signals.detectors import Detector  # noqa: E402
from wayside.control.signals.junction import TICKS_PER_S, Group  # noqa: E402
from wayside.control.signals.loader import load  # noqa: E402
from wayside.control.signals.plans import Calendar, Plan, Switch  # noqa: E402
from wayside.control.signals.rings import Rings  # noqa: E402
from wayside.control.signals.site import Site  # noqa: E402

_BEGIN_MS = 1_795_431_600_000  # a Monday at noon
_SETTLED = 120 * TICKS_PER_S
_COUNTED = 60 * TICKS_PER_S
_MOST_DIGESTED = 32  # sets; with more an hour takes hours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digest", type=int, metavar="MINUTES", help="print a hash of all decisions of so long")
    digest: int | None = parser.parse_args().digest
    if digest is None:
        print("| junction, control | sets | calls/tick | most | bytecodes/tick | most |\n|---|---|---|---|---|---|")
    for name, site in _sites():
        run = Run(site)
        sets = len(run.adviser.stages) if run.adviser else 0
        if digest is None:
            run.ticks(_SETTLED)
            columns = list(zip(*run.counts(_COUNTED), strict=True))
            figures = [figure for column in columns for figure in (sum(column) / len(column), max(column))]
            print(f"| {name} | {sets} | {' | '.join(f'{figure:.0f}' for figure in figures)} |", flush=True)
        elif sets <= _MOST_DIGESTED:
            print(f"{name}, {sets} sets: {run.digest(digest * 60 * TICKS_PER_S)}", flush=True)


class Run:
    """A junction in random traffic."""

    def __init__(self, site: Site):
        self.site = site
        self.adviser = Adaptive(site.junction, site.approaches, site.exits) if site.approaches else None
        self.state, self.memory = core.begin(site.junction), pilot.begin(site)
        self.requests = core.Requests()
        self._utc_ms = _BEGIN_MS
        self._inputs = _traffic(1 + max(each.input for each in site.detectors))

    def tick(self, inputs: bytes) -> None:
        self.memory, decision = pilot.decide(self.site, self.memory, self.state, self._utc_ms, inputs, self.adviser)
        self.requests = decision.requests
        self.state = core.step(self.site.junction, self.state, self.requests)
        self._utc_ms += 1000 // TICKS_PER_S

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick(next(self._inputs))

    def counts(self, count: int) -> list[tuple[int, int]]:
        """The Python calls and bytecodes of each tick."""
        return [_count(partial(self.tick, next(self._inputs))) for _ in range(count)]

    def digest(self, count: int) -> str:
        found = hashlib.sha256()
        for _ in range(count):
            self.ticks(1)
            asked = (sorted(self.requests.green), sorted(self.requests.closed), self.requests.flash, self.state)
            found.update(repr(asked).encode())
        return found.hexdigest()[:16]


def _count(what: Callable[[], None]) -> tuple[int, int]:
    """The Python calls and bytecodes that it takes."""
    calls = codes = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object]:
        nonlocal calls, codes
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        calls += event == "call"
        codes += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        what()
    finally:
        sys.settrace(None)
    return calls, codes


def _traffic(inputs: int) -> Iterator[bytes]:
    """Pulses of half a second, and now and then somebody who stands there."""
    rng = random.Random(1)
    rates = [rng.choice((0.002, 0.01, 0.03)) for _ in range(inputs)]
    left = [0] * inputs
    while True:
        for number, rate in enumerate(rates):
            left[number] = max(left[number] - 1, 0) or (rng.random() < rate) * rng.choice((5, 6, 7, 60))
        yield bytes(ticks > 0 for ticks in left)


def _sites() -> Iterator[tuple[str, Site]]:
    example = load(ROOT / "docs" / "junction.example.toml")
    yield "example file, actuated", example
    yield "example file, adaptive", _adaptive(example)
    for exclusive in ((2, 2, 2, 4), (4,) * 5):
        yield "20 groups, adaptive", _twenty(exclusive)


def _adaptive(site: Site) -> Site:
    switches = tuple(replace(each, level=Level.ADAPTIVE) for each in site.calendar.switches)
    return replace(site, calendar=replace(site.calendar, switches=switches))


def _twenty(exclusive: tuple[int, ...]) -> Site:
    """Roads of which so many exclude each other; each has as many groups as make twenty of all."""
    roads = [(one, other) for one, count in enumerate(exclusive) for other in range(count)]
    own = {f"g{number}": roads[number % len(roads)] for number in range(20)}
    compatible = {(a, b) for a, b in combinations(own, 2) if own[a][0] != own[b][0] or own[a] == own[b]}
    groups = tuple(Group(name, 70, 30, 9000, red_amber=10) for name in own)
    steps = tuple(tuple(name for name in own if own[name][1] == turn) for turn in range(max(exclusive)))
    junction = build(groups, compatible, steps)
    loops = [Detector(f"{name} line", 0, (name,)) for name in own] + [Detector(f"{name} far", 0, ()) for name in own]
    return Site(
        "twenty",
        junction,
        {"day": Plan("day", 200 * len(steps), 0, {name: _lit(own[name][1]) for name in own})},
        Calendar(ZoneInfo("Europe/Berlin"), (Switch(frozenset(range(7)), time.min, Level.ADAPTIVE, "day"),), {}),
        tuple(replace(each, input=number) for number, each in enumerate(loops)),
        Rings(((steps,),), dict.fromkeys(own, 400), dict.fromkeys(own, 30)),
        approaches=tuple(Approach((f"{name} far",), (Lane(f"{name} line", (name,)),)) for name in own),
    )


def _lit(turn: int) -> tuple[tuple[int, int], ...]:
    return ((turn * 200, turn * 200 + 140),)


if __name__ == "__main__":
    main()
