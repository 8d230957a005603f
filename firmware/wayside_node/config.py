"""The node's one configuration file: JSON, checked whole before anything starts (docs/node.md lists every key)."""

import json
from collections import namedtuple

from wayside_wire import aggregate, capacity, modbus
from wayside_wire.modbus_field import More, RegisterField
from wayside_wire.modbus_plan import Block
from wayside_wire.senml import is_unit
from wayside_wire.text import is_name

from .journal import MIN_LIMIT
from .seal import SpoiltFile, strip

NodeConfig = namedtuple(
    "NodeConfig",
    ("node", "state", "journal_bytes", "holdover_ms", "watchdog_ms", "trial_ms", "gateway", "link", "buses", "sensors"),
)
"""state: directory of key, counters and journals; journal_bytes: flash for each device's packs; trial_ms: how long
it may take to reach the gateway before a new configuration is taken back; gateway: the 32-byte public key whose
acknowledgements, times and commands count; sensors: a Sensors, None without."""

LinkPort = namedtuple("LinkPort", ("port", "baud"))
MqttLink = namedtuple("MqttLink", ("host", "port", "tls", "topic", "username", "password", "ca"))
"""tls: bool; topic: what comes before "/up" and "/down"; ca: path of the broker's authority (DER), None with no TLS."""
BusPort = namedtuple("BusPort", ("port", "baud", "parity", "pause_ms", "meters"))
"""pause_ms: silence on the line before any request."""
Sensors = namedtuple("Sensors", ("device", "report_ms", "rows"))
"""What is wired to the board itself, as one device. rows: [(kind, options)] in the order of the file."""
MeterSettings = namedtuple(
    "MeterSettings", ("device", "unit", "poll_ms", "report_ms", "timeout_ms", "quiet_ms", "profile")
)
MeterProfile = namedtuple(
    "MeterProfile",
    (
        "name", "max_registers", "min_gap_ms", "read_gaps", "step", "fields", "kinds", "serial", "rollover", "resets",
        "max_power_w",
    ),
)  # fmt: skip
"""fields: wayside_wire.modbus_field.RegisterField; kinds: channel -> kind of wayside_wire.aggregate; serial: the Block
of the serial number, or None; rollover, resets: as wayside_wire.modbus_counts.counters wants them; max_power_w: of the
circuit, or 0."""

_KINDS = (aggregate.LAST, aggregate.STATISTICS, aggregate.REGISTER)
_PARITIES = ("N", "E", "O")
_BAUDS = (1200, 3000000)


class ConfigError(Exception):
    """The file cannot be used; the text names the file, the key, what is wrong and what to write."""


def load(path: str) -> NodeConfig:
    """The checked configuration in the file at `path`; ConfigError otherwise."""
    return read_file(path, check)


