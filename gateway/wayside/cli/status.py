"""`wayside status SITE`: how the running gateway of a site is doing.

All that is not well is on the standard error. Exit status: 0 nothing is down, 1 no gateway is running for this site,
2 the site file cannot be used, 3 the gateway runs, but something that it needs is down: a device, a node, a bus, a
sink, the log. A warning leaves the exit status as it is.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from wayside.daemon.status import SOCKET, ask
from wayside.parts.about import BAD
from wayside.site import config
from wayside.text.printable import printable
from wayside.text.reason import reason

LONGEST = 1000  # characters of a line


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="show the running gateway's status")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(args: argparse.Namespace) -> int:
    try:
        site = config.load_without_profiles(args.site)
    except config.SiteFileError as error:
        print(error, file=sys.stderr)
        return 2
    path = args.site.parent / site.site.state / SOCKET
    try:
        told = ask(path)
    except (OSError, ValueError) as error:
        why = reason(error)
        print(f"wayside status: no gateway answers ({why}); start it: wayside run {args.site}", file=sys.stderr)
        return 1
    print(json.dumps(told, indent=1) if args.json else "\n".join(lines(told)))
    for each in told["problems"]:
        level = "" if each["level"] == BAD else f"{each['level']}: "
        print(printable(f"wayside status: {level}{each['text']}", LONGEST), file=sys.stderr)
    return 3 if any(each["level"] == BAD for each in told["problems"]) else 0


def lines(told: dict[str, Any]) -> list[str]:
    """What the gateway's parts say; nodes, brokers and others have chosen some of the words."""
    return [printable(line, LONGEST) for line in told["lines"]]
