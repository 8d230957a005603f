"""The table `[[node]]` of a site file. Its part is made in `kinds.node`, between `south`, `north` and `intake`."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field, model_validator

from wayside.net.endpoint import BrokerPlace
from wayside.parts.part import DEVICE, Claim, Settings, Signer, port, signer_claims
from wayside.settings.client import Client
from wayside.settings.config_values import Name, NodePort, PublicKey
from wayside.values.expected import Expected


class NodeTable(Client, Settings):
    """A board on a serial or MQTT link and the devices that it may speak for.

    port: a serial port, or a broker's URL; then the topics are wayside/SITE/nodes/NAME/up and /down, and the keys from
    ca_file on say how the gateway shows itself to the broker. public_key: the key that the board signs with, where it
    was not enrolled by `wayside keys enrol`. packs_per_hour: more are refused, and stay with the node, until there is
    room again.
    """

    name: Name
    port: NodePort
    baud: int = Field(115_200, ge=1200, le=3_000_000)
    public_key: PublicKey | None = None
    devices: list[Name] = Field(min_length=1)
    packs_per_hour: int = Field(36_000, ge=60, le=100_000_000)

    def title(self) -> str:
        return f"node {self.name}"

    def expected(self) -> Mapping[str, Expected]:
        return {device: Expected() for device in self.devices}

    def claims(self) -> Iterator[Claim]:
        for i, device in enumerate(self.devices):
            yield Claim(DEVICE, device, ("devices", i))
        if not isinstance(self.port, BrokerPlace):
            yield port(self.port, ("port",))
        for signer in self.signers():
            yield from signer_claims(signer, ())

    def signers(self) -> Sequence[Signer]:
        return [Signer(self.name, self.public_key, self.devices)]

    def password_goes_to(self) -> str:
        return self.port_text

    @property
    def port_text(self) -> str:
        """`port` as it is written."""
        return self.port.text if isinstance(self.port, BrokerPlace) else self.port

    @property
    def is_mqtt(self) -> bool:
        return isinstance(self.port, BrokerPlace)

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> "NodeTable":
        if self.is_mqtt and "baud" in self.model_fields_set:
            raise ValueError("baud: is for a serial port, and port is a broker; leave it out")
        if not self.is_mqtt and (useless := sorted(Client.model_fields.keys() & self.model_fields_set)):
            raise ValueError(f"{useless[0]}: is for a broker, and port is a serial port; leave it out")
        return self
