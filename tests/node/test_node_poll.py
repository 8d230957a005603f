"""The polling of a device: only what failed is bad, no refusal is for ever, no count goes on at another meter."""

from wayside_wire import modbus, modbus_counts
from wayside_wire.aggregate import REGISTER, Aggregator
from wayside_wire.modbus import DOUBTFUL, EXCEPTION, LINK, TIMEOUT, ModbusError
from wayside_wire.modbus_field import More, RegisterField
from wayside_wire.modbus_plan import Block
from wayside_wire.modbus_poll import Poll, PollLimits
from wayside_wire.pack import BAD, GOOD

SERIAL = Block(3, 900, 2, ())


def field(channel, address, count=1, scale=None, more=None):
    kind, unit, exponent, factor = "u", "V", 0, 1
    if channel.startswith("energy_"):
        unit, exponent, factor = "J", 3, 36
    elif channel == "temperature":
        kind, unit = "s", "Cel"
    return RegisterField(
        channel, unit, exponent, 4, address, count, kind, False, False, 0, factor, frozenset(), scale, 0, more
    )


class Device:
    """Answers a Poll. `wrong`: {address of a register: (kind, code) of what every block with it gets}."""

    def __init__(self, fields, serial=None, watts=20000, interval_ms=1000, cost=10, retries=1):
        watched = modbus_counts.counters(fields, {}, (), watts)
        limits = PollLimits(80, cost, 1, retries, interval_ms)
        self.make = lambda: Poll(fields, limits, serial, modbus_counts.counters(fields, {}, (), watts))
        self.poll = Poll(fields, limits, serial, watched)
        self.interval_ms = interval_ms
        self.now = 0
        self.values = {}
        self.wrong = {}
        self.serial = b"\x00\x00\x00\x07"
        self.asked = []
        self.read = []  # of these, those that are asked for their fields and not to keep two others apart
        self.events = []
        self.aggregator = None

    def run(self, polls=1):
        """The readings of the last poll, by channel."""
        for _ in range(polls):
            self.asked = []
            self.read = []
            self.poll.begin(self.now)
            while True:
                block = self.poll.next()
                if block is None:
                    break
                assert len(self.asked) < 200
                self.asked.append((block.address, block.count))
                if block.fields:
                    self.read.append((block.address, block.count))
                self._answer(block)
            readings = self.poll.readings(self.now, self.now)
            self.events += [(event.kind, event.channel) for event in self.poll.events]
            self.poll.events = []
            self.now += self.interval_ms
            if self.aggregator:
                self.aggregator.add(readings)
        return {reading.channel: reading for reading in readings}

    def _answer(self, block):
        for address in range(block.address, block.address + block.count):
            if address in self.wrong:
                kind, code = self.wrong[address]
                text = "exception %d" % code if kind == EXCEPTION else kind
                self.poll.failed(ModbusError(kind, text, code), self.now)
                return
        if block.address == SERIAL.address:
            data = self.serial
        else:
            data = b"".join(
                [
                    self.values.get(address, address).to_bytes(2, "big")
                    for address in range(block.address, block.address + block.count)
                ]
            )
        self.poll.answered(data, self.now, self.now)


def test_a_float_has_the_grain_of_its_bits():
    """24 bits resolve 0.06 kWh of a million kWh in three decimals; the factor 3600 says nothing of that."""
    spare = (frozenset(), None, 0, None)
    made = RegisterField("energy_a", "J", 3, 4, 0, 2, "f", False, False, 3, 36, *spare)
    ((_, counter),) = modbus_counts.counters([made], {}, (), 1000)
    assert counter.check(100 * 3600, 0) == ("", None)
    assert counter.check(100 * 3600 + 200, 1000)[0]  # 0.06 kWh in a second, at 1 kW
    assert counter.check(100 * 3600 + 5, 2000) == ("", None)


def bad(readings):
    return sorted([channel for channel in readings if readings[channel].quality == BAD])


THREE = [field("a", 0), field("b", 200), field("c", 400)]


