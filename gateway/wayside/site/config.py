"""The site file: one TOML file, validated whole before anything starts (design rule 10).

All errors are reported at once, as `toml_file` explains them. A table that asks for a part stands beside the code of
its kind (`part.Settings`; decision 0164); here stand those of what every gateway has. What the tables say of themselves
is put together here, and checked whole.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, field_validator

from wayside.control.controller import ControllerTable
from wayside.control.desk.table import Actuator
from wayside.control.table import JournalFolder
from wayside.intake.table import RetentionTable
from wayside.north.sink_table import SinkTable
from wayside.parts.part import DEVICE, PORT, Claim, Settings, Signer, listening
from wayside.profiles import Library, Tolerant
from wayside.remote.table import RemoteTable
from wayside.settings import toml_file
from wayside.settings.config_values import ListenAddress, SiteName
from wayside.settings.table import Table
from wayside.settings.toml_file import Place, key_text
from wayside.site import commands
from wayside.south.adapter import AdapterTable
from wayside.south.ble.table import BleTable
from wayside.south.bus_table import BusTable
from wayside.south.lora.table import RadioTable
from wayside.south.node_table import NodeTable
from wayside.text.unknown import unknown
from wayside.values.expected import Expected
from wayside.web.table import WebTable
from wayside.witness.table import WitnessTable

Kind = TypeVar("Kind", bound=Settings)


class SiteFileError(Exception):
    """A site file that cannot be used; `problems` holds one line each, `file:line: key: what and what instead`."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class SiteTable(Table):
    """Who this gateway is, and where it keeps its log and keys (relative paths start at the site file)."""

    name: SiteName
    state: str = "state"

    @field_validator("state")
    @classmethod
    def _is_no_place_of_secrets(cls, state: str) -> str:
        if "secrets" in Path(state).parts:
            raise ValueError("the folder secrets is for what this file names; keep log and keys in another")
        return state


class LogTable(Settings):
    """How long entries wait for company before they are committed together; how often witnesses are asked at most.

    http: the address where tiles and checkpoints are served to everybody (C2SP tlog-tiles).
    """

    commit_ms: int = Field(50, ge=1, le=5000)
    cosign_s: int = Field(60, ge=1, le=86_400)
    http: ListenAddress | None = None

    def title(self) -> str:
        return "log"

    def claims(self) -> Iterable[Claim]:
        return [listening(self.http, ("http",))] if self.http else []


class LimitsTable(Table):
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


class SiteFile(Table):
    """The whole file."""

    site: SiteTable
    log: LogTable = LogTable()
    limits: LimitsTable = LimitsTable()
    web: WebTable | None = None
    remote: RemoteTable | None = None
    bus: list[BusTable] = []
    node: list[NodeTable] = []
    radio: list[RadioTable] = []
    ble: list[BleTable] = []
    adapter: list[AdapterTable] = []
    sink: list[SinkTable] = []
    journal: list[JournalFolder] = []
    witness: list[WitnessTable] = []
    retention: list[RetentionTable] = []
    actuator: list[Actuator] = []
    controller: list[ControllerTable] = []

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
    """The validated site file at `path`; SiteFileError with every problem otherwise.

    place: of the site file that it is to become; profiles of the site's own are looked for there.
    """
    return _load(path, Library((place or path).absolute().parent))


def _load(path: Path, library: Library) -> SiteFile:
    site, source = toml_file.load(path, SiteFile, "a site file", SiteFileError, library)
    if problems := [source.problem(*problem) for problem in _problems(site)]:
        raise SiteFileError(problems)
    return site


def _problems(site: SiteFile) -> Iterator[tuple[Place, str]]:
    """What is wrong with the file as a whole: the key, and what to write instead."""
    tables = [(place, table, table.expected()) for place, table in site.placed()]
    yield from _claimed_twice(tables)
    devices, journals = {name: told for *_, expected in tables for name, told in expected.items()}, site.journals()
    for place, table, _ in tables:
        for mention in table.mentions():
            known = [*devices, *journals] if mention.or_journal else [*devices]
            if mention.channel is None:
                if mention.device not in known:
                    yield (*place, *mention.key), unknown("device", mention.device, known)
            elif (told := devices.get(mention.device)) and not told.has(mention.channel):
                yield (*place, *mention.key), unknown("channel", mention.channel, told.channels or ())
    yield from commands.problems([(place, setting) for place, table, _ in tables for setting in table.sets()], devices)
    read = site.read_by_gateway()
    for device in site.limits.overload:
        if device not in read:
            signs = f"{device} signs its packs itself and keeps them while the log takes none; leave it out"
            yield ("limits", "overload", device), signs if device in devices else unknown("device", device, read)


def _claimed_twice(tables: Iterable[tuple[Place, Settings, Collection[str]]]) -> Iterator[tuple[Place, str]]:
    """tables: each with its place and the devices that it brings."""
    owners: dict[tuple[str, str], list[tuple[Claim, Place]]] = {}
    for place, table, devices in tables:
        claims = [*table.claims()]
        known = {claim.name for claim in claims if claim.what == DEVICE}
        # A kind that does not say where it names its devices may not be given those of others all the same.
        claims += [Claim(DEVICE, device, ()) for device in devices if device not in known]
        for claim in claims:
            here, others = (*place, *claim.key), owners.setdefault((claim.what, claim.name), [])
            for other, there in others:
                if claim.among and not claim.key and claim.among == other.among:
                    continue  # two tables of one title: told of the key that makes them so
                if claim.among == other.among or not (claim.among and other.among):
                    yield here, f'{claim.what} "{claim.name}" is used twice, also in {key_text(there)}; {claim.advice}'
                    break
            others.append((claim, here))
