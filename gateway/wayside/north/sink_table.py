"""The table `[[sink]]` of a site file. What it asks for is made in `kinds.sinks`, between `north` and `log`.

Imports what everybody may, and `north.sinks`, whose files are the kinds of sinks.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wayside.north import sinks
from wayside.parts.part import Claim, Settings
from wayside.settings import toml_file
from wayside.settings.client import Client
from wayside.settings.config_values import Name
from wayside.settings.table import Table


class SinkTable(Client, Settings):
    """Where the log is forwarded: `mqtt` with proofs for a verifying receiver, `mqtt-json` for dashboards, `webhook`.

    `mqtt-homeassistant` is `mqtt-json` whose channels announce themselves.

    username and password_file: for a broker; the password alone is a webhook's bearer token. options: as its kind wants
    them.
    """

    name: Name
    kind: Annotated[str, AfterValidator(sinks.FILES.known), Field(json_schema_extra={"enum": [*sinks.FILES.names()]})]
    url: str
    options: dict[str, Any] = {}
    _parsed: Table = PrivateAttr()

    @field_validator("url")
    @classmethod
    def _url_fits(cls, url: str, given: ValidationInfo) -> str:
        if "kind" not in given.data:  # that is told of the kind
            return url
        name = given.data["kind"]
        kind = sinks.load(name)
        if url.partition(":")[0] not in kind.schemes:
            raise ValueError(f'a sink of kind {name} needs one such as "{kind.example}"')
        with sinks.FILES.blamed(name, ValueError):
            return kind.check(url)

    @model_validator(mode="after")
    def _has_users(self) -> "SinkTable":
        if self.username is not None and not sinks.load(self.kind).has_users:
            raise ValueError(f"username: a {self.kind} knows only a bearer token; put it into password_file")
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> "SinkTable":
        with sinks.FILES.blamed(self.kind, ValueError):
            self._parsed = toml_file.checked("options", sinks.load(self.kind).Options, self.options)
        return self

    @property
    def parsed(self) -> Table:
        """The options as the kind's Options."""
        return self._parsed

    @property
    def has_tls(self) -> bool:
        return self.url.startswith(("mqtts:", "https:"))

    def password_goes_to(self) -> str:
        return self.url

    def title(self) -> str:
        return f"sink {self.name}"

    def claims(self) -> Iterable[Claim]:
        return [Claim("sink", self.name, ("name",))]

    def announces(self) -> bool:
        """Whether it says beforehand which devices the site has."""
        return sinks.load(self.kind).announces
