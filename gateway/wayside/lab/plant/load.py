"""A house on three phases with solar modules on its roof: what flows through its meter, second by second.

All powers are whole milliwatts, so that energy is their exact sum in milliwatt seconds.
"""

import math
import random
from typing import NamedTuple

DAY_S = 86_400


class Phase(NamedTuple):
    """One second of one phase. active_mw: positive from the grid, negative into it; voltage_mv: phase to neutral."""

    active_mw: int
    reactive_mvar: int
    voltage_mv: int


class _Appliance(NamedTuple):
    power_w: int
    reactive_share: float
    seconds: int
    per_day: float
    phases: tuple[int, ...]


_APPLIANCES = (
    _Appliance(2_100, 0.00, 180, 8, (0,)),  # kettle
    _Appliance(90, 0.60, 900, 40, (1,)),  # refrigerator
    _Appliance(2_000, 0.10, 2_700, 1, (2,)),  # washing machine heating
    _Appliance(2_300, 0.00, 1_500, 2, (0, 1)),  # stove
    _Appliance(1_300, 0.25, 300, 4, (2,)),  # vacuum cleaner, microwave
    _Appliance(3_680, 0.02, 7_200, 0.6, (0, 1, 2)),  # electric vehicle
)
_BASE_W = (90, 60, 75)


class Sun:
    """What a roof of solar modules could give, second by second: from six to eight, with clouds that wander."""

    def __init__(self, source: random.Random, peak_w: int):
        """peak_w: at noon without clouds."""
        self._random = source
        self._peak_w = peak_w
        self._clouds = 0.9

    def milliwatts(self, time_s: int) -> int:
        """Of the second at this local time; call it for each second in turn."""
        self._clouds = min(1.0, max(0.15, self._clouds + self._random.gauss(0, 0.01)))
        hour = (time_s % DAY_S) / 3600
        height = math.sin(math.pi * (hour - 6) / 14) if 6 < hour < 20 else 0.0
        return int(self._peak_w * 1000 * height * self._clouds)


class House:
    """Call `second()` for each second in turn; the same seed and start give the same days."""

    def __init__(self, seed: int, start_s: int, solar_peak_w: int):
        """start_s: local time of day of the first second; solar_peak_w: of the inverter, at noon without clouds."""
        self._random = random.Random(seed)
        self._time_s = start_s
        self._sun = Sun(self._random, solar_peak_w)
        self._hum_mw = [0.0, 0.0, 0.0]
        self._running: list[list[int]] = [[0] * len(phase.phases) for phase in _APPLIANCES]
        # Some things are always on already when somebody begins to look.
        self._running[1][0] = 400

    def second(self) -> tuple[Phase, Phase, Phase]:
        """What each phase carries during the next second."""
        solar_mw = self._sun.milliwatts(self._time_s) // 3
        active = [0, 0, 0]
        reactive = [0, 0, 0]
        for phase in range(3):
            self._hum_mw[phase] += self._random.gauss(0, 900) - 0.02 * self._hum_mw[phase]
            active[phase] = _BASE_W[phase] * 1000 + int(self._hum_mw[phase]) - solar_mw
            reactive[phase] = 25_000 + solar_mw // 50
        for appliance, running in zip(_APPLIANCES, self._running, strict=True):
            self._switch(appliance, running)
            for place, phase in enumerate(appliance.phases):
                if running[place]:
                    running[place] -= 1
                    power = appliance.power_w * 1000 + self._random.randrange(-3000, 3000)
                    active[phase] += power
                    reactive[phase] += int(power * appliance.reactive_share)
        self._time_s += 1
        return (
            Phase(active[0], reactive[0], self._voltage_mv(active[0])),
            Phase(active[1], reactive[1], self._voltage_mv(active[1])),
            Phase(active[2], reactive[2], self._voltage_mv(active[2])),
        )

    def _switch(self, appliance: _Appliance, running: list[int]) -> None:
        if not any(running) and self._random.random() < appliance.per_day / DAY_S:
            for place in range(len(running)):
                running[place] = appliance.seconds

    def _voltage_mv(self, active_mw: int) -> int:
        # 0.35 ohm of service line: 1 kW lowers the voltage by about 1.5 V, export raises it.
        return 231_500 - active_mw * 35 // 23_000 + self._random.randrange(-150, 150)
