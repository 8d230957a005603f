"""`wayside node ...`: the nodes of a site, through its running gateway and over their links.

`wayside node config SITE NODE --make FILE` needs neither the running gateway nor the node. Exit status: 0 done, 1 it
cannot be done and the text says why, 2 a file cannot be read or the command line is wrong.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from wayside_wire import WireError, cbor, command, selftest

from wayside.cli import keys, node_config
from wayside.cli.node_config import MakeError
from wayside.daemon import manage
from wayside.evidence.files import replace_file
from wayside.log import LogError, LogReader
from wayside.profiles import ProfileError
from wayside.site import config
from wayside.site.state import state_folder
from wayside.text import json_text
from wayside.text.printable import controlled
from wayside.text.reason import reason
from wayside.trust.keys import KeyFileError
from wayside.trust.registry import read_keyring

_QUALITY = ("not synchronised", "holdover", "synchronised")


class NodeError(Exception):
    """What was asked cannot be done; the text says why."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("node", help="list the nodes; inspect, configure or restart a node")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, function: Any, help_text: str, node: bool = True) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=help_text)
        made.set_defaults(function=function)
        made.add_argument("site", type=Path, metavar="SITE", help="the site file")
        if node:
            made.add_argument("node", metavar="NODE")
        return made

    verb("list", _list, "every node: board, firmware, when it was heard last", node=False)
    verb("info", _info, "memory, flash, clock and counters of a node")
    verb("log", _log, "the last lines that a node had to say")
    made = verb("config", _config, "show a node's configuration, make one, or give it another one")
    node_config.add_arguments(made)
    made.add_argument(
        "--set", type=Path, metavar="FILE", dest="file", help="the new configuration; used from the next start"
    )
    verb("selftest", _selftest, "let a node look at itself; its report is signed by its key")
    verb("reboot", _reboot, "start a node again")
    made = verb(
        "replace", partial(keys.change_node, "replace"), "another board in a node's place; as wayside keys replace"
    )
    made.add_argument("public", metavar="KEY", help="the 64 hexadecimal digits that the new board prints")
    made.add_argument("--challenge", default="", metavar="HEX")
    made.add_argument("--proof", default="", metavar="HEX")
    made.add_argument("--reason", default="")


def run(args: argparse.Namespace) -> int:
    if args.verb == "replace":
        return keys.run(args)
    try:
        site = config.load_without_profiles(args.site)
        args.settings = site
        args.state = state_folder(site, args.site)
        for line in args.function(args):
            print(line)
    except (NodeError, KeyFileError, LogError) as error:
        print(f"wayside node: {reason(error)}", file=sys.stderr)
        return 1
    except (MakeError, ProfileError, config.SiteFileError, OSError) as error:
        print(f"wayside node: {reason(error)}", file=sys.stderr)
        return 2
    return 0


def _list(args: argparse.Namespace) -> Iterator[str]:
    yield f"{'node':<20} {'board':<14} {'firmware':<20} {'boot':>6}  {'key':<16}  state"
    for node in _ask(args, {"do": "nodes"})["nodes"]:
        silent = node["silent_s"]
        heard = "never heard" if silent is None else f"heard {silent:.0f} s ago"
        state = heard if node["connected"] else f"PORT CLOSED, {heard}"
        told = f"{node['board'] or '-':<14} {node['firmware'] or '-':<20} {node['boot'] or '-':>6}"
        yield f"{node['name']:<20} {told}  {node['key_id'] or 'NO KEY':<16}  {state}"


def _info(args: argparse.Namespace) -> Iterator[str]:
    info = _command(args, command.INFO)
    yield f"node      {info[0]}"
    yield f"board     {info[1]}, {info[2]}"
    yield f"boot      {info[3]}, {info[4] / 1000:.0f} s ago"
    yield f"free      {info[5]:,} bytes of heap, {info[6]:,} bytes of flash"
    yield f"clock     {_QUALITY[info[7]]}"
    for name, count in sorted(_command(args, command.COUNTERS).items()):
        yield f"{count:>9} {name}"


def _log(args: argparse.Namespace) -> Iterator[str]:
    first, following = 0, 1
    while first < following:
        number, following, lines = _command(args, command.LOG, first)
        if first and number > first:
            yield f"... {number - first} lines are gone"
        yield from lines
        if not lines:
            return
        first = number + len(lines)


