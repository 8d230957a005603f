"""The command line: `micropython -m wayside_node --config node.json [--public-key]`."""

import asyncio
import sys
import time

import board
import wayside_native

from .app import Node
from .clock import NodeClock
from .command_line import jitter, parse, say, started
from .config_store import ConfigStore, load_or_fall_back
from .files import Files
from .judge import judged
from .keys import open_identity
from .report_log import ReportLog


def main(arguments) -> int:
    """Exit status: 0 done, 1 the configuration or identity cannot be used, 2 wrong usage."""
    asked = parse(arguments, "wayside_node")
    if asked is None:
        return 2
    path, public_key = asked
    files = Files(board.sync, board.sync_directory)
    store = ConfigStore(files, path, judged(board, files), tried=True)
    return started(lambda: _run(files, store, path, public_key), store)


def _run(files, store, path: str, public_key: bool) -> None:
    if public_key:
        config = load_or_fall_back(path, say)
        print(open_identity(files, config.state, wayside_native, board.urandom).public.hex())
        return
    early = []  # before there is a log
    config = store.begin(early.append)
    clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, config.holdover_ms)
    log = ReportLog(clock.now, say)
    for text in early:
        log(text)
    node = Node(config, board, wayside_native, clock, files, jitter, log, store)
    say("node %s: boot %d" % (config.node, node.boot))
    asyncio.run(node.run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
