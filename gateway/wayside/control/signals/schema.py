"""What may stand in a junction file (TOML), as tables and keys; docs/junction.example.toml shows each one."""

from datetime import date, time
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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


Seconds = Annotated[Decimal, Field(ge=0, lt=3600, decimal_places=1)]
Name = Annotated[str, AfterValidator(_name)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartTable(_Table):
    flash_s: Seconds = Decimal(5)
    all_red_s: Seconds


class GroupTable(_Table):
    name: Name
    kind: Literal["vehicle", "pedestrian"] = "vehicle"
    min_green_s: Seconds
    yellow_s: Seconds = Decimal(0)
    clearance_s: Seconds = Decimal(0)
    red_yellow_s: Seconds = Decimal(0)
    max_red_s: Seconds
    max_green_s: Seconds = Decimal(60)
    passage_s: Seconds = Decimal(3)
    recall: bool = False
    parents: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    flash: Literal["amber", "red", "dark"] = "red"


class PlanTable(_Table):
    name: Name
    cycle_s: Seconds
    offset_s: Seconds = Decimal(0)
    green: dict[str, list[tuple[Seconds, Seconds]]]
    coordinated: tuple[str, ...] = ()


class SwitchTable(_Table):
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    at: time
    control: Literal["adaptive", "actuated", "plan", "flash"]
    plan: str = ""


class DetectorTable(_Table):
    name: Name
    input: Annotated[int, Field(ge=1, le=64)] | None = None
    topic: Annotated[str, Field(pattern=r"^[^+#\x00]{1,200}$")] | None = None
    groups: tuple[str, ...] = ()
    locking: bool = False
    stuck_on_s: Seconds = Decimal(300)
    stuck_off_s: Seconds = Decimal(0)
    chatter_per_minute: Annotated[int, Field(ge=2, le=600)] = 100


class BlockTable(_Table):
    rings: Annotated[tuple[tuple[tuple[str, ...], ...], ...], Field(min_length=1, max_length=4)]


class LaneTable(_Table):
    stop: str
    groups: Annotated[tuple[str, ...], Field(min_length=1)]
    seconds: Annotated[Seconds, Field(gt=0, le=60)] = Decimal(5)


class ApproachTable(_Table):
    advance: tuple[str, ...] = ()
    lanes: Annotated[tuple[LaneTable, ...], Field(min_length=1)]


class PreemptionTable(_Table):
    name: Name
    detector: str
    green: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    clear_s: Seconds = Decimal(0)
    longest_s: Seconds = Decimal(0)
    pause_s: Seconds = Decimal(0)


class PriorityTable(_Table):
    name: Name
    detector: str
    green: Annotated[tuple[str, ...], Field(min_length=1)]
    longest_s: Annotated[Seconds, Field(gt=0, le=120)]
    pause_s: Annotated[Seconds, Field(gt=0)]


class JunctionFile(_Table):
    name: Name
    time_zone: Annotated[str, AfterValidator(_zone)]
    channels: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)]
    compatible: tuple[tuple[str, str], ...] = ()
    stages: tuple[tuple[str, ...], ...]
    start: StartTable
    group: Annotated[list[GroupTable], Field(min_length=1)]
    intergreen_s: dict[str, dict[str, Seconds]] = {}
    plan: list[PlanTable] = []
    switch: list[SwitchTable] = []
    detector: list[DetectorTable] = []
    block: list[BlockTable] = []
    approach: list[ApproachTable] = []
    exits: dict[str, tuple[str, ...]] = {}
    preemption: list[PreemptionTable] = []
    priority: list[PriorityTable] = []
    holidays: dict[date, Weekday] = {}
