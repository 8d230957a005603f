"""The kind `[[adapter]]`: its table in the site file, and the part that it asks for.

Imports of the gateway `config_values`, `part`, `toml_file`, and `adapters`, whose files are the kinds of adapters.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, PrivateAttr, ValidationError, model_validator

from wayside import toml_file
from wayside.clock import Clock
from wayside.config_values import Name
from wayside.expected import Expected
from wayside.part import DEVICE, Claim, Part, Settings
from wayside.reading import Reading
from wayside.south import adapters
from wayside.south.adapters import ReadBy, Spokesman
from wayside.table import Table


class Adapter(Settings):
    """A device that a file of wayside.south.adapters reads. options: as its kind wants them."""

    device: Name
    kind: Annotated[str, AfterValidator(adapters.FILES.known)]
    options: dict[str, Any] = {}
    _parsed: Table = PrivateAttr()

    @model_validator(mode="after")
    def _options_fit(self) -> "Adapter":
        kind = adapters.load(self.kind).Settings
        try:
            self._parsed = kind.model_validate(self.options)
        except ValidationError as problems:
            raise toml_file.within("options", kind, problems) from None
        return self

    @property
    def parsed(self) -> Table:
        """The options as the kind's Settings."""
        return self._parsed

    @property
    def every_s(self) -> float:
        """How often it reports."""
        return float(getattr(self.parsed, "every_s", Expected().report_s))

    def title(self) -> str:
        return f"adapter {self.device}"

    def expected(self) -> Mapping[str, Expected]:
        return {self.device: Expected(self.every_s)}

    def claims(self) -> Iterable[Claim]:
        return [Claim(DEVICE, self.device, ("device",))]

    def signed_here(self) -> Iterable[str]:
        return [self.device]


class Intake(Protocol):
    """What takes the readings."""

    def report(self, device: str, readings: Sequence[Reading]) -> None: ...


class Core(Protocol):
    """What an adapter needs of the gateway."""

    @property
    def clock(self) -> Clock: ...
    @property
    def intake(self) -> Intake: ...


def make(settings: Adapter, core: Core) -> Part:
    spokesman = Spokesman(core.clock, partial(core.intake.report, settings.device))
    adapter = adapters.load(settings.kind).open_adapter(settings.parsed, core.clock, spokesman.report)
    name = settings.title()
    pulse = spokesman.pulse(name, settings.every_s)
    return Part({name: partial(spokesman.run, adapter)}, (ReadBy(settings.device, adapter),), (pulse,))
