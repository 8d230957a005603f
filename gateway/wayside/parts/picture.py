"""What all parts of a gateway say at one moment, put together for whatever shows it. Imports `about` and `redact`."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wayside.parts.about import BAD, OTHERS, About, Cell, Family, Marked, Problem, Sheet, Tile
from wayside.text.redact import redact, redact_all


@dataclass(frozen=True, slots=True)
class Picture:
    """Without secrets. `status`: section -> name -> what it says; `problems`: worst first; families(): the metrics.

    The metrics are asked for only when somebody wants them.
    """

    status: dict[str, Any]
    problems: Sequence[Problem]
    lines: Sequence[str]
    sheets: Sequence[Sheet]
    tiles: Sequence[Tile]
    families: Callable[[], Sequence[Family]]

    def told(self) -> dict[str, Any]:
        """The sections of the status, and beside them `problems` and `lines`, for JSON."""
        return {**self.status, "problems": [each._asdict() for each in self.problems], "lines": list(self.lines)}


def draw(abouts: Iterable[About], sections: Iterable[str], complain: Callable[[str, str], None]) -> Picture:
    """What `abouts` say. `sections` stand in the status also while nobody says anything in them.

    One that fails costs only itself; complain(who, why) is then called while the exception is being handled.
    """
    abouts = list(abouts)
    status: dict[str, Any] = {section: {} for section in sections}
    far_sides: dict[str, list[bool]] = {}
    said = []
    for about in abouts:
        one, connected = _ask(about, complain)
        said.append(one)
        if about.section in one.status:
            told = one.status[about.section]
            status[about.section] = status.get(about.section, {}) | told if about.name else told
        if connected is not None:
            far_sides.setdefault(about.section, []).append(connected)
    tiles = [tile for each in said for tile in each.tiles]
    return Picture(
        status,
        sorted((problem for each in said for problem in each.problems), key=lambda problem: problem.level != BAD),
        [line for each in said for line in each.lines],
        _shared_sheets(sheet for each in said for sheet in each.sheets),
        [*tiles, *(_far_sides(section, each) for section, each in far_sides.items())],
        lambda: _shared_families(family for about in abouts for family in _metrics(about, complain)),
    )


def _ask(about: About, complain: Callable[[str, str], None]) -> tuple[Picture, bool | None]:
    """What one says, without secrets, and whether its far side is reached."""
    who = f"{about.section} {about.name}".strip()
    try:
        told = redact_all(about.status())
        picture = Picture(
            {} if told is None else {about.section: {redact(about.name): told} if about.name else told},
            [Problem(level, redact(text)) for level, text in about.problems()],
            [redact(line) for line in about.lines()],
            [sheet._replace(rows=[list(map(_redacted, row)) for row in sheet.rows]) for sheet in about.sheets()],
            [Tile(redact(value), redact(text), level) for value, text, level in about.tiles()],
            tuple,
        )
        # What JSON does not know would be found by who reads it, and cost him all the rest.
        json.dumps([told, picture.sheets], allow_nan=False)
        return picture, about.connected()
    except Exception as error:  # a fault of ours, and everything else is shown all the same
        why = redact(f"cannot say how it is: {type(error).__name__}: {error}")
        complain(who, why)
        return Picture({}, [Problem(BAD, f"{who} {why}")], [f"{who}: {why}"], (), (), tuple), None


def _metrics(about: About, complain: Callable[[str, str], None]) -> Sequence[Family]:
    try:
        return [family._replace(samples=[_sample(*each) for each in family.samples]) for family in about.metrics()]
    except Exception as error:  # as in _ask
        complain(f"{about.section} {about.name}".strip(), f"has no metrics: {type(error).__name__}: {error}")
        return ()


def _far_sides(section: str, connected: Sequence[bool]) -> Tile:
    if away := connected.count(False):
        return Tile(f"{away} away", f"of {len(connected)} {section}", BAD)
    return Tile(str(len(connected)), f"{section} connected")


def _shared_sheets(sheets: Iterable[Sheet]) -> list[Sheet]:
    shared: dict[tuple[str, tuple[str, ...]], list[Sequence[Cell]]] = {}
    for sheet in sheets:
        shared.setdefault((sheet.title, sheet.heads), []).extend(sheet.rows)
    found = [Sheet(title, heads, rows) for (title, heads), rows in shared.items() if rows]
    return sorted(found, key=lambda sheet: sheet.title == OTHERS)


def _redacted(cell: Cell) -> Cell:
    if isinstance(cell, Marked):
        return Marked(redact(cell.text), cell.level)
    return redact(cell) if isinstance(cell, str) else cell


def _sample(labels: dict[str, str], value: float | int | None) -> tuple[dict[str, str], float | int | None]:
    """A number, whatever kind of one: a scrape in which one sample is no number is refused whole."""
    return redact_all(labels), None if value is None else value + 0


def _shared_families(families: Iterable[Family]) -> list[Family]:
    shared: dict[str, Family] = {}
    for family in families:
        before = shared.get(family.name, family._replace(samples=[]))
        shared[family.name] = before._replace(samples=[*before.samples, *family.samples])
    return list(shared.values())
