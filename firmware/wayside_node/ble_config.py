"""The configuration of the role `beacon`: JSON, checked whole before anything starts (docs/node.md)."""

from collections import namedtuple

from .config import ConfigError, JsonTable, read_file, sensor_rows

BeaconBoard = namedtuple(
    "BeaconBoard", ("node", "state", "watchdog_ms", "key", "report_ms", "sensors", "bench", "gateway")
)
"""key: 16 bytes, None: in the clear; sensors: [(kind, options)]; bench: a BenchSettings or None; gateway: its public
key, whose commands count, None: nobody's do."""

BenchSettings = namedtuple("BenchSettings", ("after_start_ms", "contact"))
"""contact: name of a port for the board's open_pin(), None without."""


def check(data):
    """The BeaconBoard in a decoded JSON object; ConfigError otherwise."""
    table = JsonTable(data, "")
    table.choice("role", ("beacon",), None)
    made = BeaconBoard(
        table.name("node"),
        table.text("state"),
        table.integer("watchdog_ms", 1000, 8388, 8000),
        table.octets("key", 16, None),
        table.integer("report_ms", 1000, 3600000, 10000),
        sensor_rows(table.take("sensors")),
        _bench(JsonTable(table.take("bench"), "bench.")) if table.has("bench") else None,
        table.octets("gateway", 32, None),
    )
    table.end()
    return made


def load(path: str):
    """As check(), of a file."""
    return read_file(path, check)


def _bench(table):
    made = BenchSettings(
        1000 * table.integer("after_start_s", 0, 3600, 0), table.text("contact") if table.has("contact") else None
    )
    table.end()
    if not made.after_start_ms and made.contact is None:
        raise ConfigError("bench: say when it is on: after_start_s, or the name of a contact")
    return made
