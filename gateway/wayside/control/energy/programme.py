"""The linear programme behind a plan, and the only file that knows the solver (HiGHS, extra `plan`).

A tree of slots: the present one is the root, because what is measured there is true; each outlook is a branch of its
own from the next slot on, for it may be answered when it comes. One deterministic outlook is a tree of one branch.
This is the two-stage stochastic programme with recourse of Dantzig (1955), "Linear programming under uncertainty".
Planning for the mean alone holds too little: cost is convex in what comes, so the mean of the costs is above the cost
of the mean.

Columns in blocks, one per node of the tree: import, import above the limit, export above the limit, curtailed; of each
store charge, discharge, energy at the slot's end, energy missing to the reserve. Then a column for what is missing to
each goal in each branch, and the peak of each branch. No integers: a mixed programme took a thousand times as long
(17 to 37 s for 288 slots), and what is switched is rounded by whoever reads the solution.

A programme of one shape is kept and solved again from the basis before, which a new slot changes little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wayside.control.energy.task import PlanTask, PlanTaskError, Store

MISSING = (
    "planning needs the solver HiGHS: install the extra `plan` (pip install 'wayside[plan]');"
    " until then the strategies run alone"
)
# What is soft, in currency per kWh: no tariff pays for it. A limit is kept before a goal, a goal before a reserve.
_LIMIT_PRICE = 20.0
_GOAL_PRICE = 10.0
_RESERVE_PRICE = 0.1  # and hour: refilled soon, in the cheaper of the next slots
_E6 = 1e-6
_HAIR = 1e-6  # per kWh: nothing is thrown away, or charged and discharged at once, where that costs nothing
_WAITING_HOURS = 12
_WAITING = 0.001  # per kWh and hour that something is put off: of two slots at one price the first, for it is the surer


@dataclass(frozen=True, slots=True)
class Solution:
    """Values of the columns by slot, the root first and then the mean over the branches, and the root's own bounds."""

    charge: list[list[float]]
    discharge: list[list[float]]
    curtailed: list[float]
    over_import: list[float]
    over_export: list[float]
    missing: list[list[float]]
    """per store and goal: Wh, the worst branch"""
    energy: list[list[list[float]]]
    """per store and branch: Wh at the end of each slot after the root"""
    worth: list[float]
    """per store: the price of one more kWh in it at the end of the present slot (the dual of its energy balance)"""


