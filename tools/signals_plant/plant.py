"""Runs one scenario in SUMO: under its own program, under SUMO's actuated control, or under the gateway's layers.

Under the gateway every second of the plant is ten ticks: loops' pulses in, `pilot.decide`, `core.step`, lamps out. An
observer that shares no code with the core counts violated invariants.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import libsumo
from signals.observer import Observer
from wayside.control.signals import core, pilot
from wayside.control.signals.chain import Level
from wayside.control.signals.core import AMBER, GREEN, Mode
from wayside.control.signals.junction import PEDESTRIAN, TICKS_PER_S
from wayside.control.signals.pilot import Adviser
from wayside.control.signals.plans import Calendar, Switch
from wayside.control.signals.site import Site

from signals_plant.faults import Read
from signals_plant.network import ALL_RED_S, LOOP_M, MIN_GREEN_S, Signals, read

FIXED, ACTUATED, OURS = "fixed", "actuated", "ours"
_LONGEST_S = 7200  # a plant that is not empty so long after its last departure has gridlocked
_PLAN = "program"
_ALWAYS = Calendar(ZoneInfo("UTC"), (Switch(frozenset(range(7)), time(0), Level.ADAPTIVE, _PLAN),), {})


@dataclass(frozen=True, slots=True)
class Scenario:
    """A SUMO network and its traffic. begin_s, end_s: when vehicles depart; demand: a factor of how many do.

    drains: it goes on until the plant is empty; otherwise it is cut at end_s, with those who are on their way counted.
    """

    name: str
    net: Path
    routes: tuple[Path, ...]
    begin_s: int = 0
    end_s: int = 3600
    demand: float = 1.0
    drains: bool = True


@dataclass
class Result:
    """What one run came to. By vehicle: delays_s (time loss, departure delay), stops, waits_s (standing, all trip).

    unfinished: vehicles that never arrived; walks_s: time loss of each walk; took_ms: see Cabinet.
    """

    delays_s: list[float] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    walks_s: list[float] = field(default_factory=list)
    unfinished: int = 0
    collisions: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    longest_red_s: float = 0.0
    took_ms: list[float] = field(default_factory=list)
    levels: Counter[str] = field(default_factory=Counter)


Advise = Callable[[Signals], Adviser]
Break = Callable[[Signals], Mapping[str, Read]]
"""What the cabinet reads of the detectors that are in fault."""


class Cabinet:
    """One junction's gateway at the plant: all layers and the core, with an observer at the lamps."""

    def __init__(self, signals: Signals, adviser: Adviser, broken: Mapping[str, Read], begin_s: float):
        self.signals = signals
        self.site = Site(signals.name, signals.junction, {_PLAN: signals.plan}, _ALWAYS, signals.detectors)
        self.adviser = adviser
        self.broken = broken
        self.begin_s = begin_s
        self.state = core.begin(signals.junction)
        self.memory = pilot.begin(self.site)
        self.observer = Observer(signals.junction)
        self.walks = {each.name for each in signals.junction.groups if each.kind == PEDESTRIAN}
        self.took_ms: list[float] = []
        """For each second its slowest tick, all layers and the core, in processor time."""
        self.levels: Counter[str] = Counter()

    def second(self, begin_s: float) -> str:
        """Ten ticks; what the plant's signals show then."""
        pulses = self._pulses(begin_s)
        junction = self.signals.junction
        took_s = 0.0
        for tick in range(TICKS_PER_S):
            inputs = bytes(pulse[tick] for pulse in pulses)
            utc_ms = round((begin_s * TICKS_PER_S + tick) * 100)
            before = thread_time()
            self.memory, decision = pilot.decide(self.site, self.memory, self.state, utc_ms, inputs, self.adviser)
            self.state = core.step(junction, self.state, decision.requests)
            took_s = max(took_s, thread_time() - before)
            self.observer.see(core.outputs(junction, self.state), self.state.mode)
            self.levels[decision.level.name.lower()] += 1
        self.took_ms.append(took_s * 1000)
        return self._shown()

    def _pulses(self, begin_s: float) -> list[bytes]:
        """Of each detector its ten samples of the second that ended with this step, as the cabinet reads them."""
        waiting = _waiting() if self.signals.buttons else set()
        seen = {loop.name: _pulse(loop.name, begin_s) for loop in self.signals.loops}
        for button, crossing in self.signals.buttons.items():
            seen[button] = bytes([crossing in waiting]) * TICKS_PER_S
        read = {name: broken(begin_s - self.begin_s, seen) for name, broken in self.broken.items()}
        return [read.get(each.name, seen[each.name]) for each in self.signals.detectors]

    def _shown(self) -> str:
        """The lamps as SUMO's letters. A permissive movement is g as long as somebody has priority over it."""
        if self.state.mode == Mode.FLASH:
            return "r" * len(self.signals.links)
        junction = self.signals.junction
        shown = {name: self.state.groups[number].indication for name, number in junction.index.items()}
        moving = {name for name, indication in shown.items() if indication in (GREEN, AMBER)}
        walking = bool(moving & self.walks)
        letters = []
        for link, group in enumerate(self.signals.links):
            if group is None:
                letters.append("r")
            elif shown[group] == GREEN:
                above = self.signals.permissive.get(link)
                letters.append("g" if above is not None and (walking or above & moving) else "G")
            elif shown[group] == AMBER and group not in self.walks:
                letters.append("y")
            else:
                letters.append("r")
        return "".join(letters)


