"""`wayside scan PORT|HOST`: find the Modbus devices on a line and write the site file's fragment for them.

Exit status: 0 something was found, 1 nothing was, 2 the line cannot be opened.
"""

import argparse
import asyncio
import sys
from collections.abc import Collection
from typing import Any

from wayside.cli import library_option
from wayside.printable import controlled, printable
from wayside.profiles import Library, Profile
from wayside.south.modbus.endpoint import connected
from wayside.south.modbus.scan import Found, scan


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("scan", help="find the Modbus devices on a line")
    parser.add_argument("line", metavar="PORT|HOST", help="a serial port such as /dev/ttyUSB0, or HOST[:PORT]")
    parser.add_argument("--units", default="", help="unit addresses, such as 1-32,100 (default: 1-32; by TCP 1-8,255)")
    parser.add_argument("--bauds", default="9600,19200", help="serial speeds to try (default: %(default)s)")
    parser.add_argument("--parities", default="N,E", help="parities to try: N, E, O (default: %(default)s)")
    library_option.add(parser)
    parser.add_argument("--timeout-ms", type=int, default=200, help="to wait for each answer (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    serial = args.line.startswith("/")
    try:
        units = parse_units(args.units or ("1-32" if serial else "1-8,255"))
    except ValueError as error:
        print(f"wayside scan: {error}", file=sys.stderr)
        return 2
    if serial:
        endpoints = [
            f"rtu://{args.line}?baud={baud}&parity={parity}"
            for baud in args.bauds.split(",")
            for parity in args.parities.split(",")
        ]
    else:
        endpoints = [f"tcp://{args.line}"]
    known, problems = Library(library_option.folder(args)).all()
    for problem in problems:
        print(f"wayside scan: {problem}", file=sys.stderr)
    return asyncio.run(_scan(endpoints, units, args.timeout_ms / 1000, known))


def parse_units(text: str) -> list[int]:
    """The unit addresses of a text such as "1-32,100"; ValueError says what to write."""
    units: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise ValueError(f'units "{text}": write numbers and ranges such as 1-32,100')
        units.extend(range(int(first), int(last or first) + 1))
    if not units or min(units) < 0 or max(units) > 255:
        raise ValueError(f'units "{text}": addresses are 0 to 255')
    return units


async def _scan(endpoints: list[str], units: list[int], timeout_s: float, known: Collection[Profile]) -> int:
    found: dict[str, list[Found]] = {}
    for endpoint in endpoints:
        try:
            async with connected(endpoint) as link:
                async for unit, device in scan(link, units, timeout_s, known):
                    _progress(f"{endpoint}: unit {unit} of {units[-1]}, {len(found.get(endpoint, []))} found")
                    if device is not None:
                        found.setdefault(endpoint, []).append(device)
        except (OSError, ValueError) as error:
            _progress("")
            print(f"wayside scan: {error}", file=sys.stderr)
            return 2
    _progress("")
    if not found:
        print("Nobody answers. Check the wiring (A and B swapped?), the termination, and --bauds, --parities, --units.")
        return 1
    for number, (endpoint, devices) in enumerate(found.items(), 1):
        print(fragment(f"bus-{number}", endpoint, devices))
    return 0


def fragment(bus: str, endpoint: str, devices: list[Found]) -> str:
    """The part of a site file that polls `devices`."""
    lines = ["[[bus]]", f'name = "{bus}"', f'endpoint = "{endpoint}"']
    for device in devices:
        lines.append("")
        if not device.fitting:
            lines.append(f"# Unit {device.unit} answers, but no profile fits: see docs/profile-format.md to write one.")
            continue
        profile, *others = device.fitting
        name = f"{profile}-{device.unit}"
        lines += ["[[bus.device]]", f'name = "{name}"', f"unit = {device.unit}", f'profile = "{profile}"']
        if others:
            lines.append(f"# fits as well: {', '.join(others)}")
    return "\n".join(lines) + "\n"


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{printable(text)}", end="", file=controlled(sys.stderr), flush=True)
