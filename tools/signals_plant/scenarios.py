"""Our own scenarios, built by SUMO's netconvert and netgenerate into a folder; and public ones that lie beside.

Each is plain: what it is there to show is in its docstring. Rates are vehicles per hour.
"""

import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import sumolib

from signals_plant.plant import Scenario

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "traffic"
_SPEED = "13.89"
_PROGRAM = ("--tls.yellow.time", "3", "--tls.cycle.time", "90", "--tls.default-type", "static", "--no-turnarounds")


def four_arms(folder: Path, end_s: int = 1800) -> Scenario:
    """One junction: a main road with protected and permissive lefts, a side road with permissive lefts, pedestrians."""
    arms = {"n": (0, 300), "s": (0, -300), "e": (300, 0), "w": (-300, 0)}
    lanes = dict.fromkeys("ns", 1) | dict.fromkeys("ew", 3)
    net = _junctions(folder, {"c": (0, 0)}, arms, {arm: ("c", lanes[arm]) for arm in arms}, [], walks=True)
    flows = {
        ("e", "w"): 620, ("e", "s"): 160, ("e", "n"): 90,
        ("w", "e"): 560, ("w", "n"): 140, ("w", "s"): 80,
        ("n", "s"): 170, ("n", "e"): 60, ("n", "w"): 40,
        ("s", "n"): 190, ("s", "w"): 50, ("s", "e"): 50,
    }  # fmt: skip
    walks = {("n", "s"): 60, ("s", "n"): 60, ("e", "w"): 40, ("w", "e"): 40}
    return Scenario("four-arms", net, (_routes(folder, flows, end_s, walks),), 0, end_s)


def arterial(folder: Path, end_s: int = 1800) -> Scenario:
    """Three junctions of one main road, 250 and 350 m apart: platoons arrive where a fixed plan expects them or not."""
    nodes = {"a": (0, 0), "b": (250, 0), "c": (600, 0)}
    ends = {"w": (-300, 0), "e": (900, 0)}
    arms = {"w": ("a", 2), "e": ("c", 2)}
    for name, (x, _) in nodes.items():
        ends |= {f"n{name}": (x, 250), f"s{name}": (x, -250)}
        arms |= {f"n{name}": (name, 1), f"s{name}": (name, 1)}
    net = _junctions(folder, nodes, ends, arms, [("a", "b", 2), ("b", "c", 2)])
    flows = {("w", "e"): 560, ("e", "w"): 480}
    for name in nodes:
        flows |= {(f"n{name}", f"s{name}"): 150, (f"s{name}", f"n{name}"): 130}
        flows |= {("w", f"n{name}"): 40, ("e", f"s{name}"): 40, (f"n{name}", "e"): 50, (f"s{name}", "w"): 50}
    return Scenario("arterial", net, (_routes(folder, flows, end_s),), 0, end_s)


def one_lane(folder: Path, end_s: int = 1800) -> Scenario:
    """Three junctions of one-lane roads, 120 m apart: who turns left stands in the box and before everybody else."""
    nodes = {"a": (0, 0), "b": (120, 0), "c": (240, 0)}
    ends = {"w": (-250, 0), "e": (490, 0)}
    arms = {"w": ("a", 1), "e": ("c", 1)}
    for name, (x, _) in nodes.items():
        ends |= {f"n{name}": (x, 250), f"s{name}": (x, -250)}
        arms |= {f"n{name}": (name, 1), f"s{name}": (name, 1)}
    net = _junctions(folder, nodes, ends, arms, [("a", "b", 1), ("b", "c", 1)])
    flows = {("w", "e"): 160, ("e", "w"): 160}
    for name in nodes:
        flows |= {(f"n{name}", f"s{name}"): 90, (f"s{name}", f"n{name}"): 90}
        flows |= {("w", f"n{name}"): 40, ("e", f"s{name}"): 40, (f"n{name}", "e"): 50, (f"s{name}", "w"): 50}
    return Scenario("one-lane", net, (_routes(folder, flows, end_s),), 0, end_s)


def grid(folder: Path, end_s: int = 1800) -> Scenario:
    """Three by three junctions with links of 80 m: a queue soon reaches back into the junction before."""
    net = folder / "grid.net.xml"
    options = "--grid --grid.number 3 --grid.length 80 --grid.attach-length 200 --default.lanenumber 1"
    _call("netgenerate", *options.split(), "--default-junction-type", "traffic_light", *_PROGRAM, "-o", net)
    fringe = [each.getID() for each in sumolib.net.readNet(str(net)).getNodes() if len(each.getIncoming()) == 1]
    flows = {(one, other): 20 if one[:-1] != other[:-1] else 6 for one in sorted(fringe) for other in sorted(fringe)}
    flows = {pair: rate for pair, rate in flows.items() if pair[0] != pair[1]}
    return Scenario("grid", net, (_routes(folder, flows, end_s, by_node=net),), 0, end_s)