def _config(args: argparse.Namespace) -> Iterator[str]:
    if args.make:
        yield from _make_config(args)
        return
    if args.meter or args.sensor or args.sensors or args.key:
        raise MakeError("--meter, --sensor, --sensors and --key go with --make FILE")
    if args.check:
        yield f"{args.check}: has room on {', '.join(node_config.boards_for(_read_config(args.check), args.board))}"
        return
    if args.board:
        raise MakeError("--board goes with --make FILE or --check FILE")
    if args.file:
        yield from _set_config(args, _read_config(args.file))
        return
    whole = b""
    size, digest = 1, b""
    while len(whole) < size:
        size, digest, piece = _command(args, command.CONFIG_READ, len(whole))
        if not piece:
            break
        whole += piece
    if hashlib.sha256(whole).digest() != digest:
        raise NodeError("the configuration changed while it was read; try again")
    yield whole.decode(errors="replace")


def _make_config(args: argparse.Namespace) -> Iterator[str]:
    if args.file:
        raise MakeError("--make writes a file, --set gives one to the node: one after the other")
    text = node_config.make(args, args.settings)
    if args.make.exists():
        raise NodeError(f"{args.make} is there already; write another name")
    boards = node_config.boards_for(json.loads(text), args.board)
    replace_file(args.make, text.encode())
    yield f"{args.make}: the configuration of {args.node}. It has room on {', '.join(boards)}. Onto its board:"
    yield f"  wayside flash BOARD --config {args.make} --site {args.site}"
    yield f"or, where the node runs already:\n  wayside node config {args.site} {args.node} --set {args.make}"


def _read_config(path: Path) -> Any:
    try:
        return json_text.read(path.read_bytes())
    except ValueError as error:
        raise NodeError(f"{path}: is not JSON: {error}") from None


def _set_config(args: argparse.Namespace, content: Any) -> Iterator[str]:
    data = json.dumps(content, separators=(",", ":")).encode()
    for start in range(0, len(data), command.PIECE):
        _command(args, command.CONFIG_WRITE, start, data[start : start + command.PIECE].hex())
        done = min(start + command.PIECE, len(data))
        print(f"\r{done:,} of {len(data):,} bytes", end="", file=controlled(sys.stderr), flush=True)
    print(file=sys.stderr)
    told = _command(args, command.CONFIG_USE, len(data), hashlib.sha256(data).hexdigest())
    if isinstance(told, str):  # of a node on the air, which takes it later
        yield told
        return
    yield f"{args.node} has checked and taken it; to use it: wayside node reboot {args.site} {args.node}"


def _selftest(args: argparse.Namespace) -> Iterator[str]:
    raw = _command(args, command.SELFTEST)
    keyring = read_keyring(LogReader(args.state / "log"))
    try:
        report, kid = selftest.open_report(raw, keyring.verify)
    except WireError as error:
        raise NodeError(f"the report does not hold: {error}") from None
    yield f"{report.board}, {report.firmware}, boot {report.boot}, signed by key {kid.hex()}"
    for check in report.checks:
        mark = {True: "good", False: "BAD", None: "absent"}[check.good]
        yield f"{mark:<7} {check.name:<12} {check.text}"
    if any(check.good is False for check in report.checks):
        raise NodeError("not all of it is good")


def _reboot(args: argparse.Namespace) -> Iterator[str]:
    _command(args, command.REBOOT)
    yield f"{args.node} starts again"


def _command(args: argparse.Namespace, verb: str, *arguments: object) -> Any:
    """The decoded result of a command; bytes among the arguments in hexadecimal."""
    answer = _ask(args, {"do": "command", "node": args.node, "verb": verb, "arguments": list(arguments)})
    try:
        return cbor.decode(bytes.fromhex(answer["data"]))
    except WireError as error:
        raise NodeError(f"{args.node} answers what cannot be read: {error}") from None


def _ask(args: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any]:
    answer = manage.ask(args.state / manage.SOCKET, request)
    if answer is None:
        raise NodeError(f"no gateway runs; start it: wayside run {args.site}")
    if not answer.get("ok"):
        raise NodeError(str(answer.get("error")))
    return answer
