"""What may flow at the grid connection: one object for every limit, when it ends, and how several become one.

A limit is free, limited, or at its fail-safe; unknown is none of them, and leads to the fail-safe. Times are
milliseconds of a clock that never jumps: a wall clock that is set, or a day of 23 hours, ends no limit.

Lost contact and fail-safe are those of the use case "limitation of power consumption" (EEBus UC LPC 1.0, section 2.3;
VDE-AR-E 2829-6-1): the fail-safe value comes when the heartbeat is missing, and is left by a limit that is new.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, TypeGuard

PHASES = ("a", "b", "c")
MOST_W = 10**9
"""No limit. A limit that is as high is none."""
FAR_MS = 10 * 366 * 86_400_000
"""An end that is further away is none."""
_MOST_COUNT = 2**62


class Direction(StrEnum):
    IMPORT = "import"
    EXPORT = "export"


class Limit(NamedTuple):
    """`source` limits what flows in `direction`.

    watts: 0 or more; None (in the site's configuration only): nobody has said it yet. phases: on each of them; (): of
    all together. priority: who is named where two are as strict, 1 is the strongest; the strictest counts, whoever it
    is of. valid_until_ms: of the clock that never jumps; None: until it is withdrawn. failsafe_watts: what counts
    without contact, None: the limit itself goes on. failsafe_for_ms: for how long, None: until a new one comes.
    The fail-safe is configured: what a message says of it counts for nothing.
    """

    direction: Direction
    watts: int | None
    phases: tuple[str, ...]
    source: str
    priority: int = 8
    valid_until_ms: int | None = None
    failsafe_watts: int | None = None
    failsafe_for_ms: int | None = None

    @property
    def key(self) -> "Key":
        return Key(self.source, self.direction, self.phases).in_order()


class Key(NamedTuple):
    """What a new limit replaces: one of the same party, direction and phases, in whatever order they are named."""

    source: str
    direction: Direction
    phases: tuple[str, ...]

    def in_order(self) -> "Key":
        return self._replace(phases=tuple(sorted(set(self.phases))))


class LimitMode(StrEnum):
    """FREE: it was said that there is no limit, or the limit is over. LAPSED: its fail-safe was over before it was
    heard of again."""

    FREE = "free"
    LIMITED = "limited"
    FAILSAFE = "fail-safe"
    LAPSED = "lapsed"


class LimitStanding(NamedTuple):
    """A limit as it counts now, and since when."""

    limit: Limit
    mode: LimitMode
    since_ms: int

    @property
    def watts(self) -> int:
        """What may flow by it; MOST_W: anything."""
        watts = {LimitMode.LIMITED: self.limit.watts, LimitMode.FAILSAFE: self.limit.failsafe_watts}.get(self.mode)
        return MOST_W if watts is None else watts


class Party(NamedTuple):
    """Who may limit. silence_ms: without a sign of life for that long the contact is lost; None: it cannot be (a fuse).

    limits: with their fail-safe; those with watts hold from the start on.
    """

    name: str
    limits: tuple[Limit, ...]
    silence_ms: int | None = None

    def check(self, phases: tuple[str, ...]) -> None:
        """ValueError for what cannot be meant."""
        for limit in self.limits:
            text = fault(limit, phases)
            if limit.source != self.name:
                text = f'its source is "{limit.source}"'
            elif limit.watts is None and limit.failsafe_watts is None:
                text = "it has neither watts nor failsafe_watts"
            elif limit.failsafe_watts is not None and self.silence_ms is None:
                text = "a fail-safe needs silence_ms, after which the contact is lost"
            if text:
                raise ValueError(f'limit of "{self.name}": {text}')
        if len({limit.key for limit in self.limits}) != len(self.limits):
            raise ValueError(f'party "{self.name}": two limits of one direction and phases')


def is_count(value: object) -> bool:
    """Whether it is a whole number that an entry can hold: neither NaN nor True."""
    return type(value) is int and -_MOST_COUNT <= value <= _MOST_COUNT


def is_names(value: object) -> TypeGuard[tuple[str, ...]]:
    """Whether it is a tuple of texts."""
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def fault(limit: Limit, phases: tuple[str, ...]) -> str:
    """Why a limit cannot be taken, "" when it can."""
    for name in ("watts", "failsafe_watts"):
        watts = getattr(limit, name)
        if watts is not None and not (is_count(watts) and watts >= 0):
            said = watts if is_count(watts) else "no number"
            return f"{name} is {said}; it is a whole number, 0 or more: the direction is in `direction`"
    for name in ("valid_until_ms", "failsafe_for_ms"):
        if getattr(limit, name) is not None and not is_count(getattr(limit, name)):
            return f"{name} is no whole number of milliseconds"
    if not is_count(limit.priority):
        return "priority is a whole number"
    return key_fault(limit.direction, limit.phases, phases)


def key_fault(direction: object, named: object, phases: tuple[str, ...]) -> str:
    """Why nothing can be limited there, "" when it can. phases: of the site."""
    if direction not in tuple(Direction):
        return 'direction is "import" or "export"'
    if not is_names(named) or not set(named) <= set(phases):
        return f"phases are some of {', '.join(phases)}"
    return ""


class LimitMemory(NamedTuple):
    """What is remembered of a party: when it was heard last, None: never; and its limits."""

    heard_ms: int | None
    standing: tuple[LimitStanding, ...]


def begin(party: Party, now_ms: int) -> LimitMemory:
    """At the start nobody has been heard: what has a fail-safe is at it."""
    return LimitMemory(
        None,
        tuple(
            LimitStanding(each, LimitMode.LIMITED if each.failsafe_watts is None else LimitMode.FAILSAFE, now_ms)
            for each in party.limits
        ),
    )


def hear(
    party: Party, memory: LimitMemory, heard: bool, came: Iterable[Limit], withdrawn: Iterable[Key], now_ms: int
) -> LimitMemory:
    """A party's limits one cycle later. came, withdrawn: what can be taken of it, see `fault` and `key_fault`, none of
    them over already. There is no more of them than phases can be combined."""
    newest: dict[Key, Limit] = {}
    for limit in came:
        newest[limit.key] = _stricter(limit, newest.get(limit.key, limit))
    gone = {key.in_order() for key in withdrawn} - newest.keys()
    heard_ms = now_ms if heard or newest or gone else memory.heard_ms
    has_contact = party.silence_ms is None or (heard_ms is not None and now_ms - heard_ms < party.silence_ms)
    configured = {limit.key for limit in party.limits}
    known = {each.limit.key for each in memory.standing}
    new = [limit for key, limit in newest.items() if key not in known]
    added = [
        LimitStanding(each._replace(failsafe_watts=None, failsafe_for_ms=None), LimitMode.FREE, now_ms) for each in new
    ]
    standing = (
        turn(each, newest.get(each.limit.key), each.limit.key in gone, has_contact, now_ms)
        for each in (*memory.standing, *added)
    )
    # What is over and was never configured is forgotten.
    kept = (each for each in standing if each.mode != LimitMode.FREE or each.limit.key in configured)
    return LimitMemory(heard_ms, tuple(kept))


def _stricter(limit: Limit, other: Limit) -> Limit:
    """Of two at once nobody knows which is newer: the lower value, until the later end."""
    ends = (limit.valid_until_ms, other.valid_until_ms)
    end = None if None in ends else max(each for each in ends if each is not None)
    least = min(limit, other, key=lambda each: each.watts or 0)
    return least._replace(valid_until_ms=end)


def turn(standing: LimitStanding, came: Limit | None, withdrawn: bool, has_contact: bool, now_ms: int) -> LimitStanding:
    """EXPIRY: one limit one cycle later."""
    limit, mode, since_ms = standing
    if came is not None:
        end = came.valid_until_ms
        if end is not None and end - now_ms > FAR_MS:
            end = None
        limit = limit._replace(watts=came.watts, priority=came.priority, valid_until_ms=end)
        return LimitStanding(limit, LimitMode.LIMITED, now_ms)
    if withdrawn:
        return LimitStanding(limit, LimitMode.FREE, now_ms)
    if mode == LimitMode.LIMITED and limit.valid_until_ms is not None and now_ms >= limit.valid_until_ms:
        mode, since_ms = LimitMode.FREE, now_ms
    if mode == LimitMode.LAPSED and has_contact:
        mode, since_ms = LimitMode.FREE, now_ms
    if not has_contact and limit.failsafe_watts is not None and mode in (LimitMode.FREE, LimitMode.LIMITED):
        mode, since_ms = LimitMode.FAILSAFE, now_ms
    if mode == LimitMode.FAILSAFE and limit.failsafe_for_ms is not None and now_ms - since_ms >= limit.failsafe_for_ms:
        mode, since_ms = LimitMode.LAPSED, now_ms
    return LimitStanding(limit, mode, since_ms)


class Bound(NamedTuple):
    """What the grid meter has to stay between, watts, import positive; and who says so."""

    low: int = -MOST_W
    high: int = MOST_W
    low_by: str = ""
    high_by: str = ""


def merge(phases: tuple[str, ...], memories: Iterable[LimitMemory]) -> tuple[Bound, ...]:
    """The strictest of all limits: of the site as a whole, and then of each phase. Made once in a cycle."""
    bounds = [Bound()] * (1 + len(phases))
    standing = sorted((each for memory in memories for each in memory.standing), key=lambda each: each.limit.priority)
    for each in standing:
        for place in [1 + phases.index(phase) for phase in each.limit.phases] or [0]:
            bound, by = bounds[place], each.limit.source
            if each.mode == LimitMode.FAILSAFE:
                by += " (fail-safe)"
            if each.limit.direction == Direction.IMPORT and each.watts < bound.high:
                bounds[place] = bound._replace(high=each.watts, high_by=by)
            elif each.limit.direction == Direction.EXPORT and -each.watts > bound.low:
                bounds[place] = bound._replace(low=-each.watts, low_by=by)
    return tuple(bounds)
