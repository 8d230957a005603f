"""Reads a junction file: one TOML file, refused whole with every problem explained, or a Site that can be run."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

from wayside_wire import WireError, signal_matrix

from wayside.control.signals.chain import Level
from wayside.control.signals.channels import draft_matrix
from wayside.control.signals.demand import Approach, Lane
from wayside.control.signals.detectors import NO_ACTIVITY, Detector
from wayside.control.signals.junction import (
    PEDESTRIAN,
    TICKS_PER_S,
    VEHICLE,
    Group,
    Junction,
    JunctionError,
)
from wayside.control.signals.plans import MONDAY_TO_SUNDAY, Calendar, Plan, Switch
from wayside.control.signals.priority import Special, warning
from wayside.control.signals.rings import Rings
from wayside.control.signals.schema import (
    UNUSED,
    DetectorTable,
    JunctionFile,
    PlanTable,
    PreemptionTable,
    PriorityTable,
    RailwayTable,
)
from wayside.control.signals.site import Site
from wayside.control.signals.stages import stages
from wayside.settings import toml_file
from wayside.settings.toml_file import Place, TomlSource
from wayside.text.unknown import unknown

_MOST_STAGES = 32  # a quarter of a millisecond each on a desktop; pilot.timed gives an adviser 50


class JunctionFileError(Exception):
    """A junction file that must not be run; `problems` holds one line each."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


def load(path: Path) -> Site:
    """The site in the file at `path`; JunctionFileError with every problem otherwise."""
    file, source = toml_file.load(path, JunctionFile, "a junction file", JunctionFileError)
    _refuse(_group_problems(file, source))
    try:
        junction = _junction(file)
        matrix = draft_matrix(file.name, junction, file.version)
        if len(matrix) > signal_matrix.MAX_TEXT:
            text = f"their matrix has {len(matrix)} characters, a signal node reads {signal_matrix.MAX_TEXT}"
            raise JunctionFileError([source.problem(("channels",), f"{text}; join groups that always show the same")])
        signal_matrix.parse(matrix)
    except JunctionError as error:
        raise JunctionFileError([source.problem((), each) for each in error.problems]) from None
    except WireError as error:
        raise JunctionFileError([source.problem((), str(error))]) from None
    _refuse(_layer_problems(file, source, junction))
    return Site(
        file.name,
        junction,
        {each.name: _plan(each) for each in file.plan},
        _calendar(file),
        tuple(_detectors(file)),
        _rings(file),
        tuple(_specials(file)),
        tuple(_approaches(file)),
        file.exits,
        file.version,
        source.sha256,
    )


