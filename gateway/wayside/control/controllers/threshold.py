"""A load that is switched by one channel: on above a value and off below a lower one, or the other way round.

    [[controller]]
    name = "boiler-by-surplus"
    kind = "threshold"
    reads = {value = "meter-1 power_export"}
    asks = {load = "relay-1 coil"}
    options = {unit = "W", on_above = 2000, off_below = 300, min_on_s = 600, min_off_s = 600}

Between the two values it stays as it is. What is exactly at one of them has not passed it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from wayside.control.controllers import Ask, Cycle, Options, State
from wayside.settings.table import Number


class Settings(Options):
    """unit: of the channel; a value in another one counts as unknown. on, off: what is asked of the actuator.

    on_above with off_below, or on_below with off_above. min_on_s, min_off_s: how long it stays on or off at least, off
    also after the start. patience_s: for so long an unknown value changes nothing; then `unknown` is asked for at once,
    or nothing where it is not given.
    """

    unit: str
    on_above: Number | None = None
    off_below: Number | None = None
    on_below: Number | None = None
    off_above: Number | None = None
    on: Number = Decimal(1)
    off: Number = Decimal(0)
    min_on_s: int = Field(0, ge=0, le=86_400)
    min_off_s: int = Field(0, ge=0, le=86_400)
    unknown: Literal["on", "off"] | None = None
    patience_s: int = Field(10, ge=0, le=3600)

    @model_validator(mode="after")
    def _fits(self) -> "Settings":
        rising, falling = (self.on_above, self.off_below), (self.on_below, self.off_above)
        if sorted(sum(each is not None for each in pair) for pair in (rising, falling)) != [0, 2]:
            raise ValueError("write on_above and off_below, or on_below and off_above")
        if self.rises and self.on_at <= self.off_at:
            raise ValueError("off_below: write less than on_above, by more than the value jitters")
        if not self.rises and self.on_at >= self.off_at:
            raise ValueError("off_above: write more than on_below, by more than the value jitters")
        if self.on == self.off:
            raise ValueError("off: write another value than on")
        return self

    @property
    def rises(self) -> bool:
        """Whether it is switched on by a value that rises."""
        return self.on_above is not None

    @property
    def on_at(self) -> Decimal:
        return self.on_above or self.on_below or Decimal(0)

    @property
    def off_at(self) -> Decimal:
        return self.off_below or self.off_above or Decimal(0)

    def reads(self) -> Sequence[str]:
        return ("value",)

    def asks(self) -> Mapping[str, Sequence[tuple[str, Decimal]]]:
        return {"load": (("on", self.on), ("off", self.off))}


def begin(_settings: Settings) -> State:
    """is_on: what it asks for, since `since_ms`; known_ms: when the value was known last, None: never."""
    return {"is_on": False, "since_ms": 0, "known_ms": None}


def step(settings: Settings, state: State, cycle: Cycle) -> tuple[State, Mapping[str, Ask]]:
    """See wayside.control.controllers."""
    seen, now_ms = cycle.inputs["value"], cycle.now_ms
    value, why = (
        (seen.value, seen.why) if seen.unit == settings.unit else (None, seen.why or f"its unit is {seen.unit}")
    )
    known_ms = state["known_ms"] if value is None else now_ms
    is_on = bool(state["is_on"])
    is_known = isinstance(known_ms, int) and now_ms - known_ms <= 1000 * settings.patience_s
    if value is not None:
        wanted = _wanted(settings, is_on, value)
        least_s = settings.min_on_s if is_on else settings.min_off_s
        if wanted != is_on and now_ms - _ms(state) < 1000 * least_s:
            wanted = is_on
    else:
        wanted = is_on if is_known else settings.unknown == "on"
    since_ms = _ms(state) if wanted == is_on else now_ms
    after: State = {"is_on": wanted, "since_ms": since_ms, "known_ms": known_ms}
    number = settings.on if wanted else settings.off
    if is_known:
        return after, {"load": Ask(number, _why(settings, wanted))}
    text = f"the value is not known: {why}"
    return after, {"load": Ask(number if settings.unknown else None, text)}


def _ms(state: State) -> int:
    since_ms = state["since_ms"]
    return since_ms if isinstance(since_ms, int) else 0


def _wanted(settings: Settings, is_on: bool, value: Decimal) -> bool:
    """What the value says, as if it had been so for long enough."""
    at = settings.off_at if is_on else settings.on_at
    if value == at:
        return is_on
    return (value > at) == settings.rises


def _why(settings: Settings, is_on: bool) -> str:
    word, way = ("on", "below") if is_on else ("off", "above")
    if not settings.rises:
        way = "above" if is_on else "below"
    at, least_s = settings.off_at if is_on else settings.on_at, settings.min_on_s if is_on else settings.min_off_s
    return f"{word} until it is {way} {at} {settings.unit}" + (f", and for {least_s} s at least" if least_s else "")
