"""What goes into a cycle of the core and what comes out of it. None is unknown, never 0."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from wayside.control.energy.limits import Key, Limit


class Now(NamedTuple):
    """ms: of a clock that never jumps, all times of the core; utc_ms: for people and contracts."""

    ms: int
    utc_ms: int


class Grid(NamedTuple):
    """The grid meter: import positive. at_ms: when it was read, None: nobody knows. phases: as the site has them."""

    at_ms: int | None
    watts: int | None
    phases: tuple[int, ...] | None = None


class AssetSeen(NamedTuple):
    """What is known of an asset, consumption positive. None is unknown.

    phases: as the site has them. is_ready: False: it can take nothing (no car, a fault). needed_wh: energy that has to
    be in it at depart_ms, of the clock that never jumps.
    """

    at_ms: int | None
    watts: int | None
    phases: tuple[int, ...] | None = None
    energy_wh: int | None = None
    is_ready: bool = True
    needed_wh: int = 0
    depart_ms: int | None = None


class Snapshot(NamedTuple):
    """Grid meter and assets by name; heard: the parties that gave a sign of life since the last cycle."""

    grid: Grid | None
    seen: Mapping[str, AssetSeen] = {}
    heard: frozenset[str] = frozenset()


class How(StrEnum):
    """What a request's watts are: a value to have, or a bound of what weaker ones may ask."""

    AT = "at"
    AT_LEAST = "at least"
    AT_MOST = "at most"


class PowerRequest(NamedTuple):
    """`source` asks that `asset` has `watts` until `until_ms`, of the clock that never jumps.

    priority: as the desk's, 1 is the strongest, 16 the weakest. phases: 1 or 3 where the asset can change over, 0: as
    the core thinks best. var: reactive power, None: not asked.
    """

    asset: str
    watts: int
    source: str
    priority: int
    until_ms: int
    how: How = How.AT
    phases: int = 0
    var: int | None = None


class PowerRequests(NamedTuple):
    """wanted: all that stand, each cycle anew; limits and withdrawn: what came since the last cycle."""

    wanted: tuple[PowerRequest, ...] = ()
    limits: tuple[Limit, ...] = ()
    withdrawn: tuple[Key, ...] = ()


class SetPoint(NamedTuple):
    """What an asset is to have for duration_ms at the longest. phases: on which it runs."""

    asset: str
    watts: int
    phases: tuple[str, ...]
    duration_ms: int
    var: int | None = None


class Reason(NamedTuple):
    """Which bound held an asset ("": the site), of whom; what was wanted, None: nothing was."""

    asset: str
    bound: str
    by: str
    wanted: int | None
    got: int
