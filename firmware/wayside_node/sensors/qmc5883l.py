"""QST QMC5883L magnetometer under a parking space, I2C at 0D: a car bends the earth's field.

QMC5883L datasheet V1.0 section 9: data from 00 on, low byte first, status at 06 (bit 0 new data, bit 1 overflow),
control at 09. At 8 gauss a count is a third of a milligauss (section 2.1: 3000 LSB/G).
"""

import struct

from micropython import const
from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import BAD, GOOD, UNCERTAIN, Reading

from ..checked import checked, unchecked
from .state import NO_ANSWER

CHANNELS = (ReportChannel("occupied", "/", 0), ReportChannel("field_change", "count", 0))
ADDRESS = const(0x0D)

_STATUS, _CONTROL, _PERIOD = const(0x06), const(0x09), const(0x0B)
_CONTINUOUS = b"\x11"  # 8 gauss, 10 Hz, 512 samples
_NEW, _OVERFLOW = const(1), const(2)
_EVERY_MS = const(200)
_STALE_MS = const(5000)
_SAVE_MS = const(3600000)
_SURE_MS = const(86400000)
NOT_CALIBRATED, SATURATED, MOVING = "not calibrated", "saturated", "moving"

_FRACTION = const(8)  # bits of the base line behind the point
_SLOW = const(10)  # the base line follows by 1/1024 of the difference at each sample: minutes, as the sun warms


def decode(data: bytes):
    """(x, y, z) of six bytes from 00 on."""
    raw = (data[0] | data[1] << 8, data[2] | data[3] << 8, data[4] | data[5] << 8)
    return tuple([value - 65536 if value > 32767 else value for value in raw])


class Parking:
    """Free or occupied, from samples at a steady rate. Pure: no clock, no bus.

    base: the field of the free space, in 1/256 counts, None until it is known. It follows drift while the space is free
    and the field is near it; while a car stands there it is left alone. state: None, False (free) or True (occupied).
    """

    def __init__(self, enter: int = 300, leave: int = 180, still: int = 5, base=None):
        """enter, leave: counts of change at which a car has come or gone; still: samples in a row that must agree."""
        self._enter = enter * enter
        self._leave = leave * leave
        self._still = still
        self._agreed = 0
        self._seen = None
        self.base = list(base) if base else None
        self.state = None
        self.change = 0
        self.moving = False

    def learn(self, sample) -> None:
        """The space is free now, says who stands beside it."""
        self.base = [axis << _FRACTION for axis in sample]
        self.state = False
        self._agreed = 0

    def take(self, sample) -> None:
        if self.base is None:
            return
        away = [(axis << _FRACTION) - base for axis, base in zip(sample, self.base)]
        squared = sum([axis * axis for axis in away]) >> 2 * _FRACTION
        self.change = _root(squared)
        occupied = squared > (self._leave if self.state else self._enter)
        if occupied == self.state:
            self._agreed = 0
        else:
            self._agreed = self._agreed + 1 if occupied == self._seen else 1
        self._seen = occupied
        self.moving = self._agreed > 0
        if self._agreed >= self._still:
            self.state = occupied
            self._agreed = 0
            self.moving = False
        if self.state is False and squared < self._leave:
            self.base = [base + _toward_zero(axis) for base, axis in zip(self.base, away)]


def _toward_zero(axis: int) -> int:
    """1/1024 of a difference, at least one step: else small differences would never be followed."""
    step = (axis if axis > 0 else -axis) >> _SLOW
    step = step or (1 if axis else 0)
    return step if axis > 0 else -step


