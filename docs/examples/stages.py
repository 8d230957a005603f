"""An example of a controller in one file: a fan, a pump or a limit in stages, by one channel.

Put beside the others in gateway/wayside/control/controllers, it is the kind `stages`; nothing else has to be changed:

    [[controller]]
    name = "fan-by-temperature"
    kind = "stages"
    reads = {value = "cabinet-air top"}
    asks = {drive = "fan-1 speed"}
    options = {unit = "Cel", stages = [[30, 40], [35, 70], [40, 100]], back = 2}

From 30 degrees on the fan has 40 %, from 35 degrees on 70 %; it goes back to 40 % below 33 degrees.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pydantic import Field, field_validator
from wayside.control.controllers import Ask, Cycle, Options, State
from wayside.settings.table import Items, Number, Pair


class Settings(Options):
    """stages: from which value on which number is asked for, the lowest first; lowest: below all of them.

    unit: of the channel. back: how far the value has to fall below a stage before it is left.
    """

    unit: str
    stages: Items[Pair[Number]] = Field(min_length=1, max_length=50)
    back: Number
    lowest: Number = Decimal(0)

    @field_validator("stages")
    @classmethod
    def _rise(cls, stages: Sequence[tuple[Decimal, Decimal]]) -> Sequence[tuple[Decimal, Decimal]]:
        values = [value for value, _ in stages]
        if values != sorted(set(values)):
            raise ValueError("write the stages with the lowest value first, each value once")
        return stages

    @field_validator("back")
    @classmethod
    def _is_more_than_nothing(cls, back: Decimal) -> Decimal:
        if back <= 0:
            raise ValueError("write more than the value jitters")
        return back

    def reads(self) -> Sequence[str]:
        return ("value",)

    def asks(self) -> Mapping[str, Sequence[tuple[str, Decimal]]]:
        return {"drive": [("lowest", self.lowest), *(("stages", number) for _, number in self.stages)]}


def begin(_settings: Settings) -> State:
    """stage: how many of the stages are reached."""
    return {"stage": 0}


def step(settings: Settings, state: State, cycle: Cycle) -> tuple[State, Mapping[str, Ask]]:
    """See wayside.control.controllers."""
    seen = cycle.inputs["value"]
    if seen.value is None or seen.unit != settings.unit:
        return {"stage": 0}, {"drive": Ask(None, f"the value is not known: {seen.why or f'its unit is {seen.unit}'}")}
    before, stage = int(state["stage"] or 0), 0
    for number, (value, _) in enumerate(settings.stages, 1):
        if seen.value >= (value - settings.back if number <= before else value):
            stage = number
    asked = settings.stages[stage - 1][1] if stage else settings.lowest
    return {"stage": stage}, {"drive": Ask(asked, f"stage {stage}")}
