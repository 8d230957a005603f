"""The safe core of a site's energy: a pure function (state, snapshot, requests, time) -> (set-points, reasons).

The signatures that others may count on:

    Limit(direction, watts, phases, source, priority, valid_until_ms, failsafe_watts, failsafe_for_ms)   limits.py
    Asset(name, kind, phases, low_w, high_w, default_w, ...), SiteAssets(phases, assets, parties, ...)         assets.py
    PowerRequest(asset, watts, source, priority, until_ms, how, phases, var), Snapshot(grid, seen, heard)     cycle.py
    decide(site, state, snapshot, PowerRequests(wanted, limits, withdrawn), Now(ms, utc_ms))
        -> (state, tuple of SetPoint, tuple of Reason)

Whatever is asked, in whatever order, these hold (the names are those of docs/energy.md and tests/energy):

  LIMIT      import and export stay within the strictest limit, per site and phase, by what can be controlled
  EXPIRY     a limit ends at its end and not before; without contact its configured fail-safe counts, until a new one
  UNKNOWN    unknown, zero and limited are three things; a grid meter that says nothing leads to the fail-safe
  RESERVE    energy, departure, ramp, minimum on and off times, and who starts when, are kept
  STEADY     no set-point turns back too soon, and no phases change too often, unless a limit wants it
  DEATH      every set-point has a duration, and what takes it back is written before what it guards

A cycle is: hear the limits, merge their bounds once, judge the meter, work out what each asset may and should have,
let it follow steadily, and share what is over a bound. Only the last three give set-points, and the last one last.
"""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

from wayside.control.energy import ask, limits, meter, reserve, share, steady
from wayside.control.energy.assets import Asset, AssetKind, SiteAssets
from wayside.control.energy.cycle import AssetSeen, Now, PowerRequest, PowerRequests, Reason, SetPoint, Snapshot
from wayside.control.energy.limits import MOST_W, Bound, Key, Limit, LimitMode, is_count
from wayside.control.energy.share import Balance, ShareTask
from wayside.control.energy.steady import Held

CYCLE_MS = 1_000


class EnergyState(NamedTuple):
    """All that the core remembers from one cycle to the next. held: by asset, as the site has them; started_ms: when
    one of them began to run last."""

    ms: int
    parties: tuple[limits.LimitMemory, ...]
    meter: meter.MeterMemory
    held: tuple[Held, ...]
    started_ms: int


def begin(site: SiteAssets, now: Now) -> EnergyState:
    """How a site starts: nobody has been heard, each asset is at its default, for no one knows how long; so it waits
    its whole minimum times, and as long before its phases change."""
    parties = tuple(limits.begin(party, now.ms) for party in site.parties)
    held = tuple(Held(asset.default_w, moved_ms=now.ms, turned_ms=now.ms, switched_ms=now.ms) for asset in site.assets)
    return EnergyState(now.ms, parties, meter.MeterMemory(), held, now.ms)


def resume(site: SiteAssets, state: EnergyState, then: Now, now: Now) -> EnergyState:
    """A state of before a restart, carried over to a new clock: what has passed is told by the wall clock.

    Limits go on to their end, minimum times count on; who can be silent has to be heard again, and the meter read.
    ValueError when it is another site's.
    """
    if len(state.parties) != len(site.parties) or len(state.held) != len(site.assets):
        raise ValueError("the state is of another site")
    shift = now.ms - then.ms - max(0, now.utc_ms - then.utc_ms)

    def limit(each: limits.LimitStanding) -> limits.LimitStanding:
        end = each.limit.valid_until_ms
        later = each.limit._replace(valid_until_ms=None if end is None else end + shift)
        return each._replace(limit=later, since_ms=each.since_ms + shift)

    parties = tuple(limits.LimitMemory(None, tuple(map(limit, memory.standing))) for memory in state.parties)

    def held(asset: Asset, each: Held) -> Held:
        watts = steady.capped(asset, each, each.watts)
        return each._replace(
            watts=watts,
            moved=0,
            moved_ms=now.ms,
            turned_ms=each.turned_ms + shift if bool(each.watts) == bool(watts) else now.ms,
            switched_ms=None if each.switched_ms is None else each.switched_ms + shift,
            strays_ms=None,
        )

    all_held = tuple(map(held, site.assets, state.held))
    return EnergyState(now.ms, parties, meter.MeterMemory(), all_held, now.ms)


