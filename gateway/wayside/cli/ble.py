"""`wayside ble ...`: the Bluetooth beacons of a site, through its running gateway.

Exit status: 0 done, 1 it cannot be done and the text says why, 2 a file cannot be read or the command line is wrong.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside.daemon import manage
from wayside.site import config
from wayside.site.state import state_folder
from wayside.text.reason import reason


class BleError(Exception):
    """What was asked cannot be done; the text says why."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("ble", help="list the Bluetooth beacons, accept a counter that has started again")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    made = verbs.add_parser("list", help="every beacon: what was received, and what its counter does")
    made.set_defaults(function=_list)
    made.add_argument("site", type=Path, metavar="SITE", help="the site file")
    made = verbs.add_parser("accept", help="take the new beginning of a counter, after a battery was changed")
    made.set_defaults(function=_accept)
    made.add_argument("site", type=Path, metavar="SITE", help="the site file")
    made.add_argument("device", metavar="DEVICE", help="as the site file calls it")


def run(args: argparse.Namespace) -> int:
    try:
        for line in args.function(args):
            print(line)
    except BleError as error:
        print(f"wayside ble: {error}", file=sys.stderr)
        return 1
    except (config.SiteFileError, OSError) as error:
        print(f"wayside ble: {reason(error)}", file=sys.stderr)
        return 2
    return 0


def _list(args: argparse.Namespace) -> Iterator[str]:
    for device, about in _ask(args, {"do": "beacons"})["beacons"].items():
        counts = ", ".join(f"{count} {name}" for name, count in about["counts"].items()) or "nothing heard yet"
        yield f"{device:<20} {counts}"
        if about["restarted"]:
            yield f"  COUNTER STARTED ANEW: {about['restarted']}"
            yield f"  after a change of its battery type: wayside ble accept {args.site} {device}"


def _accept(args: argparse.Namespace) -> Iterator[str]:
    answer = _ask(args, {"do": "accept beacon", "device": args.device})
    yield f"{args.device}: {answer['outcome']}; the log says so"


def _ask(args: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any]:
    state = state_folder(config.load_without_profiles(args.site), args.site)
    answer = manage.ask(state / manage.SOCKET, request)
    if answer is None:
        raise BleError(f"no gateway runs; start it: wayside run {args.site}")
    if not answer.get("ok"):
        raise BleError(str(answer.get("error")))
    return answer
