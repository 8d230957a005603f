"""The configuration of the roles `radio` and `sensor`: JSON, checked whole before anything starts (docs/lora.md)."""

from collections import namedtuple

from wayside_wire import region

from .config import ConfigError, JsonTable, LinkPort, read_file, sensor_rows
from .journal import MIN_LIMIT
from .radio_sensor import UplinkSettings

RadioSettings = namedtuple("RadioSettings", ("region", "freq_khz", "sf", "bw_hz"))
"""What both ends of the air have in common."""

RadioBoard = namedtuple("RadioBoard", ("state", "watchdog_ms", "radio", "chip", "link"))
"""The role `radio`. chip: what the board needs to open its modem."""

SensorBoard = namedtuple(
    "SensorBoard",
    (
        "state", "watchdog_ms", "radio", "chip", "uplink", "key", "report_ms", "sign_every", "journal_bytes",
        "holdover_ms", "sensors",
    ),
)  # fmt: skip
"""The role `sensor`. key: 16 bytes; sign_every: reports of a pack at most; sensors: [(name, {key: value})] in the order
of the profile."""


def check(data):
    """The RadioBoard or SensorBoard in a decoded JSON object; ConfigError otherwise."""
    table = JsonTable(data, "")
    role = table.choice("role", ("radio", "sensor"), None)
    state = table.text("state")
    watchdog_ms = table.integer("watchdog_ms", 1000, 8388, 8000)
    radio = _radio(JsonTable(table.take("radio"), "radio."))
    chip = table.take("chip")
    if not isinstance(chip, dict):
        raise ConfigError("chip: write an object, {...}")
    if role == "radio":
        link = JsonTable(table.take("link"), "link.")
        made = RadioBoard(
            state, watchdog_ms, radio, chip, LinkPort(link.text("port"), link.integer("baud", 1200, 921600, 115200))
        )
        link.end()
    else:
        uplink = UplinkSettings(
            table.integer("network", 0, 0xFFFFFFFF),
            table.integer("node", 0, 0xFFFF),
            table.name("device"),
            table.integer("listen_ms", 0, 60000, 3000),
        )
        made = SensorBoard(
            state,
            watchdog_ms,
            radio,
            chip,
            uplink,
            table.octets("key", 16),
            table.integer("report_ms", 1000, 86400000, 900000),
            table.integer("sign_every", 1, 31, 31),
            table.integer("journal_bytes", MIN_LIMIT, 1 << 30, 65536),
            table.integer("holdover_ms", 1000, 864000000, 86400000),
            sensor_rows(table.take("sensors")),
        )
    table.end()
    return made


def load(path: str):
    """As check(), of a file."""
    return read_file(path, check)


def _radio(table):
    name = table.text("region")
    if name not in region.REGIONS:
        raise ConfigError("radio.region: %s; write one of %s" % (name, ", ".join(sorted(region.REGIONS))))
    rules = region.REGIONS[name]
    radio = RadioSettings(
        name,
        table.integer("freq_khz", 137000, 1020000, rules.channel_khz),
        table.integer("sf", 7, 12),
        table.integer("bw_hz", 125000, 500000, rules.bw_hz),
    )
    table.end()
    try:
        region.band_of(rules, radio.freq_khz, radio.bw_hz)
    except ValueError as error:
        raise ConfigError("radio.freq_khz: %s" % error)
    return radio
