"""What a part says about itself: the nouns, and the base class of what says it.

Status, `wayside status`, `top`, metrics, the status site and the support bundle show what parts say (`picture` puts it
together); none of them knows what kinds of parts there are. Imports nothing of the gateway.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

BAD, WARNING, GOOD = "bad", "warning", "good"

OTHERS = "Other parts"


class Problem(NamedTuple):
    """What an operator should look at, in a sentence that says where; `level`: BAD when something is down or lost."""

    level: str
    text: str


class Marked(NamedTuple):
    """A cell that is good, a warning or bad."""

    text: str
    level: str


Cell = str | int | float | Marked | None


class Sheet(NamedTuple):
    """A table of the status site. Parts that give the same title and heads share one. None: an empty cell."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


class Tile(NamedTuple):
    """One of the few things that the status site shows large; `level`: "" for what is neither good nor bad."""

    value: str
    text: str
    level: str = ""


class Family(NamedTuple):
    """One metric: its samples are (labels, value); None is left out. Parts that give the same name share one."""

    name: str
    kind: str
    help: str
    samples: Sequence[tuple[dict[str, str], float | int | None]]


class About:
    """What one part says about itself, at the moment it is asked; it must be quick and must not wait.

    A part that only says `status` is shown everywhere all the same. `section`: of the status; `name`: in that section,
    "" for what has the section to itself.
    """

    def __init__(self, section: str, name: str = ""):
        self.section = section
        self.name = name

    def status(self) -> Any:
        """Counters and states, for JSON; None: there is nothing to tell."""
        return {}

    def problems(self) -> Iterable[Problem]:
        return ()

    def lines(self) -> Iterable[str]:
        """For the terminal."""
        told = self.status()
        says = _in_words(told) if isinstance(told, dict) else str(told or "")
        yield f"{self.section} {self.name}".strip() + f": {says or 'nothing yet'}"

    def sheets(self) -> Iterable[Sheet]:
        """For the status site."""
        text = "\n".join(self.lines())
        return [Sheet(OTHERS, ("what they say",), [(text,)])] if text else ()

    def tiles(self) -> Iterable[Tile]:
        return ()

    def metrics(self) -> Iterable[Family]:
        return ()

    def connected(self) -> bool | None:
        """Whether the far side that it works for is reached; None where there is none."""
        return None

    def judges(self) -> Collection[str]:
        """The devices of which it says itself, and better than their bad values do, that they are silent."""
        return ()


def counted(counts: Mapping[str, int], nothing: str = "nothing yet") -> str:
    """Counters as a sentence goes on."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or nothing


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def since(time_ms: int | None, now_ms: int) -> str:
    """How long ago that was; None: never."""
    return "never" if time_ms is None else f"{duration(max(0, now_ms - time_ms) / 1000)} ago"


def seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def events(name: str, text: str, labels: dict[str, str], counts: Mapping[str, int]) -> Family:
    """Counters as a metric with the label `event`."""
    return Family(name, "counter", text, [({**labels, "event": event}, count) for event, count in counts.items()])


class CountersAbout(About):
    """Of a part that only counts what happens. `line`: what stands before its counters on a terminal."""

    def __init__(
        self, section: str, name: str, counters: Mapping[str, int], line: str, metric: str, text: str, label: str = ""
    ):
        """metric, text: see events(); label: of the metric, which has `name` for it."""
        super().__init__(section, name)
        self._counters = counters
        self._line = line
        self._metric = metric
        self._text = text
        self._labels = {label: name} if label else {}

    def status(self) -> dict[str, int]:
        return dict(self._counters)

    def lines(self) -> Iterable[str]:
        yield f"{self._line} {counted(self._counters)}"

    def metrics(self) -> Iterable[Family]:
        yield events(self._metric, self._text, self._labels, self._counters)


def _in_words(told: Mapping[str, Any]) -> str:
    found = [f"{key} {each}" for key, each in told.items() if isinstance(each, str | int | float) and each != ""]
    found += [f"{key}: {_in_words(each)}" for key, each in told.items() if isinstance(each, dict) and each]
    return ", ".join(found)
