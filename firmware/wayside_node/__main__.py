"""The command line: `micropython -m wayside_node --config node.json [--public-key]`."""

import asyncio
import sys
import time

import board
import wayside_native

from .app import Node
from .clock import Clock
from .command_line import jitter, parse, say
from .config import ConfigError
from .config_store import ConfigStore, load_or_fall_back
from .files import Files
from .keys import IdentityError, open_identity
from .report_log import ReportLog

_PROMPT_MS = 600000


def main(arguments) -> int:
    """Exit status: 0 done, 1 the configuration or identity cannot be used, 2 wrong usage."""
    asked = parse(arguments, "wayside_node")
    if asked is None:
        return 2
    path, public_key = asked
    files = Files(board.sync, board.sync_directory)
    store = ConfigStore(files, path, tried=True)
    said = []  # before there is a log
    try:
        if public_key:
            config = load_or_fall_back(path, say)
            print(open_identity(files, config.state, wayside_native, board.urandom).public.hex())
            return 0
        config = store.begin(said.append)
        clock = Clock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, config.holdover_ms)
        log = ReportLog(clock.now, say)
        for text in said:
            log(text)
        node = Node(config, board, wayside_native, clock, files, jitter, log, store)
    except (ConfigError, IdentityError) as error:
        return _unusable(str(error), store)
    except OSError as error:
        return _unusable("%s: %s; the node needs a directory that it can write to" % (config.state, error), store)
    say("node %s: boot %d" % (config.node, node.boot))
    try:
        asyncio.run(node.run())
    except KeyboardInterrupt:
        # A technician wants the prompt. When nobody comes back, the watchdog starts the node again.
        board.hold(node.feed, _PROMPT_MS)
    return 0


def _unusable(why: str, store) -> int:
    """The node cannot start with this configuration; where it is on trial it can with the one before."""
    say(why)
    if store.on_trial():
        store.go_back()
        board.reset()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
