"""`wayside read DEVICE [CHANNEL ...]`: what a device's registers hold now, with the raw bytes and the quality.

Registers are named by area and by the number that the device's manual gives them, decimal and hexadecimal.

With --der what a SunSpec device may be told, and the curves that it follows (models 705 to 712).

DEVICE is a device's name in the site file; together with --unit and --profile a port, HOST[:PORT] or an endpoint.
Exit status: 0 every value is good, 1 one is not, 2 the device or its line is not to be had.
"""

import argparse
import asyncio
import sys
from typing import Any

from wayside_wire import modbus, modbus_field, modbus_plan
from wayside_wire.modbus_field import RegisterField

from wayside.cli import library_option
from wayside.cli.command_line import whole
from wayside.net import endpoint
from wayside.net.endpoint import PLAIN, Endpoint, Manners
from wayside.profiles import Profile, ProfileError
from wayside.profiles.fields import AREAS
from wayside.profiles.sunspec_controls import CONTROLS
from wayside.site import config
from wayside.south.modbus import sunspec, sunspec_curves
from wayside.south.modbus.endpoint import connected, usual_timeout_s
from wayside.south.modbus.link import ModbusLink
from wayside.south.modbus.sunspec_chain import NotSunSpec
from wayside.text.reason import reason
from wayside.values.reading import format_value

_COST = 32  # registers; for a single look any plan will do


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("read", help="show a device's values with their raw registers")
    parser.add_argument(
        "device", metavar="DEVICE", help="a name in the site file; with --profile a port, HOST[:PORT] or an endpoint"
    )
    channel_help = "channels (default: all of the profile)"
    parser.add_argument("channel", metavar="CHANNEL", nargs="*", default=[], help=channel_help)
    library_option.add(parser)
    unit_help = "unit address, with an endpoint (default: %(default)s)"
    parser.add_argument("--unit", type=whole(0, 255), default=1, help=unit_help)
    parser.add_argument("--profile", help="profile, or the path of a profile's file, with an endpoint")
    library_option.add_site_of_meter(parser, ", with an endpoint")
    parser.add_argument("--der", action="store_true", help="what a SunSpec device may be told, and its curves")
    timeout_help = "to wait for each answer (default: 500, by TCP 1500, or what the site file says)"
    parser.add_argument("--timeout-ms", type=whole(1, 60_000), default=0, metavar="MS", help=timeout_help)


def run(args: argparse.Namespace) -> int:
    try:
        line, unit, profile = _target(args)
        act = _der(line, unit, profile, args.timeout_ms / 1000) if args.der else None
        return asyncio.run(act or _read(line, unit, profile, args.channel, args.timeout_ms / 1000))
    except (config.SiteFileError, ProfileError, NotSunSpec, modbus.ModbusError, OSError, ValueError) as error:
        print(f"wayside read: {reason(error)}", file=sys.stderr)
        return 2


def _target(args: argparse.Namespace) -> tuple[tuple[Endpoint, Manners], int, Profile]:
    # A name of a device may have a ":", too; where there is no site file, nothing has a name.
    is_place = "://" in args.device or args.device.startswith("/") or (":" in args.device and not args.site.exists())
    if is_place or args.profile is not None:
        if args.profile is None:
            raise ValueError("name a profile with --profile; `wayside profile list` shows all")
        profile = library_option.at_site(args, library_option.load(args, args.profile))
        return (endpoint.parse(endpoint.typed(args.device)), PLAIN), args.unit, profile
    site = config.load(args.site)
    for bus in site.bus:
        for device in bus.device:
            if device.name == args.device:
                args.timeout_ms = args.timeout_ms or device.timeout_ms
                return (bus.endpoint, bus.manners), device.unit, device.found.profile
    known = ", ".join(device.name for bus in site.bus for device in bus.device)
    raise ValueError(f'{args.site} polls no device "{args.device}"; it has: {known or "none"}')


