"""The table `[[actuator]]` of a site file."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from pydantic import Field

from wayside.config_values import Name
from wayside.control.desk.controlled import NAME
from wayside.part import DEVICE, Claim, Setting, Settings
from wayside.table import ChannelName, Number, Table


class OwnTimer(Table):
    """The device's own reversion timer: the control that begins it, and the seconds that it runs.

    It is begun before each value, and anew three times before it would end: while the gateway is dead, it ends.
    """

    control: ChannelName
    seconds: int = Field(ge=3, le=86_400)


class Actuator(Settings):
    """A control of a device that people and programs may command, by requests that end.

    fail_safe: its value while nobody asks, in the control's unit; "device": nothing is written then. look_s: how often
    it is looked at, and put right where it has something else.
    """

    device: Name
    control: ChannelName
    fail_safe: Number | Literal["device"]
    timer: OwnTimer | None = None
    look_s: int = Field(60, ge=1, le=86_400)

    def title(self) -> str:
        return f"actuator {self.device} {self.control}"

    def journals(self) -> Iterator[str]:
        yield NAME

    def claims(self) -> Iterator[Claim]:
        advice = "all commands stand in a journal of this name: give the other another one"
        yield Claim(DEVICE, NAME, (), advice, among=self.title())
        yield Claim("control", f"{self.device} {self.control}", ("control",))
        if self.timer:
            yield Claim("control", f"{self.device} {self.timer.control}", ("timer", "control"))

    def sets(self) -> Iterator[Setting]:
        value = None if self.fail_safe == "device" else self.fail_safe
        yield Setting(self.device, ("device",), self.control, ("control",), value, ("fail_safe",))
        if self.timer:
            control, seconds = ("timer", "control"), Decimal(self.timer.seconds)
            yield Setting(self.device, ("device",), self.timer.control, control, seconds, ("timer", "seconds"))
