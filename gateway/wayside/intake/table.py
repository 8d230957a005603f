"""The table `[[retention]]` of a site file. What all of them ask for is made in `kinds.retention`."""

from collections.abc import Iterator

from pydantic import Field, model_validator

from wayside.parts.part import Claim, Mention, Settings
from wayside.settings.config_values import Name


class RetentionTable(Settings):
    """How long the entries of some devices are kept; their hashes stay for ever. Without it everything is kept."""

    devices: list[Name] = Field(min_length=1)
    days: int | None = Field(None, ge=1, le=36_500)
    megabytes: int | None = Field(None, ge=1, le=10**9)

    @model_validator(mode="after")
    def _limits_something(self) -> "RetentionTable":
        if self.days is None and self.megabytes is None:
            raise ValueError("limits nothing; write days = N, megabytes = N, or both")
        return self

    def title(self) -> str:
        return "retention"

    def claims(self) -> Iterator[Claim]:
        for i, device in enumerate(self.devices):
            yield Claim("retention device", device, ("devices", i))

    def mentions(self) -> Iterator[Mention]:
        for i, device in enumerate(self.devices):
            yield Mention(device, ("devices", i), or_journal=True)
