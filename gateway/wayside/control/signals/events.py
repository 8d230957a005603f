"""The high-resolution event log: what happened, in the enumeration that public ATSPM tools read.

Codes: Indiana Traffic Signal Hi Resolution Data Logger Enumerations (Purdue University, 2012). One CSV file per local
day: time stamp to the tenth of a second, device, event, parameter. The parameter is the number of the group (its first
channel), detector or special (their places in the file), from 1.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, tzinfo
from pathlib import Path

from wayside.control.journal import KEEP_DAYS, Appender, remove_old
from wayside.control.signals.core import AMBER, GREEN, RED, RED_AMBER, Mode, State
from wayside.control.signals.junction import PEDESTRIAN
from wayside.control.signals.pilot import Decision
from wayside.control.signals.site import Site

Event = tuple[int, int]
"""(code, parameter)"""

HEADER = "TimeStamp,DeviceId,EventId,Parameter\n"

_VEHICLE = {GREEN: (1,), AMBER: (7, 8), RED: (9, 10)}  # begin green; green termination, begin yellow; end of it, red
_WALK = {GREEN: (21,), AMBER: (22,), RED: (23,)}
_OVERLAP = {GREEN: (61,), AMBER: (63,), RED: (64,)}
_CALL, _CALL_DROPPED, _WALK_CALL = 43, 44, 45
_DETECTOR_OFF, _DETECTOR_ON, _DETECTOR_RESTORED, _DETECTOR_FAULT = 81, 82, 83, 84
_PREEMPTION, _TRANSIT = (105, 111), (112, 115)  # begins (a bus checks in), ends (it checks out)
_PATTERN = 131
_FLASH_STATUS = 173


class Events:
    """Turns what each tick shows into lines."""

    def __init__(self, site: Site, folder: Path, appender: Appender, zone: tzinfo):
        self._site = site
        self._folder = folder
        self._appender = appender
        self._zone = zone
        self._channel = {name: site.junction.channels.index(name) + 1 for name in site.junction.index}
        self._plans = {name: number for number, name in enumerate(site.plans, 1)}
        self._specials = {
            special.name: (number, _TRANSIT if special.transit else _PREEMPTION)
            for number, special in enumerate(site.specials, 1)
        }
        self._state: State | None = None
        self._calls: frozenset[int] = frozenset()
        self._inputs: dict[str, bool] = {}
        self._faults: frozenset[str] = frozenset()
        self._by = ""
        self._day: date | None = None

    def tick(self, utc_ms: int, state: State, decision: Decision) -> None:
        """What the decision of this tick led to."""
        events = [
            *self._mode(state),
            *self._groups(state),
            *self._called(decision.demand.calls),
            *self._detected(decision.demand.occupied, frozenset(decision.faults)),
            *self._in_force(decision.by),
        ]
        if events:
            stamp = datetime.fromtimestamp(utc_ms / 1000, self._zone)
            text = f"{stamp:%Y-%m-%d %H:%M:%S}.{stamp.microsecond // 100_000}"
            lines = "".join(f"{text},{self._site.name},{code},{parameter}\n" for code, parameter in events)
            self._appender.append_bytes(self._path(stamp.date()), (self._head(stamp.date()) + lines).encode())

    def _path(self, day: date) -> Path:
        return self._folder / f"{day}.csv"

    def _head(self, day: date) -> str:
        """What a file begins with, when this is its first line."""
        if day == self._day:
            return ""
        self._day = day
        remove_old(list(self._folder.glob("????-??-??.csv")), KEEP_DAYS)
        return "" if self._path(day).exists() else HEADER

    def _mode(self, state: State) -> Iterator[Event]:
        flash = state.mode == Mode.FLASH
        if self._state is None or flash != (self._state.mode == Mode.FLASH):
            yield _FLASH_STATUS, int(flash)

    def _groups(self, state: State) -> Iterator[Event]:
        before = self._state.groups if self._state else state.groups
        self._state = state
        for group, old, new in zip(self._site.junction.groups, before, state.groups, strict=True):
            if old.indication == new.indication or new.indication == RED_AMBER:
                continue
            codes = _WALK if group.kind == PEDESTRIAN else _OVERLAP if group.parents else _VEHICLE
            for code in codes[new.indication]:
                yield code, self._channel[group.name]

    def _called(self, calls: frozenset[int]) -> Iterator[Event]:
        for number in sorted(calls ^ self._calls):
            group = self._site.junction.groups[number]
            if number not in calls:
                yield _CALL_DROPPED, self._channel[group.name]
            else:
                yield _WALK_CALL if group.kind == PEDESTRIAN else _CALL, self._channel[group.name]
        self._calls = calls

    def _detected(self, inputs: Mapping[str, bool], faults: frozenset[str]) -> Iterator[Event]:
        for number, detector in enumerate(self._site.detectors, 1):
            name = detector.name
            now = inputs.get(name, False)
            if now != self._inputs.get(name, False):
                yield _DETECTOR_ON if now else _DETECTOR_OFF, number
            if (name in faults) != (name in self._faults):
                yield _DETECTOR_FAULT if name in faults else _DETECTOR_RESTORED, number
        self._inputs, self._faults = dict(inputs), faults

    def _in_force(self, by: str) -> Iterator[Event]:
        if by == self._by:
            return
        if found := self._specials.get(self._by):
            yield found[1][1], found[0]
        if found := self._specials.get(by):
            yield found[1][0], found[0]
        else:
            yield _PATTERN, self._plans.get(by, 0)
        self._by = by
