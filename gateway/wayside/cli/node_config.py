"""`wayside node config SITE NODE --make FILE`: a node's configuration, of the site file and what is wired to the board.

No command itself. What it makes is checked once more by the node, which knows its board; docs/node.md has every key.
The node's application is not part of the gateway: its limits stand here again, and a test compares them.
"""

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from wayside_wire import capacity

from wayside.evidence.kinds import GATEWAY
from wayside.log import LogReader
from wayside.profiles import Library
from wayside.profiles.node import for_node
from wayside.profiles.values import TransformerRatio
from wayside.settings.config_values import Name
from wayside.settings.table import Table
from wayside.settings.toml_file import first_explained
from wayside.site import state
from wayside.site.config import SiteFile
from wayside.south.node_table import NodeTable
from wayside.text.unknown import unknown
from wayside.trust.registry import read_keyring

_SENSORS = ("analogue", "bme280", "digital", "loop", "pms5003", "pulses", "qmc5883l", "scd41", "sds011")
_Text = Annotated[str, Field(min_length=1, max_length=256)]


_VIRTUAL = "UNIX"  # the virtual board has what its machine has
_BOARDS = (*sorted(capacity.ROOMS), _VIRTUAL)


class MakeError(Exception):
    """What was asked for makes no configuration; the text says what to write."""


class _Keys(Table):
    """What stands behind --key, beside the link's."""

    state: _Text = "/state"
    journal_bytes: int = Field(65_536, ge=16_384, le=1 << 30)
    holdover_ms: int = Field(600_000, ge=1000, le=1 << 30)
    watchdog_ms: int = Field(8000, ge=1000, le=8388)
    trial_ms: int = Field(300_000, ge=1000, le=3_600_000)


class _Line(Table):
    port: _Text = "link"
    baud: int = Field(115_200, ge=1200, le=3_000_000)


class _Broker(Table):
    """ca: the file of the broker's authority on the node."""

    username: _Text = ""
    password: _Text = ""
    ca: _Text = ""


class _Meter(Table):
    """What stands behind --meter; the limits are those of the node. channels: names with + between them."""

    device: Name
    profile: str
    part: int = Field(1, ge=1, le=100)
    ct_ratio: TransformerRatio | None = None
    vt_ratio: TransformerRatio | None = None
    max_power_w: int = Field(0, ge=0, le=10**12)
    unit: int = Field(ge=1, le=247)
    port: str = "rs485"
    baud: int = Field(9600, ge=1200, le=3_000_000)
    parity: Literal["N", "E", "O"] = "N"
    pause_ms: int = Field(0, ge=0, le=5000)
    poll_ms: int = Field(1000, ge=20, le=86_400_000)
    report_ms: int = Field(10_000, ge=20, le=86_400_000)
    timeout_ms: int = Field(500, ge=10, le=10_000)
    quiet_ms: int = Field(1000, ge=10, le=10_000)
    channels: str | None = None


