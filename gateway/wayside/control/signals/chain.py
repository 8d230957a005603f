"""The chain of control: adaptive, actuated, fixed-time plan, flash.

It falls at once, and climbs when what is above has been well for a while.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from wayside.control.signals.junction import TICKS_PER_S

CLIMB = 60 * TICKS_PER_S  # ticks for which a level has to be available without a break before it is used again


class Level(IntEnum):
    """Who asks the core; each falls back to the one below it."""

    FLASH = 0
    PLAN = 1
    ACTUATED = 2
    ADAPTIVE = 3


class Declined(NamedTuple):
    """An adviser's answer when the level below knows more: why, in words."""

    why: str


class Rung(NamedTuple):
    """The level in force, why, and for how many ticks each level has been available."""

    level: Level
    cause: str
    well: tuple[int, ...] = (0,) * len(Level)


def begin() -> Rung:
    """Nothing is in force yet; whatever is available is taken at once."""
    return Rung(Level.FLASH, "start", (CLIMB,) * len(Level))


def choose(rung: Rung, wished: Level, missing: Mapping[Level, str], wisher: str = "calendar") -> Rung:
    """One tick. wished: the calendar's level; missing: why a level cannot be used now, for those that cannot."""
    well = tuple(
        0 if level in missing else min(ticks + 1, CLIMB) for level, ticks in zip(Level, rung.well, strict=True)
    )
    usable = [level for level in Level if level <= wished and level not in missing]
    best = max(usable, default=Level.FLASH)
    if rung.level in usable:  # what is in force stays so until a better one has proved itself
        best = max(level for level in usable if level <= rung.level or well[level] >= CLIMB)
    if best == rung.level:
        return Rung(best, rung.cause, well)
    higher = [missing[level] for level in sorted(missing, reverse=True) if best < level <= wished]
    cause = f"not {wished.name.lower()}: {'; '.join(higher)}" if higher else wisher
    return Rung(best, cause, well)
