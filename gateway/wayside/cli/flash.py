"""`wayside flash`: from a bare board to an enrolled node in one command. Each step may be repeated.

Exit status: 0 done, 1 a step failed and the text says what to look at, 2 a file cannot be read or wrong usage.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from wayside_wire import capacity

from wayside.cli.node_config import MakeError, gateway_public, need
from wayside.daemon.change_keys import change_keys
from wayside.evidence.files import replace_file
from wayside.flash import esp32, picotool, steps, volume
from wayside.flash.console import (
    ESPRESSIF_AND_BRIDGES,
    RASPBERRY_PI,
    BoardConsole,
    ConsoleError,
    UnixConsole,
    find_ports,
    open_board,
)
from wayside.flash.image import ImageError
from wayside.log import LogError
from wayside.site import config
from wayside.site.config import SiteFile
from wayside.text import json_text
from wayside.text.printable import controlled
from wayside.text.reason import reason
from wayside.text.unknown import unknown
from wayside.trust.keys import KeyFileError
from wayside.trust.registry import RegistryError

_Place = TypeVar("_Place", str, Path)
_CHECKOUT = Path(__file__).resolve().parents[3]
_APPEAR_S = 30.0
BOARDS = ("ESP32S3_SENSOR", "ESP32_METER", "RP2040_METER", "RP2040_RADIO", "RP2040_SIGNAL", "UNIX")
"""Those of the folder boards/ that a technician holds in his hand, and the virtual one."""
_BOARD_STATE = "/state"  # as `wayside node config --make` writes it, for boards
_ON_THE_AIR = ("radio", "sensor")  # roles whose boards take no commands over a link
_SIGN_NOTHING = ("radio", "beacon")  # roles whose boards make no packs: they need no place in the log


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("flash", help="put image, configuration and key onto a board; test and label it")
    parser.add_argument("board", metavar="BOARD", help="such as RP2040_METER, or UNIX for the virtual board")
    parser.add_argument("port", nargs="?", metavar="PORT", help="serial port; of UNIX: the folder of node.json")
    parser.add_argument("--image", type=Path, metavar="FILE", help="without it that of dist/; of UNIX: its MicroPython")
    parser.add_argument("--volume", type=Path, metavar="FOLDER", help="where the board's USB volume is mounted")
    parser.add_argument("--no-image", action="store_true", help="the board has its image already")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the node's configuration")
    parser.add_argument("--name", metavar="NODE", help="its name, where its configuration has none (on the air)")
    parser.add_argument("--site", type=Path, metavar="SITE", help="the site file of the gateway that enrols the node")
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="for self-test report and label")


def run(args: argparse.Namespace) -> int:
    try:
        _flash(args)
    except (ImageError, ConsoleError, steps.StepError, RegistryError, LogError, KeyFileError) as error:
        print(f"wayside flash: {reason(error)}", file=sys.stderr)
        return 1
    except (config.SiteFileError, OSError) as error:
        print(f"wayside flash: {reason(error)}", file=sys.stderr)
        return 2
    return 0


def _flash(args: argparse.Namespace) -> None:
    _check(args)
    settings = _settings(args.board, args.config)
    site = config.load_without_profiles(args.site) if args.site else None
    console, path = _unix(args) if args.board == "UNIX" else (_board(args, site), "/node.json")
    if settings is not None:
        if args.board == "UNIX" and settings.get("state") == _BOARD_STATE:
            settings["state"] = str(Path(path).parent / "state")  # in the root of this machine nobody wants it
        gateway = gateway_public(site, args.site) if site and settings.get("role") not in _ON_THE_AIR else None
        steps.configure(console, path, settings, gateway)
        _say("configuration", "on the board, checked by it")
    role, _, its_name = console.run(_ROLE_AND_NAME.format(path=path)).strip("\n").partition(" ")
    node = args.name or its_name
    if not node:
        raise steps.StepError("the configuration has no name for this board: give it one, --name NAME")
    proven = steps.prove(console, path, args.board)
    _say("key", f"{proven.public.hex()}, made on the board and proven")
    if site and role in _SIGN_NOTHING:
        _say("enrolled", f"not needed: a {role} signs no packs")
    elif site:
        sent = {"public": proven.public.hex(), "challenge": proven.challenge.hex(), "proof": proven.proof.hex()}
        entries = change_keys(site, args.site, {"do": "enrol", "reason": "", "node": node, **sent})
        _say("enrolled", f"{node} at {site.site.name}" + ("" if entries else ", as it was already"))
    checks = steps.test(console, path, proven.public, args.out, node)
    for check in checks:
        _say({True: "good", False: "BAD", None: "absent"}[check.good], f"{check.name}: {check.text}")
    bad = [check.name for check in checks if check.good is False]
    if bad:
        where = f"the wiring with boards/{args.board}/wiring.md" if args.board != "UNIX" else f"its ports with {path}"
        raise steps.StepError(f"not good: {', '.join(bad)}; compare {where}, then try again")
    place = args.out / f"{node}.svg"
    from wayside.flash.label import label  # _check() has seen that it is there

    replace_file(place, label(node, args.board, site.site.name if site else "", proven.public).encode())
    _say("label", str(place))
    console.restart()
    _say("done", f"{node} starts")


def _check(args: argparse.Namespace) -> None:
    """All that can be known to be wrong before a board is touched. StepError, OSError."""
    if args.image:
        args.image.stat()
    if args.board not in BOARDS and not args.image:
        raise steps.StepError(unknown("board", args.board, BOARDS))
    if importlib.util.find_spec("segno") is None:  # an extra: a gateway flashes nothing
        raise steps.StepError("labels need the package segno; type: pip install 'wayside[technician]'")
    if not args.out.is_dir():
        raise steps.StepError(f"--out {args.out}: is no folder; make it first")
    if args.board == "UNIX":
        if args.port is None or not Path(args.port).is_dir():
            raise steps.StepError(f"UNIX: name the folder of its node.json as PORT; {args.port or 'nothing'} is none")
        return
    if args.port and not Path(args.port).exists() and not args.volume:
        there = ", ".join(map(str, sorted(Path("/dev/serial/by-id").glob("*")))) or "none is plugged in"
        raise steps.StepError(f"{args.port}: there is no such port; USB serial ports: {there}")


_ROLE_AND_NAME = (
    "from wayside_node.roles import load, role_of\nprint(role_of({path!r}) or '', getattr(load({path!r}), 'node', ''))"
)


def _say(what: str, text: str) -> None:
    print(f"{what:<14} {text}", flush=True)


def _settings(board: str, path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        data = json_text.read(path.read_bytes())
    except ValueError as error:
        raise steps.StepError(f"{path}: is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise steps.StepError(f"{path}: write an object, {{...}}")
    if lack := _lack(board, data):
        raise steps.StepError(f"{path}: {lack}")
    return data


def _lack(board: str, settings: dict[str, Any]) -> str:
    """What `board` has no room for; of what is no configuration of a node with packs the board says more."""
    try:
        return capacity.refusal(board, need(settings))
    except MakeError:
        return ""


def _unix(args: argparse.Namespace) -> tuple[BoardConsole, str]:
    machine = args.image or os.environ.get("WAYSIDE_MICROPYTHON")
    if not machine:
        raise steps.StepError("UNIX: name its MicroPython with --image (tools/virtual_board.py prints it)")
    places = f".frozen:{_CHECKOUT / 'firmware'}:{_CHECKOUT / 'boards' / 'UNIX'}"
    return UnixConsole(Path(machine).resolve(), places), str(Path(args.port).resolve() / "node.json")


def _board(args: argparse.Namespace, site: SiteFile | None) -> BoardConsole:
    """The image, when it is wanted, and then the board's console."""
    if args.board.startswith("RP2040_"):
        return _rp2040(args)
    if args.board.startswith("ESP32"):
        return _esp32(args, site)
    raise steps.StepError(f"{args.board}: no board of this family; there are ESP32*, RP2040_* and UNIX")