def read_file(path: str, check):
    """What `check` makes of the JSON in the file at `path`; ConfigError otherwise."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        raise ConfigError("%s: cannot be read; give the path of the node's configuration" % path)
    try:
        return check(json.loads(strip(text).decode()))
    except ConfigError as error:
        raise ConfigError("%s: %s" % (path, error))
    except SpoiltFile:
        raise ConfigError(
            "%s: its check sum is wrong: damaged, or changed in its place; write it anew, without blanks at its end"
            % path
        )
    except ValueError:
        raise ConfigError("%s: is not JSON" % path)
    except Exception as error:  # too deep or too large for the board, as damage may make it
        raise ConfigError("%s: cannot be used: %s" % (path, type(error).__name__))


def need(config):
    """What the node asks of its board, as wayside_wire.capacity wants it."""
    meters = [meter for bus in config.buses for meter in bus.meters]
    channels = terms = 0
    for meter in meters:
        channels += len(meter.profile.fields)
        for field in meter.profile.fields:
            terms += len(field.more.terms) if field.more else 0
    sensors = len(config.sensors.rows) if config.sensors else 0
    journals = len(meters) + (1 if config.sensors else 0)
    mqtt = isinstance(config.link, MqttLink)
    return capacity.Need(len(meters), channels, terms, sensors, journals, config.journal_bytes, mqtt)


def check(data) -> NodeConfig:
    """The configuration in decoded JSON; ConfigError names the first key that is wrong."""
    top = JsonTable(data, "")
    node = top.name("node")
    state = top.text("state")
    journal_bytes = top.integer("journal_bytes", MIN_LIMIT, 1 << 30, 65536)
    holdover_ms = top.integer("holdover_ms", 1000, 1 << 30, 600000)
    watchdog_ms = top.integer("watchdog_ms", 1000, 8388, 8000)  # 8388: the longest that an RP2040 has
    trial_ms = top.integer("trial_ms", 1000, 3600000, 300000)
    if not top.has("gateway"):
        raise ConfigError("gateway: is missing; write the gateway's public key, as `wayside flash --site SITE` does")
    gateway = top.octets("gateway", 32)
    link = JsonTable(top.take("link"), "link.")
    link_port = _mqtt(link) if link.has("mqtt") else LinkPort(link.text("port"), link.integer("baud", *_BAUDS, 115200))
    link.end()
    sensors = _sensors(JsonTable(top.take("sensors"), "sensors.")) if top.has("sensors") else None
    meters = top.take("meters", [] if sensors else _ABSENT)
    if not isinstance(meters, list) or not (meters or sensors):
        raise ConfigError("meters: write a list of one or more meters")
    top.end()
    buses = _buses(meters, link_port.port)
    if sensors:
        _own_ports(sensors, [link_port.port] + [bus.port for bus in buses])
        if sensors.device in [meter.device for bus in buses for meter in bus.meters]:
            raise ConfigError("sensors.device: %s is a meter's name; give it one of its own" % sensors.device)
    return NodeConfig(
        node, state, journal_bytes, holdover_ms, watchdog_ms, trial_ms, gateway, link_port, buses, sensors
    )


def _sensors(table):
    made = Sensors(
        table.name("device"), table.integer("report_ms", 1000, 86400000, 60000), sensor_rows(table.take("list"))
    )
    table.end()
    return made


def _own_ports(sensors, taken) -> None:
    for kind, options in sensors.rows:
        if options.get("port") in taken:
            raise ConfigError("sensors: %s: port: %s is the link's or a bus's" % (kind, options["port"]))


def sensor_rows(rows) -> list:
    """[(kind, options)] of a configuration's `sensors`; ConfigError for what is no list of them."""
    if not isinstance(rows, list) or not rows:
        raise ConfigError("sensors: write a list of one or more sensors")
    made = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
            raise ConfigError('sensors[%d]: write {"kind": ..., and what that sensor needs}' % index)
        options = dict(row)
        made.append((options.pop("kind"), options))
    return made


