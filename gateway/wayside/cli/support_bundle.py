"""`wayside support-bundle SITE FILE`: what somebody who helps needs to see, without keys and passwords.

Exit status: 0 written, 2 the site file cannot be used or the bundle cannot be written.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from wayside.daemon import status
from wayside.evidence.files import replace_file
from wayside.site import config, support_bundle
from wayside.text.reason import reason


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("support-bundle", help="write a file for support, without secrets")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("file", type=Path, metavar="FILE", help="the bundle to write, .tar.gz")


def run(args: argparse.Namespace) -> int:
    try:
        state = args.site.parent / config.load_without_profiles(args.site).site.state
        try:
            told = status.ask(state / status.SOCKET)
        except (OSError, ValueError):
            told = None
        replace_file(args.file, support_bundle.make(args.site, state, told))
    except (config.SiteFileError, OSError) as error:
        print(reason(error), file=sys.stderr)
        return 2
    print(f"{args.file}: look through it before you send it; it holds no keys and no passwords")
    return 0
