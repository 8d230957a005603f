"""The junction file: the example is good, every mistake is explained, plans are followed to the tick."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from signals.junctions import build
from signals.test_signals_railway import MISTAKES as RAILWAY_MISTAKES
from signals.test_signals_railway import with_railway
from wayside.cli import main
from wayside.control.signals import core, junction, loader, plans, rings
from wayside.control.signals.chain import Level
from wayside.control.signals.channels import draft_matrix
from wayside.control.signals.junction import Group, JunctionError
from wayside.control.signals.loader import JunctionFileError, load
from wayside.control.signals.plans import Calendar, Plan, Switch
from wayside.control.signals.schema import JunctionFile
from wayside.control.signals.site import Site
from wayside.evidence.note import parse_key, parse_note
from wayside_wire import signal_matrix

EXAMPLE = Path(__file__).parents[2] / "docs" / "junction.example.toml"


@pytest.fixture(scope="module")
def site() -> Site:
    return load(EXAMPLE)


def test_the_example(site: Site) -> None:
    assert site.junction.intergreen["side", "main"] == 55
    assert site.junction.channels == ("main", "main_left", "side", "walk", None)
    walk = site.junction.groups[site.junction.index["walk"]]
    assert (walk.kind, walk.min_green, walk.amber) == ("pedestrian", 60, 60)
    assert site.plans["day"].offset == 120


MISTAKES = [
    ("yellow_s = 3\n", "yellow_s = 2.9\n", "group main: yellow of 2.9 s is not from 3 to 6"),
    ("yellow_s = 3\n", "yellow_s = 6.1\n", "group main: yellow of 6.1 s is not from 3 to 6"),
    ("red_yellow_s = 1", "red_yellow_s = 2.1", "group main: red with yellow for 2.1 s is too long; write 2 or less"),
    ("min_green_s = 7", "min_green_s = 4.9", "group main: a minimum green of 4.9 s is too short; write 5 or more"),
    ("min_green_s = 6", "min_green_s = 0.1", "group walk: a walk of 0.1 s is too short; write 4 or more"),
    ("clearance_s = 6", "clearance_s = 6\nred_yellow_s = 1", "red_yellow_s: is for a vehicle's or a bicycle's"),
    ("clearance_s = 6", "", None),
    ("walk = { main_left = 8, side = 9 }", "walk = { main_left = 8, side = 2 }", "walk to side is 2 s; write 7"),
    ("main = { main_left = 5,", "main = { main_left = 61,", "from main to main_left is 61 s; write 60 or less"),
    ("main = { main_left = 5,", "main = { main_left = 1900,", "group main: no maximum red can be promised"),
    ("crossing_m = 7", "crossing_m = 71", "input should be less than or equal to 70"),
    ("stuck_on_s = 120", "stuck_on_s = 0", "input should be greater than or equal to 1"),
    ("at = 20:00:00", "at = 06:00:00", "another switch is at 06:00:00 on mon too; leave out one of the two"),
    ("crossing_m = 7", "crossing_m = 10", "intergreen from walk to main_left is 8 s; write 8.4 or more"),
    ("crossing_m = 7", "crossing_m = 0", "group[4].crossing_m"),
    ("crossing_m = 7", "", "group[4].crossing_m: add crossing_m, the metres of road that a pedestrian has to clear"),
    ("red_yellow_s = 1", "red_yellow_s = 1\ncrossing_m = 7", "group[1].crossing_m: is for a pedestrian's"),
    ("red_yellow_s = 1", "red_yellow_s = 1\nclearance_s = 7", "group[1].clearance_s: is for a pedestrian's group"),
    ("red_yellow_s = 1", 'red_yellow_s = 1\nkind = "bicycle"\ncrossing_m = 18', "main to main_left is 5 s; write 5.5"),
    ("red_yellow_s = 1", 'red_yellow_s = 1\nkind = "bicycle"\ncrossing_m = 16', None),
    ('flash = "dark"', 'flash = "amber"', "group walk: a pedestrian's lamp has no amber; flash is red or dark"),
    ("max_red_s = 240\n\n", 'max_red_s = 240\nflash = "amber"\n\n', "main_left conflict, and both flash amber"),
    ("side = { main = 5.5, main_left = 5, walk = 6 }", "side = { main = 5.5, main_left = 5 }", "side and walk: write"),
    ('compatible = [["main", "walk"]]', "", "main and walk: write both intergreens, or name the two as compatible"),
    ('compatible = [["main", "walk"]]', 'compatible = [["walk", "walk"]]', ":8: compatible[1]: names one group twice"),
    ('["main_left"], ["side"]]', '["main_left"]]', "no stage holds side"),
    ("main = { main_left = 5, side = 6 }", "main = { main_left = 3.5, side = 6 }", "main_left is 3.5 s; write 4"),
    ('"walk", "-"]', '"wlak", "-"]', 'channels[4]: unknown signal group "wlak"; did you mean "walk"?'),
    ('"side", "walk", "-"]', '"side", "-"]', ":45: group[4].name: has no channel"),
    ("clearance_s = 6", "yellow_s = 6", "group[4].yellow_s: is for a vehicle's or a bicycle's"),
    ("min_green_s = 6", "min_gren_s = 6", 'unknown key "min_gren_s"; did you mean "min_green_s"?'),
    ("min_green_s = 6", "min_green_s = 6.05", "min_green_s"),
    ("min_green_s = 7", 'min_green_s = "7"', ":18: group[1].min_green_s: '7' must be a number"),
    ("min_green_s = 7", "min_green_s = true", "min_green_s: True must be a number"),
    ("min_green_s = 7", "min_green_s = inf", "min_green_s"),
    ("recall = true", 'recall = "no"', ":27: group[1].recall: 'no' must be true or false"),
    ("recall = true", "recall = 1", "group[1].recall: 1 must be true or false"),
    ("input = 1", "input = true", "detector[1].input: True must be a whole number"),
    ("input = 1", "input = 1.0", "detector[1].input: 1.0 must be a whole number"),
    ('groups = ["main"]', 'groups = "main"', "groups: 'main' must be a list in [ ]"),
    ("at = 06:00:00", 'at = "06:00:00"', "switch[1].at: '06:00:00' must be a time of day"),
    ("2026-12-25", "20261225", "a day is written YYYY-MM-DD"),
    ("[[0, 30]]", '[["0", 30]]', "must be a number"),
    ('stop = "loop-side"', 'stopp = "loop-side"', 'unknown key "stopp"; did you mean "stop"?'),
    ("min_green_s = 6", "min_green_s = -1", "min_green_s"),
    ('"Europe/Berlin"', '"Europe/Berlim"', "unknown time zone"),
    ('stop = "loop-side"', 'stop = "loop-sid"', 'approach[2]: unknown detector "loop-sid"; did you mean "loop-side"?'),
    ('groups = ["side"] }]', 'groups = ["sid"] }]', 'approach[2]: unknown signal group "sid"'),
    ("[[approach]]", '[exits]\nmain = ["loop"]\n[[approach]]', 'exits: unknown detector "loop"'),
    ("input = 1", "", "detector[1]: give it an input of the node, or the topic of its zone"),
    ("input = 1", 'input = 1\ntopic = "x"', "detector[1]: give it an input of the node, or the topic of its zone"),
    ('topic = "radar/7/side"', 'topic = "radar/+/side"', "detector[7].topic"),
    ('plan = "day"', 'plan = "dai"', 'switch[1].plan: unknown plan "dai"; did you mean "day"?'),
    ('plan = "day"', "", "switch[1]: name the plan; actuated control falls back to it"),
    ('control = "actuated"', 'control = "flash"', "switch[1].plan: flash needs no plan"),
    ('[["main", "walk"], ["main_left"]', '[["main", "side"], ["main_left"]', "main and side conflict"),
    ('detector = "bus"', 'detector = "bsu"', 'priority[1].detector: unknown detector "bsu"; did you mean "bus"?'),
    ('groups = ["side"]', 'groups = ["sid"]', 'detector[3].groups: unknown signal group "sid"'),
    ('green = ["main"]', 'green = ["main", "side"]', "preemption[1].green: main and side conflict"),
    ('green = ["main"]', 'green = ["man"]', 'preemption[1].green: unknown signal group "man"'),
    ('green = ["main"]', 'green = ["main"]\nclosed = ["main"]', "preemption[1].closed: names a group that is in green"),
    ('coordinated = ["main"]', 'coordinated = ["mani"]', "unknown signal group mani"),
    ('name = "bus"', 'name = "button"', "another detector has this name"),
    ("at = 06:00:00", "at = 6", "switch[1].at: 6 must be a time of day"),
    ("at = 06:00:00", "at = 2026-01-01T06:00:00", "must be a time of day"),
    ('groups = ["main_left"]\n', "", "group[2]: nothing calls it; write recall = true, or name it"),
    ('detector = "bus"', 'detector = "radar-side"', "priority[1].detector: a topic calls no priority, anybody may"),
    ("max_green_s = 45", "max_green_s = 6", "group[1].max_green_s: is shorter than min_green_s"),
    ("side = [[53, 74]]\n", "", "plan[1]: side never gets green"),
    ("side = [[53, 74]]", "side = [[53, 75]]", "side ends at 75.0 s, main begins at 0.0 s: 5.5 s have to lie between"),
    ("side = [[53, 74]]", "side = [[20, 50]]", "main ends at 30.0 s, side begins at 20.0 s"),
    ("side = [[53, 74]]", "side = [[53, 59]]", "side: green from 53.0 to 59.0 s is under 7.0 s"),
    ("side = [[53, 74]]", "side = [[53, 81]]", "is not within the cycle"),
    ("min_red_s = 2", "min_red_s = 0.9", "group main: a minimum red of 0.9 s is too short; write 1 or more"),
    ("max_red_s = 240", "max_red_s = 80", "group main: a maximum red of 80 s"),
    ('name = "evening"', 'name = "day"', "plan[2].name: another plan has this name"),
    ("all_red_s = 10", "all_red_s = 8", "start: all red is 8 s; write 9 or more, the longest intergreen"),
    ('name = "high-street"', 'name = "high street"', "no blank"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "said"), MISTAKES, ids=[said or after for _, after, said in MISTAKES])
def test_a_mistake_is_explained_and_the_file_refused_whole(
    before: str, after: str, said: str | None, tmp_path: Path
) -> None:
    text = EXAMPLE.read_text()
    assert before in text
    path = tmp_path / "junction.toml"
    path.write_text(text.replace(before, after, 1))
    if said is None:
        load(path)
        return
    with pytest.raises(JunctionFileError) as error:
        load(path)
    assert said in str(error.value)
    assert str(error.value).startswith(str(path))


# --- plans ---


@pytest.mark.parametrize("name", ["day", "evening"])
def test_the_core_follows_a_plan_to_the_tick(site: Site, name: str) -> None:
    plan, junction = site.plans[name], site.junction
    state, seen = core.begin(junction), []
    for tick in range(7 * plan.cycle):
        state = core.step(junction, state, core.Requests(plan.wishes(junction, 100 * tick)))
        seen.append((plan.place(100 * tick), core.greens(state)))
    for place, green in seen[4 * plan.cycle :]:
        wanted = {name for name, times in plan.green.items() for begin, end in times if begin <= place < end}
        assert {junction.groups[number].name for number in green} == wanted


def test_green_may_wrap_round_the_cycle(site: Site) -> None:
    plan = site.plans["day"]
    turned = Plan(
        "turned",
        plan.cycle,
        plan.offset + 200,
        {name: tuple(((b - 200) % 800, (e - 200) % 800) for b, e in times) for name, times in plan.green.items()},
    )
    assert not list(turned.problems(site.junction))
    for tick in range(800):
        assert turned.wishes(site.junction, 100 * tick) == plan.wishes(site.junction, 100 * tick)


BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS, ALL = frozenset(range(5)), frozenset(range(7))
CALENDAR = Calendar(
    BERLIN,
    (
        Switch(WORKDAYS, time(6), Level.PLAN, "day"),
        Switch(ALL, time(20), Level.PLAN, "evening"),
        Switch(frozenset({6}), time(2, 30), Level.FLASH, "night"),
    ),
    {date(2026, 12, 25): 6},
)


@pytest.mark.parametrize(
    ("when", "program"),
    [
        ("2026-11-23 05:59:59", "evening"),  # Monday, still Sunday evening's
        ("2026-11-23 06:00:00", "day"),
        ("2026-11-23 19:59:59", "day"),
        ("2026-11-23 20:00:00", "evening"),
        ("2026-11-28 12:00:00", "evening"),  # Saturday has no switch before the evening: Friday evening's goes on
        ("2026-12-25 12:00:00", "night"),  # a Friday that counts as a Sunday
        ("2026-12-26 12:00:00", "evening"),
        ("2026-03-29 03:00:00", "night"),  # 02:30 does not exist on this Sunday; summer time began
        ("2026-03-29 01:59:59", "evening"),
        ("2026-10-25 02:29:59", "evening"),  # the hour that comes twice, the first time
        ("2026-10-25 02:30:00", "night"),
    ],
)
def test_the_calendar(when: str, program: str) -> None:
    utc_ms = int(datetime.fromisoformat(when).replace(tzinfo=BERLIN).timestamp() * 1000)
    assert CALENDAR.switch(utc_ms).plan == program


def test_the_hour_that_comes_twice_and_the_cycle_over_it(site: Site) -> None:
    second = datetime(2026, 10, 25, 2, 40, tzinfo=BERLIN, fold=1)
    for minutes in range(-10, 60):  # from the first 02:30 on, and not taken back at the second 02:00
        moment = second + timedelta(minutes=minutes)
        assert CALENDAR.switch(int(moment.timestamp() * 1000)).plan == "night"
    # The cycle knows no local time: it goes on over both changes.
    plan = site.plans["day"]
    for hour in (datetime(2026, 10, 25, 3, tzinfo=BERLIN), datetime(2026, 3, 29, 3, tzinfo=BERLIN)):
        utc_ms = int(hour.timestamp() * 1000)
        assert (plan.place(utc_ms) - plan.place(utc_ms - 100)) % plan.cycle == 1


def test_midnight_that_comes_twice_switches_once() -> None:
    """Where clocks go back at midnight it is yesterday again for an hour."""
    havana = ZoneInfo("America/Havana")
    calendar = Calendar(
        havana, (Switch(ALL, time(12), Level.PLAN, "noon"), Switch(ALL, time(0, 10), Level.PLAN, "night")), {}
    )
    begin_ms = int(datetime(2026, 10, 31, 23, 50, tzinfo=havana).timestamp() * 1000)
    plans = [calendar.switch(begin_ms + minute * 60_000).plan for minute in range(180)]
    assert plans == ["noon"] * 20 + ["night"] * 160


# --- values of the wrong type ---


def leaves(data, place=()):
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, dict | list):
            yield from leaves(value, (*place, key))
        yield (*place, key), value


def test_no_value_of_another_type_is_taken() -> None:
    """A time of day as a number was taken, and stopped the controller on that weekday, at every start."""
    data = tomllib.loads(EXAMPLE.read_text())
    others = (True, 6, 6.5, "6", date(2026, 1, 1), time(6), datetime(2026, 1, 1), [[]], {"x": {}}, float("nan"))
    taken = set()
    for place, value in list(leaves(data)):
        for other in others:
            numbers = not isinstance(value, bool) and isinstance(value, int | float) and type(other) in (int, float)
            if type(other) is type(value) or (numbers and other == other):
                continue
            changed = deepcopy(data)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = other
            try:
                JunctionFile.model_validate(changed)
                taken.add((place, other))
            except ValidationError:
                pass
    assert not taken


# --- advice ---


@cache
def said_of(text: str) -> tuple[str, ...]:
    """The problems of a junction file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "junction.toml"
        path.write_text(text)
        try:
            load(path)
        except JunctionFileError as error:
            return tuple(error.problems)
    return ()