def _rp2040(args: argparse.Namespace) -> BoardConsole:
    content = b""
    if not args.no_image:
        image, path = _image(args, ".uf2")
        content = volume.check_image(image, args.board)
        _say("image", f"{path.name} written to {_load(args, image, path)}")
    console = open_board(args.port or _wait_for_port(RASPBERRY_PI, None), _APPEAR_S if content else 0)
    if content:
        steps.read_back(console, content)
        _say("read back", f"{len(content):,} bytes, the same")
    return console


def _load(args: argparse.Namespace, image: bytes, path: Path) -> str:
    """Give the image to the board in its boot ROM; one that runs is sent there. Returns what it was written to."""
    ports = [args.port] if args.port else find_ports(RASPBERRY_PI)
    if not _boot_rom_is_there(args.volume) and len(ports) == 1 and Path(ports[0]).exists():
        _send_to_boot_rom(ports[0], args)
    if not args.volume and picotool.sees_board():
        picotool.write_image(path)
        return "the board by picotool"
    place = args.volume or _only(volume.find_volumes(), "board that waits for an image", "hold BOOTSEL and plug it in")
    volume.write_image(image, place, _progress)
    return str(place)


def _send_to_boot_rom(port: str, args: argparse.Namespace) -> None:
    console = open_board(port, 0)
    steps.check_name(console, args.board)
    console.to_boot_rom()
    deadline = time.monotonic() + _APPEAR_S
    while not _boot_rom_is_there(args.volume) and time.monotonic() < deadline:
        time.sleep(0.5)