def _mqtt(link):
    scheme, _, rest = link.text("mqtt").partition("://")
    host, _, port = rest.partition(":")
    if scheme not in ("mqtt", "mqtts") or not host or port.strip("0123456789") or "/" in rest:
        raise ConfigError("link.mqtt: write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
    tls = scheme == "mqtts"
    number = int(port[:6]) if port else (8883 if tls else 1883)
    if not 0 < number < 65536:
        raise ConfigError("link.mqtt: the port is not a number up to 65535")
    topic = link.text("topic")
    if "+" in topic or "#" in topic or topic.startswith("/") or topic.endswith("/"):
        raise ConfigError("link.topic: write wayside/SITE/nodes/NODE, as the gateway's site file names them")
    username, password, ca = [link.text(key) if link.has(key) else None for key in ("username", "password", "ca")]
    if tls and ca is None:
        raise ConfigError("link.ca: is missing; with mqtts:// write the file of the broker's authority (DER)")
    return MqttLink(host, number, tls, topic, username, password, ca)


def _buses(meters: list, taken: str) -> tuple:
    """The meters by the port that they share, in the order of the file."""
    buses = []
    devices = []
    for index, item in enumerate(meters):
        where = "meters[%d]." % index
        table = JsonTable(item, where)
        line = BusPort(
            table.text("port"),
            table.integer("baud", *_BAUDS, 9600),
            table.choice("parity", _PARITIES, "N"),
            table.integer("pause_ms", 0, 5000, 0),
            [],
        )
        if line.port == taken:
            raise ConfigError("%sport: %s is the link's; a bus needs a port of its own" % (where, line.port))
        meter = _meter(table, where)
        if meter.device in devices:
            raise ConfigError("%sdevice: %s is there twice; give each meter a name of its own" % (where, meter.device))
        devices.append(meter.device)
        for bus in buses:
            if bus.port == line.port:
                _same_line(bus, line, meter, where)
                line = bus
        if line not in buses:
            buses.append(line)
        line.meters.append(meter)
    return tuple(buses)


def _same_line(bus, line, meter, where: str) -> None:
    if (bus.baud, bus.parity, bus.pause_ms) != (line.baud, line.parity, line.pause_ms):
        raise ConfigError(
            "%sbaud: the meters on %s have different baud, parity or pause_ms; one line has one of each"
            % (where, bus.port)
        )
    for other in bus.meters:
        if other.unit == meter.unit:
            raise ConfigError("%sunit: %d is taken on %s by %s" % (where, meter.unit, bus.port, other.device))


def _meter(table, where: str):
    poll_ms = table.integer("poll_ms", 20, 86400000, 1000)
    meter = MeterSettings(
        table.name("device"),
        table.integer("unit", 1, 247),
        poll_ms,
        table.integer("report_ms", poll_ms, 86400000, max(10000, poll_ms)),
        table.integer("timeout_ms", 10, 10000, 500),
        table.integer("quiet_ms", 10, 10000, 1000),
        _profile(table.take("profile"), where + "profile."),
    )
    table.end()
    return meter


def _profile(data, where: str):
    table = JsonTable(data, where)
    name = table.text("name")
    max_registers = table.integer("max_registers", 1, modbus.MAX_READ)
    min_gap_ms = table.integer("min_gap_ms", 0, 5000, 0)
    read_gaps = table.switch("read_gaps", True)
    step = table.integer("step", 1, 4, 1)
    rows = table.take("channels")
    serial = _serial(table.take("serial", None), where, max_registers)
    rollover = table.take("rollover", {})
    resets = table.take("resets", [])
    max_power_w = table.integer("max_power_w", 0, 1000000000000, 0)
    table.end()
    if not isinstance(rows, list) or not rows:
        raise ConfigError("%schannels: write a list of one or more channels" % where)
    fields = []
    kinds = {}
    names = set()  # with those of statistics and differences
    for index, row in enumerate(rows):
        field, kind = _channel(row, "%schannels[%d]" % (where, index), max_registers)
        place = "%schannels[%d]" % (where, index)
        for name in (field.channel,) + aggregate.derived(field.channel, kind):
            if not is_name(name):
                raise ConfigError("%s: %s is too long for a name; write a shorter channel" % (place, name))
            if name in names:
                raise ConfigError("%s: %s is there twice" % (place, name))
            names.add(name)
        fields.append(field)
        kinds[field.channel] = kind
    if not isinstance(rollover, dict) or not all([key in kinds and _positive(rollover[key]) for key in rollover]):
        raise ConfigError("%srollover: write {CHANNEL: COUNT}, with channels of this profile" % where)
    if not isinstance(resets, list) or not all([isinstance(each, str) and each in kinds for each in resets]):
        raise ConfigError("%sresets: write a list of channels of this profile" % where)
    return MeterProfile(
        name, max_registers, min_gap_ms, read_gaps, step, tuple(fields), kinds, serial, rollover, resets, max_power_w
    )


def _serial(value, where: str, max_registers: int):
    if value is None:
        return None
    fits = isinstance(value, list) and len(value) == 3 and _within(value[0], 3, 4) and _within(value[1], 0, 65535)
    if not fits or not _within(value[2], 1, max_registers):
        raise ConfigError("%sserial: write [function, address, count] of registers, or leave it out" % where)
    return Block(value[0], value[1], value[2], ())


def _positive(value) -> bool:
    return is_integer(value) and value > 0


# What a channel's row holds, in the order of modbus_field.RegisterField, and then the kind of aggregate. Few need
# RegisterField.more: it stands behind that, as [divisor, offset, words, terms], and a term is such a row, too.
_ROW = (
    is_name,
    is_unit,
    lambda v: _within(v, -24, 24),
    lambda v: _within(v, 1, 4),
    lambda v: _within(v, 0, 65535),
    lambda v: _within(v, 1, modbus.MAX_READ),
    lambda v: isinstance(v, str) and v in ("u", "s", "m", "f", "b", "d"),
    lambda v: v is True or v is False,
    lambda v: v is True or v is False,
    lambda v: _within(v, -24, 24),
    lambda v: is_integer(v) and v != 0,
    lambda v: isinstance(v, list) and all([is_integer(item) for item in v]),
    lambda v: v is None or _within(v, 0, 65535),
    lambda v: is_integer(v) and v >= 0,
    lambda v: isinstance(v, str) and v in _KINDS,
)
# A term has no name and no unit of its own.
_TERM = (lambda v: v == "", lambda v: v == "") + _ROW[2:]
_COLUMNS = (
    "channel", "unit", "exponent", "function", "address", "count", "kind", "words_low_first", "bytes_low_first",
    "shift", "factor", "missing", "scale", "mask", "aggregate",
)  # fmt: skip


def _channel(row, where: str, max_registers: int):
    field = _field(row, where, _ROW)
    if field.count > max_registers or field.address + field.count > 65536:
        raise ConfigError("%s: count: %d registers are more than one request may read" % (where, field.count))
    return field, row[len(_ROW) - 1]


def _field(row, where: str, fits_row):
    columns = len(_ROW)
    if not isinstance(row, list) or not columns <= len(row) <= columns + 1:
        raise ConfigError("%s: write a row of %d columns: %s" % (where, columns, ", ".join(_COLUMNS)))
    for value, fits, column in zip(row, fits_row, _COLUMNS):
        if not fits(value):
            raise ConfigError("%s: %s: %s does not fit; export the profile again" % (where, column, repr(value)))
    more = _more(row[columns], where, row[5]) if len(row) > columns else None
    field = RegisterField(*(row[: columns - 1] + [more]))
    own = len(more.words) if more and more.words else field.count
    if field.kind == "f" and own not in (2, 4):
        raise ConfigError("%s: count: a float has 2 or 4 registers" % where)
    return field


def _more(data, where: str, count: int):
    where = "%s: more" % where
    if not isinstance(data, list) or len(data) != 4:
        raise ConfigError("%s: write [divisor, offset, words, terms]" % where)
    divisor, offset, words, terms = data
    if not is_integer(divisor) or divisor < 1 or not is_integer(offset):
        raise ConfigError("%s: divisor and offset are whole numbers, the divisor 1 or more" % where)
    if not isinstance(words, list) or not all([_within(place, 0, count - 1) for place in words]):
        raise ConfigError("%s: words: write places from 0 to %d" % (where, count - 1))
    if not isinstance(terms, list):
        raise ConfigError("%s: terms: write a list of rows" % where)
    fields = []
    for term in terms:
        field = _field(term, where + ": terms", _TERM)
        if field.address + field.count > count:
            raise ConfigError("%s: terms: address: is beyond the field's %d registers" % (where, count))
        fields.append(field)
    return More(divisor, offset, tuple(words), tuple(fields))


def is_integer(value) -> bool:
    return isinstance(value, int) and value is not True and value is not False


def _within(value, low: int, high: int) -> bool:
    return is_integer(value) and low <= value <= high


_ABSENT = object()


class JsonTable:
    """One JSON object, emptied key by key, so that end() can name what nobody knows."""

    def __init__(self, data, where: str):
        if not isinstance(data, dict):
            raise ConfigError("%s: write an object, {...}" % (where[:-1] or "the file"))
        self._data = dict(data)
        self._where = where

    def take(self, key: str, default=_ABSENT):
        value = self._data.pop(key, default)
        if value is _ABSENT:
            raise ConfigError("%s%s: is missing; add it" % (self._where, key))
        return value

    def has(self, key: str) -> bool:
        return key in self._data

    def end(self) -> None:
        for key in self._data:
            raise ConfigError("%s%s: unknown key; remove it" % (self._where, key))

    def integer(self, key: str, low: int, high: int, default=_ABSENT) -> int:
        value = self.take(key, default)
        if not _within(value, low, high):
            raise ConfigError(
                "%s%s: %s; write a whole number from %d to %d" % (self._where, key, repr(value), low, high)
            )
        return value

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not 0 < len(value) <= 256:
            raise ConfigError("%s%s: %s; write a text" % (self._where, key, repr(value)))
        return value

    def octets(self, key: str, size: int, default=_ABSENT):
        """Bytes that are written in hexadecimal digits."""
        value = self.take(key, default)
        if value is None and default is None:
            return None
        digits = value.lower() if isinstance(value, str) else ""
        if len(digits) != 2 * size or digits.strip("0123456789abcdef"):
            raise ConfigError("%s%s: write %d hexadecimal digits" % (self._where, key, 2 * size))
        return bytes.fromhex(digits)

    def name(self, key: str) -> str:
        value = self.text(key)
        if not is_name(value):
            raise ConfigError(
                "%s%s: %s; a name has 1 to 48 letters, digits, or - : . _ and begins with a letter or digit"
                % (self._where, key, repr(value))
            )
        return value

    def switch(self, key: str, default: bool) -> bool:
        value = self.take(key, default)
        if value is not True and value is not False:
            raise ConfigError("%s%s: %s; write true or false" % (self._where, key, repr(value)))
        return value

    def choice(self, key: str, values: tuple, default):
        """One of these texts."""
        value = self.take(key, default)
        if not isinstance(value, str) or value not in values:
            raise ConfigError("%s%s: %s; write one of %s" % (self._where, key, repr(value), json.dumps(values)))
        return value