def decide(
    site: SiteAssets, state: EnergyState, snapshot: Snapshot, requests: PowerRequests, now: Now
) -> tuple[EnergyState, tuple[SetPoint, ...], tuple[Reason, ...]]:
    """One cycle, a second: the state behind it, a set-point for each asset, and what held them."""
    parties, refused = _hear(site, state, snapshot, requests, now.ms)
    bounds = limits.merge(site.phases, parties)
    rooms = room(site, state)
    tasks = [
        _task(site, asset, held, snapshot.seen.get(asset.name), rooms, now.ms)
        for asset, held in zip(site.assets, state.held, strict=True)
    ]
    here = [task for task in tasks if task is not None]
    seen_meter, problem = _read(site, state, snapshot, here, bounds, now.ms)
    is_known = meter.is_known(site, seen_meter)
    wanted, strange = ask.sort(requests.wanted, [asset.name for asset in site.assets], now.ms)
    for task in here:
        _wish(task, wanted.get(task.asset.name, ()), snapshot.seen[task.asset.name], is_known, state.ms, now.ms)
    balance = Balance(bounds, meter.worst(site, seen_meter), here)
    started_ms = _start(site, state, balance, now.ms)
    share.share(balance)
    # What swings by more than lies between the bounds has no set-point for its worst on both sides: then now counts.
    balance.rebase(meter.newest(site, seen_meter))
    if any(map(any, balance.over())):
        share.share(balance)
    balance.look_ahead()
    for task in here:
        _name_what_holds(balance, task)
    held = tuple(
        steady.held_after(task.asset, task.held, task.watts, task.single, now.ms)
        if task is not None
        else steady.held_after(asset, before, steady.capped(asset, before, before.watts), before.single, now.ms)
        for task, asset, before in zip(tasks, site.assets, state.held, strict=True)
    )
    if not any(
        task.held.watts == 0 and task.watts for task in here if task.asset.kind in (AssetKind.CHARGER, AssetKind.LOAD)
    ):
        started_ms = state.started_ms
    points = tuple(_point(asset, task, each) for asset, task, each in zip(site.assets, tasks, held, strict=True))
    reasons = (
        *_of_site(parties, balance, problem if not is_known else ""),
        *(
            Reason("", "departure", task.asset.name, None, task.held.range.missing_wh)
            for task in here
            if task.held.range.missing_wh
        ),
        *refused,
        *strange,
        *(_of_asset(task, point) for task, point in zip(tasks, points, strict=True)),
    )
    return EnergyState(now.ms, parties, seen_meter, held, started_ms), points, reasons


def room(site: SiteAssets, state: EnergyState) -> tuple[tuple[int, int], ...] | None:
    """What all assets together may consume, (at least, at most), for the site and each phase, by the last cycle; None
    while the grid meter is not known. For who shares it out beforehand."""
    if not meter.is_known(site, state.meter):
        return None
    base = meter.worst(site, state.meter)
    bounds = limits.merge(site.phases, state.parties)
    return tuple(
        (max(-MOST_W, bound.low - low), min(MOST_W, bound.high - high))
        for bound, low, high in zip(bounds, base.low, base.high, strict=True)
    )


# --- what comes in ---


def _hear(
    site: SiteAssets, state: EnergyState, snapshot: Snapshot, requests: PowerRequests, now_ms: int
) -> tuple[tuple[limits.LimitMemory, ...], tuple[Reason, ...]]:
    """The limits of all parties one cycle later, and what was refused."""
    names = {party.name for party in site.parties}
    came: dict[str, list[Limit]] = {name: [] for name in names}
    heard = set(snapshot.heard)
    refused = []
    for each in requests.limits:
        limit = each._replace(failsafe_watts=None, failsafe_for_ms=None)  # that is configured, whatever a message says
        text = limits.fault(limit, site.phases) or ("" if limit.watts is not None else "it has no watts")
        if not isinstance(limit.source, str) or limit.source not in names:
            text = "nobody of this name may limit"
        elif not text and limit.valid_until_ms is not None and limit.valid_until_ms <= now_ms:
            text = "it was over before it came"
        if text:
            refused.append(Reason("", f"limit refused: {text}", ask.name_of(limit.source), None, 0))
            heard.add(ask.name_of(limit.source))
        else:
            came[limit.source].append(limit)
    gone: dict[str, list[Key]] = {name: [] for name in names}
    for key in requests.withdrawn:
        text = limits.key_fault(key.direction, key.phases, site.phases)
        if not isinstance(key.source, str) or key.source not in names:
            text = "nobody of this name may limit"
        if text:
            refused.append(Reason("", f"withdrawal refused: {text}", ask.name_of(key.source), None, 0))
            heard.add(ask.name_of(key.source))
        else:
            gone[key.source].append(key)
    parties = tuple(
        limits.hear(
            party,
            memory,
            party.name in heard,
            came[party.name],
            gone[party.name],
            now_ms,
        )
        for party, memory in zip(site.parties, state.parties, strict=True)
    )
    return parties, tuple(refused[:16])