def _root(value: int) -> int:
    """The integer square root."""
    if value < 2:
        return value
    guess = 1 << (len(bin(value)) - 1) // 2
    while True:
        better = (guess + value // guess) >> 1
        if better >= guess:
            return guess
        guess = better


class BaseFile:
    """The base line in a file: a node that starts beside a car must not take the car for the free space.

    new: there never was one. A torn file is not new: somebody has to remove it, and see to it that the space is free.
    """

    def __init__(self, files, path: str):
        self._files = files
        self._path = path
        self.new = False

    def load(self):
        """The base line, None without one."""
        found = self._files.read_or_empty(self._path)
        self.new = found is None
        data = unchecked(found)
        if data is None or len(data) != 12:
            return None
        return list(struct.unpack("<iii", data))

    def save(self, base) -> None:
        self._files.exchange(self._path, checked(struct.pack("<iii", *base)))


def open_driver(options, place):
    """See catalogue. Who starts a new node sees to it that the space is free."""
    kept = BaseFile(place.files, place.state + "/parking")
    limits = (options.integer("enter", 10, 32767, 300), options.integer("leave", 10, 32767, 180))
    parking = Parking(*limits, still=options.integer("still", 1, 600, 5), base=kept.load())
    bus = place.board.open_i2c(options.text("port"))
    sure_ms = options.integer("sure_ms", 60000, 1000000000, _SURE_MS)
    driver = Driver(bus, place.clock, parking, kept.save, sure_ms)
    if kept.new:
        driver.learn()
    return driver


class Driver:
    channels = CHANNELS

    def __init__(self, i2c, clock, parking, save=None, sure_ms: int = _SURE_MS):
        """save(base): keep the base line; called when it is learnt, and each hour while the space is free.

        sure_ms: a car for longer than this is uncertain: the free space may have drifted away from the base line.
        """
        self._save = save
        self._save_at = clock.now() + _SAVE_MS
        self._i2c = i2c
        self._clock = clock
        self._parking = parking
        self._sure_ms = sure_ms
        self._free_at = clock.now()
        self._began = False
        self._due = self._at = clock.now()
        self._reason = NO_ANSWER
        self._learn = False

    def learn(self) -> None:
        """The next sample is that of the free space."""
        self._learn = True

    def step(self) -> None:
        now = self._clock.now()
        if now < self._due:
            return
        self._due = now + _EVERY_MS
        if now - self._at > _STALE_MS:
            # It answers, and measures nothing: it was without power between two questions.
            self._began = False
            self._reason = NO_ANSWER
            self._at = now
        try:
            if not self._began:
                self._i2c.writeto_mem(ADDRESS, _PERIOD, b"\x01")  # section 9.2.5: recommended
                self._i2c.writeto_mem(ADDRESS, _CONTROL, _CONTINUOUS)
                self._began = True
                return
            status = self._i2c.readfrom_mem(ADDRESS, _STATUS, 1)[0]
            if status & _NEW:
                self._take(self._i2c.readfrom_mem(ADDRESS, 0, 6), status, now)
        except OSError:
            self._began = False
            self._reason = NO_ANSWER

    def _take(self, data: bytes, status: int, now: int) -> None:
        self._at = now
        if status & _OVERFLOW:
            self._reason = SATURATED  # a magnet: as likely somebody's as a car's
            return
        sample = decode(data)
        if self._learn:
            self._learn = False
            self._parking.learn(sample)
            self._save_at = now
        self._parking.take(sample)
        if self._parking.state is not True:
            self._free_at = now
        self._reason = NOT_CALIBRATED if self._parking.base is None else ""

    def readings(self, now_ms: int) -> list:
        if self._save and self._parking.state is False and now_ms >= self._save_at:
            self._save_at = now_ms + _SAVE_MS
            self._save(self._parking.base)
        reason = NO_ANSWER if now_ms - self._at > _STALE_MS else self._reason
        if not reason and self._parking.state is None:
            reason = MOVING  # not still for long enough since the start
        if reason:
            return [Reading(name, unit, None, 0, BAD, reason, now_ms) for name, unit, _ in CHANNELS]
        values = (1 if self._parking.state else 0, self._parking.change)
        quality = GOOD if now_ms - self._free_at <= self._sure_ms else UNCERTAIN
        return [Reading(name, unit, value, 0, quality, "", now_ms) for (name, unit, _), value in zip(CHANNELS, values)]
