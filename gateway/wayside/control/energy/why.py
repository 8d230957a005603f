"""Why each asset has what it has, in words, from one logged cycle."""

from collections.abc import Iterator

from wayside.control.energy import record
from wayside.control.energy.core import CYCLE_MS
from wayside.control.energy.cycle import Reason
from wayside.control.energy.replay import LoggedCycle

_WORDS = {
    "asked": "as {by} asked",
    "nobody asks": "nobody asks",
    "hold": "it turned a moment ago and does not turn back yet",
    "ramp": "on its way, by its ramp",
    "step": "rounded to its step",
    "least": "less than it needs to run",
    "minimum on": "its minimum time of running lasts",
    "minimum off": "its minimum pause lasts",
    "start order": "another one began to run a moment ago",
    "grid meter": "the grid meter says nothing: no more than its default",
    "not heard": "it is not heard: no more than its default",
    "not ready": "it can take nothing now",
    "energy unknown": "nobody knows what energy it has",
    "reserve": "its reserve is kept",
    "full": "it is full",
    "departure": "it has to be charged in time for its departure",
    "device": "the most that it can",
}


def explain(moment: LoggedCycle) -> Iterator[tuple[str, str]]:
    """(asset, or "site", and what holds it), what concerns the whole site first."""
    if moment.age_ms >= CYCLE_MS:
        told = (
            f"this was decided {moment.age_ms // 1000} s before, and is the last that is logged: since then set-points"
        )
        yield (
            "site",
            f"{told} moved by less than {record.CHANGE_PERCENT} % of their range, or changes were too many to log",
        )
    for reason in moment.reasons:
        yield (reason.asset or "site"), _of_asset(reason) if reason.asset else _of_site(reason)
    if moment.left_out:
        yield "site", f"{moment.left_out} changes before this one were too many to log"


def _of_asset(reason: Reason) -> str:
    words = _WORDS.get(reason.bound)
    if words is None:
        words = "the limit of {bound} of {by}"
    wanted = "" if reason.wanted in (None, reason.got) else f", {reason.wanted} W were asked"
    return f"{reason.got} W: {words.format(bound=reason.bound, by=reason.by or 'nobody')}{wanted}"


def _of_site(reason: Reason) -> str:
    if reason.bound == "grid meter":
        return f"the grid meter says nothing: {reason.by}"
    if reason.bound == "departure":
        return f"{reason.by} will lack {reason.got} Wh at its departure: the limits leave it too little time or power"
    if reason.bound.startswith("over "):
        return f"{reason.got} W over the limit of {reason.bound[5:]} of {reason.by}, and nobody is left to give way"
    if reason.bound.endswith("fail-safe"):
        return f"{reason.by} is not heard: {reason.bound}, {reason.got} W"
    if reason.bound.endswith("lapsed"):
        return f"{reason.by} is not heard, and its fail-safe is over: no limit of {reason.bound.split()[0]}"
    return f"{reason.bound} (by {reason.by})"
