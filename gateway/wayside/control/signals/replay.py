"""What a junction showed, computed again from its journal: each decision holds the state and what was asked then.

The core is pure, so its own code is the reader of its log. It says only what it can show: the state that it computes
for the next entry is the one that the entry holds, and each entry names the junction file that was in force.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

from wayside.control.journal import WRITER
from wayside.control.signals import core
from wayside.control.signals.controller import NOTE_EVERY, state_from_list
from wayside.control.signals.core import Requests, State
from wayside.control.signals.junction import Junction
from wayside.control.signals.site import Site
from wayside.evidence import EvidenceError, kinds
from wayside.evidence.entry import Entry
from wayside.text.utc import utc

TICK_MS = 100
_LONGEST_MS = 2 * NOTE_EVERY * TICK_MS  # a decision says nothing of the time behind that: another entry was due

_NEIGHBOURS_MS = 250  # ticks that are further apart would have been flash


class Moment(NamedTuple):
    """One tick. before: the state that was decided on; calls: groups that were called at the decision, by number.

    decided_ms: when that was. is_sure: the entry behind it says that until then all came as computed.
    """

    utc_ms: int
    before: State
    state: State
    requests: Requests
    asked: str
    cause: str
    calls: frozenset[int]
    decided_ms: int
    is_sure: bool = False


class ReplayedDecision(NamedTuple):
    """An entry of the journal: the state that was decided on, and what was asked from then on.

    file: SHA-256 of the junction file that was in force, in hexadecimal digits.
    """

    utc_ms: int
    state: State
    requests: Requests
    asked: str
    cause: str
    calls: frozenset[int]
    file: str


def replay(site: Site, entries: Iterable[Entry], begin_ms: int, end_ms: int) -> Iterator[Moment]:
    """Every tick from `begin_ms` to before `end_ms` (UTC) that the journal covers.

    EvidenceError where it was decided with another junction file, or cannot be computed again; what lies outside of the
    interval is not looked at.
    """
    of_controllers = (entry for entry in entries if _is_of_a_controller(entry))
    for entry, following in pairwise(chain(of_controllers, (None,))):
        if entry is None:
            continue
        at_ms = entry.logged_at_ms
        until_ms = min(following.logged_at_ms if following else end_ms, at_ms + _LONGEST_MS)
        if until_ms <= begin_ms or at_ms >= end_ms:
            continue
        decision = _decision(site.junction, entry)
        if decision.file != site.file_hash:
            raise EvidenceError(
                f"at {utc(at_ms)} another junction file was in force, of SHA-256 {decision.file or 'unknown'}; name it"
            )
        for moment in _until(site.junction, decision, following, until_ms):
            if begin_ms - TICK_MS < moment.utc_ms < end_ms:
                yield moment


def _until(junction: Junction, decision: ReplayedDecision, following: Entry | None, until_ms: int) -> Iterator[Moment]:
    """The ticks of a decision up to the entry that follows: as many as lead to its state, spread over the time between.

    Where none follows, or a controller that started, nobody knows for how long the decision was carried out.
    """
    count = -(-(until_ms - decision.utc_ms) // TICK_MS)
    moments = list(islice(ticks(junction, decision), count + 1))
    after = _next_state(junction, decision, following, until_ms)
    if after is None:
        yield from moments[:count]
        return
    # Ticks are never closer than 100 ms, and each may be a little late.
    states = [decision.state, *(moment.state for moment in moments)]
    found = next((number for number in reversed(range(len(states))) if states[number] == after), None)
    if found is None:
        raise EvidenceError(
            f"what was shown between {utc(decision.utc_ms)} and {utc(until_ms)} cannot be computed again: "
            "entries are lost, or another version of the software decided"
        )
    for number, moment in enumerate(moments[:found]):
        passed_ms = (until_ms - decision.utc_ms) * number // found
        yield moment._replace(utc_ms=decision.utc_ms + passed_ms, is_sure=True)


def _next_state(junction: Junction, decision: ReplayedDecision, following: Entry | None, until_ms: int) -> State | None:
    """The state that the next entry holds, if the decision led to it without a break."""
    if following is None or following.logged_at_ms != until_ms:
        return None
    try:
        state = _decision(junction, following).state
    except EvidenceError:
        return None
    return None if state == core.begin(junction) else state


def decisions(junction: Junction, entries: Iterable[Entry]) -> Iterator[ReplayedDecision]:
    """The decisions among these entries; EvidenceError when one is another junction's."""
    return (_decision(junction, entry) for entry in entries if _is_of_a_controller(entry))


def _is_of_a_controller(entry: Entry) -> bool:
    return isinstance(entry.body, kinds.DecisionBody) and entry.body.controller != WRITER


def ticks(junction: Junction, decision: ReplayedDecision) -> Iterator[Moment]:
    """Every tick from a decision on, as if no other followed, for as long as it can say anything."""
    state = decision.state
    for now_ms in range(decision.utc_ms, decision.utc_ms + _LONGEST_MS, TICK_MS):
        before, state = state, core.step(junction, state, decision.requests)
        yield Moment(
            now_ms, before, state, decision.requests, decision.asked, decision.cause, decision.calls, decision.utc_ms
        )


class Bar(NamedTuple):
    """What a group showed without a change: the lamp in words, from and to in ms since 1970."""

    shows: str
    begin_ms: int
    end_ms: int


def bars(junction: Junction, moments: Sequence[Moment], number: int) -> Iterator[Bar]:
    """The bars of a group; what lies between two moments that are no neighbours stays empty."""
    bar: Bar | None = None
    ends = [
        following.utc_ms if following.utc_ms - moment.utc_ms <= _NEIGHBOURS_MS else moment.utc_ms + TICK_MS
        for moment, following in pairwise(moments)
    ]
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


def _decision(junction: Junction, entry: Entry) -> ReplayedDecision:
    try:
        body = entry.body
        if not isinstance(body, kinds.DecisionBody):
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
    return ReplayedDecision(
        entry.logged_at_ms, state, requests, body.what, body.cause, calls, str(inputs.get("file", ""))
    )
