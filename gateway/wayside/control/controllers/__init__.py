"""Controllers of one file each. One more is one more file here, and nothing else.

The name of the file is the `kind` of a `[[controller]]` in the site file. It has `Settings`, the Options that it wants,
`begin(settings)`, the state that it starts with, and `step(settings, state, cycle)`, one cycle: pure, without a clock
and without I/O. It only asks; the desk decides. `docs/examples/stages.py` is one, docs/controllers.md says what holds,
and `tests/control` has the suite that every controller has to pass.
May import what everybody may; it needs `settings` and `values`. Only `control` imports this package:
`control.controller` has the table `[[controller]]` and asks for the settings, `control.cycles` runs the steps.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from wayside.settings.kind_files import KindFiles, a_class, have_functions
from wayside.settings.table import Table
from wayside.values.reading import TimeQuality

State = Mapping[str, int | str | None]
"""What a controller remembers from one cycle to the next: whole numbers, switches and texts, by name."""


class Options(Table):
    """The base of every file's Settings."""

    def reads(self) -> Collection[str]:
        """What it calls its inputs; the table says of each which channel of which device it is."""
        raise NotImplementedError

    def asks(self) -> Mapping[str, Sequence[tuple[str, Decimal]]]:
        """What it calls its outputs; the table says of each which actuator it is.

        Of each: the numbers, in the control's unit, that it may ask for and that are known beforehand, each with the
        option that says so. They are checked before anything starts.
        """
        raise NotImplementedError


class Input(NamedTuple):
    """What is known of a channel now. value: None where that is nothing, and `why`."""

    value: Decimal | None
    unit: str = ""
    why: str = ""


class Cycle(NamedTuple):
    """What a controller is told: its inputs by name, all of one moment.

    now_ms: milliseconds since its start, of a clock that never jumps; it never goes back, and may be late by any time.
    utc_ms: since 1970; it may jump, and time_quality says what it is worth.
    """

    inputs: Mapping[str, Input]
    now_ms: int
    utc_ms: int
    time_quality: TimeQuality


class Ask(NamedTuple):
    """What it asks an actuator for, in the control's unit; None: it asks for nothing, so that the next request or the
    fail-safe value is in force.

    why: in words that change when the decision does, and not with each value: a change is an entry of the log.
    """

    number: Decimal | None
    why: str


class Kind(Protocol):
    """What a file of this folder has."""

    Settings: type[Options]

    def begin(self, settings: Options) -> State: ...

    def step(self, settings: Options, state: State, cycle: Cycle) -> tuple[State, Mapping[str, Ask]]:
        """The next state, and what is asked of each output."""


def _kind(module: Any) -> Kind:
    """ValueError says what the file lacks."""
    have_functions(a_class(module, "Settings", Options), " in its Settings", "reads", "asks", base=Options)
    have_functions(module, "", "begin", "step")
    found: Kind = module
    return found


FILES = KindFiles(__name__, _kind)


def load(kind: str) -> Kind:
    """The file of this name; KindFileError says what is wrong with it."""
    return FILES.load(kind)
