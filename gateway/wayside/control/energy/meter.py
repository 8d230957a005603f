"""UNKNOWN: what the grid meter is worth, and what of its power is not commanded.

Places are the site as a whole and then its phases. What is not commanded is the grid meter's power less that of the
assets, and the worst of some cycles counts: a load that comes and goes does not move the assets each time.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wayside.control.energy.assets import SiteAssets
from wayside.control.energy.cycle import Grid
from wayside.control.energy.limits import is_count

_SUM_W, _SUM_PERCENT = 100, 3  # the total of a meter is measured apart from its phases


class Base(NamedTuple):
    """What is not commanded, by place: at most and at least."""

    high: tuple[int, ...]
    low: tuple[int, ...]


class MeterMemory(NamedTuple):
    """good: good readings since the last bad one; at_ms: when the last one was read; bases: the newest last."""

    good: int = 0
    at_ms: int | None = None
    bases: tuple[Base, ...] = ()


def fault(site: SiteAssets, grid: Grid | None, needs_phases: bool, now_ms: int) -> str:
    """Why a reading says nothing, "" when it does."""
    if grid is None:
        return "it is not read"
    if grid.at_ms is None or not is_count(grid.at_ms):
        return "the age of its reading is unknown"
    if grid.at_ms > now_ms:
        return "its reading is of the future"
    if now_ms - grid.at_ms > site.stale_ms:
        return f"its reading is older than {site.stale_ms / 1000:g} s"
    if grid.watts is None:
        return "its power is unknown"
    if grid.phases is None:
        if needs_phases:
            return "its phases are unknown, and one has a limit"
    elif not isinstance(grid.phases, tuple) or len(grid.phases) != len(site.phases):
        return f"it does not show {len(site.phases)} phases"
    shown = (grid.watts, *(grid.phases or ()))
    if not all(is_count(each) for each in shown):
        return "its power is no whole number"
    if abs(grid.watts) > site.most_w * len(site.phases) or any(abs(each) > site.most_w for each in shown[1:]):
        return "its power is more than can be"
    if grid.phases is not None:
        apart = abs(grid.watts - sum(grid.phases))
        if 100 * apart > 100 * _SUM_W + _SUM_PERCENT * sum(abs(each) for each in grid.phases):
            return "its phases and their sum contradict each other"
    return ""


def read(
    site: SiteAssets, memory: MeterMemory, grid: Grid | None, problem: str, most: Sequence[int], least: Sequence[int]
) -> MeterMemory:
    """The memory one cycle later. problem: of `fault`. most, least: what the assets consume now, by place: the power
    that explains most, or least, of the meter's."""
    if problem or grid is None or grid.watts is None:
        return MeterMemory()
    if memory.at_ms is not None and grid.at_ms is not None and grid.at_ms <= memory.at_ms:
        return memory  # the same reading once more
    shown = (grid.watts, *grid.phases) if grid.phases is not None else (grid.watts,) + (0,) * len(site.phases)
    base = Base(
        tuple(power - part for power, part in zip(shown, most, strict=True)),
        tuple(power - part for power, part in zip(shown, least, strict=True)),
    )
    return MeterMemory(min(memory.good + 1, site.good_cycles), grid.at_ms, (*memory.bases, base)[-site.window :])


def is_known(site: SiteAssets, memory: MeterMemory) -> bool:
    """Whether it may be relied on; behind an outage only after some good readings."""
    return memory.good >= site.good_cycles


def worst(site: SiteAssets, memory: MeterMemory) -> Base:
    """What is not commanded, at its most and at its least of the last cycles; nothing while it is not known."""
    if not is_known(site, memory):
        return _nothing(site)
    return Base(
        tuple(map(max, zip(*(base.high for base in memory.bases), strict=True))),
        tuple(map(min, zip(*(base.low for base in memory.bases), strict=True))),
    )


def newest(site: SiteAssets, memory: MeterMemory) -> Base:
    """What is not commanded, by the last reading; nothing while it is not known."""
    return memory.bases[-1] if is_known(site, memory) else _nothing(site)


def _nothing(site: SiteAssets) -> Base:
    return Base((0,) * (1 + len(site.phases)), (0,) * (1 + len(site.phases)))
