"""Opens sensors by the kind that a configuration calls them. A kind is a file of this folder: one more driver is one
more file, and nothing else.

The file has open_driver(options, place), which returns the driver: `options` is a config.JsonTable of what the
configuration says, from which it takes what it knows; `place` is a DriverPlace. A driver has `channels`
(lora_report.ReportChannel), step(), which never waits, and readings(now_ms), one for each channel; flash is written in
the latter alone.
"""

from collections import namedtuple

from ..config import ConfigError, JsonTable

DriverPlace = namedtuple("DriverPlace", ("board", "clock", "files", "state"))
"""What a driver may need of its node. state: the directory where values are kept.

A board has open_uart(port, baud, parity); one with I2C also open_i2c(port), one with contacts open_pin(port), which
gives a function that says whether the contact is closed, one with a converter open_adc(port), which gives a function
that measures microvolts.
"""

_KIND = "abcdefghijklmnopqrstuvwxyz0123456789_"


def open_sensor(kind: str, options: dict, board, clock, files, state: str):
    """(driver, its channels); ConfigError for what is not known, or not to be had on this board."""
    module = _module(kind)
    where = "sensors: %s: " % kind
    table = JsonTable(options, where)
    try:
        driver = module.open_driver(table, DriverPlace(board, clock, files, state))
    except AttributeError as error:
        raise ConfigError("%sthis board cannot do it (%s)" % (where, error))
    except OSError as error:
        raise ConfigError("%s%s" % (where, error))
    table.end()
    return driver, driver.channels


def open_sensors(rows, board, clock, files, state: str):
    """(drivers, all their channels) of what config.sensor_rows() gave; ConfigError."""
    drivers = []
    channels = []
    for kind, options in rows:
        driver, its = open_sensor(kind, options, board, clock, files, state)
        drivers.append(driver)
        channels.extend(its)
    if len({channel.name for channel in channels}) != len(channels):
        raise ConfigError("sensors: two of them have a channel of the same name; use one of them")
    return drivers, channels


def _module(kind: str):
    if kind and not kind.strip(_KIND):
        try:
            module = __import__("wayside_node.sensors." + kind, None, None, (kind,))
        except ImportError:
            module = None
        if hasattr(module, "open_driver"):
            return module
    raise ConfigError("sensors: %s is no sensor; a kind is the name of a driver in wayside_node/sensors" % kind)
