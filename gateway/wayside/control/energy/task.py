"""What the planner is asked and what it answers.

Power is whole watts (import and consumption positive), energy whole watt-hours, time whole milliseconds since 1970, and
a price whole millionths of the currency per kWh: 0.2837 per kWh is 283,700.
"""

from dataclasses import dataclass, field


class PlanTaskError(Exception):
    """A task that cannot be planned. The text says why and what to do; the strategies go on without a plan."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Energy that has to be in a store at a time, and who wants it: a driver, a hot-water tank before the morning."""

    at_ms: int
    wh: int
    why: str


@dataclass(frozen=True, slots=True)
class Store:
    """What takes energy now and gives or uses it later: a battery, a car, or a load that has to get so much by a time.

    A car or a load has no `discharge_watts`. `now_wh` is None when the state of charge is not known: it stands still.
    `smallest_watts`: below it the thing is off (a car on one phase: 1,380). `wear`: price of a discharged kWh.
    `until_ms`: when it leaves. Of a load, `capacity_wh` is what it still has to get.
    """

    name: str
    capacity_wh: int
    now_wh: int | None
    charge_watts: int
    discharge_watts: int = 0
    reserve_wh: int = 0
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    smallest_watts: int = 0
    wear: int = 0
    goals: tuple[Goal, ...] = ()
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """One way that the hours may go: watts of load and of generation per slot, each not negative, and its weight."""

    load: tuple[int, ...]
    pv: tuple[int, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PlanTask:
    """All that one plan is made of. Every sequence has one value per slot; the first slot is the present one.

    Of the present slot each outlook tells the same: what is measured now. `import_watts` and `export_watts` bound the
    grid meter, None where nothing does. `peak_watts` is the highest import that is paid already, `peak_price` what one
    more kW costs. `left_price`: what a kWh that can be taken out is worth after the last slot; None: the planner's own.
    """

    now_ms: int
    slot_ms: int
    outlooks: tuple[Outlook, ...]
    buy: tuple[int, ...]
    sell: tuple[int, ...]
    stores: tuple[Store, ...]
    import_watts: tuple[int | None, ...] = ()
    export_watts: tuple[int | None, ...] = ()
    curtailable: bool = False
    peak_watts: int = 0
    peak_price: int = 0
    left_price: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedSlot:
    """What is wanted in one slot: watts and energy at its end per store, and what then flows at the grid meter."""

    start_ms: int
    watts: dict[str, int]
    stored_wh: dict[str, int]
    grid_watts: int
    curtailed_watts: int


@dataclass(frozen=True, slots=True)
class EnergyPlan:
    """A plan, its present slot first.

    reasons: per store, the bound or the price that holds its present watts. broken: each soft bound that could not be
    kept, with how much and when. notes: what was planned with something else than was asked.
    """

    made_at_ms: int
    slots: tuple[PlannedSlot, ...]
    cost: int
    reasons: dict[str, str]
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
