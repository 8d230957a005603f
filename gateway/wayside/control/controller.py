"""The table `[[controller]]` of a site file. What it asks for is made in `kinds.controller`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from wayside.control import controllers
from wayside.control.controllers import Options
from wayside.parts.part import DEVICE, Claim, ControlUse, Mention, Setting, Settings
from wayside.settings import toml_file
from wayside.settings.config_values import Name, checked_name
from wayside.settings.table import ChannelName, WrittenAsText
from wayside.text.unknown import unknown


class Of(NamedTuple):
    """A channel or a control of a device, as the status shows it: "tank-1 level"."""

    device: str
    name: str

    def __str__(self) -> str:
        return f"{self.device} {self.name}"


def _of(text: str) -> Of:
    device, separator, name = text.partition(" ")
    if not separator or not name or " " in name:
        raise ValueError('write the device and what of it, with a blank between: "tank-1 level"')
    return Of(checked_name(device), name)


_Of = Annotated[Of, WrittenAsText(_of)]


class ControllerTable(Settings):
    """What a file of wayside.control.controllers does every `every_s` seconds. options: as its kind wants them.

    reads: by the name of its input, which channel that is; asks: by the name of its output, which actuator. priority:
    of what it asks for at the desk. stale_s: an older reading counts as unknown; else after three reports of its
    device.
    """

    name: Name
    kind: Annotated[str, AfterValidator(controllers.FILES.known)]
    reads: dict[ChannelName, _Of]
    asks: dict[ChannelName, _Of]
    options: dict[str, Any] = {}
    priority: int = Field(12, ge=1, le=16)
    every_s: int = Field(1, ge=1, le=3600)
    stale_s: int | None = Field(None, ge=1, le=86_400)
    _parsed: Options = PrivateAttr()

    @model_validator(mode="after")
    def _options_fit(self) -> "ControllerTable":
        with controllers.FILES.blamed(self.kind, ValueError):
            self._parsed = toml_file.checked("options", controllers.load(self.kind).Settings, self.options)
            self._check_names("reads", self.reads, self._parsed.reads(), "CHANNEL")
            self._check_names("asks", self.asks, self._parsed.asks(), "CONTROL")
            for numbers in self._parsed.asks().values():
                for _, number in numbers:
                    number.is_finite()
        return self

    def _check_names(self, key: str, given: Mapping[str, Of], wanted: Collection[str], what: str) -> None:
        for name in given:
            if name not in wanted:
                raise ValueError(f"{key}: {unknown('name', name, wanted)}")
        for name in wanted:
            if name not in given:
                raise ValueError(f'{key}: {name} is missing; add {name} = "DEVICE {what}"')

    @property
    def parsed(self) -> Options:
        """The options as the kind's Settings."""
        return self._parsed

    def title(self) -> str:
        return f"controller {self.name}"

    def journals(self) -> Iterable[str]:
        return [self.name]

    def claims(self) -> Iterator[Claim]:
        yield Claim(DEVICE, self.name, ("name",), "its decisions stand in a journal of this name: give it another one")

    def mentions(self) -> Iterator[Mention]:
        for name, read in self.reads.items():
            yield Mention(read.device, ("reads", name))
            yield Mention(read.device, ("reads", name), read.name)

    def sets(self) -> Iterator[Setting]:
        for name, asked in self.asks.items():
            known: list[tuple[str, Decimal]] = [*self._parsed.asks()[name]]
            for option, number in known:
                key = ("options", option)
                yield Setting(asked.device, ("asks", name), asked.name, ("asks", name), number, key, ControlUse.ASK)
            if not known:
                yield Setting(asked.device, ("asks", name), asked.name, ("asks", name), None, (), ControlUse.ASK)