def test_only_the_block_that_failed_is_bad():
    for kind, code in ((EXCEPTION, 2), (EXCEPTION, 4), (EXCEPTION, 6), (EXCEPTION, 10), (EXCEPTION, 11), (TIMEOUT, 0)):
        for at in (0, 200, 400):
            device = Device(THREE)
            device.wrong = {at: (kind, code)}
            for _ in range(60):
                readings = device.run()
                assert bad(readings) == [{0: "a", 200: "b", 400: "c"}[at]], (kind, code, at)
            assert not device.poll.unreachable
            # What fails for ever is asked seldom.
            before = device.now
            asked = []
            while device.now < before + 60000:
                device.run()
                asked += [one for one in device.asked if one[0] <= at < one[0] + one[1]]
            assert len(asked) <= 3, (kind, code)
            device.wrong = {}
            device.run(310 if code not in (2,) else 3600)
            assert not bad(device.run()), (kind, code)


def test_one_exception_refuses_nothing_for_good():
    """An exception has no size: a repeated one may be taken for the answer to any request."""
    device = Device([field("a", 0), field("b", 1), field("c", 2)])
    device.run()
    plan = device.asked
    device.wrong = {0: (EXCEPTION, 2)}
    assert bad(device.run()) == ["a", "b", "c"]
    device.wrong = {}
    assert not bad(device.run())
    assert device.asked == plan and not device.events


def test_a_single_exception_at_the_start_is_forgotten():
    device = Device([field("a", 0), field("b", 1), field("c", 2)])
    device.poll.begin(0)
    device.poll.next()
    device.poll.failed(ModbusError(EXCEPTION, "exception 2", 2), 0)
    while device.poll.next():
        device._answer(device.poll.next())
    assert not bad({one.channel: one for one in device.poll.readings(0, 0)})
    device.run(62)
    assert len(device.asked) == 1


def test_a_hole_is_found_refused_once_and_asked_seldom_again():
    device = Device([field("f%d" % at, at) for at in range(20)])
    device.wrong = {13: (EXCEPTION, 2)}
    assert bad(device.run()) == ["f13"]
    device.run(3)
    assert device.events == [("refused", "f13")]
    asked = []
    for _ in range(3600):
        assert bad(device.run()) == ["f13"]
        asked += [one for one in device.asked if one[0] <= 13 < one[0] + one[1]]
    assert 3 <= len(asked) < 10
    device.wrong = {}
    device.run(3600)
    assert not bad(device.run())
    assert device.events == [("refused", "f13"), ("back", "f13")] and len(device.asked) == 1


def test_a_device_that_refuses_all_while_it_starts():
    device = Device([field("f%d" % at, at) for at in range(20)])
    device.wrong = dict([(at, (EXCEPTION, 2)) for at in range(20)])
    for _ in range(30):
        assert len(bad(device.run())) == 20
        assert len(device.asked) < 80
    device.wrong = {}
    device.run()
    assert not bad(device.run(2))
    assert device.events == [("unreachable", ""), ("back", "")]
    device.run(70)
    assert len(device.asked) == 1


def test_a_device_that_is_silent_where_it_has_no_register():
    device = Device([field("f%d" % at, at) for at in range(20)])
    device.wrong = {13: (TIMEOUT, 0)}
    device.run(2)
    assert device.poll.unreachable  # it has one block, and that is silent
    fields = [field("f%d" % at, at) for at in range(20)] + [field("g", 500)]
    device = Device(fields)
    device.wrong = {13: (TIMEOUT, 0)}
    device.run(40)
    assert bad(device.run()) == ["f13"]


def test_a_silent_device_is_probed_at_another_block_each_time():
    device = Device(THREE)
    device.wrong = dict([(at, (TIMEOUT, 0)) for at in (0, 200, 400)])
    assert len(bad(device.run(2))) == 3 and device.poll.unreachable
    asked = []
    for _ in range(600):
        device.run()
        asked += device.asked
    assert 5 < len(asked) < 12 and len(set(asked)) == 3
    device.wrong = {0: (TIMEOUT, 0)}
    device.run(600)
    assert bad(device.run()) == ["a"] and device.events == [("unreachable", ""), ("back", ""), ("refused", "a")]


def test_a_temperature_below_absolute_zero_is_none():
    device = Device([field("temperature", 0)])
    device.values[0] = -274 & 0xFFFF
    assert device.run()["temperature"].reason == "no such value is possible"
    device.values[0] = -273 & 0xFFFF
    assert not bad(device.run())


