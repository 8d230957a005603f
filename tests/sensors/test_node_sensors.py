"""Sensor decoders and drivers on both interpreters: plain asserts, no pytest."""

import struct
import sys

sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

from fakes import Port, Time, files, scratch
from sensor_samples import BME280_FIRST, BME280_SECOND, bme280_data, pms_frame, sds_frame
from wayside_node.sensors import bme280, contact, digital, loop, pms5003, pulses, qmc5883l, scd41, sds011
from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import BAD, GOOD, UNCERTAIN


class Uart(Port):
    """A UART as a driver reads it."""

    def read(self, size):
        data = bytes(self.waiting[:size])
        self.waiting = self.waiting[size:]
        return data or None


def values(driver, time):
    return [reading.mantissa if reading.quality == GOOD else reading.reason for reading in driver.readings(time.at_ms)]


def test_sds011_frame_of_the_manual():
    frame = bytes.fromhex("aac0d4043a0aa1601dab")
    assert sds011.check(frame)
    assert sds011.decode(frame) == (1236, 2618)
    assert sds011.decode(sds_frame(10000, 5)) == (None, 5)


def test_particles_over_a_bad_line():
    for module, frame, expected in (
        (sds011, sds_frame(123, 245), [123, 245]),
        (pms5003, pms_frame(3, 12, 24), [3, 12, 24]),
    ):
        time, port = Time(), Uart()
        driver = module.Driver(port, time.clock())
        assert len(frame) in (10, 32) and module.check(frame)
        count = len(expected)
        assert values(driver, time) == ["warming up"] * count
        time.advance(30000)
        assert values(driver, time) == ["no answer"] * count
        # It was without power until now.
        port.put(frame)
        driver.step()
        assert values(driver, time) == ["warming up"] * count
        for _ in range(30):
            assert values(driver, time) == ["warming up"] * count
            time.advance(1000)
            port.put(frame)
            driver.step()
        # Noise, a frame with a wrong sum, half a frame, then the whole in two pieces.
        spoilt = bytearray(frame)
        spoilt[5] ^= 1
        for piece in (b"\xaa\x42\xc0", bytes(spoilt), frame[:7], frame[: len(frame) // 2], frame[len(frame) // 2 :]):
            port.put(piece)
            driver.step()
            driver.step()
        assert values(driver, time) == expected
        time.advance(5001)
        assert values(driver, time) == ["no answer"] * count


def test_a_cold_sensor_gives_no_number():
    time, port = Time(), Uart()
    driver = sds011.Driver(port, time.clock())
    for _ in range(30):
        port.put(sds_frame(1, 2))
        driver.step()
        assert values(driver, time) == ["warming up"] * 2
        time.advance(1000)
    assert values(driver, time) == [1, 2]


class I2c:
    """A bus with one chip: registers, and answers to 16-bit commands. `dead`: nobody answers."""

    def __init__(self):
        self.registers = {}
        self.answers = {}
        self.written = []
        self.dead = False
        self._command = b""

    def _alive(self):
        if self.dead:
            raise OSError(19)

    def writeto(self, address, data):
        self._alive()
        self._command = bytes(data)
        self.written.append(self._command)

    def readfrom(self, address, size):
        self._alive()
        return self.answers[self._command][:size]

    def readfrom_mem(self, address, register, size):
        self._alive()
        return bytes([self.registers.get(register + i, 0) for i in range(size)])

    def writeto_mem(self, address, register, data):
        self._alive()
        self.put(register, data)

    def put(self, register, data):
        for i, byte in enumerate(data):
            self.registers[register + i] = byte


def with_crc(*words):
    out = b""
    for word in words:
        raw = struct.pack(">H", word)
        out += raw + bytes([scd41.crc8(raw)])
    return out


def test_scd41_of_the_datasheet():
    assert scd41.crc8(b"\xbe\xef") == 0x92
    # Section 3.5.2: 500 ppm, 25 degrees, 37 %RH.
    assert scd41.decode(bytes.fromhex("01f4336667a25eb93c")) == (500, 2500, 3700)
    assert scd41.decode(bytes.fromhex("01f4346667a25eb93c")) is None
    assert scd41.decode(b"\x01") is None
    assert scd41.decode(with_crc(0, 0, 0)) == (None, None, 0)


def test_scd41_driver():
    time, bus = Time(), I2c()
    driver = scd41.Driver(bus, time.clock(), 5000)
    bus.answers = {b"\xe4\xb8": with_crc(0x8000), b"\xec\x05": with_crc(500, 0x6667, 0x5EB9)}

    def run(ms):
        for _ in range(ms // 1000):
            driver.step()
            time.advance(1000)

    run(6000)
    assert bus.written[0] == b"\x21\xb1"
    assert values(driver, time) == ["no value yet"] * 3
    bus.answers[b"\xe4\xb8"] = with_crc(0x8006)
    run(2000)
    assert values(driver, time) == [500, 2500, 3700]
    bus.answers[b"\xec\x05"] = b"\x01\xf4\x00" + with_crc(1, 1)
    run(1000)
    assert values(driver, time) == ["checksum wrong"] * 3
    bus.dead = True
    run(1000)
    assert values(driver, time) == ["no answer"] * 3
    bus.dead = False
    bus.answers[b"\xec\x05"] = with_crc(600, 0x6667, 0x5EB9)
    run(3000)
    assert values(driver, time) == ["warming up"] * 3  # it lost its power
    run(5000)
    assert values(driver, time)[0] == 600
    # It answers and measures nothing: it was without power between two questions, and is begun anew.
    bus.answers[b"\xe4\xb8"] = with_crc(0x8000)
    begun = bus.written.count(b"\x21\xb1")
    run(18000)
    assert values(driver, time) == ["warming up"] * 3 and bus.written.count(b"\x21\xb1") == begun + 1
    run(5000)
    assert values(driver, time) == ["no answer"] * 3


def float_humidity(chip, raw, fine):
    """The datasheet's section 8.1, in floating point: another road to the same number."""
    h = fine - 76800.0
    left = raw - (chip.h4 * 64.0 + chip.h5 / 16384.0 * h)
    h = left * (chip.h2 / 65536.0 * (1.0 + chip.h6 / 67108864.0 * h * (1.0 + chip.h3 / 67108864.0 * h)))
    return max(0.0, min(100.0, h * (1.0 - chip.h1 * h / 524288.0)))


def test_bme280_of_the_datasheet():
    chip = bme280.Calibration(BME280_FIRST, BME280_SECOND)
    fine = chip.fine(519888)
    assert fine == 128422
    assert chip.temperature(fine) == 2508
    assert abs(chip.pressure(415148, fine) - 256 * 100653.27) < 8  # the example is in floating point
    assert (chip.h4, chip.h5, chip.h6) == (0x13A, 0x32, 30)
    assert list(bme280.decode(chip, bme280_data(415148, 519888, 30000)))[::2] == [2508, 100653]
    for raw in range(0, 65536, 997):
        for temperature in (400000, 519888, 600000):
            fine = chip.fine(temperature)
            assert abs(chip.humidity(raw, fine) / 1024 - float_humidity(chip, raw, fine)) < 0.05, (raw, temperature)
    assert bme280.decode(chip, bme280_data(0x80000, 0x80000, 0x8000)) == (None, None, None)
    assert bme280.decode(chip, bme280_data(415148, 519888, 0x8000))[1] is None
    assert bme280.Calibration(bytes(26), BME280_SECOND).pressure(415148, 0) is None
    assert bme280.Calibration(BME280_FIRST, struct.pack("<hB", 0, 0) + b"\x80\x0f\xff\xff").h4 == -2048 + 15


def test_bme280_driver():
    time, bus = Time(), I2c()
    driver = bme280.Driver(bus, time.clock())
    bus.put(0xD0, b"\x58")  # a BMP280
    driver.step()
    assert values(driver, time) == ["sensor fault"] * 3
    bus.put(0xD0, b"\x60")
    bus.put(0x88, BME280_FIRST)
    bus.put(0xE1, BME280_SECOND)
    bus.put(0xF7, bme280_data(415148, 519888, 30000))
    for _ in range(2):
        time.advance(1000)
        driver.step()
    assert values(driver, time)[::2] == [2508, 100653]
    assert bus.registers[0xF2] == 1
    bus.dead = True
    time.advance(1000)
    driver.step()
    assert values(driver, time) == ["no answer"] * 3


def test_debounce():
    gate = contact.Debounce(30)
    edges = ((0, 1), (2, 0), (4, 1), (6, 0), (8, 1), (50, 0), (60, 1), (61, 0), (95, 1))
    for at, level in edges:
        gate.edge(bool(level), at)
    # Bounce at the start, one pulse, off for 34 ms with a bounce in it that began anew at 61.
    assert gate.count == 1
    gate.settle(130)
    assert gate.count == 2 and gate.bounces == 3


def test_every_pulse_counts_whatever_bounces():
    state = 7
    gate = contact.Debounce(30)
    now = 0
    for _ in range(200):
        for level in (True, False):
            for _ in range(state % 4):
                gate.edge(level, now)
                now += 1 + state % 5
                gate.edge(not level, now)
                now += 1
                state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            gate.edge(level, now)
            now += 31 + state % 50
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    assert gate.settle(now) is False and gate.count == 200


def test_a_count_that_was_told_never_goes_back():
    path = scratch("pulses") + "/count"
    time, pin = Time(), [False]
    register = contact.DurableCount(files(), path)
    energy = ReportChannel("energy_active_import", "J", 0)
    meter = pulses.PulseSensor(lambda: pin[0], time.clock(), register, energy, 3600)

    def pulse(count):
        for _ in range(count):
            for level in (True, False):
                pin[0] = level
                for _ in range(8):
                    meter.step()
                    time.advance(5)

    pulse(5)
    assert meter.readings(time.at_ms)[0].mantissa == 5 * 3600
    pulse(3)
    assert meter.readings(time.at_ms)[0].mantissa == 8 * 3600
    assert contact.DurableCount(files(), path).value == 8
    # A torn write of the newer copy leaves the older; both torn is a fault and not zero.
    with open(path + ".0", "wb") as file:
        file.write(b"torn")
    assert contact.DurableCount(files(), path).value in (5, 8)
    with open(path + ".1", "wb") as file:
        file.write(b"")
    lost = contact.DurableCount(files(), path)
    assert lost.lost
    assert pulses.PulseSensor(lambda: False, time.clock(), lost, energy, 3600).readings(0)[0].quality == BAD


def test_loop():
    time, pin = Time(), [False]
    lane = loop.LoopSensor(lambda: pin[0], time.clock(), stuck_ms=60000)

    def stay(level, ms):
        pin[0] = level
        for _ in range(ms // 20):
            lane.step()
            time.advance(20)
        lane.step()

    stay(True, 40)
    stay(False, 200)
    assert values(lane, time) == [0, 0]
    stay(True, 2000)
    assert values(lane, time) == [1, 1]
    stay(False, 1000)
    stay(True, 500)
    stay(False, 500)
    assert values(lane, time) == [2, 0]
    stay(True, 61000)
    assert values(lane, time) == ["sensor fault"] * 2


def test_digital_input():
    time, pin = Time(), [True]
    door = digital.Digital(lambda: pin[0], time.clock(), "door")
    assert values(door, time) == [1]
    pin[0] = False
    door.step()
    assert values(door, time) == [1]
    time.advance(20)
    assert values(door, time) == [0]


class Noise:
    """Repeatable, between -size and size."""

    def __init__(self, size):
        self.state, self.size = 99, size

    def __call__(self):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return self.state // 65536 % (2 * self.size + 1) - self.size


def test_parking_follows_the_sun_and_not_the_car():
    noise = Noise(20)
    space = qmc5883l.Parking()
    assert space.state is None
    space.take((0, 0, 0))
    assert space.state is None and space.base is None
    space.learn((1000, -500, 2000))
    drift = 0
    for i in range(8000):  # the field walks by 800 counts, far more than the threshold
        drift = i // 10
        space.take((1000 + drift + noise(), -500 + noise(), 2000 - drift + noise()))
        assert space.state is False, (i, space.change)
    base = list(space.base)
    field = (1000 + drift, -500, 2000 - drift)
    for _ in range(5):
        space.take((field[0] + 500, field[1] + 100, field[2] - 300))
    assert space.state is True
    for _ in range(20000):  # a car for hours: its field is not learnt
        space.take((field[0] + 500 + noise(), field[1] + 100 + noise(), field[2] - 300 + noise()))
    assert space.state is True and abs(space.base[0] - base[0]) < 100
    space.take(field)
    assert space.state is True and space.moving
    for _ in range(4):
        space.take(field)
    assert space.state is False and not space.moving


def test_a_bus_that_drives_by_is_no_car():
    space = qmc5883l.Parking()
    space.learn((0, 0, 0))
    for sample in ((400, 0, 0),) * 4 + ((0, 0, 0),) + ((400, 0, 0),) * 4:
        space.take(sample)
        assert space.state is False


def test_qmc5883l_driver():
    time, bus = Time(), I2c()
    kept = qmc5883l.BaseFile(files(), scratch("parking") + "/base")
    space = qmc5883l.Parking(base=kept.load())
    driver = qmc5883l.Driver(bus, time.clock(), space, kept.save, 60000)
    assert kept.new

    def run(count):
        for _ in range(count):
            driver.step()
            time.advance(200)

    assert qmc5883l.decode(bytes.fromhex("e80318fcffff")) == (1000, -1000, -1)
    bus.put(0, struct.pack("<hhh", 100, 200, -300))
    bus.put(6, b"\x01")
    run(2)
    assert values(driver, time) == ["not calibrated"] * 2
    driver.learn()
    run(6)
    assert values(driver, time) == [0, 0]
    bus.put(0, struct.pack("<hhh", 600, 200, -300))
    run(6)
    assert values(driver, time) == [1, 500]
    assert {reading.quality for reading in driver.readings(time.at_ms)} == {GOOD}
    run(300)
    assert {reading.quality for reading in driver.readings(time.at_ms)} == {UNCERTAIN}
    assert driver.readings(time.at_ms)[0].mantissa == 1
    bus.put(6, b"\x03")
    run(1)
    assert values(driver, time) == ["saturated"] * 2
    # It answers and measures nothing: it was without power between two questions, and is begun anew.
    bus.put(6, b"\x00")
    bus.put(9, b"\x00")
    run(30)
    assert values(driver, time) == ["no answer"] * 2 and bus.registers[9] == 0x11
    # A node that kept its base line knows after a start whether a car stands there.
    again = qmc5883l.Parking(base=kept.load())
    assert not kept.new
    for _ in range(5):
        again.take((600, 200, -300))
    assert again.state is True
    with open(scratch("parking") + "/base", "wb") as file:
        file.write(b"torn")
    assert kept.load() is None and not kept.new
