"""`wayside clock SITE`: what the running gateway makes of its clock, and a person's word that it is right.

Exit status: 0 it is believed, 1 it is not or cannot be confirmed, 2 the site file cannot be used.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from wayside.daemon import manage
from wayside.site import config
from wayside.site.state import state_folder


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("clock", help="show whether the gateway's clock is believed, confirm it")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    confirm_help = "the time that is shown is right: it counts for erasing by age from now on; the log says so"
    parser.add_argument("--confirm", action="store_true", help=confirm_help)


def run(args: argparse.Namespace) -> int:
    try:
        state = state_folder(config.load_without_profiles(args.site), args.site)
        answer = manage.ask(state / manage.SOCKET, {"do": "confirm clock" if args.confirm else "clock"})
    except (config.SiteFileError, OSError) as error:
        print(f"wayside clock: {error}", file=sys.stderr)
        return 2
    if answer is None:
        print(f"wayside clock: no gateway runs; start it: wayside run {args.site}", file=sys.stderr)
        return 1
    if not answer.get("ok"):
        print(f"wayside clock: {answer.get('error')}", file=sys.stderr)
        return 1
    print(f"{answer['time']}, {answer['quality']}: {answer['problem'] or 'believed'}")
    return 1 if answer["problem"] else 0
