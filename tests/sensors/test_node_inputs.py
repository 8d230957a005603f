"""Analogue inputs and the catalogue on both interpreters: plain asserts, no pytest."""

import sys

sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

from fakes import Time, files, scratch
from wayside_node.config import ConfigError
from wayside_node.sensors.analogue import Analogue, VoltageSpan
from wayside_node.sensors.catalogue import open_sensor
from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import GOOD

LOOP = {
    "port": "adc0", "channel": "level", "unit": "m", "exponent": -3, "low_mv": 400, "high_mv": 2000, "low": 0,
    "high": 5000, "broken_below_mv": 360, "samples": 4,
}  # fmt: skip


class Board:
    """A board with a contact and a converter."""

    def __init__(self):
        self.closed = False
        self.uv = 0

    def open_pin(self, port):
        return lambda: self.closed

    def open_adc(self, port):
        return lambda: self.uv


def opened(kind, options, board=None):
    return open_sensor(kind, options, board or Board(), Time().clock(), files(), scratch("inputs"))


def refused(kind, options, board=None):
    try:
        opened(kind, options, board)
    except ConfigError as error:
        return str(error)
    raise AssertionError("not refused: %r" % options)


def shown(driver, board, *voltages):
    for board.uv in voltages:
        driver.step()
    (reading,) = driver.readings(0)
    return reading.mantissa if reading.quality == GOOD else reading.reason


def test_a_current_loop():
    board = Board()
    driver, channels = opened("analogue", LOOP, board)
    assert channels == (ReportChannel("level", "m", -3),)
    assert driver.readings(0)[0].reason == "no value yet"
    assert shown(driver, board, 400000) == "no value yet"
    assert shown(driver, board, 400000, 400000, 400000) == 0
    assert shown(driver, board, *[1200000] * 4) == 2500
    assert shown(driver, board, *[2000000] * 4) == 5000
    assert shown(driver, board, *[2040000] * 4) == 5125  # 20.4 mA
    assert shown(driver, board, *[2040001] * 4) == "out of range"
    assert shown(driver, board, *[361000] * 4) == -122
    assert shown(driver, board, *[360000] * 4) == "broken wire"
    assert shown(driver, board, *[0] * 4) == "broken wire"
    # A contact that comes and goes is not averaged away.
    assert shown(driver, board, *[1200000] * 4) == 2500
    assert shown(driver, board, 0, 1200000, 1200000) == "broken wire"
    assert shown(driver, board, 1200000, 1200000) == 2500


def test_a_voltage_with_a_resistor_to_the_supply():
    span = VoltageSpan(0, 3000000, 0, 1000, 25, (None, 3200000))
    assert [span.wrong(uv) for uv in (-1, 0, 3075000, 3075001, 3200000)] == ["", "", "", "out of range", "broken wire"]
    falling = VoltageSpan(0, 1000000, 100, -100, 0)
    assert [falling.value(uv, 1) for uv in (0, 500000, 1000000)] == [100, 0, -100]
    # The mean is rounded once: 1, 1 and 2 thirds of a step.
    driver = Analogue(lambda: 0, ReportChannel("a", "V", 0), VoltageSpan(0, 3, 0, 1, 0), 1)
    assert driver.readings(0)[0].reason == "no value yet"
    assert VoltageSpan(0, 3, 0, 3, 0).value(4, 3) == 1


def test_configurations_that_cannot_be():
    for key in ("port", "channel", "unit", "exponent", "low_mv", "high_mv", "low", "high"):
        options = dict(LOOP)
        options.pop(key)
        assert key in refused("analogue", options)
    for key, value in (("high_mv", 400), ("low", 1.5), ("samples", 0), ("unit", ""), ("channel", "a b"), ("gain", 1)):
        options = dict(LOOP)
        options[key] = value
        assert key in refused("analogue", options), key
    for kind in ("crystal ball", "", "state", "../x", "catalogue", "nothing", "Analogue"):
        assert "no sensor" in refused(kind, {}), kind
    assert "board" in refused("bme280", {"port": "i2c"})


def test_every_kind_opens():
    class Everything(Board):
        def open_i2c(self, port):
            return None

        def open_uart(self, port, baud, parity):
            return None

    pulse = {"port": "in0", "channel": "volume", "unit": "m3", "exponent": -3, "factor": 10}
    for kind, options in (
        ("analogue", LOOP), ("digital", {"port": "in0", "name": "door"}), ("loop", {"port": "in0"}), ("pulses", pulse),
        ("bme280", {"port": "i2c", "address": 0x77}), ("scd41", {"port": "i2c"}), ("qmc5883l", {"port": "i2c"}),
        ("sds011", {"port": "uart"}), ("pms5003", {"port": "uart", "warm_up_ms": 0}),
    ):  # fmt: skip
        driver, channels = opened(kind, options, Everything())
        readings = driver.readings(0)
        assert [reading.channel for reading in readings] == [channel.name for channel in channels], kind
