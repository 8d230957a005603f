"""A phase that is lost: a fuse, a loose terminal, a broken wire.

By voltage when it is read: below half of the highest other phase (EN 50160 calls below 5 % an interruption; behind a
lost fuse a three-phase load feeds the phase back with a good part). By current or power: one phase of a device that
draws on all three stays at nothing while the others carry.
"""

from collections.abc import Callable, Sequence

from wayside.control.energy.diagnosis.finding import MeterFinding

_LOST_PART = 0.5
_IDLE_PART = 0.02
_LEAST = 3  # readings in a row

Phases = tuple[float | None, float | None, float | None]
Test = Callable[[float, Sequence[float]], bool]
"""(value of a phase, those of the others) -> whether it is lost"""


def lost_voltage(device: str, series: Sequence[tuple[int, Phases]]) -> list[MeterFinding]:
    """Volts of three phases, (time in ms, three values) in order of time."""
    return _runs(device, series, lambda value, others: value < _LOST_PART * max(others) and max(others) > 100, "V")


def lost_power(device: str, series: Sequence[tuple[int, Phases]], least_watts: float) -> list[MeterFinding]:
    """Watts of three phases of what draws evenly: a motor, a heat pump, an inverter; others have loads on one phase."""

    def is_idle(value: float, others: Sequence[float]) -> bool:
        return min(map(abs, others)) > least_watts and abs(value) < _IDLE_PART * min(map(abs, others))

    return _runs(device, series, is_idle, "W")


def _runs(device: str, series: Sequence[tuple[int, Phases]], is_lost: Test, unit: str) -> list[MeterFinding]:
    found: list[MeterFinding] = []
    for place, phase in enumerate("abc"):
        runs: list[list[tuple[int, float]]] = [[]]
        for at_ms, values in series:
            value, others = values[place], [each for other, each in enumerate(values) if other != place]
            known = [each for each in others if each is not None]
            if value is None or len(known) < 2:
                continue  # a gap proves nothing
            if is_lost(value, known):
                runs[-1].append((at_ms, value))
            elif runs[-1]:
                runs.append([])
        for run in runs:
            if len(run) >= _LEAST:
                text = (
                    f"phase {phase} shows {run[0][1]:g} {unit} while the others carry, in {len(run)} readings: look at"
                    " its fuse and terminal"
                )
                found.append(MeterFinding("phase", device, run[0][0], run[-1][0], text, (run[0], run[-1])))
    return found
