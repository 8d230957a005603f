"""Reads a SUMO network: what a traffic engineer would write down of each signalled junction, loops included.

A signal group is what shows the same in every phase of the network's own program, per incoming edge. Two groups are
compatible if and only if some phase shows both green (g or G). A movement shown as g is permissive.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import sumolib
from wayside.control.signals.demand import Approach, Lane
from wayside.control.signals.detectors import Detector
from wayside.control.signals.junction import PEDESTRIAN, TICKS_PER_S, Group, Junction
from wayside.control.signals.plans import Plan

YELLOW_S, ALL_RED_S, MIN_GREEN_S, MAX_RED_S = 3, 2, 7, 240
STOP_LINE_M, ADVANCE_M, EXIT_M = 1.0, 55.0, 15.0
LOOP_M = 2.0
SHORT_LINK_M = 150.0
"""A link that ends at signals and is no longer than this can block: its entry has a loop."""
_SHORTEST_ADVANCE_M = 25.0
_SHORTEST_LANE_M = 5.0
_WALK_M_PER_S = 1.2  # RiLSA 2015 section 2.7.5
_GREEN = "gG"
_GREEN_EVER = re.compile("[gG]")


@dataclass(frozen=True, slots=True)
class Loop:
    """An inductive loop: it covers LOOP_M of the lane behind `at_m`, metres from the lane's beginning."""

    name: str
    lane: str
    at_m: float


@dataclass(frozen=True)
class Signals:
    """One signalled junction of the network.

    links: the group of each SUMO link, by link index; permissive: for links that ever are g, the groups that have
    priority over them. buttons: detector name and the crossing that it calls.
    """

    name: str
    junction: Junction
    detectors: tuple[Detector, ...]
    approaches: tuple[Approach, ...]
    exits: dict[str, tuple[str, ...]]
    loops: tuple[Loop, ...]
    buttons: dict[str, str]
    links: tuple[str | None, ...]
    permissive: dict[int, frozenset[str]]
    plan: Plan
    """The program, with an all-red time behind every yellow."""


def read(net_file: Path) -> list[Signals]:
    """All signalled junctions of the network."""
    net = sumolib.net.readNet(str(net_file), withPrograms=True)
    crossings = _crossings(net_file)
    return [_Reader(net, tls, crossings.get(tls.getID(), {})).signals() for tls in net.getTrafficLights()]


def _crossings(net_file: Path) -> dict[str, dict[int, tuple[str, float]]]:
    """For each signalled junction, by link index, the crossings that pedestrians use and their lengths in metres."""
    root = ElementTree.parse(net_file).getroot()
    lengths = {
        edge.get("id", ""): float(lane.get("length", 0))
        for edge in root.iter("edge")
        if edge.get("function") == "crossing"
        for lane in edge.iter("lane")
    }
    found: dict[str, dict[int, tuple[str, float]]] = {}
    for connection in root.iter("connection"):
        crossing = connection.get("to", "")
        if connection.get("tl") and crossing in lengths:
            links = found.setdefault(connection.get("tl", ""), {})
            links[int(connection.get("linkIndex", 0))] = crossing, lengths[crossing]
    return found


