"""What must be true of a site, told from its grid meter, its set-points and what came in: an independent reading of
docs/energy.md.

It shares no code with the core; it counts seconds itself from what it sees.
"""

from collections import Counter, deque

from wayside.control.energy.assets import Asset, AssetKind, SiteAssets
from wayside.control.energy.cycle import PowerRequests, Snapshot
from wayside.control.energy.limits import Direction, Limit

SLACK_W = 30  # a power is spread over phases in whole watts
ENDLESS = 10**9
KEPT_WITHIN = 3  # cycles
HELP_WITHIN = 7  # behind the cycles of which the worst counts
HELP_W = 150  # a battery that could help by less does all that it can


class Known:
    """The observer's own account of one limit."""

    def __init__(self, limit: Limit, silence_ms: int | None):
        self.configured, self.silence_ms = limit, silence_ms
        self.watts: int | None = limit.watts  # None: free
        self.end: int | None = limit.valid_until_ms
        self.failed_at: int | None = None if limit.failsafe_watts is None else 0
        self.given_up = False

    def in_force(self) -> int:
        if self.failed_at is not None:
            return ENDLESS if self.given_up else self.configured.failsafe_watts
        return ENDLESS if self.watts is None else self.watts


class Observer:
    """Watches cycle by cycle; `violations` counts by the name of the invariant."""

    def __init__(self, site: SiteAssets, now_ms: int):
        self.site = site
        self.violations: Counter[str] = Counter()
        self.told: list[str] = []
        self.kept_after: list[int] = []  # cycles over a bound behind each disturbance
        self.overshoot_ws = 0
        self.turns: dict[str, int] = dict.fromkeys((asset.name for asset in site.assets), 0)
        self._known = {
            (party.name, limit.direction, tuple(sorted(limit.phases))): Known(limit, party.silence_ms)
            for party in site.parties
            for limit in party.limits
        }
        for each in self._known.values():
            if each.failed_at is not None:
                each.failed_at = now_ms
        self._heard = dict.fromkeys((party.name for party in site.parties), None)
        self._good = 0
        self._last_read: int | None = None
        self._calm = 0
        self._over = 0
        self._bounds = None
        self._before: dict[str, int] = {asset.name: asset.default_w for asset in site.assets}
        self._phases: dict[str, tuple[str, ...]] = {asset.name: asset.phases for asset in site.assets}
        self._switched: dict[str, int] = {}
        self._stopped: dict[str, int] = {}
        self._way: dict[str, int] = {}
        self._moved: dict[str, tuple[int, int]] = {}
        self._turned: dict[str, deque[int]] = {asset.name: deque() for asset in site.assets}
        self._started: int | None = None

    def _fail(self, name: str, text: str) -> None:
        self.violations[name] += 1
        if len(self.told) < 20:
            self.told.append(f"{name}: {text}")

    # --- limits ---

    def hear(self, snapshot: Snapshot, requests: PowerRequests, now_ms: int) -> list[tuple[int, int]]:
        """What may flow, (low, high) of the site and each phase, by the observer's own account."""
        for name in snapshot.heard:
            if name in self._heard:
                self._heard[name] = now_ms
        came: dict[tuple, list[Limit]] = {}
        for limit in requests.limits:
            if limit.source not in self._heard:
                continue
            self._heard[limit.source] = now_ms
            sane = set(limit.phases) <= set(self.site.phases) and type(limit.watts) is int
            sane = sane and 0 <= limit.watts < 2**62
            over = limit.valid_until_ms is not None and limit.valid_until_ms <= now_ms
            if sane and not over:
                phases = tuple(sorted(set(limit.phases)))
                came.setdefault((limit.source, limit.direction, phases), []).append(limit)
        for key in requests.withdrawn:
            if key.source in self._heard:
                self._heard[key.source] = now_ms
                place = (key.source, key.direction, tuple(sorted(set(key.phases))))
                known = self._known.get(place)
                if known and place not in came:
                    known.watts, known.end, known.failed_at, known.given_up = None, None, None, False
        for key, several in came.items():
            known = self._known.setdefault(key, Known(several[0]._replace(failsafe_watts=None), None))
            ends = [limit.valid_until_ms for limit in several]
            known.watts, known.end = min(limit.watts for limit in several), None if None in ends else max(ends)
            known.failed_at, known.given_up = None, False
        for key, known in self._known.items():
            if key not in came:
                self._pass(known, self._heard[key[0]], now_ms)
        places = [(-ENDLESS, ENDLESS)] * (1 + len(self.site.phases))
        for (_, direction, phases), known in self._known.items():
            for place in [1 + self.site.phases.index(phase) for phase in phases] or [0]:
                low, high = places[place]
                watts = known.in_force()
                if direction == Direction.IMPORT:
                    places[place] = low, min(high, watts)
                else:
                    places[place] = max(low, -watts), high
        return places

    @staticmethod
    def _pass(known: Known, heard: int | None, now_ms: int) -> None:
        silent = known.silence_ms is not None and (heard is None or now_ms - heard >= known.silence_ms)
        if known.end is not None and now_ms >= known.end:
            known.watts, known.end = None, None
        if known.configured.failsafe_watts is None:
            return
        if silent and known.failed_at is None:
            known.failed_at = now_ms
        lasts = known.configured.failsafe_for_ms
        if known.failed_at is not None and not known.given_up and lasts is not None:
            known.given_up = now_ms - known.failed_at >= lasts
        elif known.given_up and not silent:
            known.failed_at, known.watts, known.end, known.given_up = None, None, None, False

    # --- a cycle ---

    def see(self, snapshot, requests, now_ms, points, bounds, true, disturbed) -> None:
        """bounds: what the core says may flow; true: the watts at the grid meter now, of the site and each phase, as
        they came of the set-points before; disturbed: something but them has changed since."""
        before = self._bounds
        self._bounds = self.hear(snapshot, requests, now_ms)
        if [tuple(each[:2]) for each in bounds] != self._bounds:
            self._fail("EXPIRY", f"{now_ms}: {bounds} in place of {self._bounds}")
        known = self._judge_meter(snapshot, now_ms)
        if disturbed or before != self._bounds or not known:
            if self._over:
                self.kept_after.append(self._over)
            self._calm, self._over = 0, 0
        else:
            self._calm += 1
        self._limit(before or self._bounds, true, snapshot, now_ms)
        for asset, point in zip(self.site.assets, points, strict=True):
            heard = self._is_heard(asset, snapshot, now_ms)
            self._unknown(asset, point, heard, known, now_ms)
            self._reserve(asset, point, snapshot, heard, known, now_ms)
            self._steady(asset, point, now_ms)
            self._wavers(asset, point, snapshot, true, now_ms)
            if point.asset != asset.name or not 0 < point.duration_ms <= asset.duration_ms:
                self._fail("DEATH", f"{asset.name} for {point.duration_ms} ms")
            self._before[asset.name], self._phases[asset.name] = point.watts, point.phases

    def _is_heard(self, asset: Asset, snapshot: Snapshot, now_ms: int) -> bool:
        seen = snapshot.seen.get(asset.name)
        if seen is None or seen.at_ms is None or not now_ms - self.site.stale_ms <= seen.at_ms <= now_ms:
            return False
        return not asset.is_metered or (type(seen.watts) is int and abs(seen.watts) < 10**6)

    def _judge_meter(self, snapshot: Snapshot, now_ms: int) -> bool:
        grid = snapshot.grid
        good = (
            grid is not None
            and grid.at_ms is not None
            and now_ms - self.site.stale_ms <= grid.at_ms <= now_ms
            and type(grid.watts) is int
            and grid.phases is not None
            and all(type(each) is int and abs(each) <= self.site.most_w for each in grid.phases)
            and abs(grid.watts - sum(grid.phases)) < 100
        )
        if not good:
            self._good, self._last_read = 0, None
        elif grid.at_ms != self._last_read:
            self._good, self._last_read = self._good + 1, grid.at_ms
        return self._good >= self.site.good_cycles

    def _limit(self, bounds, true, snapshot: Snapshot, now_ms: int) -> None:
        """Over a bound for longer than it takes, although somebody could still give way."""
        over = False
        for place, ((low, high), watts) in enumerate(zip(bounds, true, strict=True)):
            phase = self.site.phases[place - 1] if place else None
            imported, exported = watts - high, low - watts
            if max(imported, exported) <= SLACK_W:
                continue
            over = True
            if not place:
                self.overshoot_ws += max(imported, exported)
            if self._calm < KEPT_WITHIN:
                continue
            for asset in self.site.assets:
                on = self._phases[asset.name]
                if (phase and phase not in on) or not self._is_heard(asset, snapshot, now_ms):
                    continue
                told = self._before[asset.name]
                if imported > SLACK_W and told > 0:
                    self._fail("LIMIT", f"{now_ms}: {imported} W over on {phase}, {asset.name} has {told} W")
                if exported > SLACK_W and told < 0:
                    self._fail("LIMIT", f"{now_ms}: {exported} W fed in too much on {phase}, {asset.name} {told} W")
                if asset.kind == AssetKind.BATTERY and self._calm >= HELP_WITHIN:
                    self._helps(asset, snapshot, told, bounds, true, imported > SLACK_W, now_ms)
        if not over and self._over:
            self.kept_after.append(self._over)
        self._over = self._over + 1 if over else 0

    def _helps(self, asset: Asset, snapshot: Snapshot, told: int, bounds, true, is_import: bool, now_ms: int) -> None:
        """A battery that follows does all that it can, as far as no bound on its own places is in the way."""
        seen = snapshot.seen[asset.name]
        if abs(seen.watts - told) > HELP_W or seen.energy_wh is None or seen.depart_ms is not None or not seen.is_ready:
            return
        places = [0, *(1 + self.site.phases.index(phase) for phase in asset.phases)]
        counts = [1, *(len(asset.phases),) * len(asset.phases)]
        tenth = asset.capacity_wh // 10
        if is_import:
            can = told - asset.low_w if asset.reserve_wh + tenth < seen.energy_wh <= asset.capacity_wh else 0
            # What runs may stop.
            runs = [0] * len(true)
            for other in self.site.assets:
                shown = snapshot.seen.get(other.name)
                if other.kind != AssetKind.BATTERY and shown is not None and type(shown.watts) is int:
                    for place in (0, *(1 + self.site.phases.index(phase) for phase in other.phases)):
                        runs[place] += max(0, shown.watts)
            rooms = [
                count * (true[place] - runs[place] - bounds[place][0])
                for place, count in zip(places, counts, strict=True)
            ]
        else:
            can = asset.high_w - told if 0 <= seen.energy_wh < asset.full_wh - tenth else 0
            rooms = [count * (bounds[place][1] - true[place]) for place, count in zip(places, counts, strict=True)]
        if min(can, *rooms) > HELP_W:
            self._fail("LIMIT", f"{now_ms}: {asset.name} has {told} W and could help by {min(can, *rooms)} W more")

    def _unknown(self, asset: Asset, point, heard: bool, known: bool, now_ms: int) -> None:
        text = f"{now_ms}: {asset.name} {point.watts} W"
        if heard and known:
            return
        before, default = self._before[asset.name], asset.default_w
        if len(point.phases) < len(asset.phases):
            default = default // len(asset.phases)
        most, least = max(0, before), min(0, before)
        if asset.is_firm:
            wrong = not max(least, min(0, default)) <= point.watts <= min(most, max(0, default))
        elif asset.kind == AssetKind.INVERTER:
            wrong = point.watts < max(default, least)
        else:
            wrong = point.watts > min(default, most) or point.phases != self._phases[asset.name]
        if wrong:
            self._fail("UNKNOWN", f"{text} without {'the meter' if heard else 'being heard'}")

    def _reserve(self, asset: Asset, point, snapshot: Snapshot, heard: bool, known: bool, now_ms: int) -> None:
        before, watts = self._before[asset.name], point.watts
        text = f"{now_ms}: {asset.name} {before} -> {watts} W"
        if watts and abs(watts) < (asset.single_least_w if len(point.phases) < len(asset.phases) else asset.least_w):
            self._fail("RESERVE", f"{text}, less than the least")
        if not asset.low_w <= watts <= asset.high_w:
            self._fail("RESERVE", f"{text}, more than it can")
        if not heard:
            self._note_stop(asset, before, watts, now_ms)
            return
        seen = snapshot.seen[asset.name]
        if asset.capacity_wh and watts < 0 and (seen.energy_wh is None or seen.energy_wh <= asset.reserve_wh):
            self._fail("RESERVE", f"{text} at {seen.energy_wh} Wh")
        if asset.capacity_wh and watts < 0 and seen.depart_ms is not None and seen.energy_wh is not None:
            reachable = seen.energy_wh + asset.high_w * max(0, seen.depart_ms - now_ms) // 3_600_000
            if reachable < min(seen.needed_wh, asset.full_wh):
                self._fail("RESERVE", f"{text}, and has to leave with {seen.needed_wh} Wh")
        if asset.capacity_wh and watts > 0 and seen.energy_wh is not None and seen.energy_wh > asset.full_wh:
            self._fail("RESERVE", f"{text} and is full")
        if not seen.is_ready and watts:
            self._fail("RESERVE", f"{text} and is not ready")
        ramps = asset.ramp_w_per_s and asset.kind in (AssetKind.CHARGER, AssetKind.LOAD) and before and watts
        if ramps and watts - before > asset.ramp_w_per_s and len(point.phases) == len(self._phases[asset.name]):
            self._fail("RESERVE", f"{text}, faster than its ramp")
        if watts and not before:
            stopped = self._stopped.get(asset.name)
            if stopped is not None and now_ms - stopped < asset.min_off_ms:
                self._fail("RESERVE", f"{text}, off for {now_ms - stopped} ms")
            if asset.kind in (AssetKind.CHARGER, AssetKind.LOAD) and watts > 0:
                if self._started is not None and now_ms - self._started < self.site.start_gap_ms:
                    self._fail("RESERVE", f"{text}, {now_ms - self._started} ms behind another")
                self._started = now_ms
        self._note_stop(asset, before, watts, now_ms)

    def _note_stop(self, asset: Asset, before: int, watts: int, now_ms: int) -> None:
        if before and not watts:
            self._stopped[asset.name] = now_ms

    def _steady(self, asset: Asset, point, now_ms: int) -> None:
        before, phases = self._before[asset.name], self._phases[asset.name]
        if point.phases != phases:
            last = self._switched.get(asset.name)
            if last is not None and now_ms - last < asset.switch_ms:
                self._fail("STEADY", f"{now_ms}: {asset.name} changes phases {now_ms - last} ms behind the last time")
            self._switched[asset.name] = now_ms
        if point.watts == before:
            return
        way = 1 if point.watts > before else -1
        if self._way.get(asset.name, way) != way:
            self.turns[asset.name] += 1
            turned = self._turned[asset.name]
            turned.append(now_ms)
            while turned[0] <= now_ms - 60_000:
                turned.popleft()
            # Each way back waits for hold_ms; the way that a limit wants does not.
            if asset.hold_ms and len(turned) > 2 * (60_000 // asset.hold_ms + 1):
                self._fail("STEADY", f"{now_ms}: {asset.name} turned {len(turned)} times in a minute")
        self._way[asset.name] = way

    def _wavers(self, asset: Asset, point, snapshot: Snapshot, true, now_ms: int) -> None:
        """A way back before hold_ms, where for as long nothing happened and no limit is near."""
        before = self._before[asset.name]
        if point.watts == before:
            return
        way = 1 if point.watts > before else -1
        last_ms, last_way = self._moved.get(asset.name, (0, way))
        self._moved[asset.name] = (now_ms, way)
        seen = snapshot.seen.get(asset.name)
        if way == last_way or now_ms - last_ms >= asset.hold_ms or seen is None or seen.depart_ms is not None:
            return
        reach = asset.high_w - asset.low_w
        is_far = all(low + reach < watts < high - reach for (low, high), watts in zip(self._bounds, true, strict=True))
        tenth = asset.capacity_wh // 10
        is_half = not asset.capacity_wh or (
            seen.energy_wh is not None and asset.reserve_wh + tenth < seen.energy_wh < asset.full_wh - tenth
        )
        if is_far and is_half and self._calm * 1_000 >= asset.hold_ms:
            self._fail("STEADY", f"{now_ms}: {asset.name} turned back to {point.watts} W in {now_ms - last_ms} ms")
