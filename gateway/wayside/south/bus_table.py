"""The table `[[bus]]` of a site file, and what hangs on a bus. What it asks for is made in `kinds.bus`.

It stands here and not in `modbus`: every command reads a site file, and the most read no meter.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from wayside.net.endpoint import Address, Manners, TcpEndpoint
from wayside.parts.part import DEVICE, Claim, Settings, listening, port
from wayside.profiles import DISCOVERED, FoundProfile, ProfileError
from wayside.profiles.sunspec_controls import CONTROLS
from wayside.profiles.units import UNITS
from wayside.profiles.values import ProfileName, TransformerRatio, library
from wayside.settings.config_values import BusEndpoint, Name
from wayside.settings.table import Table, once
from wayside.values.carrier import Controllable
from wayside.values.expected import Expected


class BusDevice(Table):
    """A Modbus device that the gateway polls itself.

    timeout_ms: to the first byte of an answer, 0 for what is usual on the bus; longest_answer_ms: how long the line is
    left alone after a timeout, for devices that answer very late; part: which of several meters in one device;
    ct_ratio, vt_ratio: of the site's transformers, for a meter that does not know them; max_power_w: what the circuit
    carries, a counter that rises faster is not believed.
    """

    name: Name
    unit: int = Field(ge=0, le=255)
    profile: ProfileName
    part: int = Field(1, ge=1, le=100)
    ct_ratio: TransformerRatio | None = None
    vt_ratio: TransformerRatio | None = None
    poll_ms: int = Field(1000, ge=1, le=86_400_000)
    report_ms: int = Field(10_000, ge=1, le=86_400_000)
    channels: list[str] | None = Field(None, validate_default=True)
    timeout_ms: int = Field(0, ge=0, le=60_000)
    longest_answer_ms: int | None = Field(None, ge=1, le=60_000)
    max_power_w: int | None = Field(None, ge=1, le=10**12)
    # Compared as a setting is, so that another content of a profile of the site's own is another setting.
    _found: FoundProfile = PrivateAttr()

    @field_validator("part", "ct_ratio", "vt_ratio")
    @classmethod
    def _fits_the_profile(cls, value: int | Fraction | None, known: ValidationInfo) -> int | Fraction | None:
        # Each alone, so that the problem is told at its own key.
        if "profile" in known.data and _is_known(known):
            given: dict[str, Any] = {str(known.field_name).removesuffix("_ratio"): value}
            try:
                library(known).load(known.data["profile"]).for_site(**given)
            except ProfileError as error:
                raise ValueError("; ".join(error.problems)) from None
        return value

    @field_validator("channels")
    @classmethod
    def _channels_exist(cls, channels: list[str] | None, known: ValidationInfo) -> list[str] | None:
        once("channel", channels or ())
        # A device that is discovered says itself which channels it has.
        given = known.data
        if {"profile", "part", "ct_ratio", "vt_ratio"} <= given.keys() and _is_known(known):
            found = library(known).load(given["profile"])
            try:
                profile = found.for_site(given["ct_ratio"], given["vt_ratio"], given["part"])
            except ProfileError:
                return channels  # no fault of this key: _find_profile tells it of the device
            try:
                if channels is not None and given["profile"] != DISCOVERED.name:
                    profile.select(channels)
            except ProfileError as error:
                raise ValueError("; ".join(error.problems)) from None
        return channels

    @model_validator(mode="after")
    def _find_profile(self, known: ValidationInfo) -> "BusDevice":
        found = library(known).find(self.profile)
        if found.profile is not DISCOVERED or self.profile == DISCOVERED.name:
            try:
                profile = found.profile.for_site(self.ct_ratio, self.vt_ratio, self.part)
                if self.profile != DISCOVERED.name:
                    profile.select(self.channels)
            except ProfileError as error:
                raise ValueError("; ".join(error.problems)) from None
            found = found._replace(profile=profile)
        self._found = found
        return self

    @property
    def found(self) -> FoundProfile:
        """What `profile` names, as it was when the site file was read, with what the site says of it."""
        return self._found

    def expected(self) -> Expected:
        report_s = self.report_ms / 1000
        if self.found.profile.name == DISCOVERED.name:  # the same for a part of it
            # All that such a device may have; of a profile that is gone nobody knows it.
            told = self._places(CONTROLS) if self.profile == DISCOVERED.name else None
            return Expected(report_s, frozenset(self.channels) if self.channels else None, told)
        profile = self.found.profile
        fields = profile.select(self.channels)
        controls = {
            name: Controllable(
                limits.unit,
                limits.exponent,
                limits.min,
                limits.max,
                _seconds(limits.unit),
                f"unit {self.unit}, {limits.field}, {limits.modes}, function {profile.write_function}",
                bool(limits.modes),
                limits.lapses,
                cells=frozenset(
                    f"unit {self.unit} register {field.address + i}"
                    for field in (limits.field, *(mode.field for mode in limits.modes))
                    for i in range(field.count)
                ),
            )
            for name, limits in profile.controls.items()
        }
        return Expected(report_s, frozenset(field.channel for field in fields), controls)

    def _places(self, controls: Mapping[str, Controllable]) -> dict[str, Controllable]:
        return {name: each.at(f"unit {self.unit}, part {self.part},") for name, each in controls.items()}

    @model_validator(mode="after")
    def _reports_hold_polls(self) -> "BusDevice":
        if self.report_ms < self.poll_ms:
            raise ValueError(f"report_ms = {self.report_ms} is shorter than poll_ms; write {self.poll_ms} or more")
        return self


def _seconds(unit: str) -> Fraction | None:
    """How long one of a profile's unit is, None when it is no time."""
    known = UNITS[unit]
    return known.factor * Fraction(10) ** known.power / known.divisor if known.senml == "s" else None


