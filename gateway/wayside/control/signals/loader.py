"""Reads a junction file: one TOML file, refused whole with every problem explained, or a Site that can be run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from wayside_wire import WireError, signal_matrix

from wayside import toml_file
from wayside.control.signals.channels import draft_matrix
from wayside.control.signals.junction import TICKS_PER_S, Group, Junction, JunctionError
from wayside.control.signals.plans import MONDAY_TO_SUNDAY, Calendar, Plan, Switch
from wayside.toml_file import Source, unknown

UNUSED = "-"
ACTUATED, FLASH = "actuated", "flash"


class JunctionFileError(Exception):
    """A junction file that must not be run; `problems` holds one line each."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Site:
    """All of a junction file."""

    name: str
    junction: Junction
    plans: Mapping[str, Plan]
    calendar: Calendar


def _ticks(seconds: Decimal) -> int:
    return int(seconds * TICKS_PER_S)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError('unknown time zone; write one of the IANA data base such as "Europe/Berlin"') from None
    return name


def _name(text: str) -> str:
    if not text or len(text) > 48 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a name has 1 to 48 visible ASCII characters and no blank")
    if text in (UNUSED, ACTUATED, FLASH):
        raise ValueError(f'"{text}" has a meaning of its own')
    return text


Seconds = Annotated[Decimal, Field(ge=0, lt=3600, decimal_places=1)]
Name = Annotated[str, AfterValidator(_name)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Start(_Table):
    flash_s: Seconds = Decimal(5)
    all_red_s: Seconds


class _Group(_Table):
    name: Name
    kind: Literal["vehicle", "pedestrian"] = "vehicle"
    min_green_s: Seconds
    yellow_s: Seconds = Decimal(0)
    clearance_s: Seconds = Decimal(0)
    red_yellow_s: Seconds = Decimal(0)
    max_red_s: Seconds
    parents: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    flash: Literal["amber", "red", "dark"] = "red"


class _Plan(_Table):
    name: Name
    cycle_s: Seconds
    offset_s: Seconds = Decimal(0)
    green: dict[str, list[tuple[Seconds, Seconds]]]


class _Switch(_Table):
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    at: time
    program: str


class _File(_Table):
    name: Name
    time_zone: Annotated[str, AfterValidator(_zone)]
    channels: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)]
    compatible: tuple[tuple[str, str], ...] = ()
    stages: tuple[tuple[str, ...], ...]
    start: _Start
    group: Annotated[list[_Group], Field(min_length=1)]
    intergreen_s: dict[str, dict[str, Seconds]] = {}
    plan: list[_Plan] = []
    switch: list[_Switch] = []
    holidays: dict[date, Weekday] = {}


def load(path: Path) -> Site:
    """The site in the file at `path`; JunctionFileError with every problem otherwise."""
    file, source = toml_file.load(path, _File, "a junction file", JunctionFileError)
    problems = list(_group_problems(file, source))
    if problems:
        raise JunctionFileError(problems)
    try:
        junction = _junction(file)
        signal_matrix.parse(draft_matrix(file.name, junction))
    except JunctionError as error:
        raise JunctionFileError([source.problem((), each) for each in error.problems]) from None
    except WireError as error:
        raise JunctionFileError([source.problem((), str(error))]) from None
    plans = {each.name: _plan(each) for each in file.plan}
    problems = [*_plan_problems(file, source, junction), *_switch_problems(file, source)]
    if problems:
        raise JunctionFileError(problems)
    return Site(file.name, junction, plans, _calendar(file))


def _junction(file: _File) -> Junction:
    return Junction(
        groups=tuple(
            Group(
                name=each.name,
                kind=each.kind,
                min_green=_ticks(each.min_green_s),
                amber=_ticks(each.yellow_s + each.clearance_s),  # one of the two: _group_problems
                red_amber=_ticks(each.red_yellow_s),
                max_red=_ticks(each.max_red_s),
                parents=each.parents,
                yields_to=each.yields_to,
                flash=each.flash,
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


def _group_problems(file: _File, source: Source) -> Iterator[str]:
    for number, group in enumerate(file.group):
        for key, kind in (("yellow_s", "vehicle"), ("red_yellow_s", "vehicle"), ("clearance_s", "pedestrian")):
            if getattr(group, key) and group.kind != kind:
                yield source.problem(("group", number, key), f"is for a {kind}'s group")
        if group.name not in file.channels:
            yield source.problem(("group", number, "name"), "has no channel; add it to channels")
    names = {group.name for group in file.group}
    for number, name in enumerate(file.channels):
        if name not in names and name != UNUSED:
            yield source.problem(("channels", number), unknown("signal group", name, names) + f'; "{UNUSED}": unused')
    for number, pair in enumerate(file.compatible):
        if len(set(pair)) < 2:
            yield source.problem(("compatible", number), "names one group twice")


def _plan(plan: _Plan) -> Plan:
    green = {name: tuple((_ticks(a), _ticks(b)) for a, b in times) for name, times in plan.green.items()}
    return Plan(plan.name, _ticks(plan.cycle_s), _ticks(plan.offset_s), green)


def _plan_problems(file: _File, source: Source, junction: Junction) -> Iterator[str]:
    names = [each.name for each in file.plan]
    for number, plan in enumerate(file.plan):
        if plan.name in names[:number]:
            yield source.problem(("plan", number, "name"), "another plan has this name")
        for problem in _plan(plan).problems(junction):
            yield source.problem(("plan", number), problem)


def _switch_problems(file: _File, source: Source) -> Iterator[str]:
    if not file.switch:
        yield source.problem((), "there is no [[switch]]; say which program is in force from when on")
    known = {each.name for each in file.plan} | {FLASH}
    for number, switch in enumerate(file.switch):
        if switch.program not in known:
            yield source.problem(("switch", number, "program"), unknown("program", switch.program, known))


def _calendar(file: _File) -> Calendar:
    days = {name: number for number, name in enumerate(MONDAY_TO_SUNDAY)}
    switches = tuple(Switch(frozenset(days[d] for d in each.days), each.at, each.program) for each in file.switch)
    return Calendar(ZoneInfo(file.time_zone), switches, {day: days[name] for day, name in file.holidays.items()})
