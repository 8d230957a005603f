"""A cycle as an entry of the log: all that went into it, in plain lists, and what came out, so that it can be replayed.

Numbers that a cycle was given and are none (NaN, a text) are written as "?": the core takes none of them either.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from wayside.control.energy import limits, meter
from wayside.control.energy.assets import SiteAssets
from wayside.control.energy.core import EnergyState
from wayside.control.energy.cycle import (
    AssetSeen,
    Grid,
    How,
    Now,
    PowerRequest,
    PowerRequests,
    Reason,
    SetPoint,
    Snapshot,
)
from wayside.control.energy.limits import Direction, Key, Limit, LimitMode, LimitStanding, is_count
from wayside.control.energy.reserve import Range
from wayside.control.energy.steady import Held
from wayside.evidence import kinds

CONTROLLER = "energy"
HEARTBEAT_MS = 60_000
"""An entry at least so often: an older one says nothing of now."""
CHANGE_PERCENT = 5
"""Of an asset's range: a set-point that moved by less since the last entry is no change."""
_BURST, _REFILL_MS = 60, 6_000  # entries at once, and one more each
_FOR_DECISIONS = _BURST // 2  # of them what somebody only says is left


class EnergyCycle(NamedTuple):
    """What went into a cycle."""

    state: EnergyState
    snapshot: Snapshot
    requests: PowerRequests
    now: Now