def test_a_scale_register_of_the_same_answer_counts():
    """Two blocks hold it: the device changed its range between them."""
    device = Device([field("a", 0, 3, 2, More(1, 0, (0,), ())), field("b", 2, 79)])
    device.values = {0: 230, 2: 0}
    device.poll.begin(0)
    while device.poll.next() is not None:
        block = device.poll.next()
        device.values[2] = 1 if block.address else 0
        device._answer(block)
    assert [one.mantissa for one in device.poll.readings(0, 0) if one.channel == "a"] == [230]


def test_a_block_of_scale_registers_is_not_made_longer():
    """A device without registers between: nobody could make it shorter again."""
    device = Device([field("a", 0, scale=30), field("b", 10, 2, scale=31)], cost=5)
    device.values = {30: 0, 31: 0}
    device.wrong = {address: (EXCEPTION, 2) for address in range(60) if address not in (0, 10, 11, 30, 31)}
    assert not bad(device.run(5))


def test_a_link_that_goes_leaves_what_was_answered():
    device = Device(THREE)
    device.run()
    device.wrong = {200: (LINK, 0)}
    readings = device.run(5)
    assert bad(readings) == ["b", "c"] and len(device.asked) == 2 and readings["c"].reason == LINK
    device.wrong = {}
    assert not bad(device.run()) and not device.events


def test_a_block_that_was_lengthened_into_nothing():
    """Two fields of one length far apart: one block is lengthened, so that their answers differ. There is nothing."""
    device = Device([field("a", 0), field("b", 200), field("c", 400)])
    device.run()
    (longer,) = [one for one in device.asked if one[1] == 2]
    device = Device([field("a", 0), field("b", 200), field("c", 400)])
    for hole in range(longer[0], longer[0] + 2):
        if hole not in (0, 200, 400):
            device.wrong = {hole: (EXCEPTION, 2)}
    device.run()
    assert not bad(device.run()) and device.events == []


def test_a_device_that_is_busy_for_a_long_block_only():
    fields = [field("f%d" % at, at) for at in range(60)] + [field("g", 500)]
    device = Device(fields)
    answer = device._answer

    def too_long(block):
        if block.count > 20:
            device.poll.failed(ModbusError(EXCEPTION, "exception 6", modbus.BUSY), device.now)
        else:
            answer(block)

    device._answer = too_long
    device.run(12)
    assert not bad(device.run())


def test_busy_is_asked_again_in_the_same_poll():
    device = Device(THREE)
    device.wrong = {0: (EXCEPTION, modbus.BUSY)}
    device.poll.begin(0)
    for _ in range(5):
        device._answer(device.poll.next())
        assert device.poll.not_before == 100
    device.wrong = {}
    while device.poll.next():
        device._answer(device.poll.next())
    assert [one.quality for one in device.poll.readings(0, 0)] == [GOOD] * 3


# --- whose counts they are ---

COUNT = [field("energy_active_import", 0, 4), field("v", 300)]


def counting(serial=SERIAL, **more):
    device = Device(COUNT, serial, **more)
    device.aggregator = Aggregator({"energy_active_import": REGISTER})
    return device


def count(device, steps, polls=1):
    """Polls while the register has this many steps of 0.01 kWh; the report's value and difference, or the reason."""
    for at in range(4):
        device.values[at] = steps >> (16 * (3 - at)) & 0xFFFF
    device.run(polls)
    report = {}
    for reading in device.aggregator.report():
        report[reading.channel] = reading.mantissa // 36 if reading.mantissa is not None else reading.reason
    return report["energy_active_import"], report.get("energy_active_import.diff")


def test_another_serial_number_is_a_new_count_from_the_first_value_on():
    device = counting()
    assert count(device, 100000) == (100000, None)
    assert count(device, 100002) == (100002, 2)
    device.wrong = {0: (TIMEOUT, 0), 300: (TIMEOUT, 0)}
    assert count(device, 100002) == ("timeout", None)
    device.wrong = {}
    device.serial = b"\x00\x00\x00\x08"
    assert count(device, 500000) == (500000, "new count: meter replaced, another serial number")
    assert count(device, 500003) == (500003, 3)
    assert ("replaced", "") in device.events and ("replaced", "energy_active_import") in device.events


def test_an_exchange_without_any_silence_is_found_by_the_doubt():
    device = counting()
    count(device, 100000)
    device.serial = b"\x00\x00\x00\x08"
    assert count(device, 500000)[0] == "counter rose more than max_power_w allows, not confirmed"
    assert count(device, 500000) == (500000, "new count: meter replaced, another serial number")


