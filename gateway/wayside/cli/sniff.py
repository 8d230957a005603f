"""`wayside sniff PORT`: show the Modbus RTU traffic of a line that another master owns. Nothing is sent.

Exit status: 0 when it was ended by Ctrl-C or --seconds, 2 when the port cannot be opened.
"""

import argparse
import os
import select
import sys
import time
from typing import Any

from wayside_wire import modbus, modbus_field

from wayside.cli import library_option
from wayside.cli.command_line import seconds, whole
from wayside.net.serial_port import open_port
from wayside.profiles import Profile, ProfileError
from wayside.south.modbus.sniff import Frame, Sniffer
from wayside.text.reason import reason
from wayside.values.reading import format_value

# A write's area is that of the read of the same registers.
_READ_BY = {5: modbus.READ_COILS, 15: modbus.READ_COILS, 6: modbus.READ_HOLDING, 16: modbus.READ_HOLDING}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("sniff", help="show the Modbus traffic of a line that another master owns")
    parser.add_argument("port", metavar="PORT", help="a serial port such as /dev/ttyUSB0")
    parser.add_argument("--baud", type=whole(300, 3_000_000), default=9600)
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N")
    parser.add_argument(
        "--profile", action="append", default=[], metavar="UNIT=NAME", help="decode this unit's values; may be repeated"
    )
    library_option.add(parser)
    parser.add_argument("--seconds", type=seconds, help="stop by itself after this time")


def run(args: argparse.Namespace) -> int:
    try:
        known = dict(_unit_profile(args, text) for text in args.profile)
        port = open_port(args.port, args.baud, parity=args.parity)
    except (ProfileError, ValueError, OSError) as error:
        print(f"wayside sniff: {reason(error)}", file=sys.stderr)
        return 2
    sniffer = Sniffer()
    end = None if args.seconds is None else time.monotonic() + args.seconds
    try:
        with port:
            while end is None or time.monotonic() < end:
                if not select.select([port.fileno()], [], [], 0.2)[0]:
                    continue
                data = os.read(port.fileno(), 4096)
                if not data:
                    print(f"wayside sniff: {args.port} is gone", file=sys.stderr)
                    return 2
                for frame in sniffer.feed(data):
                    print(describe(frame, known), flush=True)
    except KeyboardInterrupt:
        pass
    print(f"{sniffer.noise} bytes belonged to no frame", file=sys.stderr)
    return 0


def _unit_profile(args: argparse.Namespace, text: str) -> tuple[int, Profile]:
    unit, _, name = text.partition("=")
    if not unit.isdigit() or not name:
        raise ValueError(f"--profile {text}: write UNIT=NAME, such as 1=eastron-sdm630")
    return int(unit), library_option.load(args, name)


def describe(frame: Frame, known: dict[int, Profile]) -> str:
    """One line for a frame: what was asked, or what was answered to it."""
    body = frame.body
    unit, function = body[0], body[1]
    if function & 0x80:
        return f"unit {unit:3} <- exception {body[2]} to function {function & 0x7F}"
    if frame.request is not None and frame.data:
        text = _values(frame, known.get(unit)) or frame.data.hex(" ", 2)
        return f"unit {unit:3} <- {text}"
    address, count = body[2] << 8 | body[3], body[4] << 8 | body[5] if len(body) > 5 else 0
    if unit in known:
        address = known[unit].numbered(_READ_BY.get(function, function), address)
    if function <= modbus.READ_INPUT and len(body) == 6:
        return f"unit {unit:3} -> read {count} from {address} (function {function})"
    if function in (5, modbus.WRITE_REGISTER, 15, modbus.WRITE_REGISTERS):
        arrow = "<- written" if frame.request is not None else "-> write"
        return f"unit {unit:3} {arrow} at {address}: {body[4:].hex(' ', 2)} (function {function})"
    return f"unit {unit:3} ?? {body.hex(' ')}"


def _values(frame: Frame, profile: Profile | None) -> str:
    """The channels whose registers lie in the answer."""
    request = frame.request
    if profile is None or request is None:
        return ""
    first, found = request[2] << 8 | request[3], []
    data = modbus_field.as_registers(request[1], request[4] << 8 | request[5], frame.data)
    for field in profile.fields.values():
        at = 2 * (field.address - first)
        inside = at >= 0 and at + 2 * field.count <= len(data)
        if field.function != request[1] or not inside or field.scale is not None:
            continue
        mantissa, reason = modbus_field.decode(field, data[at : at + 2 * field.count])
        value = reason if mantissa is None else f"{format_value(mantissa, field.exponent)} {field.unit}"
        found.append(f"{field.channel}={value}")
    return ", ".join(found)
