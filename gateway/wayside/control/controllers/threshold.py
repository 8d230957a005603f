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
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from wayside.control.controllers import Ask, Cycle, Options, State
from wayside.settings.table import Number


class Settings(Options):
    """unit: of the channel; a value in another one counts as unknown. on, off: what is asked of the actuator.

    on_above with off_below, or on_below with off_above. on_after_s, off_after_s: for so long the value has to be seen
    there before it is switched. min_on_s, min_off_s: how long it stays on or off at least, off also after the start and
    after it asked for nothing.
    patience_s: for so long an unknown value changes nothing; then `unknown` is asked for at once, or nothing where it
    is not given.
    """

    unit: str
    on_above: Number | None = None
    off_below: Number | None = None
    on_below: Number | None = None
    off_above: Number | None = None
    on: Number = Decimal(1)
    off: Number = Decimal(0)
    on_after_s: int = Field(0, ge=0, le=86_400)
    off_after_s: int = Field(0, ge=0, le=86_400)
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
    """is_on: what it asks for, since `since_ms`; passed_ms: since when the value says the other, None: it does not;
    known_ms: when it was known last, None: never; is_known: whether the last cycle knew it."""
    return _Memory(False, 0, None, None, False)._asdict()


def step(settings: Settings, state: State, cycle: Cycle) -> tuple[State, Mapping[str, Ask]]:
    """See wayside.control.controllers."""
    memory, seen, now_ms = _Memory(**state), cycle.inputs["value"], cycle.now_ms  # type: ignore[arg-type]
    if seen.value is not None and seen.unit == settings.unit:
        after = _known(settings, memory, seen.value, now_ms)
    elif memory.known_ms is not None and now_ms - memory.known_ms <= 1000 * settings.patience_s:
        after = memory._replace(is_known=False)
    else:
        is_on = settings.unknown == "on"
        # While nothing is asked for, the load has its fail-safe value: nobody knows that it was off.
        was_so = is_on == memory.is_on and settings.unknown is not None
        since_ms = memory.since_ms if was_so else now_ms
        number = None if settings.unknown is None else settings.on if is_on else settings.off
        why = f"the value is not known: {seen.why or f'its unit is {seen.unit}'}"
        after = memory._replace(is_on=is_on, since_ms=since_ms, passed_ms=None, is_known=False)
        return after._asdict(), {"load": Ask(number, why)}
    number = settings.on if after.is_on else settings.off
    return after._asdict(), {"load": Ask(number, _why(settings, after.is_on))}


class _Memory(NamedTuple):
    """See begin()."""

    is_on: bool
    since_ms: int
    passed_ms: int | None
    known_ms: int | None
    is_known: bool = True  # in entries that do not say it yet


def _known(settings: Settings, memory: _Memory, value: Decimal, now_ms: int) -> _Memory:
    is_on = memory.is_on
    if _wanted(settings, is_on, value) == is_on:
        return memory._replace(passed_ms=None, known_ms=now_ms, is_known=True)
    passed_ms = now_ms if memory.passed_ms is None else memory.passed_ms
    if not memory.is_known and memory.passed_ms is not None and memory.known_ms is not None:
        passed_ms += now_ms - memory.known_ms  # what nobody has seen does not count
    after_s, least_s = _times(settings, is_on)
    if now_ms - passed_ms < 1000 * after_s or now_ms - memory.since_ms < 1000 * least_s:
        return memory._replace(passed_ms=passed_ms, known_ms=now_ms, is_known=True)
    return _Memory(not is_on, now_ms, None, now_ms, True)


def _times(settings: Settings, is_on: bool) -> tuple[int, int]:
    """How long the value has to say the other, and how long it stays as it is at least."""
    return (settings.off_after_s, settings.min_on_s) if is_on else (settings.on_after_s, settings.min_off_s)


def _wanted(settings: Settings, is_on: bool, value: Decimal) -> bool:
    """What the value says, as if it had been so for long enough."""
    at = settings.off_at if is_on else settings.on_at
    if value == at:
        return is_on
    return (value > at) == settings.rises


def _why(settings: Settings, is_on: bool) -> str:
    after_s, least_s = _times(settings, is_on)
    word, at = ("on", settings.off_at) if is_on else ("off", settings.on_at)
    text = f"{word} until it is {'below' if is_on == settings.rises else 'above'} {at} {settings.unit}"
    text += f" for {after_s} s" if after_s else ""
    return text + (f", {word} for {least_s} s at least" if least_s else "")
