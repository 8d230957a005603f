"""RESERVE: what an asset's energy and state allow, whatever is asked and whatever is limited.

A set-point lives on for its duration when we die, so what it may discharge in that time has to be there now.
"""

from typing import NamedTuple

from wayside.control.energy.assets import Asset
from wayside.control.energy.cycle import AssetSeen
from wayside.control.energy.limits import is_count

_WH = 3_600_000  # W ms
_OF_TEN = 9  # what is discharged takes more out of it, and what is charged brings less into it: a tenth is lost
_BAND = 50  # a store that was empty or full is so until a fiftieth of it has changed


class Range(NamedTuple):
    """What an asset may be told, and what it has to be told at least. low <= 0 <= high, must <= high.

    low_by, high_by: what makes it so. is_empty, is_full, is_due (it has to be charged now to be ready for its
    departure), room_w (what the limits left it of late, None: not known yet): for the next cycle. missing_wh: what
    it will lack at its departure.
    """

    low: int
    high: int
    must: int | None = None
    low_by: str = "device"
    high_by: str = "device"
    is_empty: bool = False
    is_full: bool = False
    is_due: bool = False
    room_w: int | None = None
    missing_wh: int = 0


def allowed(asset: Asset, seen: AssetSeen, before: Range, room_w: int | None, now_ms: int) -> Range:
    """What the asset may be told now; before: the range of the last cycle; room_w: what the limits leave it, if nobody
    else is charged, None: unknown."""
    room_w = _mean(before.room_w, room_w)
    if not seen.is_ready:
        return Range(0, 0, None, "not ready", "not ready", before.is_empty, before.is_full, room_w=room_w)
    if not asset.capacity_wh:
        return Range(asset.low_w, asset.high_w)
    known = (
        is_count(seen.energy_wh) and is_count(seen.needed_wh) and (seen.depart_ms is None or is_count(seen.depart_ms))
    )
    if seen.energy_wh is None or not known or not 0 <= seen.energy_wh <= asset.capacity_wh * 21 // 20:
        none = Range(0, 0, None, "energy unknown", "energy unknown", before.is_empty, before.is_full, before.is_due)
        return none._replace(room_w=room_w)
    most_w = asset.high_w if room_w is None else max(0, min(asset.high_w, room_w))
    most_w = most_w if most_w >= asset.least_w else 0
    energy, floor = seen.energy_wh, floor_wh(asset, seen, most_w, now_ms)
    needed = min(seen.needed_wh, asset.full_wh) if seen.depart_ms is not None else 0
    band = asset.capacity_wh // _BAND
    is_empty = energy < floor + (band if before.is_empty else 1)
    is_full = energy > asset.full_wh - (band if before.is_full else 1)
    # Once it is late it is charged until all is there, and not stopped as soon as it is in time again.
    is_due = energy < (needed if before.is_due else min(floor, needed))
    low = 0 if is_empty else max(asset.low_w, -discharge_w(energy - floor, asset.duration_ms))
    high = 0 if is_full else min(asset.high_w, charge_w(asset.full_wh - energy, asset.duration_ms))
    by = "departure" if floor > asset.reserve_wh else "reserve"
    missing = max(0, min(floor, needed) - energy) if floor > asset.reserve_wh else 0
    return Range(low, high, high if is_due else None, by, "full", is_empty, is_full, is_due, room_w, missing)


def _mean(before: int | None, now: int | None) -> int | None:
    """Of about a minute: a kettle is no reason to charge at once."""
    if before is None or now is None:
        return before if now is None else now
    return before + (now - before) // 60


def floor_wh(asset: Asset, seen: AssetSeen, most_w: int, now_ms: int) -> int:
    """The energy below which nothing is discharged: the reserve, and what could not be charged any more in time with
    `most_w`."""
    if seen.depart_ms is None:
        return asset.reserve_wh
    needed = min(seen.needed_wh, asset.full_wh)
    left_ms = max(0, seen.depart_ms - now_ms - asset.duration_ms)
    return max(asset.reserve_wh, needed - most_w * left_ms * _OF_TEN // (10 * _WH))


def discharge_w(room_wh: int, duration_ms: int) -> int:
    """What may be discharged for `duration_ms` without taking out more than `room_wh`."""
    return room_wh * _WH * _OF_TEN // (10 * duration_ms)


def charge_w(room_wh: int, duration_ms: int) -> int:
    """What may be charged for `duration_ms` without bringing in more than `room_wh`."""
    return room_wh * _WH // duration_ms
