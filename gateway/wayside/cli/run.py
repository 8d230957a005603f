"""`wayside run SITE`: the gateway daemon of a site file, until SIGTERM or Ctrl-C.

Exit status: 0 stopped as asked, 1 the site, its log or its keys cannot be used.
"""

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from wayside import config, profiles
from wayside.clock import SystemClock
from wayside.daemon import Daemon
from wayside.log import LogError
from wayside.trust.keys import KeyFileError


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("run", help="run the gateway of a site file")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file, TOML")


def run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        site = config.load(args.site, profiles.names())
        daemon = Daemon(site, args.site, SystemClock())
    except (config.ConfigError, KeyFileError, LogError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    asyncio.run(_until_signal(daemon))
    return 0


async def _until_signal(daemon: Daemon) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await daemon.run()
