"""Junctions to test with: one as a traffic engineer draws it, and arbitrary ones."""

from itertools import combinations

from hypothesis import strategies as st
from wayside.control.signals.junction import PEDESTRIAN, VEHICLE, Group, Junction


def four_arms(**changes) -> Junction:
    """North-south with permissive lefts, east-west with a protected left, an overlap right turn, and pedestrians."""
    groups = (
        Group("ns", 70, 30, 2400, red_amber=10),
        Group("ns_left", 50, 30, 2400, red_amber=10, yields_to=("ns",)),
        Group("ew", 70, 30, 2400, red_amber=10),
        Group("ew_left", 50, 30, 2400, red_amber=10),
        Group("right", 50, 30, 2400, red_amber=10, parents=("ew_left",)),
        Group("walk_ns", 70, 80, 2400, kind=PEDESTRIAN, flash="dark"),
    )
    compatible = {("ns", "ns_left"), ("ns", "walk_ns"), ("ns_left", "walk_ns"), ("ew_left", "right")}
    return build(groups, compatible, (("ns", "ns_left", "walk_ns"), ("ew",), ("ew_left", "right")), **changes)


def build(groups, compatible, stages, extra=10, **changes) -> Junction:
    """Every pair that is not compatible conflicts; its intergreen is the shortest that may be, and `extra` ticks."""
    pairs = frozenset(frozenset(pair) for pair in compatible)
    intergreen = {
        (a.name, b.name): max(a.amber + b.red_amber, 30) + extra
        for a in groups
        for b in groups
        if a is not b and frozenset((a.name, b.name)) not in pairs
    }
    fields = {
        "groups": groups,
        "intergreen": intergreen,
        "compatible": pairs,
        "stages": stages,
        "channels": (*(group.name for group in groups), None),
        "start_all_red": max(intergreen.values(), default=0),
        "start_flash": 3,
    }
    return Junction(**(fields | changes))


@st.composite
def junctions(draw) -> Junction:
    """Two to six groups with arbitrary compatibilities, times, an overlap and a permissive movement where they fit."""
    names = [f"g{number}" for number in range(draw(st.integers(2, 6)))]
    compatible = {pair for pair in combinations(names, 2) if draw(st.booleans())}
    beside = {name: [b if a == name else a for a, b in compatible if name in (a, b)] for name in names}
    red_amber = draw(st.sampled_from((0, 0, 5, 10)))
    overlap = next((name for name in names if beside[name]), None) if draw(st.booleans()) else None
    parents = tuple(beside[overlap][: draw(st.integers(1, 2))]) if overlap else ()
    turns = [name for name in names if beside[name] and name not in (overlap, *parents)]
    yields = {turns[0]: next((each for each in beside[turns[0]] if each != overlap), None)} if turns else {}
    stages = []
    for name in names:
        stages += [(parent, name) for parent in parents] if name == overlap else [(name,)]
    times = {name: draw(st.integers(50, 70)) for name in names}
    if overlap:
        times[overlap] = 50
    plain = [name for name in names if name not in (overlap, *parents, *yields, *yields.values())]
    walks = {name for name in plain if draw(st.booleans())}
    groups = tuple(
        Group(
            name,
            min_green=times[name],
            kind=PEDESTRIAN if name in walks else VEHICLE,
            amber=draw(st.sampled_from((0, 30, 70) if name in walks else (30, 40, 60))),
            max_red=20_000,
            red_amber=red_amber if name not in walks else 0,
            min_red=draw(st.sampled_from((10, 20, 50))),
            parents=parents if name == overlap else (),
            yields_to=(yields[name],) if yields.get(name) else (),
        )
        for name in names
    )
    loose = build(groups, compatible, tuple(stages), extra=draw(st.integers(0, 30)))
    slack = draw(st.integers(0, 200))
    tight = tuple(
        Group(**{f: getattr(g, f) for f in g.__slots__} | {"max_red": 2 * len(stages) * loose.round + slack})
        for g in groups
    )
    return Junction(tight, loose.intergreen, loose.compatible, loose.stages, loose.channels, 3, loose.start_all_red)