def site_hash(site: SiteAssets) -> str:
    """What an entry names its site by: another one has other bounds."""
    return sha256(repr(site).encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """A value of a cycle as what an entry may hold."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return value if is_count(value) else "?"
    if isinstance(value, frozenset):
        return sorted(each for each in value if isinstance(each, str))
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    return "?"


def entry(
    site: SiteAssets, cycle: EnergyCycle, points: Sequence[SetPoint], reasons: Sequence[Reason]
) -> kinds.DecisionBody:
    """The entry of one cycle."""
    state, snapshot, requests, now = cycle
    inputs = {
        "site": site_hash(site),
        "now": list(now),
        "state": [state.ms, state.started_ms, state.meter.good, state.meter.at_ms],
        "bases": [[*base.high, *base.low] for base in state.meter.bases],
        "parties": [memory.heard_ms for memory in state.parties],
        "standing": [
            [number, str(each.mode), each.since_ms, *_flat(each.limit)]
            for number, memory in enumerate(state.parties)
            for each in memory.standing
        ],
        "held": [[*each[:-1], *each.range] for each in state.held],
        "grid": None if snapshot.grid is None else _read(snapshot.grid),
        "seen": {asset.name: _read(snapshot.seen[asset.name]) for asset in site.assets if asset.name in snapshot.seen},
        "heard": plain(snapshot.heard),
        "wanted": [
            [_name(each.asset), plain(each.watts), _name(each.source), *map(plain, each[3:])]
            for each in requests.wanted
        ],
        "limits": [_flat(limit) for limit in requests.limits],
        "withdrawn": [[_name(key.source), _name(key.direction), _joined(key.phases)] for key in requests.withdrawn],
        "points": [[point.asset, point.watts, "".join(point.phases), *point[3:]] for point in points],
    }
    told = ", ".join(f"{point.asset} {point.watts} W" for point in points)
    held = "; ".join(f"{each.asset or 'site'}: {each.bound} {each.by}".strip() for each in reasons)
    return kinds.DecisionBody(CONTROLLER, told[:1000], held[:1000], inputs)


def cycle_of(inputs: dict[str, Any]) -> EnergyCycle:
    """The inverse of the inputs of `entry`; ValueError, TypeError, KeyError or IndexError for what it did not write."""
    ms, started_ms, good, at_ms = inputs["state"]
    bases = tuple(_base(each) for each in inputs["bases"])
    parties = tuple(
        limits.LimitMemory(heard_ms, tuple(_standing(*each[1:]) for each in inputs["standing"] if each[0] == number))
        for number, heard_ms in enumerate(inputs["parties"])
    )
    own = len(Held._fields) - 1
    held = tuple(Held(*each[:own])._replace(range=Range(*each[own:])) for each in inputs["held"])
    state = EnergyState(ms, parties, meter.MeterMemory(good, at_ms, bases), held, started_ms)
    grid = inputs["grid"]
    snapshot = Snapshot(
        None if grid is None else Grid(grid[0], grid[1], _tuple(grid[2])),
        {name: AssetSeen(*each)._replace(phases=_tuple(each[2])) for name, each in inputs["seen"].items()},
        frozenset(inputs["heard"]),
    )
    requests = PowerRequests(
        tuple(PowerRequest(*each)._replace(how=_member(How, each[5])) for each in inputs["wanted"]),
        tuple(_limit(*each) for each in inputs["limits"]),
        tuple(Key(each[0], _member(Direction, each[1]), tuple(each[2])) for each in inputs["withdrawn"]),
    )
    return EnergyCycle(state, snapshot, requests, Now(*inputs["now"]))


def points_of(inputs: dict[str, Any]) -> tuple[SetPoint, ...]:
    """What was told, by an entry; errors as cycle_of."""
    return tuple(SetPoint(*each)._replace(phases=tuple(each[2])) for each in inputs["points"])


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _base(numbers: Sequence[int]) -> meter.Base:
    half = len(numbers) // 2
    return meter.Base(tuple(numbers[:half]), tuple(numbers[half:]))


def _read(seen: Grid | AssetSeen) -> list[Any]:
    """A reading as the core takes it: phases that are no tuple are none, and what is ready is true or false."""
    flat = [plain(each) for each in seen]
    if seen.phases is not None and not isinstance(seen.phases, tuple):
        flat[2] = "?"
    if isinstance(seen, AssetSeen):
        flat[4] = bool(seen.is_ready)
    return flat


def _name(value: Any) -> str | None:
    """A name, None for what is none: a "?" would be one."""
    return str(value) if isinstance(value, str) else None


def _joined(phases: Any) -> str:
    """Names of phases, "?" for what the core takes for none."""
    is_said = isinstance(phases, tuple) and all(isinstance(each, str) and len(each) == 1 for each in phases)
    return "".join(phases) if is_said else "?"


def _flat(limit: Limit) -> list[Any]:
    """A limit without lists in it: an entry is nested eight deep at most."""
    names = (_name(limit.direction), plain(limit.watts), _joined(limit.phases), _name(limit.source))
    return [*names, *map(plain, limit[4:])]


def _member(kind: type[Direction] | type[How], value: Any) -> Any:
    """What it was, where it is none: it was refused, and is again."""
    return kind(value) if value in tuple(kind) else value


def _limit(direction: str, watts: Any, phases: str, *rest: Any) -> Limit:
    return Limit(_member(Direction, direction), watts, tuple(phases), *rest)


def _standing(mode: str, since_ms: int, *limit: Any) -> LimitStanding:
    return LimitStanding(_limit(*limit), LimitMode(mode), since_ms)


class Notes:
    """Which cycles become entries: those that something changed in, and one a minute; never more than a few a minute
    for long, and what somebody only says, taken or refused, leaves half of them to what is decided. What is left out
    is counted, and the next entry that is written says so."""

    def __init__(self, site: SiteAssets):
        self._site = site
        self._steps = [max(1, (asset.high_w - asset.low_w) * CHANGE_PERCENT // 100) for asset in site.assets]
        self._noted: tuple[Any, ...] | None = None
        self._refused: tuple[Any, ...] = ()
        self._watts: tuple[int, ...] = ()
        self._noted_ms = 0
        self._tokens_ms = _BURST * _REFILL_MS
        self._looked_ms: int | None = None
        self._left_out = 0

    def look(
        self, cycle: EnergyCycle, points: Sequence[SetPoint], reasons: Sequence[Reason]
    ) -> kinds.DecisionBody | None:
        """The entry of this cycle, None: it needs none."""
        now_ms = cycle.now.ms
        passed_ms = 0 if self._looked_ms is None else max(0, now_ms - self._looked_ms)
        self._tokens_ms = min(_BURST * _REFILL_MS, self._tokens_ms + passed_ms)
        self._looked_ms = now_ms
        refused = tuple(each[:3] for each in reasons if not each.asset and "refused" in each.bound)
        is_said = bool(cycle.requests.limits or cycle.requests.withdrawn) or refused != self._refused
        held = tuple(each[:3] for each in reasons if each.asset or "refused" not in each.bound)
        noted = (held, tuple(point.phases for point in points))
        watts = tuple(point.watts for point in points)
        moved = len(watts) != len(self._watts) or any(
            abs(new - old) >= step or bool(new) != bool(old)
            for new, old, step in zip(watts, self._watts, self._steps, strict=True)
        )
        is_due = self._noted is None or now_ms - self._noted_ms >= HEARTBEAT_MS
        is_decided = moved or noted != self._noted
        if not (is_said or is_decided or is_due):
            return None
        if not is_due and self._tokens_ms < (1 if is_decided else 1 + _FOR_DECISIONS) * _REFILL_MS:
            self._left_out += 1
            return None
        self._tokens_ms = max(0, self._tokens_ms - _REFILL_MS)
        made = entry(self._site, cycle, points, reasons)
        if self._left_out and made.inputs is not None:
            made.inputs["left_out"] = self._left_out
        self._noted, self._watts, self._noted_ms, self._left_out = noted, watts, now_ms, 0
        self._refused = refused
        return made
