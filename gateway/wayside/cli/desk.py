"""`wayside desk WORD SITE ...`: what the site's actuators are to have and have; ask for another value, take it back;
make a controller's decisions again.

Exit status: 0 done, 1 refused or no gateway runs, 2 the site file or a word cannot be used.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside.cli import desk_replay
from wayside.cli.status import LONGEST
from wayside.daemon import manage, status
from wayside.daemon.desk import ASK, OPERATOR, WITHDRAW
from wayside.site import config
from wayside.site.state import state_folder
from wayside.text.printable import printable

_SPAN = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def _span(text: str) -> float:
    match = _SPAN.fullmatch(text)
    if not match:
        raise config.SiteFileError([f'--for: "{text}" is no time with its unit; write such as 90s, 15min, 2h, 1d'])
    return float(match[1]) * _SECONDS[match[2]]


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("desk", help="show the site's actuators, ask for a value, take it back")
    words = parser.add_subparsers(dest="word", metavar="WORD", required=True)
    show = words.add_parser("show", help="for every actuator: the wanted value, why, and its value now")
    ask = words.add_parser(ASK, help="ask for a value for a time")
    withdraw = words.add_parser(WITHDRAW, help="take back what you asked for")
    again = words.add_parser("replay", help="make each decision of a controller again, from its entry in the log")
    for word in (show, ask, withdraw, again):
        word.add_argument("site", type=Path, metavar="SITE", help="the site file")
    for word in (ask, withdraw):
        word.add_argument("actuator", metavar="ACTUATOR", help='as shown, such as "battery-1 power_limit"')
    again.add_argument("controller", metavar="CONTROLLER", help="its name in the site file")
    ask.add_argument("value", metavar="VALUE", help='in its unit, such as -1500 or 0.5, or a name, such as "stage 2"')
    ask.add_argument("--for", required=True, dest="seconds", metavar="TIME", help="90s, 15min, 2h, 1d")
    priority = f"1 (strongest) to 16 (weakest), as BACnet has them; {OPERATOR}: an operator by hand"
    ask.add_argument("--priority", type=int, default=OPERATOR, metavar="N", help=priority)


def run(args: argparse.Namespace) -> int:
    if args.word == "replay":
        return desk_replay.run(args)
    try:
        state = state_folder(config.load_without_profiles(args.site), args.site)
        told = _show(state) if args.word == "show" else _ask(args, state)
    except TimeoutError:
        print("wayside desk: the gateway gives no answer; what was asked may be in force: look again", file=sys.stderr)
        return 1
    except PermissionError:
        advice = "run this as the gateway's user, such as: sudo -u wayside wayside desk ..."
        print(f"wayside desk: {args.site}: you may not ask its gateway; {advice}", file=sys.stderr)
        return 2
    except (config.SiteFileError, OSError) as error:
        print(f"wayside desk: {error}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"wayside desk: {error}", file=sys.stderr)
        return 1
    if told is None:
        print(f"wayside desk: no gateway runs; start it: wayside run {args.site}", file=sys.stderr)
        return 1
    print(told)
    return 0


def _ask(args: argparse.Namespace, state: Path) -> str | None:
    """What came of it, None when no gateway runs; ValueError: refused."""
    request: dict[str, Any] = {"do": args.word, "target": args.actuator}
    if args.word == ASK:
        request |= {"value": args.value, "seconds": _span(args.seconds), "priority": args.priority}
    answer = manage.ask(state / manage.SOCKET, request)
    if answer is None:
        return None
    if not answer.get("ok"):
        raise ValueError(answer.get("error"))
    more = f"\nWhat comes of it: wayside desk show {args.site}" if args.word == ASK else ""
    return str(answer["text"]) + more


def _show(state: Path) -> str | None:
    """What each actuator is to have, why, and what it has; None when no gateway runs."""
    try:
        actuators = status.ask(state / status.SOCKET)["actuators"]
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    lines = [printable(line, LONGEST) for name, each in actuators.items() for line in _lines(name, each)]
    return "\n".join(lines) or "this site has no [[actuator]]"


def _lines(name: str, actuator: dict[str, Any]) -> Iterator[str]:
    def shown(value: str | None) -> str:
        return "what the device decides" if value is None else f"{value} {actuator['unit']}".strip()

    yield f"{name}: {shown(actuator['wanted'])} ({actuator['cause']})"
    is_known = actuator["has"] is not None or actuator["decides_itself"]
    if is_known and actuator["has"] != actuator["wanted"]:
        yield f"  it has {shown(actuator['has'])}"
    if actuator["names"]:
        yield f"  may be: {', '.join(actuator['names'])}"
    if actuator["problem"]:
        yield f"  {actuator['problem']}" + ("" if is_known else "; what it has is not known")
    yield from (f"  {each['text']}" for each in actuator["requests"] if not each["in_force"])
