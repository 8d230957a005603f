"""The site file: one TOML file, validated whole before anything starts (design rule 10).

Every error names the file, the line where it can be known, the key, what is wrong and what to write instead. All errors
are reported at once. Imports of the gateway only what reads a witness's key.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from wayside.evidence.note import COSIGNATURE, parse_key

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:._]{0,47}")
SITE_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]*(/[a-z0-9.\-]+)*")


class ConfigError(Exception):
    """A site file that cannot be used; `problems` holds one line each, `file:line: key: what and what instead`."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("a name has 1 to 48 letters, digits, or - : . _ and begins with a letter or digit")
    return text


def _site_name(text: str) -> str:
    # The name begins the log's origin, which C2SP tlog-checkpoint wants without spaces and plus signs.
    if len(text) > 64 or not SITE_NAME.fullmatch(text):
        raise ValueError('write a domain-like name in lower case such as "site-7.example.org"')
    return text


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    return url


def _bus_endpoint(text: str) -> str:
    url = _split(text)
    if url.scheme in ("tcp", "rtu+tcp") and url.hostname:
        return text
    if url.scheme == "rtu" and url.path:
        return text
    raise ValueError('write "tcp://HOST:PORT", "rtu+tcp://HOST:PORT" or "rtu:///dev/ttyUSB0?baud=9600&parity=N"')


def _broker_url(text: str) -> str:
    url = _split(text)
    if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
        raise ValueError('write "mqtt://HOST:PORT" or, with TLS, "mqtts://HOST:PORT"')
    return text


