"""Actuators that the site file no longer has, and that may still have what somebody asked for.

A gateway that was killed left the last value in the device. The next one brings each actuator of its site file to the
fail-safe value; of one that was taken out or moved in the meantime only the log knows.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from wayside.control.desk.controlled import NAME, STREAM, has_taken
from wayside.control.desk.table import Actuator
from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import CommandBody, DecisionBody
from wayside.kinds.core import Core
from wayside.log import LogError, LogReader
from wayside.parts.about import WARNING, About, Problem
from wayside.parts.part import Part
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.site.config import SiteFile

_NEWEST = 500  # entries of the desk's journal that are looked at
_TASK = "actuators left behind"


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[Mapping[str, str]]]]:
    """Depends on where each actuator of the site file is written to."""
    actuators = site.of(Actuator)
    expected = site.expected() if actuators else {}
    places = {}
    for each in actuators:
        what = ((told.controls if (told := expected.get(each.device)) else None) or {}).get(each.control)
        places[f"{each.device} {each.control}"] = what.place if what else ""
    yield _TASK, (places,)


def make(places: Mapping[str, str], core: Core) -> Part:
    about = LeftBehind()

    async def look() -> None:
        with suppress(LogError):
            await core.committer.commit([])  # behind what came of the values that were written at the end
        about.left = await core.committer.call(lambda log: left(log, places))
        about.has_looked = True
        await asyncio.Event().wait()

    return Part(
        {_TASK: look}, (about,), (Pulse(_TASK, lambda: about.has_looked, lambda: not about.has_looked, OUTSIDE_S),)
    )


class LeftBehind(About):
    """`left`: what each may still have, by its name."""

    def __init__(self) -> None:
        super().__init__("left")
        self.left: Mapping[str, str] = {}
        self.has_looked = False

    def status(self) -> Mapping[str, str]:
        return self.left

    def problems(self) -> Iterable[Problem]:
        for name, text in self.left.items():
            advice = f"add its [[actuator]] as it was, so that it gets its fail-safe value, or see to {name} by hand"
            yield Problem(WARNING, f"{name} may still have what the gateway wrote last: {text}; {advice}")

    def lines(self) -> Iterable[str]:
        return (f"desk   LEFT: {name} may still have {text}" for name, text in self.left.items())


def left(log: LogReader, places: Mapping[str, str]) -> dict[str, str]:
    """What each actuator that is not at one of `places` may still have: what was decided last and by whom.

    Of those in the newest entries of the desk's journal. An entry that cannot be read tells nothing, nor one without a
    place: the device ends such a value by a timer of its own.
    """
    decided: dict[tuple[str, str], DecisionBody] = {}  # the last of each actuator at each place
    came: dict[tuple[str, str], CommandBody] = {}  # and the last that came of one
    later: dict[str, CommandBody] = {}
    for body in _newest(log):
        if isinstance(body, CommandBody) and body.origin == NAME:
            later.setdefault(body.target, body)
        elif isinstance(body, DecisionBody):
            name = body.what.partition(": ")[0]
            where = name, str((body.inputs or {}).get("place", ""))
            decided.setdefault(where, body)
            if effect := later.pop(name, None):
                came.setdefault(where, effect)
    return {
        where[0]: f"{_value(body)} ({body.cause})"
        for where, body in decided.items()
        if where[1] and where not in places.items() and not _is_well(body, came.get(where))
    }


def _value(body: DecisionBody) -> str:
    return body.what.partition(": ")[2]


def _is_well(body: DecisionBody, effect: CommandBody | None) -> bool:
    """Whether the device is with nobody's request: it has its fail-safe value, or was left alone."""
    if body.cause.startswith("request "):
        return False
    is_so = effect is not None and effect.what == _value(body) and has_taken(effect.outcome)
    return is_so or _value(body) == "left to the device"


def _newest(log: LogReader) -> Iterator[CommandBody | DecisionBody]:
    """The newest first."""
    with suppress(LogError):
        for record in log.newest(STREAM, _NEWEST):
            with suppress(EvidenceError):
                body = None if record.damaged or not record.entry else decode_entry(record.entry).body
                if isinstance(body, CommandBody | DecisionBody):
                    yield body
