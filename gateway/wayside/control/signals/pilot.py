"""All layers above the core in one pure step: detectors, calendar, plan, rings, adviser, specials give requests.

The chain says which layer asks. Whatever comes out is a wish; the core decides.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from wayside.control.signals import chain, detectors, priority, rings
from wayside.control.signals.chain import Declined, Level, Rung
from wayside.control.signals.core import FLASH_IN_ORDER, Requests, State, greens
from wayside.control.signals.detectors import Demand, Fault, Seen
from wayside.control.signals.plans import Plan, Switch
from wayside.control.signals.priority import Course, Special
from wayside.control.signals.rings import Place
from wayside.control.signals.site import Site

_POLES_CHANGE = 10  # ticks for which a railway's two poles may say the same, while relays change

Adviser = Callable[[State, Demand], object]
"""An optimiser: what should be green, as numbers of groups, or `Declined`. Whatever else it returns, or raises, is no
answer."""


class Memory(NamedTuple):
    """All that the layers remember."""

    rung: Rung
    seen: Seen
    place: Place | None
    courses: tuple[Course, ...]
    disagreeing: int = 0
    """Ticks for which a railway's two poles have said the same."""


class Decision(NamedTuple):
    """What is asked of the core, by whom, why, and from what."""

    requests: Requests
    level: Level
    by: str
    cause: str
    demand: Demand
    faults: Mapping[str, str]


def begin(site: Site) -> Memory:
    """Nothing seen yet."""
    return Memory(
        chain.begin(),
        detectors.begin(site.junction, site.detectors),
        rings.begin(site.rings) if site.rings else None,
        (Course(),) * len(site.specials),
    )


def decide(
    site: Site,
    memory: Memory,
    state: State,
    utc_ms: int,
    inputs: bytes | None,
    adviser: Adviser | None = None,
    remote: Switch | None = None,
    zones: Mapping[str, bool | None] = MappingProxyType({}),
) -> tuple[Memory, Decision]:
    """One tick. inputs: the node's, a byte 0 or 1 each, None when it is silent. remote: goes before the calendar.

    zones: detectors that are none of the node's inputs.
    """
    occupied = _occupied(site, inputs, zones)
    seen, demand = detectors.observe(site.junction, site.detectors, memory.seen, occupied, greens(state))
    faults = {
        detector.name: str(watch.fault)
        for detector, watch in zip(site.detectors, seen.watches, strict=True)
        if watch.fault
    }
    switch = remote or site.calendar.switch(utc_ms)
    plan = site.plans.get(switch.plan) or site.stage_plans.get(switch.plan)
    place, actuated = _actuated(site, memory.place, state, demand, plan, utc_ms)
    # Each level that may be in force: what it asks, or why it cannot. A plan is a look-up, made only where it is asked.
    answers: dict[Level, frozenset[int] | Declined] = {
        Level.FLASH: frozenset(),
        Level.PLAN: frozenset() if plan else Declined("no plan"),
        Level.ACTUATED: Declined("all detectors are in fault") if 0 < len(site.detectors) == len(faults) else actuated,
    }
    if switch.level == Level.ADAPTIVE:
        answers[Level.ADAPTIVE] = _advice(adviser, state, demand, len(site.junction.groups))
    missing = {level: answer.why for level, answer in answers.items() if isinstance(answer, Declined)}
    rung = chain.choose(memory.rung, switch.level, missing, "remote request" if remote else "calendar")
    asked = plan.wishes(site.junction, utc_ms) if plan and rung.level == Level.PLAN else answers[rung.level]
    assert not isinstance(asked, Declined)  # the chain takes no level that is missing
    requests = Requests(asked, flash=FLASH_IN_ORDER if rung.level == Level.FLASH else 0)
    by = switch.plan if rung.level == Level.PLAN else rung.level.name.lower()

    disagreeing = _disagreeing(site.railway, memory.disagreeing, inputs)
    known = _known(site, inputs, occupied, faults)
    courses, special, special_requests = priority.follow(site.junction, site.specials, memory.courses, state, known)
    # A train is no reason to flash, and flash none to leave its track uncleared. Whatever else calls waits for service.
    is_train = site.railway is not None and special == site.railway.name
    if special_requests and (is_train or rung.level != Level.FLASH):
        requests = special_requests
    if site.railway and disagreeing == _POLES_CHANGE:
        faults[site.railway.name] = "its poles disagree"
    after = Memory(rung, seen, place, courses, disagreeing)
    return after, Decision(requests, rung.level, special or by, rung.cause, demand, faults)


def _occupied(site: Site, inputs: bytes | None, zones: Mapping[str, bool | None]) -> dict[str, bool | None]:
    """By detector what it says; None: nothing."""
    heard = inputs or b""
    return {
        each.name: zones.get(each.name) if each.topic else bool(heard[each.input]) if each.input < len(heard) else None
        for each in site.detectors
    }


def _actuated(
    site: Site, place: Place | None, state: State, demand: Demand, plan: Plan | None, utc_ms: int
) -> tuple[Place | None, frozenset[int] | Declined]:
    """Where the rings are, and what they ask for; they go on while another level is in force."""
    if not (site.layout and place):
        return place, Declined("no rings")
    limits = plan.limits(site.junction, utc_ms, state) if plan else rings.UNCOORDINATED
    return rings.advance(site.layout, place, state, demand, limits)


def _disagreeing(railway: Special | None, before: int, inputs: bytes | None) -> int:
    """For how many ticks a railway's two poles have said the same, up to where that is a fault."""
    return min(before + 1, _POLES_CHANGE) if railway and railway.poles_disagree(inputs) else 0


def timed(adviser: Adviser, monotonic: Callable[[], float], most_s: float = 0.05) -> Adviser:
    """The adviser, whose answer counts as none when it took too long; the next level steps in before a tick is late."""

    def answer(state: State, demand: Demand) -> object:
        began = monotonic()
        found = adviser(state, demand)
        if monotonic() - began > most_s:
            raise TimeoutError
        return found

    return answer


def _known(
    site: Site, inputs: bytes | None, occupied: Mapping[str, bool | None], faults: Mapping[str, str]
) -> dict[str, bool]:
    """What specials are told of their detectors: the safe side of each kind in a fault, nothing in silence.

    A railway has inputs of its own, and a train unless they say that there is none. Of what never lapses a fault is no
    word. A fire engine is called by whatever its detector says: one that is called too often lapses. A bus is called by
    a detector that is believed; that it was silent before is no reason against it.
    """
    known = {}
    for special in site.specials:
        said, fault = occupied.get(special.detector), faults.get(special.detector, "")
        doubted = fault and (not special.longest or (special.transit and fault != Fault.SILENT))
        if special.is_railway:
            known[special.detector] = not special.is_free(inputs)
        elif said is not None and not doubted:
            known[special.detector] = said
    return known


def _advice(adviser: Adviser | None, state: State, demand: Demand, count: int) -> frozenset[int] | Declined:
    """The adviser's answer; whatever an optimiser does, the junction goes on without it."""
    if adviser is None:
        return Declined("no adviser")
    try:
        answer: Any = adviser(state, demand)
        if isinstance(answer, Declined):
            return answer
        if not isinstance(answer, set | frozenset):
            return Declined("the adviser's answer is no set")
        if not all(type(each) is int and 0 <= each < count for each in answer):
            return Declined("the adviser names groups that are none")
    except Exception as error:
        return Declined(f"the adviser failed: {type(error).__name__}")
    return frozenset(answer)