OWN: dict[str, Callable[..., Scenario]] = {
    "four-arms": four_arms,
    "arterial": arterial,
    "one-lane": one_lane,
    "grid": grid,
}


def public(name: str, networks: Path = PUBLIC) -> Scenario:
    """A scenario that others published, with the hour that its configuration names; FileNotFoundError if absent."""
    folder = networks / name
    config = ElementTree.parse(folder / f"{name}.sumocfg").getroot()
    value = {each.tag: each.get("value", "") for each in config.iter()}
    routes = tuple(folder / each.strip() for each in value["route-files"].split(","))
    begin_s = int(float(value.get("begin", 0)))
    return Scenario(name, folder / value["net-file"], routes, begin_s, int(float(value.get("end", begin_s + 3600))))


def public_names(networks: Path = PUBLIC) -> list[str]:
    return sorted(each.parent.name for each in networks.glob("*/*.sumocfg"))


def _junctions(
    folder: Path,
    nodes: Mapping[str, tuple[int, int]],
    ends: Mapping[str, tuple[int, int]],
    arms: Mapping[str, tuple[str, int]],
    links: Iterable[tuple[str, str, int]],
    walks: bool = False,
) -> Path:
    """A network of signalled `nodes`; arms: for each end its node and lanes; links: between nodes, with lanes."""
    node_root, edge_root = ElementTree.Element("nodes"), ElementTree.Element("edges")
    for name, (x, y) in [*nodes.items(), *ends.items()]:
        kind = "traffic_light" if name in nodes else "dead_end"
        ElementTree.SubElement(node_root, "node", {"id": name, "x": str(x), "y": str(y), "type": kind})
    for one, other, lanes in [*((end, node, lanes) for end, (node, lanes) in arms.items()), *links]:
        for start, stop in ((one, other), (other, one)):
            own = lanes if stop in nodes else min(lanes, 2)
            edge = {"id": f"{start}-{stop}", "from": start, "to": stop, "numLanes": str(own), "speed": _SPEED}
            ElementTree.SubElement(edge_root, "edge", {**edge, "priority": "2" if lanes > 1 else "1"})
    files = folder / "plain.nod.xml", folder / "plain.edg.xml", folder / "plain.net.xml"
    ElementTree.ElementTree(node_root).write(files[0])
    ElementTree.ElementTree(edge_root).write(files[1])
    guess = ("--sidewalks.guess", "true", "--crossings.guess", "true") if walks else ()
    _call("netconvert", "-n", files[0], "-e", files[1], *_PROGRAM, *guess, "-o", files[2])
    return files[2]


def _routes(
    folder: Path,
    flows: Mapping[tuple[str, str], int],
    end_s: int,
    walks: Mapping[tuple[str, str], int] | None = None,
    by_node: Path | None = None,
) -> Path:
    """Poisson flows between the ends of the network."""
    root = ElementTree.Element("routes")
    begins, stops = _edges_at_ends(by_node or next(folder.glob("plain.net.xml")))
    for kind, rates in (("flow", flows), ("personFlow", walks or {})):
        for (start, stop), rate in sorted(rates.items()):
            times = {"begin": "0", "end": str(end_s), "period": f"exp({rate / 3600:.6f})"}
            way = {"from": begins[start], "to": stops[stop]}
            if kind == "flow":
                speed = {"departLane": "best", "departSpeed": "max"}
                ElementTree.SubElement(root, kind, {"id": f"{start}_{stop}", **times, **way, **speed})
            else:
                person = ElementTree.SubElement(root, kind, {"id": f"walk_{start}_{stop}", **times})
                ElementTree.SubElement(person, "walk", way)
    path = folder / "flows.rou.xml"
    ElementTree.ElementTree(root).write(path)
    return path


def _edges_at_ends(net: Path) -> tuple[dict[str, str], dict[str, str]]:
    ends = [each for each in sumolib.net.readNet(str(net)).getNodes() if len(each.getIncoming()) == 1]
    begins = {each.getID(): each.getOutgoing()[0].getID() for each in ends}
    return begins, {each.getID(): each.getIncoming()[0].getID() for each in ends}


def _call(program: str, *arguments: str | Path) -> None:
    command = [sumolib.checkBinary(program), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
