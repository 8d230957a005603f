"""Each kind of controller, for the conformance suite: options that fit it, and its inputs."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from wayside.control import controllers
from wayside.control.controllers import Ask, Cycle, Input, Kind, Options, State
from wayside.values.reading import TimeQuality

START_MS = 1_800_000_000_000
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class Case(NamedTuple):
    """kind: the file's name; is_example: of the documentation. inputs: by name, unit, and values from least to most
    between which it does all that it can."""

    kind: str
    options: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, int, int]]
    is_example: bool = False


CASES = {
    "threshold": Case("threshold", {"unit": "W", "on_above": 2000, "off_below": 300}, {"value": ("W", -500, 3000)}),
    "threshold, with times and a safe value": Case(
        "threshold",
        {
            "unit": "Cel",
            "on_below": 19.5,
            "off_above": 21,
            "min_on_s": 60,
            "min_off_s": 90,
            "off_after_s": 5,
            "unknown": "off",
            "on": 2,
        },
        {"value": ("Cel", 10, 30)},
    ),
    "stages": Case(
        "stages",
        {"unit": "Cel", "stages": [[30, 40], [35, 70], [40, 100]], "back": 2},
        {"value": ("Cel", 20, 50)},
        is_example=True,
    ),
}
"""A new controller adds itself."""


@contextmanager
def example(kind: str, folder: Path) -> Iterator[None]:
    """The example of the documentation is a kind of controller, as if its file stood beside the others."""
    before = list(controllers.__path__)
    (folder / "kinds").mkdir(exist_ok=True)
    shutil.copy(EXAMPLES / f"{kind}.py", folder / "kinds")
    controllers.__path__.append(str(folder / "kinds"))
    try:
        yield
    finally:
        controllers.__path__[:] = before


class Bench:
    """One controller, cycle by cycle. asked: what it asks for now, by output."""

    def __init__(self, kind: Kind, options: Options):
        self.kind, self.options = kind, options
        self.state: State = kind.begin(options)
        self.now_ms = 0
        self.asked: Mapping[str, Ask] = {}

    def step(self, inputs: Mapping[str, Input], passed_ms: int = 1000, utc_ms: int | None = None) -> Mapping[str, Ask]:
        now_ms = START_MS + self.now_ms if utc_ms is None else utc_ms
        cycle = Cycle(inputs, self.now_ms, now_ms, TimeQuality.SYNCED)
        self.state, self.asked = self.kind.step(self.options, self.state, cycle)
        self.now_ms += passed_ms
        return self.asked


def bench(kind: str, **options: Any) -> Bench:
    file = controllers.load(kind)
    return Bench(file, file.Settings.model_validate(options))


def known(text: str, unit: str) -> Input:
    """An input as a table has it: a number, "?" for one that is not known."""
    return Input(None, unit, "no answer") if text == "?" else Input(Decimal(text), unit)