def _waiting() -> set[str]:
    """The crossings at which somebody stands, who has pressed the button."""
    return {
        libsumo.person.getNextEdge(person)
        for person in libsumo.person.getIDList()
        if libsumo.person.getSpeed(person) < 0.1
    }


def _pulse(loop: str, begin_s: float) -> bytes:
    vehicles = [(each[2], each[3]) for each in libsumo.inductionloop.getVehicleData(loop)]
    if not vehicles:
        return bytes(TICKS_PER_S)
    samples = bytearray(TICKS_PER_S)
    for tick in range(TICKS_PER_S):
        start = begin_s + tick / TICKS_PER_S
        samples[tick] = any(
            entered < start + 1 / TICKS_PER_S and (left < 0 or left > start) for entered, left in vehicles
        )
    return bytes(samples)


def run(
    scenario: Scenario, control: str, seed: int, advise: Advise | None = None, broken: Break = lambda _: {}
) -> Result:
    """One simulation. broken: the detectors in fault of each junction."""
    result = Result()
    with TemporaryDirectory() as folder:
        signals = read(scenario.net)
        trips = Path(folder) / "trips.xml"
        extra = Path(folder) / "extra.xml"
        extra.write_text(_loops(signals) if control == OURS else _programs(scenario.net, control))
        libsumo.start(_command(scenario, extra, trips, seed))
        try:
            cabinets = {}
            if control == OURS:
                assert advise is not None
                cabinets = {each.name: Cabinet(each, advise(each), broken(each), scenario.begin_s) for each in signals}
            _drive(scenario, cabinets, result)
        finally:
            libsumo.close()
        _read_trips(trips, result)
    for cabinet in cabinets.values():
        result.violations += cabinet.observer.violations
        result.longest_red_s = max(result.longest_red_s, *cabinet.observer.longest_red.values()) / TICKS_PER_S
        result.took_ms += cabinet.took_ms
        result.levels += cabinet.levels
    return result


def _drive(scenario: Scenario, cabinets: Mapping[str, Cabinet], result: Result) -> None:
    now = float(scenario.begin_s)
    latest = scenario.end_s + (_LONGEST_S if scenario.drains else 0)
    while now < scenario.end_s or (libsumo.simulation.getMinExpectedNumber() and now < latest):
        libsumo.simulationStep()
        for name, cabinet in cabinets.items():
            libsumo.trafficlight.setRedYellowGreenState(name, cabinet.second(now))
        result.collisions += libsumo.simulation.getCollidingVehiclesNumber()
        now += 1
    result.unfinished = libsumo.simulation.getMinExpectedNumber()


def _command(scenario: Scenario, extra: Path, trips: Path, seed: int) -> list[str]:
    return [
        "sumo",
        *("--net-file", str(scenario.net), "--route-files", ",".join(map(str, scenario.routes))),
        *("--additional-files", str(extra), "--begin", str(scenario.begin_s), "--seed", str(seed)),
        *("--tripinfo-output", str(trips), "--tripinfo-output.write-unfinished", "true"),
        *("--tripinfo-output.write-undeparted", "true"),
        *(
            "--scale",
            str(scenario.demand),
            "--time-to-teleport",
            "-1",
            "--no-step-log",
            "true",
            "--no-warnings",
            "true",
        ),
        *("--duration-log.disable", "true"),
    ]


def _loops(signals: list[Signals]) -> str:
    root = ElementTree.Element("additional")
    for each in signals:
        for loop in each.loops:
            at = {"pos": f"{loop.at_m:.2f}", "length": str(LOOP_M), "period": "1000000", "file": "NUL"}
            ElementTree.SubElement(root, "inductionLoop", {"id": loop.name, "lane": loop.lane, **at})
    return ElementTree.tostring(root, "unicode")


def _programs(net: Path, control: str) -> str:
    """The network's own programs with an all-red time behind every yellow; phases may vary for actuated control."""
    root = ElementTree.Element("additional")
    for logic in ElementTree.parse(net).getroot().iter("tlLogic"):
        kind = "actuated" if control == ACTUATED else "static"
        attributes = {"id": logic.get("id", ""), "offset": logic.get("offset", "0"), "programID": "bench"}
        new = ElementTree.SubElement(root, "tlLogic", {**attributes, "type": kind})
        for phase in logic.iter("phase"):
            state, seconds = phase.get("state", ""), phase.get("duration", "")
            bounds = {"minDur": str(MIN_GREEN_S), "maxDur": "50"} if control == ACTUATED and "y" not in state else {}
            ElementTree.SubElement(new, "phase", {"duration": seconds, "state": state, **bounds})
            if "y" in state:
                ElementTree.SubElement(new, "phase", {"duration": str(ALL_RED_S), "state": state.replace("y", "r")})
    return ElementTree.tostring(root, "unicode")


def _read_trips(trips: Path, result: Result) -> None:
    for trip in ElementTree.parse(trips).getroot():
        if trip.tag == "tripinfo":
            result.delays_s.append(float(trip.get("timeLoss", 0)) + float(trip.get("departDelay", 0)))
            result.stops.append(int(trip.get("waitingCount", 0)))
            result.waits_s.append(float(trip.get("waitingTime", 0)))
        else:
            result.walks_s += [float(walk.get("timeLoss", 0)) for walk in trip.iter("walk")]