def _boot_rom_is_there(named: Path | None) -> bool:
    return volume.is_board(named) if named else picotool.sees_board() or bool(volume.find_volumes())


def _esp32(args: argparse.Namespace, site: SiteFile | None) -> BoardConsole:
    """The port is the same for the image and for the console."""
    if args.no_image:
        return open_board(args.port or _wait_for_port(ESPRESSIF_AND_BRIDGES, site), 0)
    whole, path = _image(args, ".bin")
    image = esp32.check_image(whole, args.board)
    port = args.port or _wait_for_port(ESPRESSIF_AND_BRIDGES, site)
    esp32.write_image(image, port, _progress)
    _say("image", f"{path.name} written to {port}")
    esp32.read_back(image, port)
    _say("read back", f"{sum(len(content) for _, content in image.pieces):,} bytes, the same")
    return open_board(port, _APPEAR_S)


def _image(args: argparse.Namespace, ending: str) -> tuple[bytes, Path]:
    """The image and its file."""
    path = args.image or _CHECKOUT / "dist" / f"{args.board}{ending}"
    if not args.image and not path.exists():
        raise steps.StepError(f"{path} is not there; make it with `make images`, or name an image: --image FILE")
    return path.read_bytes(), path


def _progress(done: int, size: int) -> None:
    end = "\n" if done == size else ""
    print(f"\rimage          {done:,} of {size:,} bytes", end=end, file=controlled(sys.stderr), flush=True)


def _wait_for_port(vendors: frozenset[str], site: SiteFile | None) -> str:
    """The board's port; a port that the gateway itself uses is none."""
    taken = {Path(port).resolve() for port in site.ports()} if site else set()

    def found() -> list[str]:
        return [port for port in find_ports(vendors) if Path(port).resolve() not in taken]

    deadline = time.monotonic() + _APPEAR_S
    if not found():
        print(f"no board's serial port is here; plug it in within {_APPEAR_S:.0f} s", file=sys.stderr)
    while not found() and time.monotonic() < deadline:
        time.sleep(0.5)
    return _only(found(), "board's serial port", "plug it in, or name its port")


def _only(found: Sequence[_Place], what: str, then: str) -> _Place:
    if len(found) == 1:
        return found[0]
    if found:
        raise steps.StepError(f"more than one {what}: {', '.join(map(str, found))}; leave one plugged in, or name it")
    raise steps.StepError(f"no {what} is here; {then}")