ADVICE = [
    ("max_red_s = 240", "max_red_s = 80", "max_red_s = {}"),
    ("min_red_s = 2", "min_red_s = 0.9", "min_red_s = {}"),
    ("min_green_s = 7", "min_green_s = 4.9", "min_green_s = {}"),
    ("min_green_s = 6", "min_green_s = 0.1", "min_green_s = {}"),
    ("red_yellow_s = 1", "red_yellow_s = 2.1", "red_yellow_s = {}"),
    ("max_green_s = 45", "max_green_s = 6", "max_green_s = {}"),
    ("side = { main = 5.5, main_left = 5, walk = 6 }", "side = { main = 3, main_left = 5, walk = 6 }",
     "side = {{ main = {}, main_left = 5, walk = 6 }}"),
    ("walk = { main_left = 8, side = 9 }", "walk = { main_left = 8, side = 2 }",
     "walk = {{ main_left = 8, side = {} }}"),
    ("all_red_s = 10", "all_red_s = 8", "all_red_s = {}"),
    ("flash_s = 5", "flash_s = 0", "{}"),
    ("warning_s = 50", "warning_s = 9", "warning_s = {}"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "wrong", "right"), ADVICE, ids=[wrong for _, wrong, _ in ADVICE])
def test_whoever_follows_the_advice_has_a_good_file(before: str, wrong: str, right: str) -> None:
    text = with_railway()
    for _ in range(3):
        said = said_of(text.replace(before, wrong, 1))
        if not said:
            break
        wrong = right.format(re.findall(r"write ((?:flash_s = )?[\d.]+)", " ".join(said))[0])
    assert said_of(text.replace(before, wrong, 1)) == ()