async def _der(line: tuple[Endpoint, Manners], unit: int, profile: Profile, timeout_s: float) -> int:
    """What a device that describes itself may be told, and its curves."""
    if profile.fields:
        raise ValueError(f"--der is for SunSpec devices; the profile {profile.name} says what this one may be told")
    async with connected(*line) as link:
        timeout_s = timeout_s or usual_timeout_s(link)

        async def read(address: int, count: int) -> bytes:
            request = modbus.read_request(unit, modbus.READ_HOLDING, address, count)
            return await link.exchange(request, timeout_s, timeout_s)

        found = await sunspec.discover(read, profile.part)
        curves = await sunspec.contents_of(read, profile.part, sunspec_curves.MODELS)
    for name, offer in found.offers.items():
        what = CONTROLS[name]._replace(least=offer.least, most=offer.most)
        timer = ", with a timer of its own" if what.reverts else ""
        print(f"{name:24} {what.shown(what.least)} to {what.shown(what.most)}{timer}")
    if not found.offers:
        print("it may be told nothing")
    for model, content in curves.items():
        for told in sunspec_curves.lines(model.id, content):
            print(told)
    return 0


async def _read(
    line: tuple[Endpoint, Manners], unit: int, profile: Profile, channels: list[str], timeout_s: float
) -> int:
    async with connected(*line) as link:
        timeout_s = timeout_s or usual_timeout_s(link)

        async def read(function: int, address: int, count: int) -> bytes:
            return await link.exchange(modbus.read_request(unit, function, address, count), timeout_s, timeout_s)

        if not profile.fields:
            part = profile.part
            profile = await sunspec.discover(lambda address, count: read(modbus.READ_HOLDING, address, count), part)
            if profile.parts > 1:
                print(
                    f"part {part} of {profile.parts}: each common model of the chain begins a device", file=sys.stderr
                )
        fields = profile.select(channels or profile.fields)
        registers, reasons = await _registers(link, unit, fields, profile, timeout_s)
    good = True
    for field in fields:
        text, raw, reason, meant = _row(field, profile, registers, reasons)
        good = good and not reason
        unit_text = field.unit if text else ""
        place = f"{AREAS[field.function]} {_number(profile.numbered(field.function, field.address))}"
        print(f"{field.channel:32} {text:>20} {unit_text:4} {reason or 'good':30} {place:22} {raw}{meant}")
    return 0 if good else 1


async def _registers(
    link: ModbusLink, unit: int, fields: list[RegisterField], profile: Profile, timeout_s: float
) -> tuple[dict[tuple[int, int], bytes], dict[str, str]]:
    """Every register of the fields that can be read, by (function, address), and why the others cannot."""
    registers: dict[tuple[int, int], bytes] = {}
    reasons: dict[str, str] = {}
    cuts: set[tuple[int, int]] = set()
    cost = _COST if profile.read_gaps else modbus_plan.NO_GAPS
    waiting = modbus_plan.plan(fields, profile.max_registers, cost, cuts, profile.step)
    while waiting:
        block = waiting.pop(0)
        request = modbus.read_request(unit, block.function, block.address, block.count)
        await asyncio.sleep(profile.min_gap_ms / 1000)
        try:
            data = await link.exchange(request, timeout_s, timeout_s)
        except modbus.ModbusError as error:
            cut = modbus_plan.cut(block) if error.kind == modbus.EXCEPTION else None
            if cut is None:
                reasons.update((field.channel, error.text) for field in block.fields)
            else:
                cuts.add(cut)
                waiting = modbus_plan.plan(block.fields, profile.max_registers, cost, cuts, profile.step) + waiting
            continue
        data = modbus_field.as_registers(block.function, block.count, data)
        for at in range(block.count):
            registers[block.function, block.address + at] = data[2 * at : 2 * at + 2]
    return registers, reasons


def _number(number: int) -> str:
    return f"{number} ({number:#06x})"


def _row(
    field: RegisterField, profile: Profile, registers: dict[tuple[int, int], bytes], reasons: dict[str, str]
) -> tuple[str, str, str, str]:
    """(value, raw registers, reason why there is no value, what the value means)."""
    words = [registers.get((field.function, field.address + at)) for at in range(field.count)]
    if None in words:
        return "", "", reasons.get(field.channel, "not read"), ""
    data = b"".join(word for word in words if word is not None)
    scale = 0
    if field.scale is not None:
        raw = registers.get((field.function, field.scale))
        if raw is None:
            return "", data.hex(" ", 2), "scale factor not read", ""
        scale = modbus_field.signed(int.from_bytes(raw, "big"), 16)
    mantissa, reason = modbus_field.decode(field, data, scale)
    if mantissa is None:
        return "", data.hex(" ", 2), reason, ""
    meaning = profile.meaning(field.channel, mantissa)
    return format_value(mantissa, field.exponent), data.hex(" ", 2), reason, f"  {meaning}" if meaning else ""