class Programme:
    """Plans of one shape: so many slots, outlooks, stores and goals. Each `solve` starts where the last one ended."""

    def __init__(self, task: PlanTask):
        """PlanError when the solver is not installed."""
        try:
            import highspy
            import numpy
        except ImportError:
            raise PlanTaskError(MISSING) from None
        self._solver: Any = highspy  # its hints are partial
        self._np = numpy
        self._highs: Any = None
        self.shape = shape(task)
        slots, branches = len(task.buy), len(task.outlooks)
        self._slots, self._branches = slots, branches
        self._nodes = 1 + branches * (slots - 1)
        self._slot_of = numpy.concatenate([[0], numpy.tile(numpy.arange(1, slots), branches)]).astype(int)
        parent = numpy.arange(self._nodes) - 1
        parent[1 :: max(slots - 1, 1)] = 0
        self._parent = parent
        self._goals = [(number, goal) for number, store in enumerate(task.stores) for goal in range(len(store.goals))]

    # Where each block of columns begins.

    def _column(self, block: int) -> slice:
        return slice(block * self._nodes, (block + 1) * self._nodes)

    def _store_column(self, number: int, which: int) -> slice:
        return self._column(4 + 4 * number + which)

    @property
    def _first_goal(self) -> int:
        return (4 + 4 * len(self.shape.efficiencies)) * self._nodes

    def _goal_column(self, place: int, branch: int) -> int:
        return self._first_goal + place * self._branches + branch

    @property
    def _first_peak(self) -> int:
        return self._first_goal + len(self._goals) * self._branches

    def solve(self, task: PlanTask) -> Solution:
        """The cheapest plan. PlanTaskError when the solver finds none, which soft bounds leave no reason for."""
        highs = self._highs
        cost, low, high = self._columns(task)
        row_low, row_high = self._rows(task)
        if highs is None:
            highs = self._highs = self._solver.Highs()
            highs.silent()
            highs.setOptionValue("threads", 1)
            self._pass(highs, task, cost, low, high, row_low, row_high)
        else:
            columns = self._np.arange(len(cost), dtype=self._np.int32)
            rows = self._np.arange(len(row_low), dtype=self._np.int32)
            highs.changeColsCost(len(cost), columns, cost)
            highs.changeColsBounds(len(cost), columns, low, high)
            highs.changeRowsBounds(len(row_low), rows, row_low, row_high)
        highs.run()
        status = highs.getModelStatus()
        if status != self._solver.HighsModelStatus.kOptimal:
            told = highs.modelStatusToString(status)
            self._highs = None  # what is left of a failed run helps nobody
            raise PlanTaskError(f"the solver ended with {told!r}; the strategies run alone until the next slot")
        solution = highs.getSolution()
        return self._read(task, solution.col_value, solution.row_dual)

    def _columns(self, task: PlanTask) -> tuple[Any, Any, Any]:
        np, nodes = self._np, self._nodes
        total = self._first_peak + (self._branches if self.shape.peak else 0)
        cost, low, high = np.zeros(total), np.zeros(total), np.full(total, np.inf)
        weights = np.array([each.weight for each in task.outlooks])
        weights = weights / weights.sum()
        weight = np.concatenate([[1.0], np.repeat(weights, self._slots - 1)])
        hours = task.slot_ms / 3_600_000
        wh = weight * hours / 1000
        buy = np.array(task.buy)[self._slot_of] * _E6
        sell = np.minimum(np.array(task.sell)[self._slot_of] * _E6, buy)
        # The bill: buy * import - sell * export, and export = import - (load - pv + charge - discharge + curtailed).
        cost[self._column(0)] = (buy - sell) * wh
        cost[self._column(1)] = (buy - sell + _LIMIT_PRICE) * wh
        cost[self._column(2)] = _LIMIT_PRICE * wh
        cost[self._column(3)] = (sell + _HAIR) * wh
        high[self._column(0)] = self._limits(task.import_watts)
        if not self.shape.import_limit:
            high[self._column(1)] = 0
        if not self.shape.export_limit:
            high[self._column(2)] = 0
        high[self._column(3)] = self._per_node(task, "pv") if task.curtailable else 0
        starts = task.now_ms + task.slot_ms * self._slot_of
        for number, store in enumerate(task.stores):
            charge, discharge, energy, missing = (self._store_column(number, each) for each in range(4))
            now = store.now_wh
            here = np.full(nodes, now is not None)
            if store.until_ms is not None:
                here = here & (starts + task.slot_ms <= store.until_ms)
            later = _HAIR + _WAITING * np.minimum(hours * self._slot_of, _WAITING_HOURS)
            cost[charge] = (sell + later) * wh
            cost[discharge] = (-sell + store.wear * _E6 + later) * wh
            high[charge] = np.where(here, store.charge_watts, 0)
            high[discharge] = np.where(here, store.discharge_watts, 0)
            held = now or 0
            low[energy], high[energy] = min(store.reserve_wh, held), max(store.capacity_wh, held)
            cost[missing] = _RESERVE_PRICE * wh
            if now is None or not self.shape.reserves[number]:
                high[missing] = 0
            last = [(1 + branch) * (self._slots - 1) for branch in range(self._branches)]
            if store.discharge_watts and store.until_ms is None:
                left = _left_price(task) * store.discharge_efficiency
                for branch, node in enumerate(last):
                    cost[energy.start + node] -= left * weights[branch] / 1000
        for place in range(len(self._goals)):
            for branch in range(self._branches):
                cost[self._goal_column(place, branch)] = _GOAL_PRICE * weights[branch] / 1000
        if self.shape.peak:
            cost[self._first_peak :] = task.peak_price * _E6 * weights / 1000
        return cost, low, high

    def _per_node(self, task: PlanTask, what: str) -> Any:
        values = self._np.array([getattr(each, what) for each in task.outlooks], dtype=float)
        return self._np.concatenate([[values[:, 0].mean()], values[:, 1:].ravel()])

    def _limits(self, limits: Sequence[int | None]) -> Any:
        if not limits:
            return self._np.inf
        values = [self._np.inf if each is None else float(each) for each in limits]
        return self._np.array(values)[self._slot_of]

    def _rows(self, task: PlanTask) -> tuple[Any, Any]:
        """In the order of `_pass`: grid, export limit, peak, and of each store balance, reserve, one way; goals."""
        np, nodes = self._np, self._nodes
        net = self._per_node(task, "load") - self._per_node(task, "pv")
        lows, highs = [net], [np.full(nodes, np.inf)]
        if self.shape.export_limit:
            lows.append(-self._limits(task.export_watts) - net)
            highs.append(np.full(nodes, np.inf))
        if self.shape.peak:
            lows.append(np.full(nodes, -np.inf))
            highs.append(np.full(nodes, float(task.peak_watts)))
        for number, store in enumerate(task.stores):
            begin = np.zeros(nodes)
            begin[0] = store.now_wh or 0
            lows.append(begin)
            highs.append(begin)
            if self.shape.reserves[number]:
                lows.append(np.full(nodes, float(store.reserve_wh) if store.now_wh is not None else -np.inf))
                highs.append(np.full(nodes, np.inf))
            if self.shape.one_way:
                lows.append(np.full(nodes, -np.inf))
                highs.append(np.ones(nodes))
        for number, goal in self._goals:
            store = task.stores[number]
            known = self._node_of(task, store.goals[goal].at_ms, 0) is not None and store.now_wh is not None
            wanted = float(store.goals[goal].wh) if known else -np.inf
            lows.append(np.full(self._branches, wanted))
            highs.append(np.full(self._branches, np.inf))
        return np.concatenate(lows), np.concatenate(highs)

    def _node_of(self, task: PlanTask, at_ms: int, branch: int) -> int | None:
        """The node that ends last before a time; None when it is before the present slot's end or after the last."""
        slot = (at_ms - task.now_ms) // task.slot_ms - 1
        if not 0 <= slot < self._slots:
            return None
        return 0 if slot == 0 else branch * (self._slots - 1) + slot

    def _pass(self, highs: Any, task: PlanTask, cost: Any, low: Any, high: Any, row_low: Any, row_high: Any) -> None:
        rows, columns, values = self._matrix(task)
        order = self._np.lexsort((columns, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        lp = self._solver.HighsLp()
        lp.num_col_, lp.num_row_ = len(cost), len(row_low)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, low, high
        lp.row_lower_, lp.row_upper_ = row_low, row_high
        lp.a_matrix_.format_ = self._solver.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = self._np.searchsorted(rows, self._np.arange(len(row_low) + 1)).astype(self._np.int32)
        lp.a_matrix_.index_, lp.a_matrix_.value_ = columns.astype(self._np.int32), values
        highs.passModel(lp)

    def _matrix(self, task: PlanTask) -> tuple[Any, Any, Any]:
        np, nodes = self._np, self._nodes
        every = np.arange(nodes)
        parts: list[tuple[Any, Any, Any]] = []
        at = 0

        def put(row: Any, column: Any, value: float) -> None:
            parts.append((row, column, np.full(len(row), value)))

        def columns(block: slice) -> Any:
            return np.arange(block.start, block.stop)

        numbers = range(len(task.stores))
        # import + above limit - charge + discharge - curtailed >= load - pv
        put(every, columns(self._column(0)), 1.0)
        put(every, columns(self._column(1)), 1.0)
        put(every, columns(self._column(3)), -1.0)
        for number in numbers:
            put(every, columns(self._store_column(number, 0)), -1.0)
            put(every, columns(self._store_column(number, 1)), 1.0)
        at += nodes
        if self.shape.export_limit:
            put(at + every, columns(self._column(2)), 1.0)
            put(at + every, columns(self._column(3)), 1.0)
            for number in numbers:
                put(at + every, columns(self._store_column(number, 0)), 1.0)
                put(at + every, columns(self._store_column(number, 1)), -1.0)
            at += nodes
        if self.shape.peak:
            put(at + every, columns(self._column(0)), 1.0)
            put(at + every, columns(self._column(1)), 1.0)
            branch = np.concatenate([[0], np.repeat(np.arange(self._branches), self._slots - 1)])
            put(at + every, self._first_peak + branch, -1.0)
            at += nodes
        hours = task.slot_ms / 3_600_000
        for number, store in enumerate(task.stores):
            charge, discharge, energy, missing = (columns(self._store_column(number, each)) for each in range(4))
            put(at + every, energy, 1.0)
            put(at + every[1:], energy[self._parent[1:]], -1.0)
            put(at + every, charge, -hours * store.charge_efficiency)
            put(at + every, discharge, hours / store.discharge_efficiency)
            at += nodes
            if self.shape.reserves[number]:
                put(at + every, energy, 1.0)
                put(at + every, missing, 1.0)
                at += nodes
            if self.shape.one_way:
                put(at + every, charge, 1.0 / max(store.charge_watts, 1))
                put(at + every, discharge, 1.0 / max(store.discharge_watts, 1))
                at += nodes
        for place, (number, goal) in enumerate(self._goals):
            energy = columns(self._store_column(number, 2))
            for branch in range(self._branches):
                node = self._node_of(task, task.stores[number].goals[goal].at_ms, branch)
                row = np.array([at + branch])
                if node is not None:
                    put(row, energy[[node]], 1.0)
                put(row, np.array([self._goal_column(place, branch)]), 1.0)
            at += self._branches
        rows, cols, values = zip(*parts, strict=True)
        return np.concatenate(rows), np.concatenate(cols), np.concatenate(values)

    def _read(self, task: PlanTask, values: Any, duals: Any) -> Solution:
        np = self._np
        found = np.array(values)
        weights = np.array([each.weight for each in task.outlooks])
        weights = weights / weights.sum()

        def by_branch(block: slice) -> Any:
            return found[block][1:].reshape(self._branches, self._slots - 1)

        def mean(block: slice) -> list[float]:
            return [float(found[block.start]), *map(float, weights @ by_branch(block))]

        def worst(block: slice) -> list[float]:
            return [float(found[block.start]), *map(float, by_branch(block).max(axis=0, initial=0))]

        missing: list[list[float]] = [[] for _ in task.stores]
        for place, (number, _) in enumerate(self._goals):
            first = self._goal_column(place, 0)
            missing[number].append(float(found[first : first + self._branches].max()))
        numbers = range(len(task.stores))
        at = self._nodes * (1 + self.shape.export_limit + self.shape.peak)
        worth = []
        for number in numbers:
            worth.append(abs(float(duals[at])) * 1000)
            at += self._nodes * (1 + self.shape.reserves[number] + self.shape.one_way)
        return Solution(
            charge=[mean(self._store_column(number, 0)) for number in numbers],
            discharge=[mean(self._store_column(number, 1)) for number in numbers],
            curtailed=mean(self._column(3)),
            over_import=worst(self._column(1)),
            over_export=worst(self._column(2)),
            missing=missing,
            energy=[by_branch(self._store_column(number, 2)).tolist() for number in numbers],
            worth=worth,
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """What a programme's matrix depends on. Goals are in it with their slot, for it is where their rows point."""

    slots: int
    branches: int
    slot_ms: int
    efficiencies: tuple[tuple[float, float, int, int], ...]
    reserves: tuple[bool, ...]
    goals: tuple[tuple[int, ...], ...]
    import_limit: bool
    export_limit: bool
    peak: bool
    one_way: bool


def shape(task: PlanTask) -> Shape:
    """The shape of a task: two of one shape are solved by one programme."""

    def goal_slots(store: Store) -> tuple[int, ...]:
        return tuple((goal.at_ms - task.now_ms) // task.slot_ms for goal in store.goals)

    return Shape(
        slots=len(task.buy),
        branches=len(task.outlooks),
        slot_ms=task.slot_ms,
        efficiencies=tuple(
            (each.charge_efficiency, each.discharge_efficiency, each.charge_watts, each.discharge_watts)
            for each in task.stores
        ),
        reserves=tuple(each.now_wh is not None and each.now_wh < each.reserve_wh for each in task.stores),
        goals=tuple(map(goal_slots, task.stores)),
        import_limit=any(each is not None for each in task.import_watts),
        export_limit=any(each is not None for each in task.export_watts),
        peak=task.peak_price > 0,
        one_way=min(*task.buy, *task.sell) < 0,
    )


def _left_price(task: PlanTask) -> float:
    """What a kWh left after the last slot is worth: it saves buying at the cheapest, and is not sold for less.

    A little less than that, so that at one price all day it is used today.
    """
    if task.left_price is not None:
        return task.left_price * _E6
    return 0.9 * max(min(task.buy), min(task.sell), 0) * _E6
