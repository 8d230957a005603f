"""What a junction showed, computed again from its journal: each decision holds the state and what was asked then.

The core is pure, so its own code is the reader of its log.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from wayside.control.signals import core
from wayside.control.signals.controller import state_from_list
from wayside.control.signals.core import Requests, State
from wayside.control.signals.junction import Junction
from wayside.evidence import EvidenceError
from wayside.evidence.entry import Entry, Kind

_TICK_MS = 100
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


class _Decision(NamedTuple):
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
    decisions = [_decision(junction, entry) for entry in entries if entry.kind == Kind.DECISION]
    last = [_Decision(min(end_ms, each.utc_ms + _LONGEST_MS), *each[1:]) for each in decisions[-1:]]
    for decision, following in pairwise([*decisions, *last]):
        until = min(following.utc_ms, decision.utc_ms + _LONGEST_MS, end_ms)
        if until <= begin_ms:
            continue
        state, now = decision.state, decision.utc_ms
        while now < until:
            before, state = state, core.step(junction, state, decision.requests)
            if now >= begin_ms - _TICK_MS + 1:
                yield Moment(now, before, state, decision.requests, decision.asked, decision.cause, decision.calls)
            now += _TICK_MS


def _decision(junction: Junction, entry: Entry) -> _Decision:
    try:
        inputs: dict[str, Any] = entry.body[3]
        state = state_from_list(inputs["state"])
        requests = Requests(frozenset(inputs["green"]), frozenset(inputs["closed"]), inputs["flash"])
        calls = frozenset(inputs["calls"])
        fits = len(state.groups) == len(state.unserved) == len(junction.groups)
        if not fits or any(number >= len(junction.groups) for number in requests.green | calls):
            raise ValueError
    except (IndexError, KeyError, TypeError, ValueError):
        raise EvidenceError("the journal is not of this junction; name the junction file that was in force") from None
    return _Decision(entry.logged_at_ms, state, requests, entry.body[1], entry.body[2], calls)