class _Sensors(Table):
    device: Name
    report_ms: int = Field(60_000, ge=1000, le=86_400_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--make and what goes with it."""
    option = parser.add_argument
    option("--make", type=Path, metavar="FILE", help="write a configuration from the site file and the options below")
    meter_help = (
        "with --make, a meter: device=NAME,profile=PROFILE,unit=N and, with commas too, where they differ: port=rs485 "
        "baud=9600 parity=N poll_ms=1000 report_ms=10000 timeout_ms=500 quiet_ms=1000 channels=NAME+NAME; where there "
        "are any: ct_ratio=P/S vt_ratio=P/S part=N max_power_w=N pause_ms=N; repeatable"
    )
    option("--meter", action="append", default=[], metavar="KEY=VALUE,...", help=meter_help)
    sensor_help = "with --make, a sensor on the board: kind=scd41,port=i2c and its options (docs/lora.md); repeatable"
    option("--sensor", action="append", default=[], metavar="KEY=VALUE,...", help=sensor_help)
    sensors_help = "with --make, the device that the sensors are: device=NAME,report_ms=60000"
    option("--sensors", metavar="KEY=VALUE,...", help=sensors_help)
    links = ", ".join(f"link.{each}" for each in (*_Line.model_fields, *_Broker.model_fields))
    key_help = f"with --make, another key: {', '.join(_Keys.model_fields)}, {links}; repeatable"
    option("--key", action="append", default=[], metavar="KEY=VALUE", help=key_help)
    boards = ", ".join(_BOARDS)
    option("--check", type=Path, metavar="FILE", help="say which boards have room for this configuration; asks no node")
    option("--board", metavar="BOARD", help=f"with --make and --check, the board it is for: {boards}")


def make(args: argparse.Namespace, site: SiteFile) -> str:
    """The configuration as JSON; MakeError, ProfileError, KeyFileError or LogError."""
    nodes = {node.name: node for node in site.node}
    if args.node not in nodes:
        raise MakeError(f"{args.site}: {unknown('node', args.node, nodes)}")
    node = nodes[args.node]
    data: dict[str, Any] = {"node": node.name, "state": "/state"}
    data["gateway"] = gateway_public(site, args.site).hex()
    data["link"] = _link(site, node)
    _set(data, args.key, node)
    library = Library(args.site.absolute().parent)
    meters = [_meter(text, node, library) for text in args.meter]
    if meters:
        data["meters"] = meters
    if args.sensor:
        if not args.sensors:
            raise MakeError("--sensor: name the device that the sensors are: --sensors device=NAME")
        rows = [_pairs("--sensor", text) for text in args.sensor]
        if not all("kind" in row for row in rows):
            raise MakeError("--sensor: kind is missing; write kind=scd41,port=i2c")
        for row in rows:
            if row["kind"] not in _SENSORS:
                raise MakeError(f"--sensor: {unknown('kind', str(row['kind']), _SENSORS)}")
        data["sensors"] = {**_checked("--sensors", args.sensors, _Sensors, node), "list": rows}
    if not (meters or args.sensor):
        example = "--meter device=NAME,profile=PROFILE,unit=1, or --sensors device=NAME --sensor kind=scd41,port=i2c"
        raise MakeError(f"nothing is wired to this node; write {example}")
    devices = [each["device"] for each in [*meters, *([data["sensors"]] if "sensors" in data else [])]]
    places = [(each["port"], each["unit"]) for each in meters]
    for what, given in (("device", devices), ("port and unit", places)):
        if len(set(given)) < len(given):
            raise MakeError(f"the same {what} twice: {max(given, key=given.count)}; give each its own")
    return json.dumps(data, indent=1) + "\n"


def boards_for(data: Any, board: str | None) -> list[str]:
    """The boards that have room for a node's configuration: `board`, or all that do; MakeError when none has."""
    if board is not None and board not in _BOARDS:
        raise MakeError(f"--board: {unknown('board', board, _BOARDS)}")
    asked = need(data)
    lacks = {name: capacity.refusal(name, asked) for name in ([board] if board else sorted(capacity.ROOMS))}
    found = [name for name, lack in lacks.items() if not lack]
    if not found:
        raise MakeError("; ".join(lacks.values()))
    return found


def need(data: Any) -> capacity.Need:
    """What the node asks of its board, as the node counts it; MakeError for what is no configuration at all."""
    try:
        channels = [row for meter in data.get("meters", []) for row in meter["profile"]["channels"]]
        terms = sum(len(row[15][3]) for row in channels if len(row) > 15)
        meters, sensors = len(data.get("meters", [])), data.get("sensors") or {}
        journals = meters + (1 if sensors else 0)
        journal_bytes = int(data.get("journal_bytes", _Keys.model_fields["journal_bytes"].default))
        rows = len(sensors["list"]) if sensors else 0
        return capacity.Need(meters, len(channels), terms, rows, journals, journal_bytes, "mqtt" in data["link"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise MakeError("this is no configuration of a node with packs; --make writes one") from None


def gateway_public(site: SiteFile, path: Path) -> bytes:
    """The public key by which the gateway of this site commands; made, where the site has never run."""
    folder = state.state_folder(site, path)
    if state.has_log(folder):
        with closing(LogReader(folder / "log")) as log:
            for key in read_keyring(log):
                if key.role == GATEWAY and key.until is None:
                    return bytes(key.public)
    with state.keys_locked(folder):
        return state.gateway_keys(site, path).identity.public


def _link(site: SiteFile, node: NodeTable) -> dict[str, Any]:
    if node.is_mqtt:
        return {"mqtt": node.port_text, "topic": f"wayside/{site.site.name}/nodes/{node.name}"}
    return {"port": "link", "baud": node.baud}


def _set(data: dict[str, Any], texts: list[str], node: NodeTable) -> None:
    """Put what stands behind --key into `data`."""
    link = _Broker if node.is_mqtt else _Line
    known = [*_Keys.model_fields, *(f"link.{each}" for each in link.model_fields)]
    for text in texts:
        key, value = _pair("--key", text)
        if key not in known:
            raise MakeError(f"--key {text}: of {node.name}: {unknown('key', key, known)}")
        name = key.removeprefix("link.")
        where, table = (data, _Keys) if name == key else (data["link"], link)
        where[name] = _validated(f"--key {text}", {name: value}, table)[name]
    if data["link"].get("mqtt", "").startswith("mqtts:") and "ca" not in data["link"]:
        raise MakeError("--key link.ca=FILE is missing; write where the node has the file of the broker's authority")


def _meter(text: str, node: NodeTable, library: Library) -> dict[str, Any]:
    made = _checked("--meter", text, _Meter, node)
    chosen = made.pop("channels")
    if not made["pause_ms"]:
        del made["pause_ms"]  # older firmware knows no such key
    if made["report_ms"] < made["poll_ms"]:
        raise MakeError(f"--meter {text}: report_ms is shorter than poll_ms; write {made['poll_ms']} or more")
    name = made["profile"]
    profile = library.load(name).for_site(made.pop("ct_ratio"), made.pop("vt_ratio"), made.pop("part"))
    made["profile"] = for_node(profile, chosen.split("+") if chosen else None)
    if power := made.pop("max_power_w"):
        made["profile"]["max_power_w"] = power
    if not made["profile"]["channels"]:
        raise MakeError(f"--meter {text}: {name} has no channels: the gateway asks the device for them, a node cannot")
    return made


def _checked(option: str, text: str, table: type[Table], node: NodeTable) -> dict[str, Any]:
    """The options in `text`, with what is usual for those that are not there."""
    pairs = _pairs(option, text)
    for key in pairs:
        if key not in table.model_fields:
            raise MakeError(f"{option} {text}: {unknown('key', key, table.model_fields)}")
    made = _validated(f"{option} {text}", pairs, table)
    if made["device"] not in node.devices:
        wrong = unknown("device", made["device"], node.devices)
        raise MakeError(f"{option} {text}: of {node.name} in the site file: {wrong}")
    return made


def _validated(option: str, pairs: dict[str, Any], table: type[Table]) -> dict[str, Any]:
    """What is in `pairs`, with the defaults of `table`; MakeError begins with `option`."""
    numbers = {key for key, each in table.model_fields.items() if each.annotation is int}
    try:
        pairs = {key: value if key in numbers else str(value) for key, value in pairs.items()}
        return dict(table.model_validate(pairs))
    except ValidationError as error:
        raise MakeError(f"{option}: {first_explained(table, error)}") from None


def _pairs(option: str, text: str) -> dict[str, Any]:
    pairs = [_pair(option, part) for part in text.split(",")]
    twice = [key for key, _ in pairs if [each for each, _ in pairs].count(key) > 1]
    if twice:
        raise MakeError(f"{option} {text}: {twice[0]} is there twice")
    return dict(pairs)


def _pair(option: str, text: str) -> tuple[str, Any]:
    """A number, true, false or, in any other case, a text."""
    key, separator, value = text.strip().partition("=")
    if not (key and separator and value):
        raise MakeError(f"{option} {text}: write KEY=VALUE")
    if value in ("true", "false"):
        return key, value == "true"
    digits = value.removeprefix("-")
    return key, int(value) if digits.isascii() and digits.isdigit() and len(digits) < 16 else value
