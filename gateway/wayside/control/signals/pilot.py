"""All layers above the core in one pure step: detectors, calendar, plan, rings, adviser, specials give requests.

The chain says which layer asks. Whatever comes out is a wish; the core decides.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from wayside.control.signals import chain, detectors, priority, rings
from wayside.control.signals.chain import Declined, Level, Rung
from wayside.control.signals.core import FLASH_IN_ORDER, Requests, State, greens
from wayside.control.signals.detectors import Demand, Fault, Seen
from wayside.control.signals.plans import Switch
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
    junction = site.junction
    occupied = {
        each.name: zones.get(each.name) if each.topic else _input(inputs, each.input) for each in site.detectors
    }
    seen, demand = detectors.observe(junction, site.detectors, memory.seen, occupied, greens(state))
    faults = {
        detector.name: str(watch.fault)
        for detector, watch in zip(site.detectors, seen.watches, strict=True)
        if watch.fault
    }
    switch = remote or site.calendar.switch(utc_ms)
    plan = site.plans.get(switch.plan)
    missing: dict[Level, str] = {}
    asked: dict[Level, frozenset[int]] = {Level.FLASH: frozenset()}
    if plan:
        asked[Level.PLAN] = plan.wishes(junction, utc_ms)
    else:
        missing[Level.PLAN] = "no plan"
    place = memory.place
    if site.rings and place:
        limits = plan.limits(junction, utc_ms) if plan else rings.UNCOORDINATED
        place, asked[Level.ACTUATED] = rings.advance(site.rings, junction, place, state, demand, limits)
        if site.detectors and len(faults) == len(site.detectors):
            missing[Level.ACTUATED] = "all detectors are in fault"
    else:
        missing[Level.ACTUATED] = "no rings"
    if switch.level == Level.ADAPTIVE:
        advice = _advice(adviser, state, demand, len(junction.groups))
        if isinstance(advice, str):
            missing[Level.ADAPTIVE] = advice
        else:
            asked[Level.ADAPTIVE] = advice
    rung = chain.choose(memory.rung, switch.level, missing, "remote request" if remote else "calendar")
    known = _known(site.specials, occupied, faults)
    disagreeing = 0
    railway = next((each for each in site.specials if each.is_railway), None)
    if railway:
        known[railway.detector] = not railway.is_free(inputs)
        disagreeing = min(memory.disagreeing + 1, _POLES_CHANGE) if railway.poles_disagree(inputs) else 0
        if disagreeing == _POLES_CHANGE:
            faults[railway.name] = "its poles disagree"
    courses, special, special_requests = priority.follow(junction, site.specials, memory.courses, state, known)
    flashes = rung.level == Level.FLASH
    requests = Requests(asked[rung.level], flash=FLASH_IN_ORDER if flashes else 0)
    # A train is no reason to flash, and flash none to leave its track uncleared.
    if special_requests and (not flashes or (railway and special == railway.name)):
        requests = special_requests
    by = special or (switch.plan if rung.level == Level.PLAN else rung.level.name.lower())
    return Memory(rung, seen, place, courses, disagreeing), Decision(
        requests, rung.level, by, rung.cause, demand, faults
    )


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
    specials: Iterable[Special], occupied: Mapping[str, bool | None], faults: Mapping[str, str]
) -> dict[str, bool]:
    """What specials are told of their detectors: the safe side of each kind in a fault, nothing in silence.

    A railway's that is in fault, or was a moment ago, is not known to be free. A fire engine is called by whatever its
    detector says: one that is called too often lapses. A bus is called by a detector that is believed; that it was
    silent before is no reason against it.
    """
    known = {name: value for name, value in occupied.items() if value is not None}
    for special in specials:
        fault = faults.get(special.detector, "")
        if (fault and not special.longest) or (special.transit and fault not in ("", Fault.SILENT)):
            known.pop(special.detector, None)
    return known


def _input(inputs: bytes | None, number: int) -> bool | None:
    return bool(inputs[number]) if inputs is not None and number < len(inputs) else None


def _advice(adviser: Adviser | None, state: State, demand: Demand, count: int) -> frozenset[int] | str:
    """The adviser's answer, or why there is none."""
    if adviser is None:
        return "no adviser"
    try:
        answer: Any = adviser(state, demand)
        if isinstance(answer, Declined):
            return answer.why
        if not isinstance(answer, set | frozenset):
            return "the adviser's answer is no set"
        if not all(type(each) is int and 0 <= each < count for each in answer):
            return "the adviser names groups that are none"
    except Exception as error:  # whatever an optimiser does, the junction goes on without it
        return f"the adviser failed: {type(error).__name__}"
    return frozenset(answer)