def test_a_lower_count_of_another_meter():
    device = counting()
    count(device, 100000)
    device.serial = b"\x00\x00\x00\x08"
    assert count(device, 3)[0] == "counter went back, not confirmed"
    assert count(device, 3) == (3, "new count: meter replaced, another serial number")


def test_an_exchange_over_a_restart():
    for serial, expected in (
        (b"\x00\x00\x00\x07", None),
        (b"\x00\x00\x00\x08", "meter replaced, another serial number"),
    ):
        device = counting()
        device.poll.restore(b"\x00\x00\x00\x07", {"energy_active_import": 3600000}, -600000)
        device.serial = serial
        assert count(device, 100001) == (100001, expected and "new count: " + expected)
    assert device.events[0] == ("replaced", "")


def test_without_a_number_only_an_unbroken_watch_says_that_it_is_the_same_meter():
    new = "new count: not watched for a while, and no serial number"
    for at, expected in ((-10000, None), (-600000, new), (None, new)):
        device = counting(None)
        device.poll.restore(None, {"energy_active_import": 3600000}, at)
        assert count(device, 100001) == (100001, expected)
    # A long silence, while the gateway runs.
    device = counting(None)
    count(device, 100000)
    device.wrong = {0: (TIMEOUT, 0), 300: (TIMEOUT, 0)}
    device.run(120)
    device.wrong = {}
    device.run(300)
    assert count(device, 100010) == (100010, new)
    assert ("unwatched", "") in device.events
    # A meter that is asked each quarter of an hour is watched.
    device = counting(None, interval_ms=900000)
    count(device, 100000)
    assert count(device, 100100) == (100100, 100)


def test_a_count_that_is_not_known_behind_a_restart():
    """Of the same meter: what it counts now need not continue what it counted."""
    device = counting()
    device.poll.restore(b"\x00\x00\x00\x07", {}, -10000)
    assert count(device, 500000) == (500000, "new count: its last count is not known")


