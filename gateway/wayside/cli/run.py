"""`wayside run SITE`: the gateway daemon of a site file, until SIGTERM or Ctrl-C.

Exit status: 0 stopped as asked, 1 the site, its log or its keys cannot be used.
"""

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from wayside import config, profiles
from wayside.clock import Clock, SystemClock
from wayside.daemon import Daemon
from wayside.log import LogError
from wayside.sd_notify import Notifier
from wayside.trust.keys import KeyFileError
from wayside.trust.registry import RegistryError

_logger = logging.getLogger(__name__)

_PATIENCE_S = (60.0, 3600.0)
_HEALTHY_S = 6 * 3600.0  # who ran this long starts with the short wait again


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("run", help="run the gateway of a site file")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file, TOML")


def run(args: argparse.Namespace) -> int:
    faulthandler.enable()  # systemd's watchdog ends a stuck service with SIGABRT: then the journal shows where it was
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_until_signal(args.site, SystemClock(), Notifier(os.environ)))
    except (config.ConfigError, KeyFileError, LogError, RegistryError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _until_signal(path: Path, clock: Clock, notifier: Notifier) -> None:
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        notifier.stopping()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    patience_s = 0.0
    with suppress(asyncio.CancelledError):
        while True:
            began_s = clock.monotonic()
            await Daemon(config.load(path, profiles.names()), path, clock, patience_s, notifier).run()
            _logger.warning("a witness knows more of this log than its disk: starting again, in a new epoch")
            patience_s = _next_patience_s(patience_s, clock.monotonic() - began_s)


def _next_patience_s(patience_s: float, ran_s: float) -> float:
    """A witness that lies, or somebody between, must not make the gateway begin one epoch after the other."""
    return _PATIENCE_S[0] if ran_s > _HEALTHY_S else min(max(2 * patience_s, _PATIENCE_S[0]), _PATIENCE_S[1])
