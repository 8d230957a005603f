"""Fixed-time plans: a stateless look-up of what should be green, from the time alone.

The place in the cycle is the POSIX time modulo the cycle, less the offset. So two junctions with one cycle are in step
whenever their clocks are, a restart or a step of the clock changes nothing, and neither does the change to summer time.
Which plan is in force is a matter of the local calendar: weekday, holiday and wall-clock time in the junction's zone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wayside.control.signals import core
from wayside.control.signals.chain import Level
from wayside.control.signals.change import ticks_to_green
from wayside.control.signals.core import State
from wayside.control.signals.junction import Group, Junction
from wayside.control.signals.rings import UNCOORDINATED, RingLimits

MONDAY_TO_SUNDAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TICK_MS = 100
_SETTLING_CYCLES = 12  # a plan may need a few to catch up with a start at its worst place


@dataclass(frozen=True, slots=True)
class Plan:
    """A cycle of `cycle` ticks; green: by group its green times (first tick, last tick and one; may wrap round)."""

    name: str
    cycle: int
    offset: int
    green: Mapping[str, tuple[tuple[int, int], ...]]
    coordinated: tuple[str, ...] = ()
    """The groups that actuated control holds while this plan has them green, and for which it forces others off."""

    def place(self, utc_ms: int) -> int:
        """The tick of the cycle at `utc_ms`, milliseconds since 1970."""
        return (utc_ms // _TICK_MS - self.offset) % self.cycle

    def wishes(self, junction: Junction, utc_ms: int) -> frozenset[int]:
        """The numbers of the groups that should be green, or begin to be with red and yellow, in this tick."""
        return self.lit(junction, self.place(utc_ms), early=True)

    def limits(self, junction: Junction, utc_ms: int, state: State) -> RingLimits:
        """What this plan demands of actuated control in this tick."""
        if not self.coordinated:
            return UNCOORDINATED
        place = self.place(utc_ms)
        held = frozenset(junction.index[name] for name in self.coordinated)
        hold = held & self.lit(junction, place, early=True)
        room = min((begin - place) % self.cycle for name in self.coordinated for begin, _ in self.green[name])
        over, too_late, no_start = set(held - hold), set(), set()
        for number, group in enumerate(junction.groups):
            if number in held:
                continue
            left = self._time_left(group, place, 0, room)
            if not left:
                over.add(number)
            if left < group.min_green and junction.foes[number] & held:
                no_start.add(number)
            # With a longer way than it has now, a green that is planned as short as may be would never come.
            if self._time_left(group, place, ticks_to_green(junction, state, number), room) < group.min_green:
                too_late.add(number)
        return RingLimits(hold, frozenset(over), frozenset(too_late), frozenset(no_start))

    def _time_left(self, group: Group, place: int, lead: int, room: int) -> int:
        """Ticks of the group's green that are left `lead` ticks from now; 0 when the coordinated groups come before.

        room: ticks until they do.
        """
        left = min((end - place - lead - 1) % self.cycle + 1 for _, end in self.green[group.name])
        return left if lead + left <= room else 0

    def lit(self, junction: Junction, place: int, early: bool) -> frozenset[int]:
        """Who is green at a place; `early`: or will be when red with yellow, begun now, is over."""
        lit = set()
        for name, times in self.green.items():
            number = junction.index[name]
            before = junction.groups[number].red_amber if early else 0
            if any((place + before - begin) % self.cycle < self._length(begin, end) + before for begin, end in times):
                lit.add(number)
        return frozenset(lit)

    def _length(self, begin: int, end: int) -> int:
        return (end - begin - 1) % self.cycle + 1

    def problems(self, junction: Junction) -> Iterator[str]:
        """Why the core could not follow this plan to the tick; nothing when it can."""
        unknown = sorted({*self.green, *self.coordinated} - set(junction.index))
        if unknown or self.cycle < 1:
            yield f"unknown signal group {', '.join(unknown)}" if unknown else "a cycle takes some time; write cycle_s"
            return
        found = [*self._green_problems(junction), *self._intergreen_problems(junction)]
        yield from found
        if not found:
            yield from self._deviations(junction)

    def _green_problems(self, junction: Junction) -> Iterator[str]:
        for group in junction.groups:
            times = self.green.get(group.name, ())
            if not times:
                yield f"{group.name} never gets green"
            for begin, end in times:
                if not (0 <= begin < self.cycle and 0 < end <= self.cycle and begin != end % self.cycle):
                    yield f"{group.name}: green from {begin / 10} to {end / 10} s is not within the cycle"
                elif self._length(begin, end) < group.min_green:
                    yield f"{group.name}: green from {begin / 10} to {end / 10} s is under {group.min_green / 10} s"

    def _intergreen_problems(self, junction: Junction) -> Iterator[str]:
        for (a, b), intergreen in junction.intergreen.items():
            for _, end in self.green.get(a, ()):
                for begin, b_end in self.green.get(b, ()):
                    together = (end - 1 - begin) % self.cycle < self._length(begin, b_end)
                    if together or (begin - end) % self.cycle < intergreen:
                        yield (
                            f"{a} ends at {end / 10} s, {b} begins at {begin / 10} s: "
                            f"{intergreen / 10} s have to lie between"
                        )

    def _deviations(self, junction: Junction) -> Iterator[str]:
        """Where the core, run with this plan, never shows a whole cycle as it is planned."""
        state = core.begin(junction)
        places = range(self.cycle)
        requests = [core.Requests(self.lit(junction, place, early=True)) for place in places]
        planned = [self.lit(junction, place, early=False) for place in places]
        deviation = None
        for _ in range(_SETTLING_CYCLES):
            deviation = None
            for place in places:
                state = core.step(junction, state, requests[place])
                if wrong := planned[place] ^ core.greens(state):
                    deviation = deviation or (place, min(wrong))
            if deviation is None:
                return
        if deviation:
            place, number = deviation
            yield (
                f"{junction.groups[number].name}: the core deviates at {place / 10} s; look at its maximum red, "
                "its parents as an overlap, and what it yields to"
            )


@dataclass(frozen=True, slots=True)
class Switch:
    """From `at` on, on these weekdays (0 is Monday), control is of this level; plan: fixed-time plan, "" for flash."""

    days: frozenset[int]
    at: time
    level: Level
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which switch is in force; holidays: dates that count as another weekday."""

    zone: ZoneInfo
    switches: tuple[Switch, ...]
    holidays: Mapping[date, int]

    def switch(self, utc_ms: int) -> Switch:
        """The last switch before the local time, of that day or of the last day before that has one.

        A switch in the hour that comes twice in autumn comes with the first one and is not taken back by the second; in
        the hour that is missing in spring it comes with the next.
        """
        now = datetime.fromtimestamp(utc_ms // 1000, self.zone)
        for back in range(-1, 8):  # -1: where clocks go back at midnight tomorrow may have been already
            day = now.date() - timedelta(days=back)
            passed = [each for each in self._of(day) if self._has_come(day, each.at, now)]
            if passed:
                return max(passed, key=lambda each: each.at)
        return self.switches[0]  # every day of the week was without one, holidays shifted them all

    def _has_come(self, day: date, at: time, now: datetime) -> bool:
        if (day, at) <= (now.date(), now.time()):
            return True
        return datetime.combine(day, at, self.zone).astimezone(UTC) <= now.astimezone(UTC)

    def _of(self, day: date) -> list[Switch]:
        weekday = self.holidays.get(day, day.weekday())
        return [each for each in self.switches if weekday in each.days]
