"""A value that stands still although what it measures moves.

A physical quantity read with three digits or more does not show one value five times in a row; 0 is another matter: at
night, or switched off, that is what there is. A slow quantity (a state of charge, a tank) needs a higher `least`.
"""

from collections.abc import Sequence

from wayside.control.energy.diagnosis.finding import MeterFinding

LEAST = 5


def stuck(device: str, series: Sequence[tuple[int, float | None]], least: int = LEAST) -> list[MeterFinding]:
    """Each run of `least` or more equal values that are not 0, in (time in ms, value) in order of time.

    A gap does not end a run, and does not count: a reader that repeats its last value is often one that has gaps.
    """
    found = []
    run: list[tuple[int, float]] = []
    for at_ms, value in (*series, (0, float("nan"))):
        if value is None:
            continue
        if run and value == run[0][1]:
            run.append((at_ms, value))
            continue
        if len(run) >= least and run[0][1] != 0:
            text = f"shows {run[0][1]:g} in {len(run)} readings in a row: read the device itself, and its connection"
            found.append(MeterFinding("stuck", device, run[0][0], run[-1][0], text, (run[0], run[-1])))
        run = [(at_ms, value)]
    return found