def _task(
    site: SiteAssets,
    asset: Asset,
    held: Held,
    seen: AssetSeen | None,
    rooms: Sequence[tuple[int, int]] | None,
    now_ms: int,
) -> ShareTask | None:
    """An asset of which it is known what it does; None: it is not heard, and has its own default."""
    if seen is None or seen.at_ms is None or not is_count(seen.at_ms) or not 0 <= now_ms - seen.at_ms <= site.stale_ms:
        return None
    power = seen.watts if asset.is_metered else held.watts
    if power is None or not is_count(power) or abs(power) > 2 * max(asset.high_w, -asset.low_w) + 1_000:
        return None
    before = held.range
    places = tuple(1 + site.phases.index(phase) for phase in asset.phases)
    left = None if rooms is None else min(rooms[0][1], *(len(places) * rooms[place][1] for place in places))
    held = held._replace(range=reserve.allowed(asset, seen, before, left, now_ms))
    held = steady.strays(asset, held, power, now_ms)
    return ShareTask(
        asset,
        held,
        places,
        1 + site.phases.index(asset.single) if asset.single else 0,
        held.range.low,
        held.range.high,
        power,
        held.short <= 0,
        held.short >= 0,
        power - held.watts if now_ms - held.moved_ms >= asset.settle_ms else 0,
        now_ms - held.moved_ms < asset.settle_ms + CYCLE_MS,
        single=held.single,
    )


def _read(
    site: SiteAssets,
    state: EnergyState,
    snapshot: Snapshot,
    tasks: Sequence[ShareTask],
    bounds: Sequence[Bound],
    now_ms: int,
) -> tuple[meter.MeterMemory, str]:
    """The grid meter: its memory, and what is wrong with it."""
    needs_phases = any(bound.high < MOST_W or bound.low > -MOST_W for bound in bounds[1:])
    problem = meter.fault(site, snapshot.grid, needs_phases, now_ms)
    most, least = [0] * len(bounds), [0] * len(bounds)
    for task in tasks:
        for place, high, low in _drawn(site, task, snapshot.seen[task.asset.name], now_ms):
            most[place] += high
            least[place] += low
    memory = meter.read(site, state.meter, snapshot.grid, problem, most, least)
    waits = f"it is waited for {site.good_cycles} good readings"
    return memory, problem or ("" if meter.is_known(site, memory) else waits)


def _drawn(site: SiteAssets, task: ShareTask, seen: AssetSeen, now_ms: int) -> list[tuple[int, int, int]]:
    """(place, most, least) of what an asset consumes now.

    A reading from before its last set-point does not say how far it has followed: then the set-point counts where it
    leaves less to others to explain, for what was known before is still in the window.
    """
    told, power, held = task.held.watts, task.power, task.held
    is_old = (seen.at_ms or 0) <= held.moved_ms and now_ms - held.moved_ms < task.asset.settle_ms and held.moved != 0
    high, low = (max(told, power), min(told, power)) if is_old else (power, power)
    count = len(task.on)
    drawn = [(0, high, low)]
    if not is_old and isinstance(seen.phases, tuple) and len(seen.phases) == len(site.phases):
        return drawn + [(1 + n, each, each) for n, each in enumerate(seen.phases) if is_count(each)]
    return drawn + [(place, share.lower(high, count), share.upper(low, count)) for place in task.on]


# --- what is wished ---


def _wish(
    task: ShareTask, requests: Sequence[PowerRequest], seen: AssetSeen, is_known: bool, before_ms: int, now_ms: int
) -> None:
    """One asset's set-point as far as it concerns itself alone."""
    asset, held, allowed = task.asset, task.held, task.held.range
    rest = asset.rest_w if is_known or not asset.is_firm else asset.default_w
    wish = ask.wish(requests, allowed.low, allowed.high, rest, only_bounds=asset.is_firm and not is_known)
    watts, bound, by = wish.watts, "asked" if wish.by else "nobody asks", wish.by
    if wish.is_bounded:
        bound = allowed.high_by if watts == allowed.high else allowed.low_by if watts == allowed.low else "asked"
    if allowed.must is not None and watts < allowed.must:
        watts, bound, by = allowed.must, "departure", ""
    task.wish, task.priority, task.var, task.asked = wish.watts, wish.priority, wish.var, bool(wish.by)
    if not is_known:
        capped = steady.capped(asset, held, watts)
        if capped != watts:
            watts, bound, by = capped, "grid meter", ""
    elapsed_ms = min(CYCLE_MS, max(0, now_ms - before_ms))
    task.can_switch = is_known and steady.may_switch(asset, held, now_ms)
    wants = steady.wants_single(asset, held, watts, wish.phases, now_ms) if is_known else held.single
    for task.single in (wants, held.single):
        most = min(watts, steady.most_w(asset, task.single))
        followed, why = steady.follow(asset, held, task.single, most, elapsed_ms, now_ms)
        if not followed or steady.least_w(asset, task.single) <= abs(followed):
            break  # else it does not change over before it has got so far
    if not is_known:  # nobody can say what helps
        task.low, task.high = max(task.low, min(0, asset.default_w)), min(task.high, max(0, asset.default_w))
    if not is_known and steady.capped(asset, held, followed) != followed:  # at once
        followed, why = steady.rounded_to(watts, asset.step_w, task.least, watts), ""
    clipped = max(allowed.low, min(allowed.high, followed))
    if clipped != followed:
        bound, by = (allowed.low_by, "") if clipped == allowed.low else (allowed.high_by, "")
    elif why:
        bound, by = why, ""
    if abs(clipped) < task.least:
        clipped = 0
    task.watts, task.target, task.bound, task.by = clipped, max(allowed.low, min(allowed.high, watts)), bound, by


