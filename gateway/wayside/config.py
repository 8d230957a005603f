"""The site file: one TOML file, validated whole before anything starts (design rule 10).

All errors are reported at once, as `toml_file` explains them. A table that asks for a part stands beside the code of
its kind (`part.Settings`; decision 0164), or here until it does; `config_bus` has those of a bus. Imports of the
gateway these, `config_values`, `profiles` and `endpoint`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from wayside import toml_file
from wayside.client import Client
from wayside.config_bus import Bus
from wayside.config_values import (
    BrokerUrl,
    CertificateFile,
    FileBeside,
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
from wayside.part import DEVICE, PORT, Claim, Mention, Settings, Signer, port, signer_claims
from wayside.profiles import Library, Tolerant
from wayside.south.adapter import Adapter
from wayside.south.ble.table import Ble
from wayside.south.lora.table import Radio
from wayside.table import Table
from wayside.toml_file import Place, key_text, unknown

Kind = TypeVar("Kind", bound=Settings)


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


class Web(Settings):
    """The status site: where it listens and who may come.

    users_file: made by `wayside config user`; needed as soon as others than this machine can reach the address.
    cert_file, key_file: PEM, for https.
    """

    listen: ListenAddress = Field("127.0.0.1:8480", validate_default=True)
    users_file: UsersFile | None = None
    cert_file: CertificateFile | None = None
    key_file: PrivateKeyFile | None = None
    flow: list[Flow] = []

    @model_validator(mode="after")
    def _is_guarded(self) -> "Web":
        if self.listen.host not in ("127.0.0.1", "localhost", "::1") and self.users_file is None:
            raise ValueError('others can reach this address; add users_file = "users" (wayside config user)')
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; write both")
        return self

    def title(self) -> str:
        return "web"

    def mentions(self) -> Iterator[Mention]:
        for i, flow in enumerate(self.flow):
            yield Mention(flow.device, ("flow", i, "device"))
            yield Mention(flow.device, ("flow", i, "channel"), flow.channel)


class Node(Client, Settings):
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
        if not self.is_mqtt:
            yield port(self.port, ("port",))
        for signer in self.signers():
            yield from signer_claims(signer, ())

    def signers(self) -> Sequence[Signer]:
        return [Signer(self.name, self.public_key, self.devices)]

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


class Remote(Client, Settings):
    """The broker by which operators may change this file from afar (`wayside keys operator`, `wayside config push`)."""

    url: BrokerUrl

    def title(self) -> str:
        return "remote"

    def password_goes_to(self) -> str:
        return self.url


class JournalFolder(Settings):
    """Where a controller (`wayside signals run`, `monitor`) keeps its journal; its entries go into the log.

    junction_file: what `wayside signals run` runs, for the phase diagram on the status site.
    """

    name: Name
    folder: str
    junction_file: FileBeside | None = None

    def title(self) -> str:
        return f"journal {self.name}"

    def journals(self) -> Iterable[str]:
        return [self.name]

    def claims(self) -> Iterable[Claim]:
        return [Claim(DEVICE, self.name, ("name",))]


class Witness(Settings):
    """Who co-signs the log's checkpoints (C2SP tlog-witness)."""

    name: Name
    url: WitnessUrl
    vkey: WitnessKey

    def title(self) -> str:
        return f"witness {self.name}"

    def claims(self) -> Iterator[Claim]:
        yield Claim("witness", self.name, ("name",))
        yield Claim("witness key", str(self.vkey), ("vkey",))


class Retention(Settings):
    """How long the entries of some devices are kept; their hashes stay for ever. Without it everything is kept."""

    devices: list[Name] = Field(min_length=1)
    days: int | None = Field(None, ge=1, le=36_500)
    megabytes: int | None = Field(None, ge=1, le=10**9)

    @model_validator(mode="after")
    def _limits_something(self) -> "Retention":
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

    def placed(self) -> Iterator[tuple[Place, Settings]]:
        """Each table that asks for a part, and where it stands, in the order of the kinds."""
        for key, value in self:
            if isinstance(value, list):
                yield from (((key, i), each) for i, each in enumerate(value) if isinstance(each, Settings))
            elif isinstance(value, Settings):
                yield (key,), value

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The tables of one kind."""
        return [each for _, each in self.placed() if type(each) is kind]

    def expected(self) -> dict[str, Expected]:
        """Every device of the site, and what is expected of it."""
        return {device: told for _, each in self.placed() for device, told in each.expected().items()}

    def read_by_gateway(self) -> list[str]:
        """The devices that keep nothing themselves: what the gateway does not record of them, nobody has."""
        return [device for _, each in self.placed() for device in each.signed_here()]

    def signers(self) -> list[Signer]:
        """Who signs packs with a key of his own."""
        return [signer for _, each in self.placed() for signer in each.signers()]

    def journals(self) -> list[str]:
        """The journals of controllers whose entries come into the log."""
        return [journal for _, each in self.placed() for journal in each.journals()]

    def ports(self) -> list[str]:
        """The serial ports that the gateway itself uses."""
        return [claim.name for _, each in self.placed() for claim in each.claims() if claim.what == PORT]


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
    if problems := [source.problem(*problem) for problem in _problems(site)]:
        raise ConfigError(problems)
    return site


def _problems(site: SiteFile) -> Iterator[tuple[Place, str]]:
    """What is wrong with the file as a whole: the key, and what to write instead."""
    yield from _claimed_twice(site)
    devices, journals = site.expected(), site.journals()
    for place, table in site.placed():
        for mention in table.mentions():
            known = [*devices, *journals] if mention.or_journal else [*devices]
            if mention.channel is None:
                if mention.device not in known:
                    yield (*place, *mention.key), unknown("device", mention.device, known)
            elif (told := devices.get(mention.device)) and not told.has(mention.channel):
                yield (*place, *mention.key), unknown("channel", mention.channel, told.channels or ())
    read = site.read_by_gateway()
    for device in site.limits.overload:
        if device not in read:
            signs = f"{device} signs its packs itself and keeps them while the log takes none; leave it out"
            yield ("limits", "overload", device), signs if device in devices else unknown("device", device, read)


def _claimed_twice(site: SiteFile) -> Iterator[tuple[Place, str]]:
    owners: dict[tuple[str, str], Place] = {}
    for place, table in site.placed():
        claims = [*table.claims()]
        known = {claim.name for claim in claims if claim.what == DEVICE}
        # A kind that does not say where it names its devices may not be given those of others all the same.
        claims += [Claim(DEVICE, device, ()) for device in table.expected() if device not in known]
        for claim in claims:
            here = (*place, *claim.key)
            other = owners.setdefault((claim.what, claim.name), here)
            if other is not here:
                yield here, f'{claim.what} "{claim.name}" is used twice, also in {key_text(other)}; {claim.advice}'
