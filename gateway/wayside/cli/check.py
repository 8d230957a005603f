"""`wayside check SITE`: every error of a site file, with line, key and what to write instead.

Exit status: 0 the file can be used, 1 it cannot.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from wayside import config, profiles


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("check", help="check a site file and explain every error")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file, TOML")


def run(args: argparse.Namespace) -> int:
    try:
        site = config.load(args.site, profiles.names())
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    counts = (len(site.bus), len(site.node), len(site.device_names()), len(site.sink))
    print(f"{args.site}: good: {counts[0]} buses, {counts[1]} nodes, {counts[2]} devices, {counts[3]} sinks")
    return 0
