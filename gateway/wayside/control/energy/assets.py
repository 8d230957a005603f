"""What can be commanded at a site, and what the site is: checked once, then only read.

Watts are what an asset consumes: a battery that discharges and an inverter that feeds in are negative.
"""

from dataclasses import dataclass
from enum import StrEnum

from wayside.control.energy.limits import MOST_W, PHASES, Party


class AssetKind(StrEnum):
    """What an asset is; it decides what may be expected of a set-point.

    BATTERY follows it in both directions, and is moved beyond what was asked to keep a limit. INVERTER feeds in up to
    it, CHARGER and LOAD take up to it. A charger with a negative `low_w` (V2G) follows it as a battery does.
    """

    BATTERY = "battery"
    INVERTER = "inverter"
    CHARGER = "charger"
    LOAD = "load"


class SiteError(ValueError):
    """A site or an asset that cannot be; the text says what to write."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset. What it is told lies between `low_w` and `high_w`, is 0 or at least `least_w` away from it.

    phases: those it hangs on, its power spread evenly; single: the one on which it goes on alone when it is switched
    over (""; it cannot). default_w: what it falls to by its own timer, and the most it is told while the grid meter is
    not known. rest_w: what it is told while nobody asks. step_w: set-points are multiples of it. ramp_w_per_s: how fast
    what is asked is followed, 0: at once. hold_ms: no way back within this time, unless a limit wants it. settle_ms:
    how long it needs to follow. duration_ms: how long a set-point lives in the device when it is not renewed.
    is_metered: whether its power is read. capacity_wh: 0 where it stores nothing; it is kept between reserve_wh and
    most_wh (0: capacity). switch_ms: between two changes of phases. most_var: reactive power, 0: none. has_modes:
    charging and discharging have a register each.
    """

    name: str
    kind: AssetKind
    phases: tuple[str, ...]
    low_w: int
    high_w: int
    default_w: int = 0
    rest_w: int = 0
    least_w: int = 0
    single: str = ""
    single_least_w: int = 0
    single_high_w: int = 0
    step_w: int = 1
    ramp_w_per_s: int = 0
    hold_ms: int = 10_000
    settle_ms: int = 3_000
    duration_ms: int = 60_000
    min_on_ms: int = 0
    min_off_ms: int = 0
    switch_ms: int = 300_000
    is_metered: bool = True
    capacity_wh: int = 0
    reserve_wh: int = 0
    most_wh: int = 0
    most_var: int = 0
    has_modes: bool = False

    def __post_init__(self) -> None:
        def check(holds: bool, text: str) -> None:
            if not holds:
                raise SiteError(f'asset "{self.name}": {text}')

        check(bool(self.phases) and set(self.phases) <= set(PHASES), 'phases are some of "a", "b" and "c", each once')
        check(len(set(self.phases)) == len(self.phases), "a phase is named twice")
        check(-MOST_W <= self.low_w <= 0 <= self.high_w <= MOST_W, "low_w is 0 or less, high_w is 0 or more")
        check(self.low_w <= self.default_w <= self.high_w, f"default_w lies between {self.low_w} and {self.high_w}")
        check(self.low_w <= self.rest_w <= self.high_w, f"rest_w lies between {self.low_w} and {self.high_w}")
        check(0 <= self.least_w <= max(self.high_w, -self.low_w), "least_w is more than it can do")
        check(
            self.least_w == 0 or self.kind in (AssetKind.CHARGER, AssetKind.LOAD),
            "only a charger or a load has a least_w",
        )
        for each in ("default_w", "rest_w"):
            check(getattr(self, each) == 0 or abs(getattr(self, each)) >= self.least_w, f"{each} is less than least_w")
        check(self.kind != AssetKind.INVERTER or self.high_w == 0, "an inverter consumes nothing: high_w is 0")
        check(self.kind != AssetKind.LOAD or self.low_w == 0, "a load feeds nothing in: low_w is 0")
        check(not self.single or (len(self.phases) > 1 and self.single in self.phases), "single is one of its phases")
        check(not self.single or self.low_w == 0, "who feeds in cannot change over to one phase")
        check(not self.single or 0 < self.single_least_w <= self.single_high_w, "single_least_w to single_high_w")
        check(self.step_w >= 1 and self.ramp_w_per_s >= 0 and self.most_var >= 0, "step, ramp or vars are negative")
        check(1_000 <= self.duration_ms <= 86_400_000, "duration_ms is 1 s to a day: every set-point ends")
        times = (self.hold_ms, self.settle_ms, self.min_on_ms, self.min_off_ms, self.switch_ms)
        check(all(0 <= each <= 86_400_000 for each in times), "a time is 0 to a day")
        check(self.kind != AssetKind.BATTERY or self.capacity_wh > 0, "a battery has a capacity_wh")
        check(
            not self.capacity_wh or self.default_w >= 0, "default_w discharges what nobody looks at any more: 0 or more"
        )
        check(
            self.low_w == 0 or self.kind == AssetKind.INVERTER or self.capacity_wh > 0,
            "who discharges has a capacity_wh",
        )
        check(0 <= self.reserve_wh <= self.full_wh <= self.capacity_wh, "reserve_wh <= most_wh <= capacity_wh")

    @property
    def full_wh(self) -> int:
        return self.most_wh or self.capacity_wh

    @property
    def is_firm(self) -> bool:
        """Whether it does what it is told, and not only up to it."""
        return self.kind == AssetKind.BATTERY or (self.kind == AssetKind.CHARGER and self.low_w < 0)


@dataclass(frozen=True, slots=True)
class SiteAssets:
    """Phases of the connection, what can be commanded (the first gives way first), and who may limit.

    most_w: a phase of the grid meter that shows more is broken. stale_ms: age from which on a reading says nothing.
    good_cycles: good readings until a grid meter that was lost counts again. window: cycles over which the worst of the
    load that is not commanded counts. start_gap_ms: between the starts of two assets.
    """

    phases: tuple[str, ...]
    assets: tuple[Asset, ...]
    parties: tuple[Party, ...]
    most_w: int = 100_000
    stale_ms: int = 5_000
    good_cycles: int = 3
    window: int = 5
    start_gap_ms: int = 5_000

    def __post_init__(self) -> None:
        if self.phases not in (("a",), ("a", "b", "c")):
            raise SiteError('a site has phases ("a",) or ("a", "b", "c")')
        names = [asset.name for asset in self.assets]
        parties = [party.name for party in self.parties]
        for kind, all_names in (("assets", names), ("parties", parties)):
            if len(set(all_names)) != len(all_names) or not all(all_names):
                raise SiteError(f"two {kind} have one name, or one has none")
        for asset in self.assets:
            if not set(asset.phases) <= set(self.phases):
                raise SiteError(f'asset "{asset.name}" hangs on a phase that the site has not')
        for party in self.parties:
            party.check(self.phases)
        if not (self.most_w > 0 and self.stale_ms >= 1_000 and self.good_cycles >= 1 and 1 <= self.window <= 60):
            raise SiteError("most_w > 0, stale_ms >= 1000, good_cycles >= 1, window 1 to 60")
