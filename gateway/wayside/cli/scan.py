"""`wayside scan PORT|HOST`: find the Modbus devices on a line and print a site file for them (`> wayside.toml`).

Exit status: 0 something was found, 1 nothing was, 2 the line cannot be opened, or was lost.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from wayside.cli import library_option
from wayside.cli.command_line import whole
from wayside.net import endpoint as endpoints
from wayside.profiles import Library, Profile
from wayside.settings.toml_file import explained
from wayside.site import config
from wayside.south.bus_table import BusTable
from wayside.south.modbus.endpoint import connected, usual_timeout_s
from wayside.south.modbus.scan import FoundDevice, scan
from wayside.text.printable import controlled, printable
from wayside.text.reason import reason

_SERIAL_UNITS, _TCP_UNITS = "1-32", "1-10,100,126,200,240,247,255"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("scan", help="find the Modbus devices on a line, print a site file for them")
    line_help = "a serial port such as /dev/ttyUSB0, HOST[:PORT], or an endpoint such as rtu+tcp://HOST:PORT"
    parser.add_argument("line", metavar="PORT|HOST", help=line_help)
    units_help = f"unit addresses, such as 1-32,100 (default: {_SERIAL_UNITS}; by TCP {_TCP_UNITS})"
    parser.add_argument("--units", type=parse_units, metavar="LIST", help=units_help)
    bauds_help = "serial speeds to try, until somebody answers (default: 9600,19200)"
    parser.add_argument("--bauds", type=_bauds, default=[9600, 19200], metavar="LIST", help=bauds_help)
    parities_help = "parities to try: N, E, O (default: N,E)"
    parser.add_argument("--parities", type=_parities, default=["N", "E"], metavar="LIST", help=parities_help)
    timeout_help = "to wait for each answer (default: 500, by TCP 1500)"
    parser.add_argument("--timeout-ms", type=whole(1, 60_000), default=0, metavar="MS", help=timeout_help)
    name_help = "of the site, in the file that is printed (default: %(default)s)"
    parser.add_argument("--name", type=_site_name, default="site.example", metavar="SITE", help=name_help)
    library_option.add(parser)


def run(args: argparse.Namespace) -> int:
    try:
        places = [endpoints.parse(each) for each in _endpoints(args)]
    except ValueError as error:
        print(f"wayside scan: {error}", file=sys.stderr)
        return 2
    is_tcp = any(isinstance(each, endpoints.TcpEndpoint) and not each.is_rtu for each in places)
    units = args.units or parse_units(_TCP_UNITS if is_tcp else _SERIAL_UNITS)
    library = Library(library_option.folder(args))
    known, problems = library.all()
    for problem in problems:
        print(f"wayside scan: {problem}", file=sys.stderr)
    write = partial(site_file, args.name, library=library)
    return asyncio.run(_scan(places, units, args.timeout_ms / 1000, known, write))


def _endpoints(args: argparse.Namespace) -> list[str]:
    line = endpoints.typed(args.line)
    if not args.line.startswith("/"):
        return [line]
    return [f"{line}?baud={baud}&parity={parity}" for baud in args.bauds for parity in args.parities]


def parse_units(text: str) -> list[int]:
    """The unit addresses of a text such as "1-32,100", each once; ArgumentTypeError says what to write."""
    units: list[int] = []
    for part in text.split(","):
        first, mark, last = part.strip().partition("-")
        ends = first, last if mark else first
        if not all(end.isascii() and end.isdigit() for end in ends):
            raise argparse.ArgumentTypeError(f'"{text}": write numbers and ranges such as 1-32,100')
        if not all(len(end) < 5 and int(end) <= 255 for end in ends):
            raise argparse.ArgumentTypeError(f'"{text}": addresses are 0 to 255')
        units.extend(range(int(ends[0]), int(ends[1]) + 1))
    if not units:
        raise argparse.ArgumentTypeError(f'"{text}": write the smaller number first, such as 1-32')
    return list(dict.fromkeys(units))


def _site_name(text: str) -> str:
    try:
        return config.SiteTable.model_validate({"name": text}).name
    except ValidationError as error:
        why = explained(config.SiteTable, error.errors()[0])
        raise argparse.ArgumentTypeError(f'"{text}": {why}') from None


def _bauds(text: str) -> list[int]:
    return [whole(300, 3_000_000)(part.strip()) for part in text.split(",")]


def _parities(text: str) -> list[str]:
    parities = [part.strip().upper() for part in text.split(",")]
    if not set(parities) <= {"N", "E", "O"}:
        raise argparse.ArgumentTypeError(f'"{text}": write N, E and O, such as N,E')
    return parities


async def _scan(
    places: Sequence[endpoints.Endpoint],
    units: list[int],
    timeout_s: float,
    known: Collection[Profile],
    write: Callable[[str, list[FoundDevice]], str],
) -> int:
    """Try one setting after the other until somebody answers: a line has one speed and parity."""
    found: list[FoundDevice] = []
    troubles: dict[str, None] = {}
    is_lost = False
    for endpoint in places:
        try:
            async with connected(endpoint) as link:
                async for unit, device in scan(link, units, timeout_s or usual_timeout_s(link), known):
                    found += [device] if device else []
                    _progress(f"{endpoint.text}: unit {unit} of {units[-1]}, {len(found)} found")
        except OSError as error:
            troubles[reason(error)] = None
            is_lost = bool(found)
        if found:
            break
    _progress("")
    for trouble in troubles:
        print(f"wayside scan: {trouble}", file=sys.stderr)
    if found:
        print(write(endpoint.text, found), end="")
        return 2 if is_lost else 0
    if troubles:
        return 2
    if places[0].text.startswith("tcp://"):
        print("The host is there, and nobody answers at these unit addresses. Check --units and --timeout-ms.")
    else:
        print("Nobody answers. Check the wiring (A and B swapped?), the termination, and --bauds, --parities, --units.")
    return 1


def site_file(site: str, endpoint: str, found: list[FoundDevice], library: Library) -> str:
    """A site file that polls `found`; what no site file can say is a comment in it."""
    devices, remarks = [], []
    for device in found:
        profile = device.fitting[0] if device.fitting else ""
        table = {"name": f"{profile}-{device.unit}", "unit": device.unit, "profile": profile}
        remark = _remark(device, {"name": "bus-1", "endpoint": endpoint, "device": [table]}, library)
        if remark:
            remarks.append(f"# Unit {device.unit}: {remark}")
        else:
            devices += _table(device, table)
    head = ["# Your site's name; it stays. Where there is a site file already, add the rest of this one to it."]
    bus = ["", "[[bus]]", 'name = "bus-1"', f'endpoint = "{endpoint}"'] if devices else []
    return "\n".join([*head, "[site]", f'name = "{site}"', *bus, *devices, *([""] if remarks else []), *remarks, ""])


def _remark(device: FoundDevice, bus: dict[str, Any], library: Library) -> str:
    """Why this device cannot be polled; empty where it can."""
    if not device.fitting:
        return "answers, but no profile fits: see docs/profile-format.md to write one."
    try:
        BusTable.model_validate(bus, context=library)
    except ValidationError as error:
        why = explained(BusTable, error.errors()[0])
        return f"fits {device.fitting[0]}, but cannot be polled as it is: {why}"
    return ""


def _table(device: FoundDevice, table: dict[str, Any]) -> list[str]:
    lines = ["", "[[bus.device]]"]
    if device.everywhere:
        lines.append("# Answers to every unit address: this is one device.")
    lines += [f'name = "{table["name"]}"', f"unit = {device.unit}", f'profile = "{table["profile"]}"']
    if device.fitting[1:]:
        lines.append(f"# fits as well: {', '.join(device.fitting[1:])}")
    return lines


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{printable(text)}", end="", file=controlled(sys.stderr), flush=True)
