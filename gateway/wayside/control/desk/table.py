"""The table `[[actuator]]` of a site file."""

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Annotated

from pydantic import Field, PlainValidator

from wayside.control.desk.controlled import NAME
from wayside.parts.part import DEVICE, Claim, ControlUse, Setting, Settings
from wayside.settings.config_values import Name
from wayside.settings.table import ChannelName, Table


def _fail_safe(value: object) -> Decimal | str:
    if value == "device":
        return "device"
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return Decimal(str(value))
    raise ValueError('write the value that it is to have while nobody asks, in the control\'s unit, or "device"')


def journal_claim(title: str) -> Claim:
    """Of each table by which something is commanded."""
    advice = "all commands stand in a journal of this name: give the other another one"
    return Claim(DEVICE, NAME, (), advice, among=title)


class OwnTimer(Table):
    """The device's own reversion timer: the control that begins it, and the seconds that it runs.

    It is begun before each value, and anew three times before it would end: while the gateway is dead, it ends.
    control: None where the control has a timer of its own (SunSpec), which is begun with each value.
    """

    control: ChannelName | None = None
    seconds: int = Field(ge=3, le=86_400)


class Actuator(Settings):
    """A control of a device that people and programs may command, by requests that end.

    fail_safe: its value while nobody asks, in the control's unit; "device": it is given back what had been taken
    from it, and nothing else is written. look_s: how often it is looked at, and put right where it has something else.
    """

    device: Name
    control: ChannelName
    fail_safe: Annotated[Decimal | str, PlainValidator(_fail_safe)]
    timer: OwnTimer | None = None
    look_s: int = Field(60, ge=1, le=86_400)

    def title(self) -> str:
        return f"actuator {self.device} {self.control}"

    def journals(self) -> Iterator[str]:
        yield NAME

    def claims(self) -> Iterator[Claim]:
        yield journal_claim(self.title())
        yield Claim("control", f"{self.device} {self.control}", ("control",))

    def sets(self) -> Iterator[Setting]:
        value = self.fail_safe if isinstance(self.fail_safe, Decimal) else None
        own = None if self.timer is None else self.timer.control is None
        yield Setting(self.device, ("device",), self.control, ("control",), value, ("fail_safe",), has_own_timer=own)
        if self.timer and self.timer.control:
            key, seconds = ("timer", "control"), Decimal(self.timer.seconds)
            until = ("timer", "seconds")
            yield Setting(self.device, ("device",), self.timer.control, key, seconds, until, ControlUse.TIMER)
