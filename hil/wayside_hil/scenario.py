"""Scenarios as files: what happens to a board and its surroundings, and what has to come of it. TOML, one step a table.

    title = "the lamp blinks through a power cut"
    [[step]]
    console = "ready"        the board says so
    [[step]]
    do = "power cut"         a deed
    [[step]]
    wait_s = 5               let time pass

A step says one thing, by the name under which it is registered (registry.py): `steps.py` has those of any board, others
come from whoever registers them. It may say `within_s`; without it 60 seconds are the limit, of the target's time.
A target that has not the plant of a step cannot play the scenario: lacking() says what it wants.
"""

import re
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, NamedTuple

from . import registry
from .dut import BoardDut

_WITHIN_S, _MOST_S = 60, 86_400


class ScenarioError(Exception):
    """A file that is no scenario; each line of the text is one problem."""


class Said(NamedTuple):
    """One step: its name and value, its limit in s."""

    name: str
    value: Any
    within_s: float = _WITHIN_S


class Scenario(NamedTuple):
    title: str
    steps: list[Said]


def load(path: Path) -> Scenario:
    """A TOML file, or one of Wokwi's (.yaml, wokwi_scenario.py). ScenarioError names file, line and reason."""
    if path.suffix in (".yaml", ".yml"):
        from . import wokwi_scenario

        return read(*wokwi_scenario.load(path, ScenarioError))
    try:
        text = path.read_text()
        content = tomllib.loads(text)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from None
    lines = [number for number, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*step\s*\]\]", line)]
    return read(content, str(path), lines)


def read(content: dict[str, Any], where: str = "scenario", lines: list[int] | None = None) -> Scenario:
    """A scenario as TOML has it. lines: of each step in the file `where`. ScenarioError."""
    registry.load()
    steps = content.get("step")
    if set(content) - {"title", "step"} or not isinstance(content.get("title"), str):
        raise ScenarioError(f"{where}: a scenario has a title, a text in quotes, and steps [[step]], nothing else")
    if not isinstance(steps, list) or not steps:
        raise ScenarioError(f"{where}: step: a scenario has at least one [[step]]")
    said, problems = [], []
    for number, table in enumerate(steps):
        line = f":{lines[number]}" if lines and number < len(lines) else ""
        try:
            said.append(_step(table))
        except ValueError as error:
            problems.append(f"{where}{line}: step[{number}]{error}")
    if problems:
        raise ScenarioError("\n".join(problems))
    return Scenario(content["title"], said)


def _step(table: Any) -> Said:
    """ValueError."""
    table = dict(table) if isinstance(table, dict) else {}
    within_s = table.pop("within_s", _WITHIN_S)
    if not _is(within_s, float) or not 0 < within_s <= _MOST_S:
        raise ValueError(f".within_s: {within_s!r} is no number of seconds up to {_MOST_S}")
    if len(table) != 1:
        raise ValueError(f": a step says one of do, {', '.join(sorted(registry.STEPS))}")
    ((name, value),) = table.items()
    if name == "do":
        if value not in registry.DEEDS:
            raise ValueError(f".do: {value!r} is no deed: there are {', '.join(sorted(registry.DEEDS))}")
    elif name not in registry.STEPS:
        raise ValueError(f".{name}: there is no such step; there are do, {', '.join(sorted(registry.STEPS))}")
    elif not _is(value, registry.STEPS[name].value):
        raise ValueError(f".{name}: {value!r} is not what this step takes: {_spoken(registry.STEPS[name].value)}")
    return Said(name, value, within_s)


def _is(value: Any, wanted: Any) -> bool:
    """Whether a value of TOML is of this type; a whole number is a float too, true is no number."""
    origin, items = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Literal:
        return any(value == each and type(value) is type(each) for each in items)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, each) for each in items)
    if origin is typing.Annotated:
        return _is(value, items[0]) and all(check(value) for check in items[1:])
    if origin is dict:
        return isinstance(value, dict) and all(
            _is(key, items[0]) and _is(each, items[1]) for key, each in value.items()
        )
    if origin is list:
        return isinstance(value, list) and all(_is(each, items[0]) for each in value)
    if wanted is float:
        return type(value) in (int, float) and value == value and abs(value) != float("inf")
    return wanted is Any or type(value) is wanted


def _spoken(wanted: Any) -> str:
    items = typing.get_args(wanted)
    if typing.get_origin(wanted) is typing.Literal:
        return " or ".join(repr(each) for each in items)
    if typing.get_origin(wanted) is typing.Annotated:
        return f"{_spoken(items[0])}, {', '.join(getattr(check, '__doc__', '') for check in items[1:])}"
    named = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}
    return named.get(wanted) or str(wanted).replace("typing.", "")


def lacking(scenario: Scenario, dut: BoardDut) -> list[str]:
    """The plants that a scenario wants and this target has not."""
    wanted = {plant for said in scenario.steps for plant in _registered(said).wants}
    return sorted(plant for plant in wanted if plant not in dut.plants)


def play(scenario: Scenario, dut: BoardDut) -> None:
    """Do every step; AssertionError or pexpect's TIMEOUT says which did not come true."""
    for number, said in enumerate(scenario.steps, 1):
        try:
            _do(said, dut)
        except AssertionError as error:
            raise AssertionError(f"{scenario.title}, step {number}: {error}") from None


def _registered(said: Said) -> registry.TestStep:
    return registry.DEEDS[said.value] if said.name == "do" else registry.STEPS[said.name]


def _do(said: Said, dut: BoardDut) -> None:
    step = _registered(said)
    if said.name == "do":
        step.run(dut)
    else:
        step.run(dut, said.value, round(said.within_s * 1e9))
