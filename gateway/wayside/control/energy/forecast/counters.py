"""From the readings of an energy register to the mean watts of each slot.

A register counts within an epoch: an exchange of the meter, a reset or a new scale begins another (the log names them).
Between two readings of one epoch the difference is energy; over a change of epoch, and where a register falls within
one, nothing is known. A register that was not read for longer than a slot tells how much went through it, but not when:
those slots are unknown, and their sum is told apart, so that a month's total is right and no hour shows a month.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

_MS_PER_HOUR = 3_600_000


class Count(NamedTuple):
    """A register at a time: ms since 1970, watt-hours, and the epoch in which it counts."""

    at_ms: int
    wh: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Energy that went through between two times that are more than a slot apart."""

    from_ms: int
    until_ms: int
    wh: int


@dataclass(frozen=True, slots=True)
class SlotEnergy:
    """Mean watts by the slot's start; slots that are not in it are unknown. fell_ms: where the register fell."""

    watts: dict[int, int]
    unplaced: tuple[Unplaced, ...]
    fell_ms: tuple[int, ...]


def slots(counts: Iterable[Count], slot_ms: int, most_watts: int) -> SlotEnergy:
    """Slots of a register's readings in order of time. Readings that are further apart than a slot place no energy.

    most_watts: what the connection can carry. A difference that would need more is none: a register that showed 0 for a
    moment and came back would book all that it ever counted. Readings between a fall and the value before it are not
    believed until the register is above that value again.
    """
    parts: dict[int, float] = {}
    covered: dict[int, int] = {}
    unplaced: list[Unplaced] = []
    fell: list[int] = []
    last: Count | None = None
    for count in counts:
        if last is None or count.epoch != last.epoch:
            last = count
            continue
        took = count.at_ms - last.at_ms
        if took <= 0:
            continue
        energy = count.wh - last.wh
        if energy < 0:
            fell.append(count.at_ms)
            continue
        if energy * _MS_PER_HOUR > most_watts * took:
            fell.append(count.at_ms)
            continue
        if took > slot_ms:
            unplaced.append(Unplaced(last.at_ms, count.at_ms, energy))
        else:
            _place(parts, covered, last.at_ms, count.at_ms, energy, slot_ms)
        last = count
    whole = {start: round(parts[start] * _MS_PER_HOUR / slot_ms) for start in parts if covered[start] == slot_ms}
    return SlotEnergy(whole, tuple(unplaced), tuple(fell))


def _place(parts: dict[int, float], covered: dict[int, int], start: int, end: int, wh: int, slot_ms: int) -> None:
    """Share energy among the one or two slots that the time between two readings touches."""
    at = start
    while at < end:
        slot = at - at % slot_ms
        until = min(end, slot + slot_ms)
        parts[slot] = parts.get(slot, 0.0) + wh * (until - at) / (end - start)
        covered[slot] = covered.get(slot, 0) + until - at
        at = until