def test_the_least_maximum_red_starves_nobody(site: Site) -> None:
    """With less, the core served that group all day, and the others at their own maximum only."""
    least = 2 * len(site.junction.stages) * site.junction.round
    groups = tuple(replace(group, max_red=least) for group in site.junction.groups)
    junction = replace(site.junction, groups=groups)
    plan = site.plans["day"]
    state = core.begin(junction)
    for tick in range(10 * plan.cycle):
        state = core.step(junction, state, core.Requests(plan.wishes(junction, 100 * tick)))
        assert state.serving < 0
    side = junction.index["side"]
    green = 0
    for _ in range(10_000):
        state = core.step(junction, state, core.Requests(frozenset({side})))
        green += side in core.greens(state)
    assert green > 4000


def test_sets_that_an_adviser_would_weigh_are_bounded() -> None:
    """Twenty groups, each in the way of one other: 1,024 sets, and decisions of 282 ms."""
    names = [f"g{number}" for number in range(12)]
    pairs = [[a, b] for a, b in combinations(names, 2) if int(a[1:]) // 2 != int(b[1:]) // 2]
    text = many(names, pairs, "adaptive")
    (problem,) = said_of(text)
    assert (
        'adaptive control would weigh 64 sets of compatible groups each second, and has time for 32; write "act'
        in problem
    )
    assert said_of(text.replace('"adaptive"', '"actuated"')) == ()


def test_more_groups_than_a_node_can_judge_are_refused_in_words() -> None:
    (problem,) = said_of(many([f"g{number}" for number in range(32)], [], "actuated"))
    assert "channels: their matrix has" in problem and "a signal node reads 16384; join groups" in problem


def many(names: list[str], compatible: list[list[str]], control: str) -> str:
    """A junction of many groups, each in a stage of its own."""
    stages = [[name] for name in names]
    lines = ['name = "many"', 'time_zone = "Europe/Berlin"', f"channels = {names}", f"compatible = {compatible}"]
    lines += [f"stages = {stages}", "[start]", "all_red_s = 5", "[intergreen_s]"]
    for name in names:
        foes = [each for each in names if each != name and not any({name, each} == set(pair) for pair in compatible)]
        lines += [f"{name} = {{ {', '.join(f'{each} = 5' for each in foes)} }}"]
    for name in names:
        lines += ["[[group]]", f'name = "{name}"', "recall = true"]
        lines += ["min_green_s = 5", "yellow_s = 3", "max_red_s = 3599"]
    lines += ["[[detector]]", 'name = "loop"', "input = 1", f"groups = {names}"]
    lines += ["[[approach]]", f'lanes = [{{ stop = "loop", groups = {names} }}]', "[[block]]", f"rings = [{stages}]"]
    lines += ["[[plan]]", 'name = "day"', f"cycle_s = {10 * len(names)}", "[plan.green]"]
    lines += [f"{name} = [[{10 * number}, {10 * number + 5}]]" for number, name in enumerate(names)]
    lines += ["[[switch]]", 'days = ["mon"]', "at = 00:00:00", 'plan = "day"', f'control = "{control}"']
    return "\n".join(lines) + "\n"


def texts(module: ModuleType) -> Iterator[str]:
    """What a module may say is wrong, as regular expressions."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        is_call = isinstance(node, ast.Call) and ast.unparse(node.func) == "source.problem"
        said = node.args[1] if is_call else node.value if isinstance(node, ast.Yield) else None
        for text in ast.walk(said) if isinstance(said, ast.JoinedStr | ast.Constant | ast.IfExp) else ():
            if isinstance(text, ast.JoinedStr):
                parts = (re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in text.values)
                yield "".join(parts)
            elif isinstance(text, ast.Constant) and said is text and " " in str(text.value):
                yield re.escape(str(text.value))


def changed(text: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    return text


SMALL = many(["a", "b", "c"], [["a", "b"]], "actuated")
GROUP_A, GROUP_B, GROUP_C = (f'name = "{name}"\n' for name in "abc")
STAGES, RINGS = "stages = [['a'], ['b'], ['c']]", "rings = [[['a'], ['b'], ['c']]]"
OVERLAP = (GROUP_B, GROUP_B + 'parents = ["a"]\n')
IN_A_STAGE = (STAGES, "stages = [['a', 'b'], ['c']]")
NO_STEP = (RINGS, "rings = [[['a'], ['c']]]")
WITH_A = ("b = [[10, 15]]", "b = [[0, 5]]")
FIRE = '[[preemption]]\nname = "fire"\ndetector = "loop"\nlongest_s = 60\n'
RELATIONS = [  # what is wrong, what is said, what somebody does who follows it (none: takes it back)
    ((OVERLAP,), "stage 2: b is an overlap, and none of its parents is there", (IN_A_STAGE, NO_STEP, WITH_A)),
    ((OVERLAP,), 'no stage holds b and its parent a; add ["a", "b"]', (IN_A_STAGE, NO_STEP, WITH_A)),
    ((OVERLAP, IN_A_STAGE), "b is an overlap; it follows its parents by itself", (NO_STEP, WITH_A)),
    ((OVERLAP, IN_A_STAGE, NO_STEP), "b: the core deviates at 10.0 s; look at its", (WITH_A,)),
    ((OVERLAP, IN_A_STAGE, NO_STEP, WITH_A, ("[[switch]]", FIRE + 'green = ["b"]\n[[switch]]')),
     "b is an overlap, and none of its parents is there", (('green = ["b"]', 'green = ["a", "b"]'),)),
    ((OVERLAP, (GROUP_B, GROUP_B + 'yields_to = ["a"]\n')), "b: is an overlap; a permissive movement needs", ()),
    ((OVERLAP, (GROUP_B, GROUP_B + "red_yellow_s = 1\n")), "an overlap has its parents' red and yellow", ()),
    ((OVERLAP, (GROUP_A, GROUP_A + 'parents = ["b"]\n')), "its parent a is an overlap itself", ()),
    (((GROUP_A, GROUP_A + 'parents = ["a"]\n'),), "a: is its own parent, or yields to itself", ()),
    (((GROUP_C, GROUP_C + 'parents = ["a"]\n'),), "c: is not compatible with its parent a", ()),
    (((GROUP_C, GROUP_C + 'yields_to = ["a"]\n'),), "c: yields to a, so the two must be compatible", ()),
    (((GROUP_A, GROUP_A + 'yields_to = ["b"]\n'), (GROUP_B, GROUP_B + 'yields_to = ["a"]\n')),
     "a: yields to b, which yields itself or is an overlap", ()),
    ((("a = { c = 5 }", "a = { c = 5, b = 5 }"),), "a and b are called compatible, and have an intergreen", ()),
    (((GROUP_C, GROUP_B), ("channels = ['a', 'b', 'c']", "channels = ['a', 'b', 'b']")),
     "two signal groups have one name; give each its own", ()),
    ((("min_green_s = 5", "min_green_s = 0"),), "a: a time is zero, or an hour and more", ()),
    (((RINGS, "rings = [[['a'], [], ['c']]]"),), "a block, ring or step is empty; write its", ()),
    (((RINGS, "rings = [[['a'], ['b']], [['c']]]"),), "a and c conflict, and could be asked for together", ()),
    (((RINGS, "rings = [[['a']], [['b']]]\n[[block]]\nrings = [[['c']]]"),), "the blocks have different numbers", ()),
    (((RINGS, "rings = [[['a'], ['c']]]"),), "no step holds b; add it to one", ()),
    (((RINGS, "rings = [[['a'], ['b'], ['c'], ['a']]]"),), "a is in two steps; leave it in one", ()),
    ((("[[switch]]", "[[switchboard]]"),), 'unknown key "switchboard"; did you mean "switch"?', ()),
    ((("[[block]]\n" + RINGS, ""),), "actuated control needs [[block]] and [[detector]]", (("actuated", "plan"),)),
    ((("[[approach]]\n", "[[app]]\n"), ("actuated", "adaptive")), "app", (("[[app]]", "[[approach]]"),)),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "said", "followed"), RELATIONS, ids=[said for _, said, _ in RELATIONS])
def test_relations_between_groups_are_explained(wrong, said: str, followed) -> None:
    text = changed(SMALL, *wrong)
    assert any(said in problem for problem in said_of(text))
    if followed:
        assert said_of(changed(text, *followed)) == ()
    assert said_of(SMALL) == ()


def built_wrong(*groups: Group) -> str:
    """What is said of a junction that no file can describe."""
    with pytest.raises(JunctionError) as error:
        build(groups, (), (("a",),))
    return str(error.value)


def test_every_text_of_the_check_is_tried() -> None:
    tried = [EXAMPLE.read_text().replace(before, after, 1) for before, after, _ in MISTAKES]
    tried += [with_railway().replace(before, after, 1) for before, after, _ in RAILWAY_MISTAKES]
    tried += [with_railway().replace(before, wrong, 1) for before, wrong, _ in ADVICE]
    tried += [changed(SMALL, *wrong) for wrong, _, _ in RELATIONS]
    without = EXAMPLE.read_text().split("[[approach]]")
    tried += [EXAMPLE.read_text().split("[[switch]]")[0], many([f"g{number}" for number in range(32)], [], "plan")]
    tried += [without[0] + without[2][without[2].index("#") :].replace('"actuated"', '"adaptive"')]
    said = [problem for text in tried for problem in said_of(text)]
    said += [built_wrong(), built_wrong(Group("a", 50, 30, 2400, kind="tram"))]
    all_ = "\n".join(said)
    for module in (junction, plans, rings, loader):
        missing = [text for text in texts(module) if not re.search(text, all_) and "would\\ weigh" not in text]
        assert not missing


# --- commands ---


def test_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["signals", "check", str(EXAMPLE)]) == 0
    assert "good: 4 signal groups on 5 channels, 2 plans" in capsys.readouterr().out
    assert main(["signals", "check", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_matrix(capsys: pytest.CaptureFixture[str], tmp_path: Path, site: Site) -> None:
    assert main(["signals", "matrix", str(EXAMPLE)]) == 0
    text = capsys.readouterr().out
    assert text == draft_matrix("high-street", site.junction)
    assert signal_matrix.parse(text).clearance[2, 0] == 5500
    assert main(["signals", "matrix", str(EXAMPLE), "--sign", str(tmp_path / "key"), "--name", "town"]) == 0
    signed = capsys.readouterr()
    note = parse_note(signed.out.encode())
    note.verified_by(parse_key(signed.err.removeprefix("key  ")))
    assert note.text == text


def test_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signals", "keys"]) == 0
    keys = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert len(set(keys)) == 2 and all(len(bytes.fromhex(key)) == 32 for key in keys)
