"""The table `[[radio]]` of a site file. What it asks for is made in `kinds.radios`, between `south` and `intake`."""

from collections.abc import Iterator, Mapping

from pydantic import Field, field_validator, model_validator

from wayside.parts.part import DEVICE, Claim, Settings, Signer, port, signer_claims
from wayside.settings.config_values import Name, PublicKey, RadioKeyFile
from wayside.settings.table import Table, once
from wayside.values.expected import Expected


class AirChannel(Table):
    """A channel of a node on the air: mantissa * 10**exponent in a SenML unit."""

    name: Name  # with points too, as in pm2.5
    unit: str = Field(pattern=r"^[ -~]{0,12}$")
    exponent: int = Field(ge=-24, le=24)


class LoraSensor(Table):
    """A node on the air: name as `wayside keys` knows it, number as its frames say it.

    key_file: its key for the air, 32 hexadecimal digits (wayside.site.secret_files). channels: what it
    reports, in the order of its sensors (docs/lora.md). public_key: as of a node on a line.
    """

    name: Name
    device: Name
    number: int = Field(ge=0, le=65_535)
    key_file: RadioKeyFile
    channels: list[AirChannel] = Field(min_length=1, max_length=20)
    public_key: PublicKey | None = None

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, channels: list[AirChannel]) -> list[AirChannel]:
        once("channel", (channel.name for channel in channels))
        return channels


class RadioTable(Settings):
    """A board in the role `radio` on a serial port, and the nodes of its LoRa network."""

    name: Name
    port: str
    baud: int = Field(115_200, ge=1200, le=3_000_000)
    network: int = Field(ge=0, le=0xFFFFFFFF)
    sensor: list[LoraSensor] = []

    @model_validator(mode="after")
    def _numbers_are_unique(self) -> "RadioTable":
        numbers = [sensor.number for sensor in self.sensor]
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            raise ValueError(f"number {twice[0]} is used twice on this radio; give each node its own")
        return self

    def title(self) -> str:
        return f"radio {self.name}"

    def expected(self) -> Mapping[str, Expected]:
        return {
            sensor.device: Expected(channels=frozenset(each.name for each in sensor.channels)) for sensor in self.sensor
        }

    def claims(self) -> Iterator[Claim]:
        yield Claim("radio", self.name, ("name",))
        yield port(self.port, ("port",))
        for i, (sensor, signer) in enumerate(zip(self.sensor, self.signers(), strict=True)):
            yield Claim(DEVICE, sensor.device, ("sensor", i, "device"))
            yield from signer_claims(signer, ("sensor", i))

    def signers(self) -> list[Signer]:
        return [Signer(sensor.name, sensor.public_key, [sensor.device]) for sensor in self.sensor]