def _refuse(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise JunctionFileError(found)


def _ticks(seconds: Decimal) -> int:
    return int(seconds * TICKS_PER_S)


# --- from tables to what the layers take ---


def _junction(file: JunctionFile) -> Junction:
    return Junction(
        groups=tuple(
            Group(
                name=each.name,
                kind=each.kind,
                min_green=_ticks(each.min_green_s),
                amber=_ticks(each.yellow_s + each.clearance_s),  # one of the two: _group_problems
                red_amber=_ticks(each.red_yellow_s),
                min_red=_ticks(each.min_red_s),
                max_red=_ticks(each.max_red_s),
                parents=each.parents,
                yields_to=each.yields_to,
                flash=each.flash,
                crossing=int((each.crossing_m or 0) * 10),
            )
            for each in file.group
        ),
        intergreen={(a, b): _ticks(time) for a, row in file.intergreen_s.items() for b, time in row.items()},
        compatible=frozenset(frozenset(pair) for pair in file.compatible),
        stages=file.stages,
        channels=tuple(None if each == UNUSED else each for each in file.channels),
        start_flash=_ticks(file.start.flash_s),
        start_all_red=_ticks(file.start.all_red_s),
    )


def _plan(plan: PlanTable) -> Plan:
    green = {name: tuple((_ticks(a), _ticks(b)) for a, b in times) for name, times in plan.green.items()}
    return Plan(plan.name, _ticks(plan.cycle_s), _ticks(plan.offset_s), green, plan.coordinated)


def _calendar(file: JunctionFile) -> Calendar:
    days = {name: number for number, name in enumerate(MONDAY_TO_SUNDAY)}
    switches = tuple(
        Switch(frozenset(days[day] for day in each.days), each.at, Level[each.control.upper()], each.plan)
        for each in file.switch
    )
    return Calendar(ZoneInfo(file.time_zone), switches, {day: days[name] for day, name in file.holidays.items()})


def _detectors(file: JunctionFile) -> Iterator[Detector]:
    vehicles = {each.name for each in file.group if each.kind == VEHICLE}
    for each in file.detector:
        is_button = each.locking and vehicles.isdisjoint(each.groups)
        yield Detector(
            each.name,
            (each.input or 0) - 1,
            each.groups,
            each.locking,
            _ticks(each.stuck_on_s),
            _stuck_off(each, is_button),
            each.chatter_per_minute,
            each.topic or "",
        )


def _stuck_off(each: DetectorTable, is_button: bool) -> int:
    """Buttons, and what calls no group, as a fire station's switch does, may rest for days; no loop may."""
    if each.stuck_off_s is not None:
        return _ticks(each.stuck_off_s)
    return 0 if is_button or not each.groups else NO_ACTIVITY


def _rings(file: JunctionFile) -> Rings | None:
    if not file.block:
        return None
    return Rings(
        tuple(each.rings for each in file.block),
        {each.name: _ticks(each.max_green_s) for each in file.group},
        {each.name: _ticks(each.passage_s) for each in file.group},
        frozenset(each.name for each in file.group if each.recall),
    )


def _railway(rail: RailwayTable) -> Special:
    return Special(
        rail.name,
        rail.name,
        rail.green,
        rail.closed,
        rail.clear,
        _ticks(rail.clear_s),
        gates=_ticks(rail.gates_s),
        hold=_ticks(rail.hold_s),
        free_input=rail.free_input - 1,
        train_input=(rail.train_input or 0) - 1,
    )


def _specials(file: JunctionFile) -> Iterator[Special]:
    """The railway goes first, wherever it stands in the file."""
    yield from map(_railway, file.railway)
    for each in file.preemption:
        longest, pause, hold = _ticks(each.longest_s), _ticks(each.pause_s), _ticks(each.hold_s)
        yield Special(each.name, each.detector, each.green, each.closed, longest=longest, pause=pause, hold=hold)
    for one in file.priority:
        longest, pause, hold = _ticks(one.longest_s), _ticks(one.pause_s), _ticks(one.hold_s)
        yield Special(one.name, one.detector, one.green, longest=longest, pause=pause, transit=True, hold=hold)


def _approaches(file: JunctionFile) -> Iterator[Approach]:
    for each in file.approach:
        yield Approach(each.advance, tuple(Lane(lane.stop, lane.groups, float(lane.seconds)) for lane in each.lanes))


# --- what pydantic cannot see ---


def _group_problems(file: JunctionFile, source: TomlSource) -> Iterator[str]:
    for number, group in enumerate(file.group):
        for key in ("clearance_s",) if group.kind != PEDESTRIAN else ("yellow_s", "red_yellow_s"):
            if getattr(group, key):
                kinds = "a vehicle's or a bicycle's" if group.kind == PEDESTRIAN else "a pedestrian's"
                yield source.problem(("group", number, key), f"is for {kinds} group; remove it")
        if (group.kind == VEHICLE) == (group.crossing_m is not None):
            text = "is for a pedestrian's or a bicycle's group; remove it"
            if group.crossing_m is None:
                text = f"add crossing_m, the metres of road that a {group.kind} has to clear"
            yield source.problem(("group", number, "crossing_m"), text)
        if group.max_green_s < group.min_green_s:
            yield source.problem(
                ("group", number, "max_green_s"), f"is shorter than min_green_s; write {group.min_green_s} or more"
            )
        if group.name not in file.channels:
            yield source.problem(("group", number, "name"), "has no channel; add it to channels")
    names = {group.name for group in file.group}
    for number, name in enumerate(file.channels):
        if name not in names and name != UNUSED:
            yield source.problem(("channels", number), unknown("signal group", name, names) + f'; "{UNUSED}": unused')
    for number, pair in enumerate(file.compatible):
        if len(set(pair)) < 2:
            yield source.problem(("compatible", number), "names one group twice; name two")


def _layer_problems(file: JunctionFile, source: TomlSource, junction: Junction) -> Iterator[str]:
    yield from _name_problems(file, source)
    yield from _input_problems(file, source)
    for number, plan in enumerate(file.plan):
        for problem in _plan(plan).problems(junction):
            yield source.problem(("plan", number), problem)
    for number, detector in enumerate(file.detector):
        if (detector.input is None) == (detector.topic is None):
            yield source.problem(("detector", number), "give it an input of the node, or the topic of its zone")
        yield from _unknown_groups(source, ("detector", number, "groups"), detector.groups, junction)
    if rings := _rings(file):
        for problem in rings.problems(junction):
            yield source.problem(("block",), problem)
        called = rings.recalled.union(*(each.groups for each in file.detector))
        for number, group in enumerate(file.group):
            if group.name not in called and not group.parents:
                yield source.problem(
                    ("group", number), "nothing calls it; write recall = true, or name it in a detector's groups"
                )
    yield from _approach_problems(file, source, junction)
    yield from _switch_problems(file, source, junction)
    yield from _special_problems(file, source, junction)


def _name_problems(file: JunctionFile, source: TomlSource) -> Iterator[str]:
    """Specials share one name space, and so do a railway and the detectors: both are seen in one list."""
    for keys in (("plan",), ("railway", "detector"), ("railway", "preemption", "priority")):
        taken: dict[str, str] = {}
        for key in keys:
            for number, each in enumerate(getattr(file, key)):
                if each.name in taken:
                    yield source.problem((key, number, "name"), f"another {taken[each.name]} has this name")
                taken.setdefault(each.name, key)


def _input_problems(file: JunctionFile, source: TomlSource) -> Iterator[str]:
    """One contact that is two detectors is a mistake of who counted; a railway's belongs to nobody else at all."""
    inputs: list[tuple[Place, object, str]] = [
        (("railway", 0, key), value, rail.name)
        for rail in file.railway
        for key, value in (("free_input", rail.free_input), ("train_input", rail.train_input))
    ]
    for number, each in enumerate(file.detector):
        inputs += [(("detector", number, "input"), each.input, each.name)]
        inputs += [(("detector", number, "topic"), each.topic, each.name)]
    taken: dict[object, str] = {}
    for place, value, name in inputs:
        if value in taken:
            yield source.problem(place, f"{value} is taken by {taken[value]}; give each its own")
        elif value is not None:
            taken[value] = name


def _unknown_groups(source: TomlSource, place: Place, names: Iterable[str], junction: Junction) -> Iterator[str]:
    for name in names:
        if name not in junction.index:
            yield source.problem(place, unknown("signal group", name, junction.index))


def _never_together(source: TomlSource, place: Place, names: Sequence[str], junction: Junction) -> Iterator[str]:
    """Why groups that a special waits for could never be green together: its call would stay for ever."""
    known = [name for name in names if name in junction.index]
    for one, other in combinations(known, 2):
        if one != other and frozenset((one, other)) not in junction.compatible:
            yield source.problem(place, f"{one} and {other} conflict, and are wanted green together")
    for name in known:
        parents = junction.groups[junction.index[name]].parents
        if parents and not set(parents) & set(known):
            yield source.problem(place, f"{name} is an overlap, and none of its parents is there; add one")


def _approach_problems(file: JunctionFile, source: TomlSource, junction: Junction) -> Iterator[str]:
    known = {each.name for each in file.detector}
    loops: list[tuple[Place, str]] = [(("exits",), name) for names in file.exits.values() for name in names]
    for number, approach in enumerate(file.approach):
        place: Place = ("approach", number)
        loops += [(place, name) for name in (*approach.advance, *(lane.stop for lane in approach.lanes))]
        for lane in approach.lanes:
            yield from _unknown_groups(source, place, lane.groups, junction)
    yield from _unknown_groups(source, ("exits",), file.exits, junction)
    for place, name in loops:
        if name not in known:
            yield source.problem(place, unknown("detector", name, known))


def _switch_problems(file: JunctionFile, source: TomlSource, junction: Junction) -> Iterator[str]:
    if not file.switch:
        yield source.problem((), "there is no [[switch]]; say what is in force from when on")
    plans = {each.name for each in file.plan}
    weighed = len(stages(junction)) if any(each.control == "adaptive" for each in file.switch) else 0
    taken = set()
    for number, switch in enumerate(file.switch):
        place = ("switch", number)
        for day in switch.days:
            if (day, switch.at) in taken:
                yield source.problem(place, f"another switch is at {switch.at} on {day} too; leave out one of the two")
            taken.add((day, switch.at))
        if switch.control == "flash":
            if switch.plan:
                yield source.problem((*place, "plan"), "flash needs no plan")
        elif not switch.plan:
            yield source.problem(
                place, f"name the plan; {switch.control} control falls back to it" if plans else "no plan"
            )
        elif switch.plan not in plans:
            yield source.problem((*place, "plan"), unknown("plan", switch.plan, plans))
        if switch.control in ("actuated", "adaptive") and not (file.block and file.detector):
            yield source.problem((*place, "control"), f"{switch.control} control needs [[block]] and [[detector]]")
        if switch.control == "adaptive" and not file.approach:
            yield source.problem((*place, "control"), "adaptive control needs [[approach]]")
        if switch.control == "adaptive" and weighed > _MOST_STAGES:
            yield source.problem(
                (*place, "control"),
                f"adaptive control would weigh {weighed} sets of compatible groups each second, and has time for "
                f'{_MOST_STAGES}; write "actuated"',
            )


def _railway_problems(file: JunctionFile, source: TomlSource, junction: Junction) -> Iterator[str]:
    for number, rail in enumerate(file.railway):
        place: Place = ("railway", number)
        for what in ("green", "closed", "clear"):
            yield from _unknown_groups(source, (*place, what), getattr(rail, what), junction)
        for what in ("green", "clear"):
            yield from _never_together(source, (*place, what), getattr(rail, what), junction)
        if set(rail.closed) & set(rail.green):
            yield source.problem((*place, "closed"), "names a group that is in green too; leave it in one of them")
        for name in sorted(set(rail.clear) - set(rail.closed)):
            yield source.problem((*place, "closed"), f"{name} leads over the track, which it clears; add it")
        if rail.gates_s and not rail.clear:
            yield source.problem(
                (*place, "gates_s"), "is for a track that is cleared; add clear and clear_s, or remove it"
            )
        if bool(rail.clear) != bool(rail.clear_s):
            yield source.problem(place, "clear and clear_s belong together; write both, or none where nobody can queue")
        elif set(rail.closed) <= set(junction.index):
            needed = warning(junction, _railway(rail))
            if _ticks(rail.warning_s) < needed:
                yield source.problem(
                    (*place, "warning_s"),
                    f"the track is clear and closed {needed / TICKS_PER_S:g} s after the call, at worst; have the "
                    f"circuit call so long before the train, and write {needed / TICKS_PER_S:g} or more",
                )


def _special_problems(file: JunctionFile, source: TomlSource, junction: Junction) -> Iterator[str]:
    yield from _railway_problems(file, source, junction)
    known = {each.name for each in file.detector}
    zones = {each.name for each in file.detector if each.topic}
    tables: dict[str, Sequence[PreemptionTable | PriorityTable]] = {
        "preemption": file.preemption,
        "priority": file.priority,
    }
    for key, table in tables.items():
        for number, each in enumerate(table):
            if each.detector not in known:
                yield source.problem((key, number, "detector"), unknown("detector", each.detector, known))
            if each.detector in zones:
                yield source.problem(
                    (key, number, "detector"), f"a topic calls no {key}, anybody may publish it; name one with an input"
                )
            for what in ("green", "closed"):
                names = getattr(each, what, ())
                yield from _unknown_groups(source, (key, number, what), names, junction)
                if what != "closed":
                    yield from _never_together(source, (key, number, what), names, junction)
    for number, special in enumerate(file.preemption):
        if special.closed and set(special.closed) & set(special.green):
            yield source.problem(
                ("preemption", number, "closed"), "names a group that is in green too; leave it in one of them"
            )