def _start(site: SiteAssets, state: EnergyState, balance: Balance, now_ms: int) -> int:
    """One after the other begins to run, the strongest first, and only who has room. When the last one began."""
    waiting = [
        task
        for task in balance.tasks
        if task.held.watts == 0 and task.watts > 0 and task.asset.kind in (AssetKind.CHARGER, AssetKind.LOAD)
    ]
    wanted = [(task, task.watts, task.single, (task.bound, task.by)) for task in waiting]
    for task in waiting:
        balance.put(task, 0, "start order", "")
    started_ms = state.started_ms
    wanted.reverse()  # of equal ones the last of the site is the strongest
    for task, watts, single, why in sorted(wanted, key=lambda each: each[0].priority):
        if now_ms - started_ms < site.start_gap_ms:
            break
        found = share.fitting(balance, task, watts)
        if not found and not single and task.can_switch:
            balance.put(task, 0, single=True)
            found = share.fitting(balance, task, watts)
            if not found:
                balance.put(task, 0, single=False)
        if found:
            bound, by = why if found == watts else share.named(balance, task, is_import=True)
            balance.put(task, found, bound, by)
            started_ms = now_ms
        else:
            task.bound, task.by = share.named(balance, task, is_import=True)
    return started_ms


# --- what goes out ---


def _name_what_holds(balance: Balance, task: ShareTask) -> None:
    """Who does not turn back yet, and could not either, is held by the limit."""
    more = task.target - task.watts
    if task.bound == "hold" and more > max(0, balance.more(task)[0]):
        task.bound, task.by = share.named(balance, task, is_import=True)
    elif task.bound == "hold" and -more > max(0, balance.less(task)[0]):
        task.bound, task.by = share.named(balance, task, is_import=False)


def _point(asset: Asset, task: ShareTask | None, held: Held) -> SetPoint:
    phases = (asset.single,) if held.single else asset.phases
    var = None if task is None or task.var is None else _var(asset, held.watts, task.var)
    return SetPoint(asset.name, held.watts, phases, asset.duration_ms, var)


def _var(asset: Asset, watts: int, var: int) -> int:
    """Reactive power that is left beside the active one: P^2 + Q^2 <= S^2."""
    apparent = max(asset.high_w, -asset.low_w)
    most = min(asset.most_var, isqrt(max(0, apparent * apparent - watts * watts)))
    return max(-most, min(most, var))


def _of_asset(task: ShareTask | None, point: SetPoint) -> Reason:
    if task is None:
        return Reason(point.asset, "not heard", "", None, point.watts)
    return Reason(point.asset, task.bound, task.by, task.wish if task.asked else None, point.watts)


def _of_site(parties: Sequence[limits.LimitMemory], balance: Balance, problem: str) -> list[Reason]:
    """What is so of the site as a whole: the meter, limits that are at their fail-safe, and what nobody can keep."""
    reasons = [Reason("", "grid meter", problem, None, 0)] if problem else []
    for memory in parties:
        for each in memory.standing:
            if each.mode in (LimitMode.FAILSAFE, LimitMode.LAPSED):
                where = f"{each.limit.direction} {each.mode}"
                got = each.watts if each.mode == LimitMode.FAILSAFE else 0
                reasons.append(Reason("", where, each.limit.source, None, got))
    for place, (imported, exported) in enumerate(balance.over()):
        where = "" if not place else f" {limits.PHASES[place - 1]}"
        if imported:
            reasons.append(Reason("", f"over import{where}", balance.bounds[place].high_by, None, imported))
        if exported:
            reasons.append(Reason("", f"over export{where}", balance.bounds[place].low_by, None, exported))
    return reasons
