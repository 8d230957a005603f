"""`wayside run SITE`: the gateway daemon of a site file, until SIGTERM or Ctrl-C. SIGHUP: take the file up again.

Exit status: 0 stopped as asked, 1 the site, its log or its keys cannot be used, or not all that was read is stored.
"""

import argparse
import asyncio
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from wayside.daemon import messages
from wayside.daemon.sd_notify import Notifier
from wayside.daemon.service import keep_running
from wayside.log import LogError
from wayside.runtime.clock import Clock, SystemClock
from wayside.site import config, secret_files
from wayside.site.state import begin_anew
from wayside.text.reason import reason
from wayside.trust.keys import KeyFileError
from wayside.trust.registry import RegistryError

_NAMED = 10  # devices, when it says that it runs
_STOPS = "it stops already: devices get their fail-safe values, and what was read is stored; wait for it"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("run", help="run the gateway of a site file")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file, TOML")
    new_help = "begin a second history of a site that has run before, once; its state must have been moved away"
    parser.add_argument("--new-state", action="store_true", help=new_help)


def run(args: argparse.Namespace) -> int:
    faulthandler.enable()  # systemd's watchdog ends a stuck service with SIGABRT: then the journal shows where it was
    messages.set_up(os.environ)
    try:
        if args.new_state:
            site = config.load(args.site)
            secret_files.check(site, args.site, secret_files.AT_START)
            begin_anew(site, args.site)
        asyncio.run(_until_signal(args.site, SystemClock(), Notifier(os.environ)))
    except (config.SiteFileError, KeyFileError, LogError, RegistryError, ValueError, OSError) as error:
        print(reason(error), file=sys.stderr)
        return 1
    return 0


async def _until_signal(path: Path, clock: Clock, notifier: Notifier) -> None:
    task = asyncio.current_task()
    assert task is not None

    stopping = asyncio.Event()

    def stop() -> None:
        """Once: a second signal must not cancel what a stop has to do."""
        if stopping.is_set():
            print(_STOPS, file=sys.stderr, flush=True)
            return
        stopping.set()
        notifier.stopping()
        task.cancel()

    loop, reload = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    with suppress(asyncio.CancelledError):
        await keep_running(path, clock, notifier, reload=reload, runs=partial(_say_so, path))


def _say_so(path: Path, site: config.SiteFile) -> None:
    names = list(site.expected())
    devices = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    shown = f"wayside status {path}"
    if site.web:
        shown += f", http{'s' if site.web.cert_file else ''}://{site.web.listen}"
    with suppress(OSError):  # nobody listens any more
        print(f"{site.site.name} runs: {len(names)} devices ({devices or 'none'}); how it is: {shown}", flush=True)
