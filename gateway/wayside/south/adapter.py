"""The kind `[[adapter]]`: its table in the site file, and the part that it asks for.

Imports what everybody may, and `south.adapters`: the kinds.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, PrivateAttr, ValidationInfo, field_validator, model_validator

from wayside.parts.part import DEVICE, Claim, Part, Settings
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import LOOP_S, Pulse
from wayside.runtime.supervise import Work
from wayside.settings import toml_file
from wayside.settings.client import Client
from wayside.settings.config_values import BrokerUrl, Name, checked_name
from wayside.south import adapters
from wayside.south.adapters import Connect, Options, ReadBy, Services, Spokesman
from wayside.values.expected import Expected
from wayside.values.reading import Reading


class AdapterTable(Client, Settings):
    """What a file of wayside.south.adapters reads. options: as its kind wants them.

    device: of a kind that reads one; name: of the table, for a kind whose options name several devices. url: of the
    broker, for a kind that listens to one, and the keys from ca_file on.
    """

    device: Name | None = None
    name: Name | None = None
    kind: Annotated[str, AfterValidator(adapters.FILES.known)]
    url: BrokerUrl | None = None
    options: dict[str, Any] = {}
    _parsed: Options = PrivateAttr()

    @field_validator("url", mode="before")
    @classmethod
    def _is_wanted(cls, url: object, given: ValidationInfo) -> object:
        kind = given.data.get("kind")
        if kind is not None and not adapters.load(kind).Settings.needs_broker:
            raise ValueError(f"leave it out: {kind} listens to no broker")
        return url

    @model_validator(mode="after")
    def _options_fit(self) -> "AdapterTable":
        with adapters.FILES.blamed(self.kind, ValueError):
            self._parsed = toml_file.checked("options", adapters.load(self.kind).Settings, self.options)
            self._check_names()
            self.expected()
        self._check_broker()
        return self

    def _check_broker(self) -> None:
        if self._parsed.needs_broker and self.url is None:
            raise ValueError("url: is missing; add the broker's, such as mqtt://127.0.0.1")
        useless = sorted(Client.model_fields.keys() & self.model_fields_set)
        if useless and not self._parsed.needs_broker:
            raise ValueError(f"{useless[0]}: leave it out: {self.kind} listens to no broker")

    def password_goes_to(self) -> str:
        return self.url.text if self.url else ""

    def _check_names(self) -> None:
        several = self._parsed.devices()
        wanted, other = ("name", "device") if several else ("device", "name")
        if getattr(self, other) is not None:
            where = "names its devices in its options" if several else "reads one device"
            written = f'write {wanted} = "{getattr(self, other)}" instead'
            also = "leave it out" if getattr(self, wanted) is not None else written
            raise ValueError(f"{other}: {also}: {self.kind} {where}")
        if getattr(self, wanted) is None:
            raise ValueError(f"{wanted}: is missing; add it")
        for device in several:
            try:
                checked_name(device)
            except ValueError as error:
                raise ValueError(f"options: device {device!r}: {error}") from None

    @property
    def called(self) -> str:
        """The device, or the name of the table."""
        return self.device or self.name or ""

    @property
    def parsed(self) -> Options:
        """The options as the kind's Settings."""
        return self._parsed

    @property
    def every_s(self) -> float:
        """How often it reports."""
        return self.parsed.aggregated_s() or float(getattr(self.parsed, "every_s", Expected().report_s))

    def title(self) -> str:
        return f"adapter {self.called}"

    def expected(self) -> Mapping[str, Expected]:
        found = {}
        for device in self.parsed.devices() or [self.called]:
            channels = self.parsed.channels(device)
            found[device] = Expected(self.every_s, None if channels is None else frozenset(channels))
        return found

    def claims(self) -> Iterable[Claim]:
        return [Claim(DEVICE, self.device, ("device",))] if self.device else [Claim("adapter", self.called, ("name",))]

    def signed_here(self) -> Iterable[str]:
        return list(self.expected())


class AdapterIntake(Protocol):
    """What takes the readings."""

    def report(self, device: str, readings: Sequence[Reading]) -> None: ...
    def show(self, device: str, readings: Sequence[Reading]) -> None:
        """What is reported later, for whoever wants to know now."""


class AdapterReporter(Protocol):
    """Makes reports of what one device is polled for; wayside.intake.report.Reporter is one."""

    def add(self, readings: Sequence[Reading]) -> None: ...
    def finish(self) -> None:
        """Report what came since the last report, if anything did."""


class AdapterCore(Protocol):
    """What an adapter needs of the gateway."""

    @property
    def clock(self) -> Clock: ...
    @property
    def intake(self) -> AdapterIntake: ...


MakeReporter = Callable[[Callable[[Sequence[Reading]], None]], AdapterReporter]


def make(settings: AdapterTable, core: AdapterCore, reporter: MakeReporter, connect: Connect) -> Part:
    """`reporter(deliver)`: the common aggregation of one device."""
    names, title = list(settings.expected()), settings.title()
    reports = _Reports({device: reporter(partial(core.intake.report, device)) for device in names})
    spokesman = Spokesman(core.clock, names, core.intake.report, reports.finish)

    def polled(device: str, readings: Sequence[Reading]) -> None:
        reports.add(device, readings)
        core.intake.show(device, readings)

    report, poll = spokesman.through(core.intake.report), spokesman.through(polled)
    services = Services(core.clock, names, report, poll, connect)
    with adapters.FILES.blamed(settings.kind):
        source = adapters.load(settings.kind).open_source(settings.parsed, services)
    works: dict[str, Work] = {title: partial(spokesman.run, source)}
    pulses = []
    if every_s := getattr(settings.parsed, "every_s", None):  # else it waits for others, and owes nothing
        pulses.append(spokesman.pulse(title, every_s))
    if aggregated_s := settings.parsed.aggregated_s():
        name = f"reports of {title}"
        works[name] = partial(reports.run, aggregated_s)
        pulses.append(reports.pulse(name, aggregated_s))
    return Part(works, (ReadBy(settings.called, source),), tuple(pulses), close=reports.finish)


class _Reports:
    """The common aggregation of an adapter's devices."""

    def __init__(self, reporters: Mapping[str, AdapterReporter]):
        self._reporters = reporters
        self._turns = 0

    def add(self, device: str, readings: Sequence[Reading]) -> None:
        self._reporters[device].add(readings)

    def finish(self) -> None:
        """Report what came since the last report."""
        for each in self._reporters.values():
            each.finish()

    def pulse(self, name: str, every_s: float) -> Pulse:
        """Of run(), as the task `name`."""
        return Pulse(name, lambda: self._turns, within_s=every_s + LOOP_S)

    async def run(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._turns += 1
            self.finish()
