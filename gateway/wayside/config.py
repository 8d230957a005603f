"""The site file: one TOML file, validated whole before anything starts (design rule 10).

All errors are reported at once, as `toml_file` explains them. A table that asks for a part stands beside the code of
its kind (`part.Settings`; decision 0164), or here until it does; `config_bus` has those of a bus. Imports of the
gateway these, `config_values`, `profiles` and `endpoint`.
"""

from os.path import realpath
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from wayside import endpoint, toml_file
from wayside.client import Client
from wayside.config_bus import Bus
from wayside.config_values import (
    BrokerUrl,
    CertificateFile,
    ListenAddress,
    Name,
    NodePort,
    PrivateKeyFile,
    PublicKey,
    SiteName,
    UsersFile,
    WitnessKey,
    WitnessUrl,
)
from wayside.expected import Expected
from wayside.north.sink_table import Sink
from wayside.part import Settings
from wayside.profiles import DISCOVERED, Library, Tolerant
from wayside.south.adapter import Adapter
from wayside.south.ble.table import Ble
from wayside.south.lora.table import LoraSensor, Radio
from wayside.table import Table
from wayside.toml_file import unknown


class ConfigError(Exception):
    """A site file that cannot be used; `problems` holds one line each, `file:line: key: what and what instead`."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class Site(Table):
    """Who this gateway is, and where it keeps its log and keys (relative paths start at the site file)."""

    name: SiteName
    state: str = "state"

    @field_validator("state")
    @classmethod
    def _is_no_place_of_secrets(cls, state: str) -> str:
        if "secrets" in Path(state).parts:
            raise ValueError("the folder secrets is for what this file names; keep log and keys in another")
        return state


class LogSettings(Table):
    """How long entries wait for company before they are committed together; how often witnesses are asked at most.

    http: the address where tiles and checkpoints are served to everybody (C2SP tlog-tiles).
    """

    commit_ms: int = Field(50, ge=1, le=5000)
    cosign_s: int = Field(60, ge=1, le=86_400)
    http: ListenAddress | None = None


class Limits(Table):
    """What the gateway may take of its machine.

    disk_percent: of the file system with the log; each stream has an equal part of it, or what retention gives it.
    memory_megabytes: shortly before it what waits gives way, by its overload policy, and nodes are asked to wait.
    That and cpu_percent, of one core, is also what the service manager holds it to: `wayside config limits`.
    overload: by device, what gives way when the log takes nothing for long and too many of its reports wait; the
    oldest where nothing is said. What gave way, and by which policy, is an entry of the log.
    """

    disk_percent: int | None = Field(None, ge=1, le=95)
    memory_megabytes: int = Field(384, ge=64, le=1_000_000)
    cpu_percent: int | None = Field(None, ge=5, le=6400)
    overload: dict[str, Literal["discard-oldest", "reduce-fidelity", "discard-newest"]] = {}


class Flow(Table):
    """A device whose power the status site shows as an energy flow. reversed: its meter counts the other way."""

    kind: Literal["grid", "solar", "battery", "charger", "load"]
    device: Name
    channel: str = "power_active"
    reversed: bool = False


class Web(Table):
    """The status site: where it listens and who may come.

    users_file: made by `wayside config user`; needed as soon as others than this machine can reach the address.
    cert_file, key_file: PEM, for https.
    """

    listen: ListenAddress = "127.0.0.1:8480"
    users_file: UsersFile | None = None
    cert_file: CertificateFile | None = None
    key_file: PrivateKeyFile | None = None
    flow: list[Flow] = []

    @model_validator(mode="after")
    def _is_guarded(self) -> "Web":
        if self.listen.rpartition(":")[0] not in ("127.0.0.1", "localhost", "[::1]") and self.users_file is None:
            raise ValueError('others can reach this address; add users_file = "users" (wayside config user)')
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; write both")
        return self


class Node(Client):
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

    def password_goes_to(self) -> str:
        return self.port

    @property
    def is_mqtt(self) -> bool:
        return "://" in self.port

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> "Node":
        if self.is_mqtt and "baud" in self.model_fields_set:
            raise ValueError("baud: is for a serial port, and port is a broker; leave it out")
        if not self.is_mqtt and (useless := sorted(Client.model_fields.keys() & self.model_fields_set)):
            raise ValueError(f"{useless[0]}: is for a broker, and port is a serial port; leave it out")
        return self


class Remote(Client):
    """The broker by which operators may change this file from afar (`wayside keys operator`, `wayside config push`)."""

    url: BrokerUrl

    def password_goes_to(self) -> str:
        return self.url


class JournalFolder(Table):
    """Where a controller (`wayside signals run`, `monitor`) keeps its journal; its entries go into the log.

    junction_file: what `wayside signals run` runs, for the phase diagram on the status site.
    """

    name: Name
    folder: str
    junction_file: str | None = None


class Witness(Table):
    """Who co-signs the log's checkpoints (C2SP tlog-witness)."""

    name: Name
    url: WitnessUrl
    vkey: WitnessKey


class Retention(Table):
    """How long the entries of some devices are kept; their hashes stay for ever. Without it everything is kept."""

    devices: list[Name] = Field(min_length=1)
    days: int | None = Field(None, ge=1, le=36_500)
    megabytes: int | None = Field(None, ge=1, le=10**9)

    @model_validator(mode="after")
    def _limits_something(self) -> "Retention":
        if self.days is None and self.megabytes is None:
            raise ValueError("limits nothing; write days = N, megabytes = N, or both")
        return self


