"""`wayside top SITE`: the status of the running gateway, refreshed until Ctrl-C, what is wrong first.

Exit status: 0 shown, 1 no gateway is running for this site, 2 the site file cannot be used.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from wayside.cli.command_line import seconds, whole
from wayside.cli.status import LONGEST, lines
from wayside.daemon.status import SOCKET, ask
from wayside.site import config
from wayside.text.printable import controlled, printable
from wayside.text.reason import reason

_CLEAR = "\x1b[H\x1b[2J"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("top", help="watch the running gateway's status")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("--every", type=seconds, default=1.0, metavar="SECONDS")
    parser.add_argument("--times", type=whole(0, 10**9), default=0, metavar="N", help="end after N looks; 0 for never")


def run(args: argparse.Namespace) -> int:
    try:
        path = args.site.parent / config.load_without_profiles(args.site).site.state / SOCKET
    except config.SiteFileError as error:
        print(error, file=sys.stderr)
        return 2
    looks = 0
    while not args.times or looks < args.times:
        if looks:
            time.sleep(args.every)
        try:
            told = ask(path)
        except (OSError, ValueError) as error:
            why = reason(error)
            print(f"wayside top: no gateway answers ({why}); start it: wayside run {args.site}", file=sys.stderr)
            return 1
        looks += 1
        shown = [printable(f"{each['level'].upper():<8} {each['text']}", LONGEST) for each in told["problems"]]
        controlled(sys.stdout).write(_CLEAR * sys.stdout.isatty())
        print("\n".join([*(shown or ["all well"]), "", *lines(told)]), flush=True)
    return 0
