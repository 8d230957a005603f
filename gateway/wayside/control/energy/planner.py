"""The planner: for each slot the watts that each store is wanted to have, and what holds them there, in words.

It is solved again each slot, and when something changes, with what is measured in the present slot: a plan held for a
day earned 0.39 of what perfect foresight earns, a greedy rule 0.65, the same plan solved again each slot 0.85. Every
bound is soft, so that there is always a plan; a bound that cannot be kept is named with how much and when, and a plan
never says "infeasible". What comes back from the solver is rounded and walked through once more in whole watts and
watt-hours: that walk, not the solver, keeps the state of charge within its bounds and the reserve untouched.

Only `programme` needs the extra `plan`, and only when a plan is asked for.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from wayside.control.energy.programme import Programme, Solution, shape
from wayside.control.energy.task import EnergyPlan, PlannedSlot, PlanTask, PlanTaskError, Store

_NEAR_W = 1.0
_NEAR_WH = 2.0
_MAX_SLOTS = 400  # 4 days of 15 min; more is nobody's forecast and would take seconds


class Planner:
    """Makes plans, and keeps the programme of the last shape so that the next slot's is solved from it."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._programme: Programme | None = None

    def plan(self, task: PlanTask) -> EnergyPlan:
        """The cheapest plan for a task. PlanTaskError when it is not in form or the solver is not installed."""
        _check(task)
        if self._programme is None or self._programme.shape != shape(task):
            self._programme = Programme(task)
        solution = self._programme.solve(task)
        slots, cost = _walk(task, solution)
        return EnergyPlan(
            made_at_ms=task.now_ms,
            slots=slots,
            cost=cost,
            reasons={
                store.name: self._reason(task, store, slots[0], solution, number)
                for number, store in enumerate(task.stores)
            },
            broken=(*self._over_limits(task, solution), *self._missed(task, solution, slots)),
            notes=tuple(_notes(task, self._clock)),
        )

    def _clock(self, at_ms: int) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, self._zone):%a %H:%M}"

    def _start(self, task: PlanTask, slot: int) -> int:
        return task.now_ms + slot * task.slot_ms

    def _reason(self, task: PlanTask, store: Store, slot: PlannedSlot, solution: Solution, number: int) -> str:
        """What holds the present watts, in one line: a bound if one does, else the next bound that they lead to."""
        watts = slot.watts[store.name]
        if store.now_wh is None:
            return "its state of charge is not known: it stands still"
        if store.until_ms is not None and store.until_ms < task.now_ms + task.slot_ms:
            return "it leaves within this slot"
        limit = _at(task.import_watts, 0)
        if watts > 0:
            if watts >= store.charge_watts - _NEAR_W:
                return f"charges with all it can: {store.charge_watts} W"
            if limit is not None and slot.grid_watts >= limit - _NEAR_W:
                return f"charges what the import limit of {limit} W leaves"
            if slot.stored_wh[store.name] >= store.capacity_wh - _NEAR_WH:
                return f"charges until it is full: {store.capacity_wh} Wh"
            if abs(slot.grid_watts) <= _NEAR_W:
                return "charges what the generation leaves over"
        if watts < 0:
            if -watts >= store.discharge_watts - _NEAR_W:
                return f"discharges with all it can: {store.discharge_watts} W"
            if slot.stored_wh[store.name] <= store.reserve_wh + _NEAR_WH:
                return f"discharges to its reserve: {store.reserve_wh} Wh"
            if abs(slot.grid_watts) <= _NEAR_W:
                return "discharges what the load needs"
        if watts == 0:
            if store.now_wh <= store.reserve_wh and slot.grid_watts > 0:
                return f"is at its reserve of {store.reserve_wh} Wh" + self._worth(task, solution, number)
            if store.now_wh >= store.capacity_wh and slot.grid_watts < 0:
                return f"is full: {store.capacity_wh} Wh"
        return self._ahead(task, store, solution, number) + self._worth(task, solution, number)

    def _worth(self, task: PlanTask, solution: Solution, number: int) -> str:
        return f" (a kWh in it is worth {solution.worth[number]:.3f}, one bought now costs {task.buy[0] / 1e6:.3f})"

    def _ahead(self, task: PlanTask, store: Store, solution: Solution, number: int) -> str:
        """The first bound of its energy that any outlook meets: until then only prices decide."""
        for slot, energies in enumerate(zip(*solution.energy[number], strict=True), 1):
            for goal in store.goals:
                if (goal.at_ms - task.now_ms) // task.slot_ms - 1 == slot and min(energies) <= goal.wh + _NEAR_WH:
                    return f"kept for {goal.why}: {goal.wh} Wh at {self._clock(goal.at_ms)}"
            if max(energies) >= store.capacity_wh - _NEAR_WH:
                return f"room is kept: it will be full at {self._clock(self._start(task, slot + 1))}"
            if min(energies) <= store.reserve_wh + _NEAR_WH:
                return f"energy is kept: it will be at its reserve at {self._clock(self._start(task, slot + 1))}"
        return "only the prices decide: no bound is met until the plan's end"

    def _over_limits(self, task: PlanTask, solution: Solution) -> list[str]:
        told = []
        for over, limits, word in (
            (solution.over_import, task.import_watts, "import"),
            (solution.over_export, task.export_watts, "export"),
        ):
            for first, last in _stretches([each > _NEAR_W for each in over]):
                most = max(range(first, last + 1), key=lambda slot: over[slot])
                told.append(
                    f"the {word} limit of {_at(limits, most)} W is exceeded by up to {round(over[most])} W from"
                    f" {self._clock(self._start(task, first))} to {self._clock(self._start(task, last + 1))}:"
                    " load and generation alone need it, and no store can take it"
                )
        return told

    def _missed(self, task: PlanTask, solution: Solution, slots: Sequence[PlannedSlot]) -> list[str]:
        told = []
        for number, store in enumerate(task.stores):
            if store.now_wh is None:
                continue
            for goal, missing in zip(store.goals, solution.missing[number], strict=True):
                if goal.at_ms <= task.now_ms:
                    continue
                if goal.at_ms < task.now_ms + task.slot_ms:
                    missing = max(0, goal.wh - store.now_wh)
                if missing > _NEAR_WH:
                    told.append(
                        f"{store.name}: {goal.wh} Wh at {self._clock(goal.at_ms)} for {goal.why} cannot be reached:"
                        f" {round(missing)} Wh will be missing with {store.charge_watts} W at most"
                    )
            if store.now_wh < store.reserve_wh:
                full = next((each for each in slots if each.stored_wh[store.name] >= store.reserve_wh - _NEAR_WH), None)
                when = f"reached at {self._clock(full.start_ms + task.slot_ms)}" if full else "not reached in this plan"
                told.append(f"{store.name}: {store.now_wh} Wh is below its reserve of {store.reserve_wh} Wh; {when}")
        return told


