"""What a junction showed, computed again from its journal: each decision holds the state and what was asked then.

The core is pure, so its own code is the reader of its log.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from wayside.control.journal import WRITER
from wayside.control.signals import core
from wayside.control.signals.controller import state_from_list
from wayside.control.signals.core import Requests, State
from wayside.control.signals.junction import Junction
from wayside.evidence import EvidenceError, kinds
from wayside.evidence.entry import Entry

TICK_MS = 100
_LONGEST_MS = 3_600_000  # a decision says nothing of the time behind that: the controller was not running


class Moment(NamedTuple):
    """One tick. before: the state that was decided on; calls: groups that were called at the decision, by number."""

    utc_ms: int
    before: State
    state: State
    requests: Requests
    asked: str
    cause: str
    calls: frozenset[int]


class Decision(NamedTuple):
    """An entry of the journal: the state that was decided on, and what was asked from then on."""

    utc_ms: int
    state: State
    requests: Requests
    asked: str
    cause: str
    calls: frozenset[int]


def replay(junction: Junction, entries: Iterable[Entry], begin_ms: int, end_ms: int) -> Iterator[Moment]:
    """Every tick from `begin_ms` to before `end_ms` (UTC) that the journal covers.

    EvidenceError when it is another junction's.
    """
    found = list(decisions(junction, entries))
    ends = [*(each.utc_ms for each in found[1:]), end_ms]
    for decision, following_ms in zip(found, ends, strict=False):
        until = min(following_ms, end_ms)
        if until <= begin_ms:
            continue
        for moment in ticks(junction, decision):
            if moment.utc_ms >= until:
                break
            if moment.utc_ms > begin_ms - TICK_MS:
                yield moment


def decisions(junction: Junction, entries: Iterable[Entry]) -> Iterator[Decision]:
    """The decisions among these entries; EvidenceError when one is another junction's."""
    return (_decision(junction, entry) for entry in entries if _is_of_a_controller(entry))


def _is_of_a_controller(entry: Entry) -> bool:
    return isinstance(entry.body, kinds.Decision) and entry.body.controller != WRITER


def ticks(junction: Junction, decision: Decision) -> Iterator[Moment]:
    """Every tick from a decision on, as if no other followed, for as long as it can say anything."""
    state = decision.state
    for now_ms in range(decision.utc_ms, decision.utc_ms + _LONGEST_MS, TICK_MS):
        before, state = state, core.step(junction, state, decision.requests)
        yield Moment(now_ms, before, state, decision.requests, decision.asked, decision.cause, decision.calls)


class Bar(NamedTuple):
    """What a group showed without a change: the lamp in words, from and to in ms since 1970."""

    shows: str
    begin_ms: int
    end_ms: int


def bars(junction: Junction, moments: Sequence[Moment], number: int) -> Iterator[Bar]:
    """The bars of a group; what lies between two moments that are no neighbours stays empty."""
    bar: Bar | None = None
    ends = [min(moment.utc_ms + TICK_MS, following.utc_ms) for moment, following in pairwise(moments)]
    ends += [moment.utc_ms + TICK_MS for moment in moments[-1:]]
    for moment, end_ms in zip(moments, ends, strict=True):
        shows = core.lamp(junction.groups[number], moment.state.mode, moment.state.groups[number]).name.lower()
        if bar and bar.shows == shows and bar.end_ms == moment.utc_ms:
            bar = bar._replace(end_ms=end_ms)
            continue
        if bar:
            yield bar
        bar = Bar(shows, moment.utc_ms, end_ms)
    if bar:
        yield bar


def _decision(junction: Junction, entry: Entry) -> Decision:
    try:
        body = entry.body
        if not isinstance(body, kinds.Decision):
            raise ValueError
        inputs: dict[str, Any] = body.inputs or {}
        state = state_from_list(inputs["state"])
        requests = Requests(frozenset(inputs["green"]), frozenset(inputs["closed"]), inputs["flash"])
        calls = frozenset(inputs["calls"])
        fits = len(state.groups) == len(state.unserved) == len(junction.groups)
        if not fits or any(number >= len(junction.groups) for number in requests.green | calls):
            raise ValueError
    except (IndexError, KeyError, TypeError, ValueError):
        raise EvidenceError("the journal is not of this junction; name the junction file that was in force") from None
    return Decision(entry.logged_at_ms, state, requests, body.what, body.cause, calls)
