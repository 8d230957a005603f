"""The configuration of a signal node: one JSON file, checked whole (docs/signals.md lists every key)."""

from collections import namedtuple

from wayside_node.config import ConfigError, JsonTable, read_file

SignalConfig = namedtuple(
    "SignalConfig", ("node", "state", "watchdog_ms", "lamps", "inputs", "matrix", "controller", "monitor")
)
"""lamps: the board's name for its outputs; inputs: how many are read."""

MatrixFile = namedtuple("MatrixFile", ("file", "key"))
Peer = namedtuple("Peer", ("port", "baud", "key"))


def load(path: str) -> SignalConfig:
    """The checked configuration in the file at `path`; ConfigError otherwise."""
    return read_file(path, check)


def check(data) -> SignalConfig:
    """The configuration in decoded JSON; ConfigError names the first key that is wrong."""
    top = JsonTable(data, "")
    config = SignalConfig(
        top.name("node"),
        top.text("state"),
        top.integer("watchdog_ms", 1000, 8388, 1000),
        top.text("lamps"),
        top.integer("inputs", 0, 64, 0),
        _matrix(JsonTable(top.take("matrix"), "matrix.")),
        _peer(JsonTable(top.take("controller"), "controller.")),
        _peer(JsonTable(top.take("monitor"), "monitor.")),
    )
    top.end()
    if config.controller.port == config.monitor.port or config.controller.key == config.monitor.key:
        raise ConfigError("monitor: port and key are the controller's; the monitor needs its own")
    return config


def _matrix(table) -> MatrixFile:
    matrix = MatrixFile(table.text("file"), table.text("key"))
    table.end()
    return matrix


def _peer(table) -> Peer:
    peer = Peer(table.text("port"), table.integer("baud", 57600, 3000000, 115200), table.octets("key", 32))
    table.end()
    return peer
