"""LIMIT: who gives way, so that the grid meter stays between its bounds by what can be controlled.

All that is commanded, and the worst of what is not, is added up for the site and each phase. What is over a bound is
taken from those on that place only, the weakest first: batteries help, then who runs is throttled, then changed over to
one phase, and only then stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wayside.control.energy import steady
from wayside.control.energy.assets import Asset, AssetKind
from wayside.control.energy.limits import PHASES, Bound
from wayside.control.energy.meter import Base
from wayside.control.energy.steady import Held


@dataclass(slots=True)
class ShareTask:
    """One asset in one cycle. places: of its phases; watts, single: its set-point as far as it is known.

    low, high: what its reserve allows. priority: of the request in force. power: measured, or its set-point where
    nobody reads it. takes, gives: it can be counted on to consume more, or less, when it is told to, and apart: but
    for so much. is_new: it may be on its way to its set-point. can_switch: its phases may change now. wish: what
    was asked, or 0; target: what it is on the way to. bound, by: what held it last.
    """

    asset: Asset
    held: Held
    places: tuple[int, ...]
    single_place: int
    low: int
    high: int
    power: int
    takes: bool
    gives: bool
    apart: int
    is_new: bool = False
    can_switch: bool = False
    wish: int = 0
    priority: int = 17
    watts: int = 0
    target: int = 0
    single: bool = False
    bound: str = ""
    by: str = ""
    asked: bool = False
    var: int | None = None

    @property
    def on(self) -> tuple[int, ...]:
        """The places of the phases on which it runs."""
        return (self.single_place,) if self.single else self.places

    @property
    def least(self) -> int:
        return steady.least_w(self.asset, self.single)

    def most_drawn(self, watts: int) -> int:
        """The most that it may consume when it is told `watts`."""
        follows = self.gives and self.asset.kind != AssetKind.INVERTER
        return watts + max(0, self.apart) if follows else max(watts, self.power)

    def least_drawn(self, watts: int) -> int:
        """The least that it may consume when it is told `watts`."""
        follows = self.takes and (self.asset.is_firm or self.asset.kind == AssetKind.INVERTER)
        return watts + min(0, self.apart) if follows else min(watts, self.power)

    @property
    def is_curtailed(self) -> bool:
        """Whether an inverter feeds in all that it may, and could be let go."""
        near = max(50, -self.asset.low_w // 100)
        return self.asset.is_metered and self.target < self.held.watts and self.power <= self.held.watts + near

    def hold(self, watts: int, bound: str, by: str) -> None:
        if watts != self.watts:
            self.watts, self.bound, self.by = watts, bound, by


def upper(watts: int, count: int) -> int:
    """The most of a power that is spread over `count` phases on one of them."""
    return -(-watts // count)


def lower(watts: int, count: int) -> int:
    """The least."""
    return watts // count


@dataclass(slots=True)
class Balance:
    """What flows at each place at most and at least, with the set-points as they are.

    The least counts what inverters may feed in; reach: what of it does not come now, or batteries take when it comes.
    """

    bounds: Sequence[Bound]
    base: Base
    tasks: Sequence[ShareTask]
    most: list[int] = field(default_factory=list)
    least: list[int] = field(default_factory=list)
    reach: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.most, self.least = list(self.base.high), list(self.base.low)
        self.reach = [0] * len(self.bounds)
        for task in self.tasks:
            self._add(task, 1)

    def _add(self, task: ShareTask, sign: int) -> None:
        most, least = task.most_drawn(task.watts), task.least_drawn(task.watts)
        self.most[0] += sign * most
        self.least[0] += sign * least
        count = len(task.on)
        for place in task.on:
            self.most[place] += sign * upper(most, count)
            self.least[place] += sign * lower(least, count)

    def rebase(self, base: Base) -> None:
        """Look at the same set-points beside another load that is not commanded."""
        self.base = base
        self.__post_init__()
        self.look_at_now()

    def put(self, task: ShareTask, watts: int, bound: str = "", by: str = "", *, single: bool | None = None) -> None:
        """Give a task another set-point."""
        self._add(task, -1)
        if single is not None:
            task.single = single
        task.hold(watts, bound, by)
        self._add(task, 1)

    def more(self, task: ShareTask) -> tuple[int, int]:
        """By how much it may consume more without a bound of import being passed, below 0: it is passed; where."""
        return self._room(task, [bound.high - most for bound, most in zip(self.bounds, self.most, strict=True)])

    def less(self, task: ShareTask) -> tuple[int, int]:
        """By how much it may consume less, or feed in more, without a bound of export being passed; where."""
        triples = zip(self.bounds, self.least, self.reach, strict=True)
        return self._room(task, [least + reach - bound.low for bound, least, reach in triples])

    def more_now(self, task: ShareTask) -> int:
        """`more`, before anybody who was told to consume less does so."""
        places = self._late(lambda each: each.power - each.most_drawn(each.watts))
        triples = zip(self.bounds, self.most, places, strict=True)
        return self._room(task, [bound.high - most - late for bound, most, late in triples])[0]

    def less_now(self, task: ShareTask) -> int:
        """`less`, before anybody who was told to consume more does so."""
        places = self._late(lambda each: each.least_drawn(each.watts) - each.power)
        triples = zip(self.bounds, self.least, places, strict=True)
        return self._room(task, [least - late - bound.low for bound, least, late in triples])[0]

    def _late(self, missing: Callable[[ShareTask], int]) -> list[int]:
        late = [0] * len(self.bounds)
        for task in self.tasks:
            watts = max(0, missing(task))
            late[0] += watts
            for place in task.on:
                late[place] += upper(watts, len(task.on))
        return late

    def look_at_now(self, *, is_new: bool = False) -> None:
        """Leave out what inverters could feed in and do not; is_new: but for those that were let go a moment ago."""
        self.reach = [0] * len(self.bounds)
        for task in self.tasks:
            if task.asset.kind == AssetKind.INVERTER and not (is_new and task.is_new and task.held.moved < 0):
                self._reach(task, max(0, min(0, task.power) - task.watts))

    def look_ahead(self) -> None:
        """Count what inverters could feed in; batteries that follow take it when it comes."""
        self.reach = [0] * len(self.bounds)
        for task in self.tasks:
            if task.asset.kind == AssetKind.BATTERY and task.takes:
                self._reach(task, max(0, min(task.high - task.watts, self.more(task)[0])))

    def _reach(self, task: ShareTask, watts: int) -> None:
        self.reach[0] += watts
        for place in task.on:
            self.reach[place] += lower(watts, len(task.on))

    @staticmethod
    def _room(task: ShareTask, rooms: Sequence[int]) -> tuple[int, int]:
        count = len(task.on)
        return min((rooms[0], 0), *((count * rooms[place], place) for place in task.on))

    def over(self) -> list[tuple[int, int]]:
        """(watts over the bound of import, over the bound of export), by place."""
        each = zip(self.bounds, self.most, self.least, self.reach, strict=True)
        return [(max(0, most - bound.high), max(0, bound.low - least - reach)) for bound, most, least, reach in each]


def cut(watts: int, floor: int, excess: int, step_w: int) -> int:
    """`watts` less the excess, in steps, but not below the floor; never more than before."""
    if excess <= 0 or watts <= floor:
        return watts
    return max(floor, (watts - excess) // step_w * step_w)


def share(balance: Balance) -> None:
    """Change the set-points until all bounds are kept, or nothing is left that could."""
    order = sorted(balance.tasks, key=lambda task: -task.priority)  # of equal ones the first of the site
    for _ in range(2):
        _keep_export(balance, order)
        balance.look_at_now()
        _keep_import(balance, order)
    balance.look_ahead()


def _keep_import(balance: Balance, order: Sequence[ShareTask]) -> None:
    asked = {task.asset.name: task.watts for task in order}
    users = [task for task in order if task.asset.kind in (AssetKind.CHARGER, AssetKind.LOAD)]
    for task in order:
        if task.asset.kind == AssetKind.BATTERY:
            _help_import(balance, task)
    for task in users:
        _lessen(balance, task)
    for task in users:
        if task.asset.single and not task.single and task.watts > 0 and balance.more(task)[0] < 0:
            _change_over(balance, task)
    for task in users:
        if task.watts > 0 and balance.more(task)[0] < 0:
            balance.put(task, 0, *named(balance, task, is_import=True))
    # Who gave way first may have done so for nothing: the strongest gets back what is left.
    for task in reversed(users):
        if task.watts:
            _give_back(balance, task, asked[task.asset.name])
    for task in reversed(order):
        if task.asset.kind == AssetKind.BATTERY:
            _give_back(balance, task, asked[task.asset.name])
    for task in users:
        _wait_for_room(balance, task)


def _wait_for_room(balance: Balance, task: ShareTask) -> None:
    """Nobody begins, or has more, on what a battery or another one was only told to leave."""
    had = max(0, task.held.watts)
    if task.watts <= had or (room := balance.more_now(task)) >= 0:
        return
    watts = cut(task.watts, had, -room, task.asset.step_w)
    why = named(balance, task, is_import=True)
    if watts < task.least:  # then it stays as it was, on as many phases
        balance.put(task, had, *why, single=task.held.single)
    else:
        balance.put(task, watts, *why)


def _lessen(balance: Balance, task: ShareTask) -> None:
    """Throttle, as far as it still runs."""
    room, place = balance.more(task)
    if room < 0 and task.watts > task.least:
        watts = cut(task.watts, task.least, -room, task.asset.step_w)
        balance.put(task, watts, *_named(balance, place, is_import=True))


def _help_import(balance: Balance, task: ShareTask) -> None:
    room, place = balance.more(task)
    if room < 0:
        watts = cut(task.watts, task.low, -room, task.asset.step_w)
        if not task.gives:  # told less it gives less, and what it gives is needed
            watts = min(watts, max(task.low, task.held.watts))
        # To 0 always; to feed in only as much as may be.
        counted = task.watts if task.takes else min(task.watts, task.power)
        watts = max(watts, min(0, task.watts, counted - balance.less(task)[0]))
        balance.put(task, min(watts, task.watts), *_named(balance, place, is_import=True))


def _change_over(balance: Balance, task: ShareTask) -> None:
    """To one phase, if it can run there."""
    if not task.can_switch:
        return
    before = task.watts
    why = named(balance, task, is_import=True)
    balance.put(task, 0, *why, single=True)
    watts = fitting(balance, task, before)
    if watts:
        balance.put(task, watts, *why)
    else:
        balance.put(task, before, *why, single=False)


def fitting(balance: Balance, task: ShareTask, wish: int) -> int:
    """What a task that is at 0 may run with; 0: not with its least."""
    most = min(wish, steady.most_w(task.asset, task.single), task.high, balance.more(task)[0])
    watts = most // task.asset.step_w * task.asset.step_w
    return watts if watts >= max(1, task.least) else 0


def _give_back(balance: Balance, task: ShareTask, asked: int) -> None:
    if task.watts < asked:
        most = min(asked, task.watts + balance.more(task)[0], steady.most_w(task.asset, task.single))
        watts = most if most == asked else most // task.asset.step_w * task.asset.step_w
        if watts > task.watts:
            balance.put(task, watts, task.bound, task.by)


def _keep_export(balance: Balance, order: Sequence[ShareTask]) -> None:
    balance.look_at_now()
    for task in order:
        if task.asset.kind == AssetKind.BATTERY:
            _help_export(balance, task, task.high)
    balance.look_at_now(is_new=True)
    for task in order:
        if task.asset.kind == AssetKind.BATTERY and task.takes and task.watts < task.held.watts:
            _help_export(balance, task, task.held.watts)
    inverters = [task for task in order if task.asset.kind == AssetKind.INVERTER]
    if any(task.is_curtailed for task in inverters):
        for task in order:
            if task.asset.kind == AssetKind.BATTERY:
                _lead(balance, task)
    balance.look_ahead()
    for task in order:
        if task.asset.kind == AssetKind.CHARGER:
            _raise(balance, task, balance.less(task)[0])
    inverters = [task for task in inverters if task.watts < 0]
    # Each by its share, and then whoever is on the place that is still over.
    excess = balance.over()[0][1]
    total = sum(task.watts for task in inverters)
    shares = [upper(excess * task.watts, total) for task in inverters]
    for task, part in zip(inverters, shares, strict=True):
        _raise(balance, task, -part)
    for task in inverters:
        _raise(balance, task, balance.less(task)[0])
    for task in inverters:
        feeds = max(0, -task.power)
        if task.is_curtailed and -task.watts > feeds and (room := balance.less_now(task)) < 0:
            watts = -cut(-task.watts, feeds, -room, task.asset.step_w)
            balance.put(task, watts, *named(balance, task, is_import=False))


def _lead(balance: Balance, task: ShareTask) -> None:
    """A battery goes ahead of an inverter that is curtailed: that is let go by what the battery takes, and not by what
    it could take. One that does not do what it is told shows here that it does again."""
    step = 2 * steady.tolerance_w(task.asset)
    watts = min(task.high, max(0, task.power) + step, task.watts + max(0, balance.more(task)[0]))
    if watts > task.watts:
        balance.put(task, watts // task.asset.step_w * task.asset.step_w, "ahead", "")


def _raise(balance: Balance, task: ShareTask, room: int) -> None:
    """Feed in less; room: below 0 by how much."""
    if room < 0 and task.watts < 0:
        watts = -cut(-task.watts, 0, -room, task.asset.step_w)
        if -watts < task.least:
            watts = 0
        balance.put(task, watts, *named(balance, task, is_import=False))


def _help_export(balance: Balance, task: ShareTask, most: int) -> None:
    room, place = balance.less(task)
    if room < 0:
        watts = -cut(-task.watts, -min(most, task.high), -room, task.asset.step_w)
        counted = task.watts if task.gives else max(task.watts, task.power)
        watts = min(watts, max(0, task.watts, counted + balance.more(task)[0]))
        balance.put(task, max(watts, task.watts), *_named(balance, place, is_import=False))


def _named(balance: Balance, place: int, *, is_import: bool) -> tuple[str, str]:
    bound = balance.bounds[place]
    where = "" if not place else f" {PHASES[place - 1]}"
    return (f"import{where}", bound.high_by) if is_import else (f"export{where}", bound.low_by)


def named(balance: Balance, task: ShareTask, *, is_import: bool) -> tuple[str, str]:
    """Which bound leaves a task the least room to take, or to feed in, more; and whose it is."""
    room = balance.more(task) if is_import else balance.less(task)
    return _named(balance, room[1], is_import=is_import)