class _Reader:
    def __init__(self, net: Any, tls: Any, crossings: dict[int, tuple[str, float]]):
        self.net = net
        self.name = tls.getID()
        program = next(iter(tls.getPrograms().values()))
        phases = program.getPhases()
        self.offset = float(program.getOffset())
        self.phases = [phase.state for phase in phases]
        self.seconds = [float(phase.duration) for phase in phases]
        self.yellow_s = [phase.duration for phase in phases if "y" in phase.state]
        self.crossings = crossings
        self.lanes: dict[int, list[Any]] = {}
        self.connections: dict[int, list[Any]] = {}
        for lane, target, link in tls.getConnections():
            self.lanes.setdefault(link, []).append(lane)
            self.connections.setdefault(link, []).extend(
                each for each in lane.getOutgoing() if each.getToLane() == target and each.getTLLinkIndex() == link
            )
        self.links = self._links()
        self.members: dict[str, list[int]] = {}
        for link, group in enumerate(self.links):
            if group:
                self.members.setdefault(group, []).append(link)
        self.loops: dict[str, Loop] = {}

    def signals(self) -> Signals:
        approaches = tuple(self._approaches())
        exits = self._exits()
        buttons = {f"button {crossing}": crossing for crossing, _ in self.crossings.values()}
        return Signals(
            self.name,
            self._junction(),
            tuple(self._detectors(approaches, exits)),
            approaches,
            exits,
            tuple(self.loops.values()),
            buttons,
            self.links,
            {link: self._foes(link) for link in self.lanes if any(state[link] == "g" for state in self.phases)},
            self._plan(),
        )

    # --- groups ---

    def _links(self) -> tuple[str | None, ...]:
        names: dict[tuple[str, str], str] = {}
        links: list[str | None] = []
        for link in range(len(self.phases[0])):
            column = "".join(state[link] for state in self.phases)
            if link in self.crossings:
                edge = self.crossings[link][0]
            elif link in self.lanes and _GREEN_EVER.search(column):
                edge = self.lanes[link][0].getEdge().getID()
            else:
                links.append(None)
                continue
            links.append(names.setdefault((edge, column), f"{edge} {column}"))
        return tuple(links)

    def _amber(self) -> int:
        """The program's own yellow, in ticks; 3 s at least."""
        return max(10 * YELLOW_S, round(10 * min(self.yellow_s, default=YELLOW_S)))

    def _green(self, state: str, group: str) -> bool:
        return all(state[link] in _GREEN for link in self.members[group])

    def _plan(self) -> Plan:
        lit: list[frozenset[str]] = []
        for seconds, state in zip(self.seconds, self.phases, strict=True):
            green = frozenset(name for name in self.members if self._green(state, name))
            lit += [green] * round(TICKS_PER_S * (seconds + (ALL_RED_S if "y" in state else 0)))
        cycle = len(lit)
        green_times = {name: tuple(self._times(name, [name in green for green in lit])) for name in self.members}
        return Plan("program", cycle, round(TICKS_PER_S * self.offset), green_times)

    def _times(self, name: str, lit: list[bool]) -> Iterator[tuple[int, int]]:
        """The green times of one cycle, (first tick, last tick and one); walks end in time to clear."""
        link = self.members[name][0]
        early = 0
        if link in self.crossings:
            early = max(round(10 * self.crossings[link][1] / _WALK_M_PER_S) - self._amber() - 10 * ALL_RED_S, 0)
        ends = [tick for tick, now in enumerate(lit) if not now and lit[tick - 1]]
        for begin in (tick for tick, now in enumerate(lit) if now and not lit[tick - 1]):
            lasts = min((end - begin) % len(lit) for end in ends) - early
            if lasts >= 10 * MIN_GREEN_S:
                yield begin, (begin + lasts - 1) % len(lit) + 1

    def _junction(self) -> Junction:
        names = list(self.members)
        greens = [frozenset(name for name in names if self._green(state, name)) for state in self.phases]
        pairs = frozenset(frozenset(pair) for green in greens for pair in combinations(green, 2))
        stages = [green for green in greens if not any(green < other for other in greens)]
        stages = list(dict.fromkeys(stages))
        groups = tuple(self._group(name, pairs) for name in names)
        intergreen = {
            (a.name, b.name): max(self._amber() + 10 * ALL_RED_S, a.amber)
            for a in groups
            for b in groups
            if a is not b and frozenset((a.name, b.name)) not in pairs
        }
        change = max(group.amber for group in groups)
        room = len(stages) * (10 * MIN_GREEN_S + max(intergreen.values(), default=0) + 2 * change + 3) + change
        groups = tuple(replace(group, max_red=max(10 * MAX_RED_S, 2 * room)) for group in groups)
        return Junction(
            groups,
            intergreen,
            pairs,
            tuple(tuple(sorted(stage)) for stage in stages),
            (*names, None),
            start_flash=1,
            start_all_red=max(intergreen.values(), default=0),
        )

    def _group(self, name: str, pairs: frozenset[frozenset[str]]) -> Group:
        link = self.members[name][0]
        if link in self.crossings:
            clearance = round(10 * self.crossings[link][1] / _WALK_M_PER_S)
            return Group(name, 10 * MIN_GREEN_S, clearance, 10 * MAX_RED_S, kind=PEDESTRIAN, flash="dark")
        yields = {
            foe
            for each in self.members[name]
            if any(state[each] == "g" for state in self.phases)
            for foe in self._foes(each)
            if frozenset((foe, name)) in pairs and not self._may_yield(foe)
        }
        return Group(
            name,
            10 * MIN_GREEN_S,
            self._amber(),
            10 * MAX_RED_S,
            yields_to=tuple(sorted(yields)),
        )

    def _may_yield(self, name: str) -> bool:
        return any(state[link] == "g" for state in self.phases for link in self.members[name])

    def _foes(self, link: int) -> frozenset[str]:
        """The vehicles' groups that cross or join a link's path."""
        found = set()
        for own in self.connections.get(link, ()):
            node = own.getJunction()
            for other, connections in self.connections.items():
                group = self.links[other]
                if group and group != self.links[link] and any(self._meet(node, own, each) for each in connections):
                    found.add(group)
        return frozenset(found)

    def _meet(self, node: Any, one: Any, other: Any) -> bool:
        if other.getJunction() != node or one.getFromLane().getEdge() == other.getFromLane().getEdge():
            return False
        return bool(node.areFoes(node.getLinkIndex(one), node.getLinkIndex(other)))

    # --- loops ---

    def _approaches(self) -> Iterator[Approach]:
        """Lanes that share an advance loop, because they widen from it, are one approach."""
        served: dict[Any, set[str]] = {}
        for link, lanes in self.lanes.items():
            for lane in (last for each in lanes for last in self._last(each)):
                served.setdefault(lane, set()).add(str(self.links[link]))
        approaches: list[tuple[set[str], list[Lane]]] = []
        for lane, groups in sorted(served.items(), key=lambda each: each[0].getID()):
            stop = self._loop(lane, lane.getLength() - STOP_LINE_M - LOOP_M)
            advance, seconds = self._advance(lane)
            own = Lane(stop, tuple(sorted(groups)), seconds)
            joined = [each for each in approaches if each[0] & advance]
            approaches = [each for each in approaches if not each[0] & advance]
            merged = {name for names, _ in joined for name in names} | advance
            approaches.append((merged, [each for _, lanes in joined for each in lanes] + [own]))
        for names, lanes in approaches:
            yield Approach(tuple(sorted(names)), tuple(lanes))

    def _advance(self, lane: Any) -> tuple[set[str], float]:
        """The loops ADVANCE_M before the stop line, on as many lanes as lead there, and the seconds from them to it."""
        frontier, names, seconds = [(lane, 0.0)], set(), 0.0
        while frontier:
            current, passed = frontier.pop()
            length = current.getLength()
            before = self._before(current)
            # A lane's last metres before a junction are no place for a loop.
            if passed + length >= ADVANCE_M + LOOP_M or not before or passed > 2 * ADVANCE_M:
                at = max(length - max(ADVANCE_M - passed, 0.0) - LOOP_M, min(5.0, length / 2))
                if passed + length - at >= _SHORTEST_ADVANCE_M:
                    names.add(self._loop(current, at))
                    seconds = max(seconds, (passed + length - at) / current.getSpeed())
                continue
            frontier += [(each, passed + length) for each in before]
        return names, seconds

    def _last(self, lane: Any) -> list[Any]:
        """The lanes on which vehicles stand first in line; not all have room for a loop."""
        before = self._before(lane) if lane.getLength() < _SHORTEST_LANE_M else []
        return [last for each in before for last in self._last(each)] or [lane]

    def _before(self, lane: Any) -> list[Any]:
        """The lanes that lead into a lane without a signal between."""
        return [
            each.getFromLane()
            for connections in lane.getEdge().getIncoming().values()
            for each in connections
            if each.getToLane() == lane and not each.getTLSID()
        ]

    def _exits(self) -> dict[str, tuple[str, ...]]:
        """For each group the loops behind the junction that tell of a queue reaching back, where a link is short."""
        exits: dict[str, set[str]] = {}
        for link, connections in self.connections.items():
            for connection in connections:
                lane = connection.getToLane()
                if lane.getLength() >= 2 * EXIT_M and self._can_block(lane):
                    exits.setdefault(str(self.links[link]), set()).add(self._loop(lane, EXIT_M))
        return {group: tuple(sorted(names)) for group, names in exits.items()}

    def _can_block(self, lane: Any) -> bool:
        length = 0.0
        edge = lane.getEdge()
        while length + edge.getLength() <= SHORT_LINK_M:
            length += edge.getLength()
            if edge.getTLS():
                return True
            following = list(edge.getOutgoing())
            if len(following) != 1:
                return False
            edge = following[0]
        return False

    def _loop(self, lane: Any, at_m: float) -> str:
        at_m = min(max(at_m, 0.1), max(lane.getLength() - LOOP_M - 0.1, 0.0))
        name = f"{self.name}|{lane.getID()}@{at_m:.0f}"
        self.loops.setdefault(name, Loop(name, lane.getID(), at_m))
        return name

    def _detectors(self, approaches: tuple[Approach, ...], exits: dict[str, tuple[str, ...]]) -> Iterator[Detector]:
        calls: dict[str, tuple[str, ...]] = dict.fromkeys(self.loops, ())
        for approach in approaches:
            for lane in approach.lanes:
                calls[lane.stop] = lane.groups
        number = 0
        for number, (name, groups) in enumerate(calls.items()):
            yield Detector(name, number, groups)
        for link, (crossing, _) in self.crossings.items():
            number += 1
            yield Detector(f"button {crossing}", number, (str(self.links[link]),), locking=True)