def test_a_jump_that_was_held_back_until_a_restart_stays_a_jump():
    for at in (-10000, -36000000, None):
        device = counting()
        device.poll.restore(b"\x00\x00\x00\x07", {"energy_active_import": 3600000}, at, ["energy_active_import"])
        told = [count(device, 500000 + poll // 2) for poll in range(70)]
        assert told[0][0] == "counter rose more than max_power_w allows, not confirmed"
        assert (500030, "new count: counter jumped") in told


def test_a_number_that_is_not_told_after_a_silence():
    device = counting()
    device.poll.restore(b"\x00\x00\x00\x07", {"energy_active_import": 3600000}, None)
    device.wrong = {900: (TIMEOUT, 0)}
    for _ in range(2):
        assert count(device, 100001)[0] == "serial number not read, perhaps another meter"
    assert count(device, 100001) == (100001, "new count: not watched for a while, and no serial number")
    device.wrong = {}
    device.run(70)
    assert device.poll.serial == b"\x00\x00\x00\x07" and ("replaced", "") not in device.events


def test_a_number_of_nothing_is_no_number():
    device = counting()
    count(device, 100000)
    for nothing in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"    "):
        device.wrong = {0: (TIMEOUT, 0), 300: (TIMEOUT, 0)}
        device.run()
        device.wrong = {}
        device.serial = nothing
        assert count(device, 100001)[0] == 100001
    assert ("replaced", "") not in device.events


def test_one_exception_to_the_number_is_not_for_ever():
    device = counting()
    device.wrong = {900: (EXCEPTION, 2)}
    device.run(200)
    device.wrong = {}
    device.run(3600)
    assert device.poll.serial == device.serial and device.events == [("identified", "")]


def test_the_number_is_asked_once_while_all_is_well():
    device = counting()
    device.run()
    assert (900, 2) in device.asked
    for _ in range(3600):
        device.run()
        assert device.asked == [(0, 4), (300, 1)]


def test_zeros_after_a_reconnect_and_spikes_are_not_reported():
    device = counting()
    count(device, 1234595)
    device.wrong = {0: (TIMEOUT, 0), 300: (TIMEOUT, 0)}
    device.run()
    device.wrong = {}
    for _ in range(20):
        assert count(device, 0) == ("counter went back, not confirmed", None)
    assert count(device, 1234610) == (1234610, 15)
    assert count(device, 2000000)[0] == "counter rose more than max_power_w allows, not confirmed"
    assert count(device, 1234609)[0] == "counter went back, not confirmed"
    assert count(device, 1234612) == (1234612, 2)
    assert device.events == [("identified", "")]


def test_a_counter_that_goes_on_elsewhere_is_a_new_count():
    device = counting()
    count(device, 1234595)
    for second in range(60):
        assert count(device, 10 + second)[0] == "counter went back, not confirmed"
    assert count(device, 70) == (70, "new count: counter went back")
    assert device.events[1:] == [("reset", "energy_active_import")]


def test_what_refuses_everything_is_asked_seldom_and_comes_back():
    """Exceptions to all, or BUSY to all: the line is for the others."""
    for code in (2, 6):
        device = Device([field("f%d" % at, 3 * at) for at in range(25)])
        device.wrong = {3 * at: (EXCEPTION, code) for at in range(25)}
        asked = []
        for _ in range(300):
            assert len(bad(device.run())) == 25
            asked.append(len(device.asked))
        assert max(asked) <= 21, code
        assert sum(asked[80:]) <= 100, code
        assert device.events == [("unreachable", "")], code
        # Whatever answers first, and be it one register of those that were refused, is found.
        device.wrong = {at: device.wrong[at] for at in device.wrong if at != 60} if code < 4 else {}
        while len(bad(device.run())) == 25:
            assert device.now < 3_600_000, code
        assert len(bad(device.run())) == (24 if code < 4 else 0), code
        assert ("back", "") in device.events, code


def test_what_refuses_everything_for_some_seconds_is_whole_again_at_once():
    device = Device([field("a", 0), field("b", 1), field("c", 200)])
    assert not bad(device.run())
    plan = device.asked
    device.wrong = {at: (EXCEPTION, 2) for at in (0, 1, 200)}
    device.run(100)
    device.wrong = {}
    device.run(64)
    assert not bad(device.run()) and device.asked == plan
    assert device.events == [("unreachable", ""), ("back", "")]


class Doubted(Device):
    """Nothing can be asked for 24 s after a block with one of these addresses was: it is silent, and so is the device
    to any other question."""

    def __init__(self, fields, *silencers):
        super().__init__(fields, cost=0)
        self.silencers = silencers
        self.until = 0

    def _answer(self, block):
        if self.now < self.until:
            self.poll.failed(ModbusError(DOUBTFUL, "not asked"), self.now)
        elif any([block.address <= at < block.address + block.count for at in self.silencers]):
            self.poll.failed(ModbusError(TIMEOUT, "timeout"), self.now)
            self.until = self.now + 24000
        else:
            super()._answer(block)


TEN = [field("f%d" % at, 20 * at) for at in range(10)]


def test_a_block_that_silences_the_device_is_asked_seldom():
    for silencers in ((60, 140), (0, 60), (0, 180), (180,), (0,)):
        device = Doubted(TEN, *silencers)
        good = 0
        for _ in range(900):
            good += len(bad(device.run())) == len(silencers)
        assert good > 900 - 270, (silencers, good)
        told = [channel for kind, channel in device.events if kind == "refused"]
        assert sorted(told) == ["f%d" % (at // 20) for at in silencers]
        good = 0
        for _ in range(3600):
            good += len(bad(device.run())) == len(silencers)
        assert good > 3600 - 8 * 25, (silencers, good)
        # It answers at last, and is asked like all others.
        device.silencers = ()
        device.run(3600)
        assert not bad(device.run())


def test_a_device_that_starts_with_silence_has_no_block_to_blame():
    """Nothing has answered yet: that says nothing of what was asked first."""
    for first, polls in ((0, 2), (0, 60), (30, 3)):
        device = Doubted(TEN)
        for _ in range(first):
            device.run()
        device.silencers = range(0, 200, 20)
        device.run(polls)
        device.silencers = ()
        device.run(60 if polls > 3 else 30)
        assert not bad(device.run()), (first, polls)
        assert not [event for event in device.events if event[0] == "refused"]


def test_a_block_that_was_blamed_by_chance_is_asked_within_a_minute():
    device = Doubted(TEN, 60)
    device.run(60)
    assert ("refused", "f3") in device.events
    device.silencers = ()
    device.run(60)
    assert not bad(device.run())
