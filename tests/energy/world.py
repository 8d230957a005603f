"""A site that does what it is told, or not: loads, sun, assets with their delays, readings with their faults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

from energy.observer import Observer
from wayside.control.energy import core, limits
from wayside.control.energy.assets import AssetKind, SiteAssets
from wayside.control.energy.cycle import AssetSeen, Grid, Now, PowerRequests, Snapshot

UTC_MS = 1_796_000_000_000
CYCLE_MS = 1_000


def spread(watts: int, count: int) -> list[int]:
    """A power on each of `count` phases, in whole watts."""
    return [watts // count + (number < watts % count) for number in range(count)]


@dataclass
class World:
    """A site in time. base: loads by phase; sun: what inverters could feed in, of their most, in percent.

    dead: assets that are not heard, and fall to their default when their set-point is over; wild: those that do not
    follow, and draw what they want; idle: those that take nothing; bends: what an asset makes of its set-point. lag:
    cycles until an asset follows; late: cycles until the grid meter shows what is. is_new: the core's state was lost;
    else it is known that no phases have changed lately.
    """

    site: SiteAssets
    base: tuple[int, ...] = (300, 300, 300)
    sun: int = 0
    now_ms: int = 1_000_000
    utc_shift_ms: int = 0
    grid_fault: str = ""
    dead: frozenset[str] = frozenset()
    wild: dict[str, int] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()
    heard: frozenset[str] = frozenset()
    lag: int = 1
    late: int = 0
    bends: dict[str, Callable[[int], int]] = field(default_factory=dict)
    is_new: bool = False
    seen: dict[str, dict] = field(default_factory=dict)
    energy_mwh: dict[str, int] = field(default_factory=dict)
    using: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(core=core, limits=limits))

    def __post_init__(self) -> None:
        self.state = self.using.core.begin(self.site, self.now)
        if not self.is_new:
            self.state = self.state._replace(held=tuple(each._replace(switched_ms=None) for each in self.state.held))
        self.observer = Observer(self.site, self.now_ms)
        self.points = ()
        self.reasons = ()
        self._shown: list[list[int]] = []
        self.bounds = ()
        self.power = {asset.name: asset.default_w for asset in self.site.assets}
        self._queue = [{asset.name: (asset.default_w, asset.phases) for asset in self.site.assets}] * self.lag
        self._on = {asset.name: asset.phases for asset in self.site.assets}
        self._orphaned: dict[str, int] = {}
        self._believed_ms = 0
        self._strays: dict[tuple[str, bool], int] = {}
        self._failed: set[tuple[str, bool]] = set()
        self._told = self._causes()
        for asset in self.site.assets:
            if asset.capacity_wh:
                self.energy_mwh.setdefault(asset.name, asset.capacity_wh * 500)

    @property
    def now(self) -> Now:
        return Now(self.now_ms, UTC_MS + self.now_ms + self.utc_shift_ms)

    @property
    def grid(self) -> list[int]:
        """What the grid meter would show: the site's sum and each phase."""
        phases = list(self.base)
        for asset in self.site.assets:
            on = self._on[asset.name]
            for phase, part in zip(on, spread(self.power[asset.name], len(on)), strict=True):
                phases[self.site.phases.index(phase)] += part
        return [sum(phases), *phases]

    def _causes(self):
        """All that moves the grid meter but set-points."""
        return (self.base, self.sun, self.dead, dict(self.wild), self.idle, {n: dict(s) for n, s in self.seen.items()})

    def tell(self, name: str) -> int:
        return next(point.watts for point in self.points if point.asset == name)

    def why(self, name: str):
        return next(reason for reason in self.reasons if reason.asset == name)

    def snapshot(self) -> Snapshot:
        seen = {}
        for asset in self.site.assets:
            if asset.name in self.dead:
                continue
            energy = self.energy_mwh[asset.name] // 1000 if asset.capacity_wh else None
            power = self.power[asset.name] if asset.is_metered else None
            seen[asset.name] = AssetSeen(self.now_ms, power, None, energy)._replace(**self.seen.get(asset.name, {}))
        total, *phases = self._shown[0] if self.late and self._shown else self.grid
        grid = Grid(self.now_ms, total, tuple(phases))
        faults = {
            "lost": None,
            "stale": grid._replace(at_ms=self.now_ms - self.site.stale_ms - 1),
            "ageless": grid._replace(at_ms=None),
            "future": grid._replace(at_ms=self.now_ms + 1),
            "unknown": grid._replace(watts=None),
            "nan": grid._replace(watts=float("nan")),
            "huge": grid._replace(watts=2**31, phases=(2**31, 0, 0)),
            "torn": grid._replace(watts=total + 5_000),
            "phase": grid._replace(phases=(None, *phases[1:])),
        }
        return Snapshot(faults.get(self.grid_fault, grid), seen, self.heard)

    def cycle(self, requests: PowerRequests = PowerRequests()) -> None:  # noqa: B008
        """A second: what was told is done, is read, is decided on."""
        causes = self._causes()
        disturbed, self._told = causes != self._told or self.now_ms <= self._believed_ms, causes
        self._move()
        self._shown = [*self._shown, self.grid][-1 - self.late :]
        snapshot = self.snapshot()
        self.inputs = (self.state, snapshot, requests, self.now)
        self.state, self.points, self.reasons = self.using.core.decide(self.site, *self.inputs)
        self.bounds = self.using.limits.merge(self.site.phases, self.state.parties)
        self.observer.see(
            snapshot, requests, self.now_ms, self.points, self.bounds, self.grid, disturbed or self._moved_itself
        )
        for asset, held in zip(self.site.assets, self.inputs[0].held, strict=True):
            self._judge(asset, held.watts)
            # Who is told something new and does not do it is believed for a while, but only once.
            told = self.tell(asset.name)
            is_known = (asset.name, told > self.power[asset.name]) in self._failed
            if asset.name in {*self.wild, *self.idle, *self.bends} and told != held.watts and not is_known:
                self._believed_ms = self.now_ms + asset.settle_ms + CYCLE_MS
        self._queue.append({point.asset: (point.watts, point.phases) for point in self.points})
        self.now_ms += CYCLE_MS

    def _judge(self, asset, told: int) -> None:
        """Note who can be known not to do what it is told, until it does."""
        power, tolerance = self.power[asset.name], max(200, (asset.high_w - asset.low_w) // 20)
        for is_more in (True, False):
            place, sign = (asset.name, is_more), 1 if is_more else -1
            if sign * (told - power) > tolerance:
                since_ms = self._strays.setdefault(place, self.now_ms)
                if asset.is_firm and self.now_ms - since_ms > asset.settle_ms + CYCLE_MS:
                    self._failed.add(place)
            else:
                self._strays.pop(place, None)
                if min(sign * told, sign * power) > tolerance:
                    self._failed.discard(place)

    def run(self, cycles: int, requests: PowerRequests = PowerRequests()) -> None:  # noqa: B008
        for number in range(cycles):
            self.cycle(requests if number == 0 else replace_events(requests))

    def _move(self) -> None:
        """All assets do what they were told `lag` cycles ago, as far as they can."""
        told = self._queue[-self.lag]
        del self._queue[: -self.lag]
        self._moved_itself = False
        for asset in self.site.assets:
            name = asset.name
            watts, phases = told[name]
            if name in self.dead:
                since = self._orphaned.setdefault(name, self.now_ms)
                watts = self.power[name] if self.now_ms - since < asset.duration_ms else asset.default_w
                self._moved_itself |= watts != self.power[name]
            else:
                self._orphaned.pop(name, None)
                self._on[name] = phases
            if asset.kind == AssetKind.INVERTER:
                watts = max(watts, asset.low_w * self.sun // 100)
            watts = self.bends.get(name, int)(watts)
            if name in self.idle and watts > 0:
                watts = 0
            if name in self.wild:
                watts = self.wild[name]
            if asset.capacity_wh:
                watts = self._stored(asset, watts)
            self.power[name] = watts

    def _stored(self, asset, watts: int) -> int:
        """Charge and discharge with losses; the device itself stops at empty and full."""
        stored = self.energy_mwh[asset.name]
        change = watts * 95 // 100 if watts > 0 else -(-watts * 105 // 100)
        change = change * 1000 // 3600
        if not 0 <= stored + change <= asset.capacity_wh * 1000:
            self._moved_itself = True
            return 0
        self.energy_mwh[asset.name] = stored + change
        return watts


def replace_events(requests: PowerRequests) -> PowerRequests:
    """The same requests, without the events of one cycle."""
    return requests._replace(limits=(), withdrawn=())
