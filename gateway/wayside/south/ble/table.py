"""The table `[[ble]]` of a site file. What it asks for is made in `kinds.radios`, between `south` and `intake`."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field, field_validator

from wayside.parts.part import DEVICE, Claim, Settings
from wayside.settings.config_values import BleAddress, EnvironmentChannel, Name, RadioKeyFile
from wayside.settings.table import Table, once
from wayside.values.expected import Expected


class BleSensor(Table):
    """A sensor that advertises BTHome v2. key_file: 32 hexadecimal digits; without it anybody may speak for it."""

    device: Name
    address: BleAddress
    key_file: RadioKeyFile | None = None


class BleEnvironment(Table):
    """A device with the Environmental Sensing Service, which is connected to and read. channels: docs/lora.md."""

    device: Name
    address: BleAddress
    channels: list[EnvironmentChannel] = Field(min_length=1)
    every_s: int = Field(60, ge=5, le=86_400)

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, channels: list[str]) -> list[str]:
        once("channel", channels)
        return channels


class BleTable(Settings):
    """A Bluetooth adapter. silence_s: when nothing at all was heard for so long, the scan is started again."""

    adapter: Name = "hci0"
    silence_s: int = Field(120, ge=5, le=86_400)
    sensor: list[BleSensor] = []
    environment: list[BleEnvironment] = []

    def title(self) -> str:
        return f"bluetooth {self.adapter}"

    def expected(self) -> Mapping[str, Expected]:
        beacons = {sensor.device: Expected() for sensor in self.sensor}
        polled = {each.device: Expected(float(each.every_s), frozenset(each.channels)) for each in self.environment}
        return beacons | polled

    def claims(self) -> Iterator[Claim]:
        yield Claim("adapter", self.adapter, ("adapter",))
        sensors = [(("sensor", i), each.device, each.address) for i, each in enumerate(self.sensor)]
        polled = [(("environment", i), each.device, each.address) for i, each in enumerate(self.environment)]
        for key, device, address in sensors + polled:
            yield Claim(DEVICE, device, (*key, "device"))
            yield Claim("address", address, (*key, "address"))

    def signed_here(self) -> Iterable[str]:
        return self.expected()
