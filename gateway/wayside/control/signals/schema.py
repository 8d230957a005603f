"""What may stand in a junction file (TOML), as tables and keys; docs/junction.example.toml shows each one."""

from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from wayside_wire.signal_matrix import MAX_VERSION

from wayside.settings.table import Items, Number, Pair, Table

UNUSED = "-"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError('unknown time zone; write one of the IANA data base such as "Europe/Berlin"') from None
    return name


def _name(text: str) -> str:
    if not text or len(text) > 48 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a name has 1 to 48 visible ASCII characters and no blank")
    if text == UNUSED:
        raise ValueError(f'"{UNUSED}" means an unused channel')
    return text


def _day(text: object) -> date:
    """A day as a key, which TOML knows as text only."""
    if isinstance(text, str) and len(text) == 10:
        with suppress(ValueError):
            return date.fromisoformat(text)
    raise ValueError("a day is written YYYY-MM-DD")


def _time(value: object) -> object:
    """A time of day as TOML knows it; a number would be one of another zone."""
    if not isinstance(value, time):
        raise PydanticCustomError("time_type", "no time of day")
    return value


Seconds = Annotated[Number, Field(ge=0, lt=3600, decimal_places=1)]
Input = Annotated[int, Field(ge=1, le=64)]
Day = Annotated[date, BeforeValidator(_day)]
TimeOfDay = Annotated[time, BeforeValidator(_time)]
Name = Annotated[str, AfterValidator(_name)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class StartTable(Table):
    flash_s: Seconds = Decimal(5)
    all_red_s: Seconds


class GroupTable(Table):
    name: Name
    kind: Literal["vehicle", "pedestrian", "bicycle"] = "vehicle"
    crossing_m: Annotated[Number, Field(gt=0, le=70, decimal_places=1)] | None = None  # longer ones have a refuge
    min_green_s: Seconds
    yellow_s: Seconds = Decimal(0)
    clearance_s: Seconds = Decimal(0)
    red_yellow_s: Seconds = Decimal(0)
    min_red_s: Seconds = Decimal(2)
    max_red_s: Seconds
    max_green_s: Seconds = Decimal(60)
    passage_s: Seconds = Decimal(3)
    recall: bool = False
    parents: Items[str] = ()
    yields_to: Items[str] = ()
    flash: Literal["amber", "red", "dark"] = "red"


class PlanTable(Table):
    name: Name
    cycle_s: Seconds
    offset_s: Seconds = Decimal(0)
    green: dict[str, list[Pair[Seconds]]]
    coordinated: Items[str] = ()


class SwitchTable(Table):
    days: Annotated[Items[Weekday], Field(min_length=1)]
    at: TimeOfDay
    control: Literal["adaptive", "actuated", "plan", "flash"]
    plan: str = ""


class DetectorTable(Table):
    name: Name
    input: Input | None = None
    topic: Annotated[str, Field(pattern=r"^[^+#\x00]{1,200}$")] | None = None
    groups: Items[str] = ()
    locking: bool = False
    stuck_on_s: Annotated[Seconds, Field(ge=1)] = Decimal(300)
    stuck_off_s: Seconds | None = None
    chatter_per_minute: Annotated[int, Field(ge=2, le=600)] = 100


class BlockTable(Table):
    rings: Annotated[Items[Items[Items[str]]], Field(min_length=1, max_length=4)]


class LaneTable(Table):
    stop: str
    groups: Annotated[Items[str], Field(min_length=1)]
    seconds: Annotated[Seconds, Field(gt=0, le=60)] = Decimal(5)


class ApproachTable(Table):
    advance: Items[str] = ()
    lanes: Annotated[Items[LaneTable], Field(min_length=1)]


class RailwayTable(Table):
    name: Name
    free_input: Input
    train_input: Input | None = None
    warning_s: Annotated[Seconds, Field(gt=0)]
    closed: Annotated[Items[str], Field(min_length=1)]
    green: Items[str] = ()
    clear: Items[str] = ()
    clear_s: Seconds = Decimal(0)
    gates_s: Seconds = Decimal(0)
    hold_s: Annotated[Seconds, Field(ge=1)] = Decimal(2)


class PreemptionTable(Table):
    name: Name
    detector: str
    green: Annotated[Items[str], Field(min_length=1)]
    closed: Items[str] = ()
    hold_s: Seconds = Decimal(2)
    longest_s: Annotated[Seconds, Field(gt=0)]
    pause_s: Seconds = Decimal(0)


class PriorityTable(Table):
    name: Name
    detector: str
    green: Annotated[Items[str], Field(min_length=1)]
    hold_s: Seconds = Decimal(2)
    longest_s: Annotated[Seconds, Field(gt=0, le=120)]
    pause_s: Annotated[Seconds, Field(gt=0)]


class JunctionFile(Table):
    name: Name
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)] = 1
    time_zone: Annotated[str, AfterValidator(_zone)]
    channels: Annotated[Items[str], Field(min_length=1, max_length=32)]
    compatible: Items[Pair[str]] = ()
    stages: Items[Items[str]]
    start: StartTable
    group: Annotated[list[GroupTable], Field(min_length=1)]
    intergreen_s: dict[str, dict[str, Seconds]] = {}
    plan: list[PlanTable] = []
    switch: list[SwitchTable] = []
    detector: list[DetectorTable] = []
    block: list[BlockTable] = []
    approach: list[ApproachTable] = []
    exits: dict[str, Items[str]] = {}
    railway: Annotated[list[RailwayTable], Field(max_length=1)] = []
    preemption: list[PreemptionTable] = []
    priority: list[PriorityTable] = []
    holidays: dict[Day, Weekday] = {}