class SiteFile(Table):
    """The whole file."""

    site: Site
    log: LogSettings = LogSettings()
    limits: Limits = Limits()
    web: Web | None = None
    remote: Remote | None = None
    bus: list[Bus] = []
    node: list[Node] = []
    radio: list[Radio] = []
    ble: list[Ble] = []
    adapter: list[Adapter] = []
    sink: list[Sink] = []
    journal: list[JournalFolder] = []
    witness: list[Witness] = []
    retention: list[Retention] = []

    @model_validator(mode="after")
    def _names_are_unique(self) -> "SiteFile":
        for kind, names in (
            ("bus", [bus.name for bus in self.bus]),
            ("node", [each.name for each in self.key_holders()]),
            ("radio", [radio.name for radio in self.radio]),
            ("adapter", [ble.adapter for ble in self.ble]),
            ("sink", [sink.name for sink in self.sink]),
            ("port", self._ports()),
            ("witness", [witness.name for witness in self.witness]),
            ("witness key", [witness.vkey for witness in self.witness]),
            ("node key", [each.public_key for each in self.key_holders() if each.public_key]),
            ("device", [*self.device_names(), *(journal.name for journal in self.journal)]),
            ("address", [address for ble in self.ble for address in ble.addresses()]),
            ("retention device", [device for each in self.retention for device in each.devices]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f'{kind} "{twice[0]}" is used twice; give each its own')
        return self

    @model_validator(mode="after")
    def _one_bus_asks_each_unit(self) -> "SiteFile":
        asked: dict[tuple[str, int, int], str] = {}
        for bus in self.bus:
            place = endpoint.parse(bus.endpoint)
            if isinstance(place, endpoint.TcpEndpoint):
                for unit in {device.unit for device in bus.device}:
                    other = asked.setdefault((place.host.lower(), place.port, unit), bus.name)
                    if other != bus.name:
                        what = f"unit {unit} at {place.host}:{place.port}"
                        raise ValueError(f"bus: {other} and {bus.name} both ask {what}; put its devices on one bus")
        return self

    def _ports(self) -> list[str]:
        """The serial ports: exactly one task owns each. By the device: udev has several names for one."""
        places = [endpoint.parse(bus.endpoint) for bus in self.bus]
        buses = [place.path for place in places if isinstance(place, endpoint.SerialEndpoint)]
        others = [node.port for node in self.node if not node.is_mqtt] + [radio.port for radio in self.radio]
        return [realpath(port) for port in buses + others]

    def channels(self) -> dict[str, frozenset[str]]:
        """The channels of each device of which the file tells them."""
        found = {each.device: each.channels for ble in self.ble for each in ble.environment}
        found |= {sensor.device: [each.name for each in sensor.channels] for sensor in self.air_sensors()}
        for device in (each for bus in self.bus for each in bus.device):
            if device.found.profile.name == DISCOVERED.name:  # the same for a part of it
                found |= {device.name: device.channels} if device.channels else {}
            else:
                found[device.name] = [each.channel for each in device.found.profile.select(device.channels)]
        return {device: frozenset(channels) for device, channels in found.items()}

    def device_names(self) -> list[str]:
        """Every device of the site."""
        wired = [device for node in self.node for device in node.devices]
        others = [device for each in self.parts() for device in each.devices()]
        return self._polled() + wired + others

    def read_by_gateway(self) -> list[str]:
        """The devices that keep nothing themselves: what the gateway does not record of them, nobody has."""
        return self._polled() + [device for each in self.parts() for device in each.signed_here()]

    def _polled(self) -> list[str]:
        return [device.name for bus in self.bus for device in bus.device]

    def parts(self) -> list[Settings]:
        """Each table that asks for a part and stands beside its kind, in the order of the kinds."""
        tables = [each for _, value in self if isinstance(value, list) for each in value]
        return [each for each in tables if isinstance(each, Settings)]

    def key_holders(self) -> "list[Node | LoraSensor]":
        """Who signs packs with a key of his own."""
        return [*self.node, *self.air_sensors()]

    def air_sensors(self) -> list[LoraSensor]:
        """The LoRa nodes of all radios."""
        return [sensor for radio in self.radio for sensor in radio.sensor]


def load_without_profiles(path: Path) -> SiteFile:
    """As `load`, for who needs no profile: one that is spoilt or gone keeps nobody from the site's log and keys."""
    return _load(path, Tolerant(path.absolute().parent))


def load(path: Path, place: Path | None = None) -> SiteFile:
    """The validated site file at `path`; ConfigError with every problem otherwise.

    place: of the site file that it is to become; profiles of the site's own are looked for there.
    """
    return _load(path, Library((place or path).absolute().parent))


def _load(path: Path, library: Library) -> SiteFile:
    site, source = toml_file.load(path, SiteFile, "a site file", ConfigError, library)
    devices = frozenset([*site.device_names(), *(journal.name for journal in site.journal)])
    problems = [
        source.problem(("retention", i, "devices"), unknown("device", device, devices))
        for i, each in enumerate(site.retention)
        for device in each.devices
        if device not in devices
    ]
    problems += [
        source.problem(("web", "flow", i, "device"), unknown("device", each.device, site.device_names()))
        for i, each in enumerate(site.web.flow if site.web else [])
        if each.device not in site.device_names()
    ]
    read = site.read_by_gateway()
    problems += [
        source.problem(
            ("limits", "overload", device),
            f"{device} signs its packs itself and keeps them while the log takes none; leave it out"
            if device in site.device_names()
            else unknown("device", device, read),
        )
        for device in site.limits.overload
        if device not in read
    ]
    channels = site.channels()
    problems += [
        source.problem(("web", "flow", i, "channel"), unknown("channel", each.channel, channels[each.device]))
        for i, each in enumerate(site.web.flow if site.web else [])
        if each.device in channels and not Expected(channels=channels[each.device]).has(each.channel)
    ]
    if problems:
        raise ConfigError(problems)
    return site