def _is_known(known: ValidationInfo) -> bool:
    """Whether the device's profile can be used: who needs none is not told of it (profiles.Tolerant)."""
    name = known.data["profile"]
    return library(known).find(name).profile is not DISCOVERED or name == DISCOVERED.name


class BusTable(Settings):
    """One RS-485 line or one TCP endpoint, with the devices on it.

    proxy_port: a Modbus/TCP port of 127.0.0.1 through which another program may read the same devices. The keys after
    it are for lines that need more than the standard says: endpoint.Manners.
    """

    name: Name
    endpoint: BusEndpoint
    device: list[BusDevice] = Field(min_length=1)
    proxy_port: int | None = Field(None, ge=1, le=65_535)
    proxy_writes: bool = False
    connect_delay_ms: int = Field(0, ge=0, le=60_000)
    pause_ms: int = Field(0, ge=0, le=5000)
    any_transaction: bool = False
    answers_as_unit_0: bool = False

    @property
    def manners(self) -> Manners:
        return Manners(self.connect_delay_ms, self.pause_ms, self.any_transaction, self.answers_as_unit_0)

    def title(self) -> str:
        return f"bus {self.name}"

    def expected(self) -> Mapping[str, Expected]:
        return {device.name: device.expected().at(self.endpoint.text) for device in self.device}

    def signed_here(self) -> Iterable[str]:
        return [device.name for device in self.device]

    def profiles(self) -> Mapping[str, str]:
        return {device.name: device.found.label for device in self.device}

    def claims(self) -> Iterator[Claim]:
        yield Claim("bus", self.name, ("name",))
        for i, device in enumerate(self.device):
            yield Claim(DEVICE, device.name, ("device", i, "name"))
        if self.proxy_port:
            yield listening(Address("127.0.0.1", self.proxy_port), ("proxy_port",))
        if isinstance(self.endpoint, TcpEndpoint):
            place = f"{self.endpoint.host.lower()}:{self.endpoint.port}"
            numbers = {device.unit: i for i, device in reversed(list(enumerate(self.device)))}
            for unit, i in numbers.items():
                advice = "two buses ask it: put its devices on one bus"
                yield Claim("unit", f"{unit} at {place}", ("device", i, "unit"), advice)
        else:
            yield port(self.endpoint.path, ("endpoint",), "one port is one bus: put its devices there")

    @model_validator(mode="after")
    def _fits_its_framing(self) -> "BusTable":
        if isinstance(self.endpoint, TcpEndpoint) and not self.endpoint.is_rtu:
            return self
        for device in self.device:
            if device.unit == 0:
                raise ValueError(f"device: {device.name} is unit 0, which all hear and none answers; write 1 to 247")
        for key in ("any_transaction", "answers_as_unit_0"):
            if getattr(self, key):
                raise ValueError(f"{key} is for Modbus/TCP only; leave it out")
        return self

    @model_validator(mode="after")
    def _units_are_unique(self) -> "BusTable":
        meters: dict[tuple[int, str, int], str] = {}
        for device in self.device:
            other = meters.setdefault((device.unit, device.profile, device.part), device.name)
            if other != device.name:
                raise ValueError(
                    f"device: {other} and {device.name} are both unit {device.unit}; give each its own, or its own part"
                )
        return self
