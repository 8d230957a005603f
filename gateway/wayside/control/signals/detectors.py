"""What detectors say, and whether they can be believed. A detector that cannot be is replaced by recall, not ignored.

STUCK_ON, STUCK_OFF and CHATTER are NTCIP 1202 v03's maximum presence, no activity and erratic counts;
SILENT is a source that says nothing any more. Times in ticks of 100 ms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from wayside.control.signals.junction import LONGEST, TICKS_PER_S, Junction

_MINUTE = 60 * TICKS_PER_S
RECOVERY = _MINUTE  # a detector is believed again when it was plausible for so long
NO_ACTIVITY = 30 * _MINUTE  # docs/decisions/0145


class Fault(StrEnum):
    """Why a detector is not believed."""

    NONE = ""
    STUCK_ON = "stuck on"
    STUCK_OFF = "stuck off"
    CHATTER = "chatter"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Detector:
    """A loop or push button at the node's input `input` (from 0), or a zone with an MQTT topic; it calls `groups`.

    locking: a call stays until its group is green, as a button's does. Limits in ticks, chatter in changes per minute;
    stuck_off 0: never, a button may rest for days. The junction file's default is NO_ACTIVITY for whatever calls and
    is no button: silence is not absence.
    """

    name: str
    input: int
    groups: tuple[str, ...]
    locking: bool = False
    stuck_on: int = 5 * _MINUTE
    stuck_off: int = 0
    chatter: int = 100
    topic: str = ""


class Watch(NamedTuple):
    """What is remembered of one detector. age: ticks since it changed; well: ticks without anything implausible."""

    occupied: bool = False
    age: int = 0
    changes: int = 0
    minute: int = 0
    well: int = 0
    fault: Fault = Fault.NONE


def look(detector: Detector, watch: Watch, occupied: bool | None) -> Watch:
    """One tick. occupied: None when its source is silent."""
    if occupied == watch.occupied and not watch.fault and watch.minute < _MINUTE:
        limit = detector.stuck_on if occupied else detector.stuck_off or LONGEST
        if watch.age + 1 < limit:  # as before, which is nearly always
            well = min(watch.well + 1, RECOVERY)
            return Watch(watch.occupied, watch.age + 1, watch.changes, watch.minute + 1, well)
    now = watch.occupied if occupied is None else occupied
    changed = now != watch.occupied
    age = 0 if changed else min(watch.age + 1, LONGEST)
    changes, minute = (watch.changes + changed, watch.minute + 1) if watch.minute < _MINUTE else (int(changed), 1)
    found = Fault.NONE
    if occupied is None:
        found = Fault.SILENT
    elif now and age >= detector.stuck_on:
        found = Fault.STUCK_ON
    elif detector.stuck_off and not now and age >= detector.stuck_off:
        found = Fault.STUCK_OFF
    elif changes > detector.chatter:
        found = Fault.CHATTER
    well = 0 if found else min(watch.well + 1, RECOVERY)
    fault = found or (watch.fault if well < RECOVERY else Fault.NONE)
    return Watch(now, age, changes, minute, well, fault)


class Demand(NamedTuple):
    """What the groups ask for. gap: ticks since each was last occupied; blind: groups with a detector in fault.

    occupied: by name, the detectors that are believed.
    """

    calls: frozenset[int]
    gap: tuple[int, ...]
    blind: frozenset[int]
    occupied: Mapping[str, bool] = MappingProxyType({})


class Seen(NamedTuple):
    """All detectors' memory, and the calls that are locked."""

    watches: tuple[Watch, ...]
    locked: frozenset[int] = frozenset()
    gap: tuple[int, ...] = ()


def begin(junction: Junction, detectors: Sequence[Detector]) -> Seen:
    """Nothing seen yet: everything is called once, since what waited before the start was not seen."""
    count = len(junction.groups)
    return Seen((Watch(),) * len(detectors), frozenset(range(count)), (0,) * count)


def observe(
    junction: Junction,
    detectors: Sequence[Detector],
    seen: Seen,
    occupied: Mapping[str, bool | None],
    greens: frozenset[int],
) -> tuple[Seen, Demand]:
    """One tick of all detectors. occupied: by name; greens: who is green now. A blind group is called always."""
    watches = tuple(
        look(detector, watch, occupied.get(detector.name))
        for detector, watch in zip(detectors, seen.watches, strict=True)
    )
    present, locked, blind = set(), set(seen.locked - greens), set()
    for detector, watch in zip(detectors, watches, strict=True):
        if not (watch.fault or watch.occupied):
            continue
        numbers = {junction.index[name] for name in detector.groups}
        if watch.fault:
            blind |= numbers
        else:
            present |= numbers
        if detector.locking:  # in a fault too: who pressed then is not forgotten when it is over
            locked |= numbers - greens
    gap = tuple(0 if number in present else min(before + 1, LONGEST) for number, before in enumerate(seen.gap))
    calls = frozenset(present | locked | blind)
    believed = {
        detector.name: watch.occupied for detector, watch in zip(detectors, watches, strict=True) if not watch.fault
    }
    return Seen(watches, frozenset(locked), gap), Demand(calls, gap, frozenset(blind), believed)
