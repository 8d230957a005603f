"""A site with solar modules, a battery, loads and a grid meter, by their real protocols, on one physical clock.

Everything moves in steps of the plant's own clock, which may run faster than ours, and the same seed gives the same
day. What goes wrong is begun by name (`begin`): a device that is lost, refuses, ignores, sticks, answers late, reboots.
"""

import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from .der import Battery, Der, Inverter
from .load import House, Phase, Sun
from .sdm630 import Phases, SimulatedMeter
from .serve import Slave, answer_for, serve_tcp

METER, PV, BATTERY = 1, 2, 3
"""The unit addresses."""

_UNITS = {"meter": METER, "pv": PV, "battery": BATTERY}
_FLAGS = ("refuses", "ignores", "sticks")
FAULTS = ("lost", "late", "reboots", *_FLAGS)
_LATE_S = 3.0
_BOOT_S = 20.0
_SECOND_MS = 1000
_VOLTAGE_MV = 231_500


@dataclass(frozen=True, slots=True)
class Accelerated:
    """A clock that runs `speed` times as fast as ours: seconds, from any start."""

    speed: float

    def __call__(self) -> float:
        return time.monotonic() * self.speed


class EnergySite:
    """step_w: a load on each phase beside the house. sun_w: what the modules could give, None: what the sun gives.

    grid_mw: what flows from the grid now, by phase; the meter shows the mean of the last second.
    """

    def __init__(
        self,
        seed: int = 1,
        clock: Callable[[], float] = time.monotonic,
        start_s: int = 11 * 3600,
        solar_peak_w: int = 8000,
        battery: Battery | None = None,
        step_ms: int = 100,
    ):
        """clock: seconds, from any start; start_s: time of day then; step_ms: of the physics, a divisor of 1000."""
        self.pv = Inverter(solar_peak_w)
        self.battery = battery or Battery()
        self.step_w = [0, 0, 0]
        self.sun_w: int | None = None
        self._house = House(seed, start_s, 0)
        self._sun = Sun(random.Random(seed + 1), solar_peak_w)
        self._start_s = start_s
        self._clock = clock
        self._started = clock()
        self._step_ms = step_ms
        self._now_ms = 0
        self._ends: dict[tuple[str, str], int] = {}
        self._load = self._house.second()
        self._could_mw = self._sun.milliwatts(start_s)
        self._second = [0, 0, 0]
        self.grid_mw = self._flows()
        self.meter = SimulatedMeter(seed, self._phases(self.grid_mw))
        units: dict[int, Slave] = {METER: self.meter, PV: self.pv, BATTERY: self.battery}
        self._answer = answer_for(units)

    # ---- what others do with it

    @property
    def now_ms(self) -> int:
        """Of the plant's clock, since its start."""
        return self._now_ms

    def advance(self) -> None:
        """Let pass what has passed."""
        self.advance_to(int((self._clock() - self._started) * 1000))

    def advance_to(self, now_ms: int) -> None:
        """Let time pass, for who has a clock of his own."""
        while self._now_ms + self._step_ms <= now_ms:
            self._step()

    def begin(self, what: str, for_s: float = 0.0) -> None:
        """Let something go wrong: "meter lost", "battery refuses", "pv late"; for_s: of the plant's clock.

        ValueError: nothing is called so.
        """
        device, _, fault = what.partition(" ")
        if device not in _UNITS or fault not in FAULTS or (device == "meter" and fault not in ("lost", "late")):
            raise ValueError(f'"{what}": write one of {", ".join(_UNITS)}, and one of {", ".join(FAULTS)}')
        if fault == "reboots":
            self._der(device).reboot()
            for_s = max(for_s, _BOOT_S)
        elif fault in _FLAGS:
            setattr(self._der(device), fault, True)
        self._ends[device, fault] = self._now_ms + int(1000 * for_s)

    def end(self, what: str) -> None:
        """Let it be over."""
        device, _, fault = what.partition(" ")
        self._ends.pop((device, fault), None)
        if fault in _FLAGS:
            setattr(self._der(device), fault, False)

    def answer(self, body: bytes) -> bytes | None:
        """How the site answers a Modbus request."""
        self.advance()
        is_silent = any(self._is(fault, body[0]) for fault in ("lost", "reboots"))
        return None if is_silent else self._answer(body)

    def late_s(self, body: bytes) -> float:
        """How long it takes to answer a request."""
        return _LATE_S if self._is("late", body[0]) else 0.0

    def _is(self, fault: str, unit: int) -> bool:
        return any((name, fault) in self._ends for name, its in _UNITS.items() if its == unit)

    # ---- physics

    def _der(self, name: str) -> Der:
        return self.pv if name == "pv" else self.battery

    def _step(self) -> None:
        self._now_ms += self._step_ms
        for device, fault in [each for each, end_ms in self._ends.items() if end_ms <= self._now_ms]:
            self.end(f"{device} {fault}")
        sun_mw = self._could_mw if self.sun_w is None else 1000 * self.sun_w
        if not self._is("reboots", PV):
            self.pv.tick(self._now_ms, self._step_ms, sun_mw)
        if not self._is("reboots", BATTERY):
            self.battery.tick(self._now_ms, self._step_ms, sum(self.grid_mw))
        self.grid_mw = self._flows()
        self._second = [sum_mw + now for sum_mw, now in zip(self._second, self.grid_mw, strict=True)]
        if self._now_ms % _SECOND_MS == 0:
            steps = _SECOND_MS // self._step_ms
            self.meter.second(self._phases([sum_mw // steps for sum_mw in self._second]))
            self._second = [0, 0, 0]
            self._load = self._house.second()
            self._could_mw = self._sun.milliwatts(self._start_s + self._now_ms // _SECOND_MS)

    def _flows(self) -> list[int]:
        """From the grid, by phase, in milliwatts."""
        return [
            self._load[i].active_mw + 1000 * self.step_w[i] - self.pv.share_mw(i) - self.battery.share_mw(i)
            for i in range(3)
        ]

    def _phases(self, active_mw: list[int]) -> Phases:
        one, two, three = (
            # 0.35 ohm of service line, as in a House.
            Phase(active, load.reactive_mvar, _VOLTAGE_MV - active * 35 // 23_000)
            for active, load in zip(active_mw, self._load, strict=True)
        )
        return one, two, three


@contextlib.asynccontextmanager
async def serve(site: EnergySite, port: int = 0) -> AsyncIterator[int]:
    """The port of 127.0.0.1 on which the site's devices answer Modbus/TCP, by their unit addresses."""
    async with serve_tcp(site.answer, port, delay_s=site.late_s) as bound:
        yield bound


SITE = """
[[bus]]
name = "energy"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "grid"
unit = 1
profile = "eastron-sdm630"
[[bus.device]]
name = "pv"
unit = 2
profile = "sunspec"
[[bus.device]]
name = "battery"
unit = 3
profile = "sunspec"
"""
"""What the site file of a gateway at such a site says of its devices."""
