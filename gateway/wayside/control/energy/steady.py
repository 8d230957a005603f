"""STEADY, and the times of RESERVE: how what is asked becomes a set-point without turning to and fro.

What a limit wants comes behind this and at once; the way back from it goes through here.
"""

from typing import NamedTuple

from wayside.control.energy.assets import Asset, AssetKind
from wayside.control.energy.reserve import Range


class Held(NamedTuple):
    """What the core remembers of an asset.

    watts: its set-point; single: it is switched to one phase. moved: +1, -1: it went up, down last, at moved_ms; 0:
    never. turned_ms: when it began, or ended, to run. switched_ms: its phases, None: never. strays_ms: since when it
    does something else than it is told, None: it follows. short: +1, -1: it consumed less, more than it was told for
    longer than it needs to follow, and has not done as told in that direction since; 0: it can be counted on. range:
    what it was allowed last.
    """

    watts: int = 0
    single: bool = False
    moved: int = 0
    moved_ms: int = 0
    turned_ms: int = 0
    switched_ms: int | None = None
    strays_ms: int | None = None
    short: int = 0
    range: Range = Range(0, 0)


def least_w(asset: Asset, single: bool) -> int:
    """The least while it runs."""
    return asset.single_least_w if single else asset.least_w


def most_w(asset: Asset, single: bool) -> int:
    """The most that it may take."""
    return min(asset.high_w, asset.single_high_w) if single else asset.high_w


def default_w(asset: Asset, single: bool) -> int:
    """Its default on the phases on which it runs: on one phase no more than its default has on that one."""
    if not single:
        return asset.default_w
    watts = asset.default_w // len(asset.phases)
    return watts if watts >= asset.single_least_w else 0


def capped(asset: Asset, held: Held, watts: int) -> int:
    """`watts` while the grid meter, or the asset, is not known: no more than its default, and no more than it had; who
    follows in both directions has its default."""
    default, most, least = default_w(asset, held.single), max(0, held.watts), min(0, held.watts)
    if asset.is_firm:
        return max(least, min(most, default))
    return max(watts, default, least) if asset.kind == AssetKind.INVERTER else min(watts, default, most)


def may_switch(asset: Asset, held: Held, now_ms: int) -> bool:
    """Whether its phases may change now."""
    return bool(asset.single) and (held.switched_ms is None or now_ms - held.switched_ms >= asset.switch_ms)


def wants_single(asset: Asset, held: Held, wish: int, phases: int, now_ms: int) -> bool:
    """Whether it should run on one phase: it is asked to, or less is asked than all need. phases: 0: nobody says."""
    if not may_switch(asset, held, now_ms):
        return held.single
    return phases == 1 or (phases == 0 and 0 < wish < asset.least_w)


def follow(asset: Asset, held: Held, single: bool, wish: int, elapsed_ms: int, now_ms: int) -> tuple[int, str]:
    """The set-point that comes of a wish, and what keeps it from being the wish, "": nothing."""
    target, bound = turn_back(asset.hold_ms, held, wish, now_ms)
    if ramped := ramp(asset.ramp_w_per_s, held.watts, target, elapsed_ms):
        target, bound = held.watts + ramped, bound if held.watts + ramped == target else "ramp"
    least = least_w(asset, single)
    rounded = rounded_to(target, asset.step_w, least, wish)
    if rounded != target and not bound:
        bound = "least" if not rounded else "step"
    return run(asset, held, rounded, least, bound, now_ms)


def turn_back(hold_ms: int, held: Held, wish: int, now_ms: int) -> tuple[int, str]:
    """The wish, or what is, while it would turn back too soon."""
    too_soon = now_ms - held.moved_ms < hold_ms
    if too_soon and ((held.moved > 0 and wish < held.watts) or (held.moved < 0 and wish > held.watts)):
        return held.watts, "hold"
    return wish, ""


def ramp(ramp_w_per_s: int, watts: int, target: int, elapsed_ms: int) -> int:
    """By how much it moves towards the target in `elapsed_ms`."""
    if not ramp_w_per_s:
        return target - watts
    most = max(1, ramp_w_per_s * elapsed_ms // 1000)
    return max(-most, min(most, target - watts))


def rounded_to(target: int, step_w: int, least: int, wish: int) -> int:
    """A multiple of the step nearer to 0, and 0 or at least `least`: less is the least where more was asked."""
    size = abs(target) // step_w * step_w
    if target and size < least:
        size = least if abs(wish) >= least else 0
    return size if target >= 0 else -size


def run(asset: Asset, held: Held, target: int, least: int, bound: str, now_ms: int) -> tuple[int, str]:
    """Minimum times: what began to run runs on, at its least; what ended stays off."""
    since_ms = now_ms - held.turned_ms
    if held.watts and not target and since_ms < asset.min_on_ms:
        size = least or abs(held.watts)
        return size if held.watts > 0 else -size, "minimum on"
    if not held.watts and target and since_ms < asset.min_off_ms:
        return 0, "minimum off"
    return target, bound


def held_after(asset: Asset, held: Held, watts: int, single: bool, now_ms: int) -> Held:
    """What is remembered of a cycle that ended with this set-point."""
    if watts != held.watts:
        held = held._replace(
            moved=1 if watts > held.watts else -1,
            moved_ms=now_ms,
            turned_ms=held.turned_ms if bool(watts) == bool(held.watts) else now_ms,
            watts=watts,
        )
    return held if single == held.single else held._replace(single=single, switched_ms=now_ms)


def tolerance_w(asset: Asset) -> int:
    """How far from its set-point an asset may be that follows."""
    return max(200, (asset.high_w - asset.low_w) // 20)


def strays(asset: Asset, held: Held, power: int, now_ms: int) -> Held:
    """What is remembered of whether it does what it is told. power: measured.

    Who followed a set-point of 0 has shown nothing: what it did not take, or give, it is believed again when it does.
    """
    tolerance = tolerance_w(asset)
    above, below = power > held.watts + tolerance, power < held.watts - tolerance
    if not ((above or below) if asset.is_firm else below if asset.low_w < 0 else above):
        proven = min(held.watts * held.short, power * held.short) > tolerance or not asset.is_firm
        return held._replace(strays_ms=None, short=0 if proven else held.short)
    since_ms = now_ms if held.strays_ms is None else held.strays_ms
    is_settled = now_ms - since_ms >= asset.settle_ms
    return held._replace(strays_ms=since_ms, short=(1 if below else -1) if is_settled else held.short)