def _at(limits: Sequence[int | None], slot: int) -> int | None:
    return limits[slot] if limits else None


def _stretches(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last place of each run of True."""
    found: list[tuple[int, int]] = []
    for place, flag in enumerate(flags):
        if flag and found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        elif flag:
            found.append((place, place))
    return found


def _check(task: PlanTask) -> None:
    slots = len(task.buy)
    if not 2 <= slots <= _MAX_SLOTS:
        raise PlanTaskError(f"a plan has 2 to {_MAX_SLOTS} slots, this task has {slots}: give a price for each")
    if task.slot_ms < 60_000:
        raise PlanTaskError(f"a slot of {task.slot_ms} ms is too short: 60,000 at least")
    if not task.outlooks or not all(each.weight > 0 for each in task.outlooks):
        raise PlanTaskError("a plan needs an outlook, each with a weight above 0: make a forecast first")
    series: dict[str, Sequence[int | None]] = {"sell": task.sell}
    series |= {"import_watts": task.import_watts} if task.import_watts else {}
    series |= {"export_watts": task.export_watts} if task.export_watts else {}
    for place, outlook in enumerate(task.outlooks):
        series |= {f"load of outlook {place}": outlook.load, f"pv of outlook {place}": outlook.pv}
        if min(*outlook.load, *outlook.pv) < 0:
            raise PlanTaskError(
                f"outlook {place} has negative watts: load and generation are counted apart, each from 0 up"
            )
    for name, values in series.items():
        if len(values) != slots:
            raise PlanTaskError(f"{name} has {len(values)} values for {slots} slots: give one per slot")
    for limit in (*task.import_watts, *task.export_watts):
        if limit is not None and limit < 0:
            raise PlanTaskError(f"a limit of {limit} W cannot be planned: write it as a limit of the other direction")
    names = [each.name for each in task.stores]
    if len(set(names)) < len(names):
        raise PlanTaskError("two stores have one name: rename one")
    for store in task.stores:
        if not (0 < store.charge_efficiency <= 1 and 0 < store.discharge_efficiency <= 1):
            raise PlanTaskError(f"{store.name}: an efficiency is above 0 and at most 1")
        if min(store.capacity_wh, store.charge_watts, store.discharge_watts, store.reserve_wh, store.now_wh or 0) < 0:
            raise PlanTaskError(f"{store.name}: capacity, powers, reserve and energy are not negative")
        if store.reserve_wh > store.capacity_wh:
            raise PlanTaskError(f"{store.name}: a reserve of {store.reserve_wh} Wh is more than it holds")


def _notes(task: PlanTask, clock: Callable[[int], str]) -> list[str]:
    dear = [slot for slot, (buy, sell) in enumerate(zip(task.buy, task.sell, strict=True)) if sell > buy]
    if not dear:
        return []
    return [
        f"from {clock(task.now_ms + dear[0] * task.slot_ms)} selling pays more than buying costs in {len(dear)} slots:"
        " planned as if it paid the same, because one meter cannot do both at once"
    ]


def _walk(task: PlanTask, solution: Solution) -> tuple[tuple[PlannedSlot, ...], int]:
    """The plan in whole watts and watt-hours, each store within its bounds, and what the mean of the outlooks costs."""
    hours = task.slot_ms / 3_600_000
    stored = {store.name: store.now_wh for store in task.stores}
    total = sum(each.weight for each in task.outlooks)
    slots: list[PlannedSlot] = []
    cost = 0.0
    for slot in range(len(task.buy)):
        watts: dict[str, int] = {}
        for number, store in enumerate(task.stores):
            held = stored[store.name]
            if held is None:
                watts[store.name] = 0
                continue
            wanted = solution.charge[number][slot] - solution.discharge[number][slot]
            watts[store.name], stored[store.name] = step(store, held, wanted, hours)
        load = sum(each.load[slot] * each.weight for each in task.outlooks) / total
        pv = sum(each.pv[slot] * each.weight for each in task.outlooks) / total
        curtailed = round(solution.curtailed[slot])
        grid = round(load - pv) + curtailed + sum(watts.values())
        cost += grid * hours / 1000 * (task.buy[slot] if grid > 0 else task.sell[slot])
        slots.append(
            PlannedSlot(
                start_ms=task.now_ms + slot * task.slot_ms,
                watts=watts,
                stored_wh={name: held or 0 for name, held in stored.items()},
                grid_watts=grid,
                curtailed_watts=curtailed,
            )
        )
    return tuple(slots), round(cost)


def step(store: Store, held: int, wanted: float, hours: float) -> tuple[int, int]:
    """Whole watts next to what is wanted that the store can have for a slot, and what it then holds.

    Rounded towards 0 where a bound is near, so that the energy never goes above full or below the reserve.
    """
    watts = round(wanted)
    if abs(watts) < store.smallest_watts:
        on = store.smallest_watts if 2 * abs(watts) > store.smallest_watts else 0
        watts = on if watts > 0 else -on
    if watts > 0:
        room = max(0, store.capacity_wh - held)
        watts = min(watts, store.charge_watts, int(room / hours / store.charge_efficiency))
        if watts < store.smallest_watts:
            return 0, held
        return watts, min(store.capacity_wh, held + round(watts * hours * store.charge_efficiency)) if room else held
    if watts < 0:
        spare = max(0, held - store.reserve_wh)
        out = min(-watts, store.discharge_watts, int(spare * store.discharge_efficiency / hours))
        if out < store.smallest_watts:
            return 0, held
        return -out, max(store.reserve_wh, held - round(out * hours / store.discharge_efficiency)) if spare else held
    return 0, held
