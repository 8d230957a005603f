"""The table `[web]` of a site file: the status site, where it listens and who may come."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field, model_validator

from wayside.parts.part import Claim, Mention, Settings, listening
from wayside.settings.config_values import CertificateFile, ListenAddress, Name, PrivateKeyFile, UsersFile
from wayside.settings.table import Table


class FlowTable(Table):
    """A device whose power the status site shows as an energy flow. reversed: its meter counts the other way."""

    kind: Literal["grid", "solar", "battery", "charger", "load"]
    device: Name
    channel: str = "power_active"
    reversed: bool = False


class WebTable(Settings):
    """The status site: where it listens and who may come.

    users_file: made by `wayside config user`; needed as soon as others than this machine can reach the address.
    cert_file, key_file: PEM, for https.
    """

    listen: ListenAddress = Field("127.0.0.1:8480", validate_default=True)
    users_file: UsersFile | None = None
    cert_file: CertificateFile | None = None
    key_file: PrivateKeyFile | None = None
    flow: list[FlowTable] = []

    @model_validator(mode="after")
    def _is_guarded(self) -> "WebTable":
        if self.listen.host not in ("127.0.0.1", "localhost", "::1") and self.users_file is None:
            raise ValueError('others can reach this address; add users_file = "users" (wayside config user)')
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; write both")
        return self

    def title(self) -> str:
        return "web"

    def claims(self) -> Iterable[Claim]:
        return [listening(self.listen, ("listen",))]

    def mentions(self) -> Iterator[Mention]:
        for i, flow in enumerate(self.flow):
            yield Mention(flow.device, ("flow", i, "device"))
            yield Mention(flow.device, ("flow", i, "channel"), flow.channel)
