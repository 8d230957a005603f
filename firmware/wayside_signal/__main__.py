"""The command line: `micropython -m wayside_signal --config signal.json`."""

import asyncio
import sys
import time

import board
import wayside_native
from wayside_node.clock import NodeClock
from wayside_node.config import ConfigError
from wayside_node.config_store import ConfigStore
from wayside_node.files import Files
from wayside_wire import WireError

from .app import SignalNode
from .config import check, load
from .matrix_file import keep_newest, load_matrix


def main(arguments) -> int:
    """Exit status: 0 done, 1 the configuration or the matrix cannot be used, 2 wrong usage."""
    if len(arguments) != 2 or arguments[0] != "--config":
        _report("usage: wayside_signal --config FILE")
        return 2
    files = Files(board.sync, board.sync_directory)
    clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, 0)
    try:
        config = ConfigStore(files, arguments[1], check, load).begin(_report)
        files.make_directory(config.state)
        matrix = load_matrix(config.matrix, wayside_native.ed25519_verify)
        keep_newest(matrix, files, config.state + "/matrix")
        node = SignalNode(config, matrix, board, clock, files, _report)
    except (ConfigError, WireError, OSError) as error:
        _report(str(error))
        return 1
    _report(
        "signal node %s at %s, version %d: %d channels"
        % (config.node, matrix.junction, matrix.version, len(matrix.channels))
    )
    try:
        asyncio.run(node.run())
    except KeyboardInterrupt:
        pass
    return 0


def _report(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
