"""What must be true of a junction, told from its lamps alone: an independent reading of docs/signals.md.

It shares no code with the core; it counts ticks itself from what it sees.
"""

from collections import Counter

from wayside.control.signals.core import Lamp, Mode
from wayside.control.signals.junction import PEDESTRIAN, Junction

_LAMPS = frozenset(Lamp)
_LIT = {Lamp.RED_AMBER, Lamp.GREEN, Lamp.AMBER, Lamp.CLEARANCE}
_FLASHING = {Lamp.FLASH_AMBER, Lamp.FLASH_RED, Lamp.DARK}


class Observer:
    """Watches lamps tick by tick; `violations` counts by the name of the invariant, of a picture that stays once."""

    def __init__(self, junction: Junction):
        self.junction = junction
        self.violations: Counter[str] = Counter()
        self.longest_red = dict.fromkeys(junction.index, 0)
        self.longest_shut = dict.fromkeys(junction.index, 0)  # without green, closed or not
        self._channel = {name: junction.channels.index(name) for name in junction.index}
        self._forget()

    def _forget(self) -> None:
        self._before: dict[str, Lamp] = {}
        self._tick = 0  # behind flash
        self._began: dict[str, int] = {}  # the tick of a group's lamp
        self._ended: dict[str, int] = {}  # the first tick behind its green, of those that are not green
        self._red: dict[str, int] = dict.fromkeys(self.junction.index, 0)
        self._shut: dict[str, int] = dict.fromkeys(self.junction.index, 0)
        self._dark_ticks = 0

    def see(self, lamps: tuple[Lamp, ...], mode: Mode, closed: frozenset[int] = frozenset()) -> None:
        """One tick of lamps."""
        junction = self.junction
        if len(lamps) != len(junction.channels) or not all(lamp in _LAMPS for lamp in lamps):
            self.violations["ONE_LAMP"] += 1
            return
        for name, lamp in zip(junction.channels, lamps, strict=True):
            if name is None and lamp != Lamp.RED:
                self.violations["ONE_LAMP"] += 1
        now = {name: lamps[channel] for name, channel in self._channel.items()}
        if mode == Mode.FLASH:
            if any(lamp not in _FLASHING for lamp in now.values()):
                self.violations["START"] += 1
            self._forget()
            return
        if not self._before:  # the first tick behind flash
            self._all_red = 0
        self._start(now)
        if now != self._before:
            self._conflicts(now)
            for name, lamp in now.items():
                if lamp != self._before.get(name):
                    self._group(name, self._before.get(name, Lamp.RED), lamp)
            self._relations(now)
        self._waiting(now, closed)
        self._before = now
        self._tick += 1

    def _start(self, now: dict[str, Lamp]) -> None:
        if all(lamp == Lamp.RED for lamp in now.values()) and self._all_red >= 0:
            self._all_red += 1
        elif self._all_red >= 0:
            if self._all_red < self.junction.start_all_red:
                self.violations["START"] += 1
            self._all_red = -1

    def _group(self, name: str, before: Lamp, lamp: Lamp) -> None:
        """The order and length of a group's own indications, where one ends. Behind flash all begin at red."""
        group = self.junction.groups[self.junction.index[name]]
        if lamp == before:
            self._began[name] = self._tick
            return
        ran = self._tick - self._began.get(name, self._tick)
        clearing = Lamp.CLEARANCE if group.kind == PEDESTRIAN else Lamp.AMBER
        after = {
            Lamp.RED: Lamp.RED_AMBER if group.red_amber else Lamp.GREEN,
            Lamp.RED_AMBER: Lamp.GREEN,
            Lamp.GREEN: clearing if group.amber else Lamp.RED,
            clearing: Lamp.RED,
        }
        if after.get(before) != lamp:
            self.violations["AMBER"] += 1
        if before == clearing and ran != group.amber:
            self.violations["AMBER"] += 1
        if before == Lamp.RED_AMBER and ran != group.red_amber:
            self.violations["AMBER"] += 1
        if before == Lamp.GREEN and ran < group.min_green:
            self.violations["MIN_GREEN"] += 1
        if before == Lamp.RED and ran < group.min_red:
            self.violations["MIN_RED"] += 1
        self._began[name] = self._tick
        if before == Lamp.GREEN:
            self._ended[name] = self._tick
        if lamp == Lamp.GREEN:
            self._ended.pop(name, None)

    def _conflicts(self, now: dict[str, Lamp]) -> None:
        for (ending, starting), ticks in self.junction.intergreen.items():
            if now[ending] in _LIT and now[starting] in _LIT:
                self.violations["CONFLICT"] += 1
            if self._begins(now, starting) and ending in self._ended and self._tick - self._ended[ending] < ticks:
                self.violations["INTERGREEN"] += 1

    def _begins(self, now: dict[str, Lamp], name: str) -> bool:
        return now[name] == Lamp.GREEN and self._before.get(name) not in (None, Lamp.GREEN)

    def _relations(self, now: dict[str, Lamp]) -> None:
        for group in self.junction.groups:
            shown = now[group.name]
            if group.parents and shown == Lamp.GREEN and all(now[each] != Lamp.GREEN for each in group.parents):
                self.violations["OVERLAP"] += 1
            stay = any(now[opposing] in (Lamp.GREEN, Lamp.RED_AMBER) for opposing in group.yields_to)
            if shown == Lamp.AMBER and stay:
                self.violations["YELLOW_TRAP"] += 1
            goes_on = shown == self._before.get(group.name) == Lamp.GREEN
            if goes_on and any(self._begins(now, opposing) for opposing in group.yields_to):
                self.violations["RESTART"] += 1

    def _waiting(self, now: dict[str, Lamp], closed: frozenset[int]) -> None:
        shut = {self.junction.groups[number].name for number in closed}
        running = self._all_red < 0 or self._all_red > self.junction.start_all_red
        for group in self.junction.groups:
            name = group.name
            if now[name] == Lamp.GREEN:
                self._red[name] = self._shut[name] = 0
                continue
            self._shut[name] += 1
            self.longest_shut[name] = max(self.longest_shut[name], self._shut[name])
            can = name not in shut and not (group.parents and shut.issuperset(group.parents))
            self._red[name] = self._red[name] + 1 if can and running else 0
            self.longest_red[name] = max(self.longest_red[name], self._red[name])
            if self._red[name] > group.max_red:
                self.violations["MAX_RED"] += 1