def _public_key(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("write the 64 hexadecimal digits that the node prints as its public key")
    return text


def _witness_url(text: str) -> str:
    url = _split(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise ValueError('write the witness\'s submission prefix, "https://HOST" or "https://HOST/PATH"')
    return text


def _witness_key(text: str) -> str:
    # parse_key says itself what is wrong; EvidenceError is a ValueError.
    if parse_key(text).kind != COSIGNATURE:
        raise ValueError("this is the key of a log; write the key that the witness prints when it starts")
    return text


Name = Annotated[str, AfterValidator(_name)]
SiteName = Annotated[str, AfterValidator(_site_name)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Site(_Table):
    """Who this gateway is, and where it keeps its log and keys (relative paths start at the site file)."""

    name: SiteName
    state: str = "state"


class LogSettings(_Table):
    """How long entries wait for company before they are committed together; how often witnesses are asked at most."""

    commit_ms: int = Field(50, ge=1, le=5000)
    cosign_s: int = Field(60, ge=1, le=86_400)


class BusDevice(_Table):
    """A Modbus device that the gateway polls itself.

    timeout_ms: to the first byte of an answer, 0 for what is usual on the bus; longest_answer_ms: how long the line is
    left alone after a timeout, for devices that answer very late.
    """

    name: Name
    unit: int = Field(ge=1, le=247)
    profile: str
    poll_ms: int = Field(1000, ge=1)
    report_ms: int = Field(10_000, ge=1)
    channels: list[str] | None = None
    timeout_ms: int = Field(0, ge=0, le=60_000)
    longest_answer_ms: int | None = Field(None, ge=1, le=60_000)

    @model_validator(mode="after")
    def _reports_hold_polls(self) -> "BusDevice":
        if self.report_ms < self.poll_ms:
            raise ValueError(f"report_ms = {self.report_ms} is shorter than poll_ms; write {self.poll_ms} or more")
        return self


class Bus(_Table):
    """One RS-485 line or one TCP endpoint, with the devices on it.

    proxy_port: a Modbus/TCP port of 127.0.0.1 through which another program may read the same devices.
    """

    name: Name
    endpoint: Annotated[str, AfterValidator(_bus_endpoint)]
    device: list[BusDevice] = Field(min_length=1)
    proxy_port: int | None = Field(None, ge=1, le=65_535)
    proxy_writes: bool = False


class Node(_Table):
    """A board on a serial link, the key that it signs with, and the devices that it may speak for."""

    name: Name
    port: str
    baud: int = Field(115_200, ge=1200, le=3_000_000)
    public_key: Annotated[str, AfterValidator(_public_key)]
    devices: list[Name] = Field(min_length=1)


class Sink(_Table):
    """Where the log is forwarded: `mqtt` with proofs for a verifying receiver, `mqtt-json` for dashboards."""

    name: Name
    kind: Literal["mqtt", "mqtt-json"]
    url: Annotated[str, AfterValidator(_broker_url)]
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    username: str | None = None
    password_file: str | None = None


class Witness(_Table):
    """Who co-signs the log's checkpoints (C2SP tlog-witness)."""

    name: Name
    url: Annotated[str, AfterValidator(_witness_url)]
    vkey: Annotated[str, AfterValidator(_witness_key)]


class Retention(_Table):
    """How long the entries of some devices are kept; their hashes stay for ever. Without it everything is kept."""

    devices: list[Name] = Field(min_length=1)
    days: int | None = Field(None, ge=1)
    megabytes: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _limits_something(self) -> "Retention":
        if self.days is None and self.megabytes is None:
            raise ValueError("limits nothing; write days = N, megabytes = N, or both")
        return self


class SiteFile(_Table):
    """The whole file."""

    site: Site
    log: LogSettings = LogSettings()
    bus: list[Bus] = []
    node: list[Node] = []
    sink: list[Sink] = []
    witness: list[Witness] = []
    retention: list[Retention] = []

    @model_validator(mode="after")
    def _names_are_unique(self) -> "SiteFile":
        for kind, names in (
            ("bus", [bus.name for bus in self.bus]),
            ("node", [node.name for node in self.node]),
            ("sink", [sink.name for sink in self.sink]),
            ("witness", [witness.name for witness in self.witness]),
            ("witness key", [witness.vkey for witness in self.witness]),
            ("device", self.device_names()),
            ("retention device", [device for each in self.retention for device in each.devices]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f'{kind} name "{twice[0]}" is used twice; give each its own')
        return self

    def device_names(self) -> list[str]:
        """Every device of the site, in the order of the file."""
        polled = [device.name for bus in self.bus for device in bus.device]
        return polled + [device for node in self.node for device in node.devices]


def load(path: Path, profiles: frozenset[str]) -> SiteFile:
    """The validated site file at `path`; ConfigError with every problem otherwise. `profiles`: the known names."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); give the path of a site file"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"]) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None
    lines = _line_numbers(text)
    try:
        site = SiteFile.model_validate(data)
    except ValidationError as error:
        raise ConfigError([_explain(path, lines, problem) for problem in error.errors()]) from None
    problems = [
        _problem(path, lines, ("bus", i, "device", j, "profile"), _unknown("profile", device.profile, profiles))
        for i, bus in enumerate(site.bus)
        for j, device in enumerate(bus.device)
        if device.profile not in profiles
    ]
    devices = frozenset(site.device_names())
    problems += [
        _problem(path, lines, ("retention", i, "devices"), _unknown("device", device, devices))
        for i, each in enumerate(site.retention)
        for device in each.devices
        if device not in devices
    ]
    if problems:
        raise ConfigError(problems)
    return site


Place = tuple[int | str, ...]


def _problem(path: Path, lines: dict[Place, int], place: Place, text: str) -> str:
    known: Place = place
    while known and known not in lines:
        known = known[:-1]
    where = f"{path}:{lines[known]}" if known else str(path)
    key = ""
    for part in place:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return f"{where}: {key}: {text}" if key else f"{where}: {text}"


def _explain(path: Path, lines: dict[Place, int], problem: ErrorDetails) -> str:
    place: Place = problem["loc"]
    kind = problem["type"]
    text = problem["msg"]
    if kind == "extra_forbidden":
        text = _unknown("key", str(place[-1]), _keys_at(place[:-1]))
    elif kind == "missing":
        text = "is missing; add it"
    elif kind == "value_error":
        text = str(problem["ctx"]["error"])
    elif kind.endswith("_type"):
        wanted = {"string_type": "a text in quotes", "int_type": "a whole number", "list_type": "a list in [ ]"}
        text = f"{problem['input']!r} must be {wanted.get(kind, 'a [table]')}"
    else:
        text = f"{problem['input']!r}: {text[0].lower()}{text[1:]}"
    return _problem(path, lines, place, text)


def _keys_at(place: Place) -> frozenset[str]:
    model: Any = SiteFile
    for part in place:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = annotation.__args__[0] if hasattr(annotation, "__args__") else annotation
    return frozenset(model.model_fields)


def _unknown(kind: str, given: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(given, sorted(known), 1)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(sorted(known))}"
    return f'unknown {kind} "{given}"; {hint}'


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=")


def _line_numbers(text: str) -> dict[Place, int]:
    """The line of every table and key as the parser will count them: ("bus", 0, "device", 1, "unit") -> 17."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = ()
            parts = [part.strip(" \"'") for part in header[2].split(".")]
            for depth, part in enumerate(parts):
                table = (*table, part)
                last = depth == len(parts) - 1
                if last and header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines
