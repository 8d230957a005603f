"""A meter's registers become readings: right ones, or bad ones that say why."""

import asyncio

from fakes import Time
from wayside_node import config
from wayside_node.meter import Meter
from wayside_wire import modbus
from wayside_wire.modbus import EXCEPTION, ModbusError
from wayside_wire.modbus_field import RegisterField
from wayside_wire.pack import BAD, GOOD


def field(channel, address, kind="u", count=1, function=4, exponent=0, scale=None, missing=()):
    missing = frozenset(missing)
    return RegisterField(
        channel, "V", exponent, function, address, count, kind, False, False, 0, 1, missing, scale, 0, None
    )


class Registers:
    """A bus whose device has one value at every address; `failures` maps (address, count) to what goes wrong."""

    def __init__(self):
        self.values = {}
        self.absent = ()
        self.error = None
        self.asked = []

    async def read(self, unit, function, address, count, timeout_ms, quiet_ms, gap_ms=0):
        self.asked.append((function, address, count))
        if self.error:
            raise self.error
        for missing in self.absent:
            if address <= missing < address + count:
                raise ModbusError(EXCEPTION, "exception 2: illegal data address", modbus.ILLEGAL_ADDRESS)
        data = bytearray()
        for at in range(address, address + count):
            value = self.values.get(at, at)
            data.append(value >> 8)
            data.append(value & 0xFF)
        return bytes(data)


def bench(fields, read_gaps=True, gap_ms=0):
    time = Time()
    bus = Registers()
    profile = config.MeterProfile("p", 80, gap_ms, read_gaps, 1, tuple(fields), {}, None, {}, [], 0)
    settings = config.MeterSettings("meter-1", 7, 1000, 10000, 500, 1000, profile)
    return Meter(settings, bus, 9600, time.clock()), bus, time


def poll(meter):
    return {reading.channel: reading for reading in asyncio.run(meter.poll())}


def test_neighbours_are_read_together():
    meter, bus, _ = bench([field("a", 0), field("b", 1), field("c", 12)])
    readings = poll(meter)
    assert [readings[name].mantissa for name in "abc"] == [0, 1, 12]
    assert [readings[name].quality for name in "abc"] == [GOOD] * 3
    assert len(bus.asked) == 1


def test_a_device_that_takes_no_gaps_is_asked_field_by_field():
    meter, bus, _ = bench([field("a", 0), field("b", 1), field("c", 12)], read_gaps=False)
    assert poll(meter)["c"].mantissa == 12
    assert len(bus.asked) == 2


def test_the_time_is_that_of_the_answer():
    meter, _, time = bench([field("a", 0), field("b", 500)], gap_ms=40)
    time.advance(1000)
    readings = poll(meter)
    assert readings["a"].time_ms == 1040
    assert readings["b"].time_ms == 1080


def test_no_value_is_bad_with_its_reason():
    meter, bus, _ = bench([field("a", 0, missing=(0xFFFF,)), field("b", 1, "f", 2)])
    bus.values = {0: 0xFFFF, 1: 0x7FC0, 2: 0}
    readings = poll(meter)
    assert (readings["a"].mantissa, readings["a"].quality, readings["a"].reason) == (None, BAD, "no value")
    assert (readings["b"].mantissa, readings["b"].quality, readings["b"].reason) == (None, BAD, "not a number")


def test_a_scale_register_moves_the_point():
    meter, bus, _ = bench([field("a", 10, scale=300)])
    bus.values = {10: 1234, 300: 2}
    assert poll(meter)["a"].mantissa == 123400
    bus.values = {10: 1234, 300: 0x8000}
    assert poll(meter)["a"].reason == "no scale factor"
    bus.absent = (300,)
    assert poll(meter)["a"].quality == BAD


def test_a_timeout_makes_every_channel_bad_and_asks_little():
    meter, bus, _ = bench([field("f%d" % at, 500 * at) for at in range(9)])
    bus.error = ModbusError(modbus.TIMEOUT, "timeout")
    readings = poll(meter)
    assert [(r.mantissa, r.quality, r.reason) for r in readings.values()] == [(None, BAD, "timeout")] * 9
    assert len(bus.asked) == 4  # the first block twice; that others answer is worth two more questions


def test_a_silent_meter_is_asked_ever_more_rarely_and_comes_back():
    meter, bus, time = bench([field("a", 0)])
    bus.error = ModbusError(modbus.TIMEOUT, "timeout")
    asked_at = []
    while time.at_ms < 3_600_000:
        before = len(bus.asked)
        readings = poll(meter)
        assert readings["a"].quality == BAD
        if len(bus.asked) > before:
            asked_at.append(time.at_ms)
        else:
            assert readings["a"].reason == "unreachable"
        time.advance(1000)
    pauses = [after - before for before, after in zip(asked_at, asked_at[1:])]
    assert pauses[:5] == [1000, 2000, 4000, 8000, 16000]
    assert max(pauses) == 300_000
    bus.error = None
    time.advance(300_000)
    assert poll(meter)["a"].quality == GOOD
    bus.error = ModbusError(modbus.TIMEOUT, "timeout")
    assert poll(meter)["a"].reason == "timeout"


def test_a_refused_block_is_split_until_only_the_absent_register_is_bad():
    meter, bus, _ = bench([field("f%d" % at, at) for at in range(20)])
    bus.absent = (13,)
    for _ in range(8):
        readings = poll(meter)
    bad = [reading for reading in readings.values() if reading.quality == BAD]
    assert [(reading.channel, reading.reason) for reading in bad] == [("f13", "exception 2: illegal data address")]
    assert len(bus.asked) < 60
    assert len(readings) == 20


def test_an_exception_is_an_answer():
    meter, bus, _ = bench([field("a", 0), field("b", 500)])
    bus.error = ModbusError(EXCEPTION, "exception 6: device busy", modbus.BUSY)
    for _ in range(5):
        readings = poll(meter)
        assert readings["a"].reason == readings["b"].reason == "exception 6: device busy"
    assert len(bus.asked) == 5 * 7  # five times more in each poll, 100 ms apart
