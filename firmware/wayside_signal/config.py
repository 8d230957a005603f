"""The configuration of a signal node: one JSON file, checked whole (docs/signals.md lists every key)."""

import json
from collections import namedtuple

from wayside_node.config import ConfigError, Table

Config = namedtuple("Config", ("node", "state", "watchdog_ms", "lamps", "inputs", "matrix", "controller", "monitor"))
"""lamps: the board's name for its outputs; inputs: how many are read."""

Matrix = namedtuple("Matrix", ("file", "key"))
Peer = namedtuple("Peer", ("port", "baud", "key"))


def load(path: str) -> Config:
    """The checked configuration in the file at `path`; ConfigError otherwise."""
    try:
        with open(path) as file:
            data = json.loads(file.read())
    except OSError:
        raise ConfigError("%s: cannot be read; give the path of the node's configuration" % path)
    except ValueError:
        raise ConfigError("%s: is not JSON" % path)
    try:
        return _check(data)
    except ConfigError as error:
        raise ConfigError("%s: %s" % (path, error))


def _check(data) -> Config:
    top = Table(data, "")
    config = Config(
        top.name("node"),
        top.text("state"),
        top.integer("watchdog_ms", 1000, 8388, 1000),
        top.text("lamps"),
        top.integer("inputs", 0, 64, 0),
        _matrix(Table(top.take("matrix"), "matrix.")),
        _peer(Table(top.take("controller"), "controller."), "controller."),
        _peer(Table(top.take("monitor"), "monitor."), "monitor."),
    )
    top.end()
    if config.controller.port == config.monitor.port or config.controller.key == config.monitor.key:
        raise ConfigError("monitor: port and key are the controller's; the monitor needs its own")
    return config


def _matrix(table) -> Matrix:
    matrix = Matrix(table.text("file"), table.text("key"))
    table.end()
    return matrix


def _peer(table, where: str) -> Peer:
    peer = Peer(table.text("port"), table.integer("baud", 57600, 3000000, 115200), _key(table.text("key"), where))
    table.end()
    return peer


def _key(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigError("%skey: write 64 hexadecimal digits, as `wayside signals keys` prints them" % where)
    return key
