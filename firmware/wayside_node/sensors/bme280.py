"""Bosch BME280, temperature, humidity and pressure, I2C at 76 or 77.

BST-BME280-DS002 V1.6: calibration in section 4.2.2, compensation in section 4.2.3, with the 64-bit pressure, in
integers as it stands there. Registers: section 5.3.
"""

import struct

from micropython import const
from wayside_wire.lora_report import ReportChannel
from wayside_wire.number import divide_half_even

from .state import FAULT, NO_ANSWER, SensorState

CHANNELS = (
    ReportChannel("temperature", "Cel", -2),
    ReportChannel("humidity", "%RH", -2),
    ReportChannel("pressure", "Pa", 0),
)
ADDRESS = const(0x76)

_ID, _CHIP = const(0xD0), const(0x60)
_CALIBRATION_1, _CALIBRATION_2 = const(0x88), const(0xE1)
_CONTROL_HUMIDITY, _CONTROL, _DATA = const(0xF2), const(0xF4), const(0xF7)
_FORCED = b"\x25"  # temperature and pressure once, one measurement
_EVERY_MS = const(1000)
_STALE_MS = const(10000)
_SKIPPED = const(0x80000)
_SKIPPED_HUMIDITY = const(0x8000)


class Calibration:
    """What the chip was trimmed to; first: 26 bytes from 88 on, second: 7 bytes from E1 on."""

    def __init__(self, first: bytes, second: bytes):
        self.t1, self.t2, self.t3 = struct.unpack_from("<Hhh", first, 0)
        self.p = struct.unpack_from("<Hhhhhhhhh", first, 6)
        self.h1 = first[25]
        self.h2, self.h3 = struct.unpack_from("<hB", second, 0)
        self.h4 = _signed12(second[3] << 4 | second[4] & 15)
        self.h5 = _signed12(second[5] << 4 | second[4] >> 4)
        self.h6 = second[6] - 256 if second[6] > 127 else second[6]

    def fine(self, raw: int) -> int:
        """Temperature as the other two need it."""
        var1 = ((raw >> 3) - (self.t1 << 1)) * self.t2 >> 11
        var2 = (((raw >> 4) - self.t1) * ((raw >> 4) - self.t1) >> 12) * self.t3 >> 14
        return var1 + var2

    def temperature(self, fine: int) -> int:
        """Hundredths of a degree Celsius."""
        return fine * 5 + 128 >> 8

    def pressure(self, raw: int, fine: int):
        """Pascal in 24.8 bits; None for a calibration that would divide by zero."""
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self.p
        var1 = fine - 128000
        var2 = var1 * var1 * p6 + (var1 * p5 << 17) + (p4 << 35)
        var1 = (var1 * var1 * p3 >> 8) + (var1 * p2 << 12)
        var1 = ((1 << 47) + var1) * p1 >> 33
        if var1 <= 0:
            return None
        value = ((1048576 - raw << 31) - var2) * 3125 // var1
        var1 = p9 * (value >> 13) * (value >> 13) >> 25
        var2 = p8 * value >> 19
        return (value + var1 + var2 >> 8) + (p7 << 4)

    def humidity(self, raw: int, fine: int) -> int:
        """Per cent in 22.10 bits."""
        v = fine - 76800
        left = (raw << 14) - (self.h4 << 20) - self.h5 * v + 16384 >> 15
        right = (v * self.h6 >> 10) * ((v * self.h3 >> 11) + 32768) >> 10
        v = left * ((right + 2097152) * self.h2 + 8192 >> 14)
        v -= ((v >> 15) * (v >> 15) >> 7) * self.h1 >> 4
        return max(0, min(v, 419430400)) >> 12


def decode(calibration, data: bytes):
    """(hundredths of a degree, hundredths of %RH, Pa) of eight bytes from F7 on; None for what is out of range."""
    pressure = data[0] << 12 | data[1] << 4 | data[2] >> 4
    temperature = data[3] << 12 | data[4] << 4 | data[5] >> 4
    humidity = data[6] << 8 | data[7]
    if temperature == _SKIPPED:
        return None, None, None
    fine = calibration.fine(temperature)
    celsius = calibration.temperature(fine)
    pascal = None if pressure == _SKIPPED else calibration.pressure(pressure, fine)
    pascal = None if pascal is None else divide_half_even(pascal, 256)
    relative = divide_half_even(100 * calibration.humidity(humidity, fine), 1024)
    return (
        celsius if -4000 <= celsius <= 8500 else None,
        None if humidity == _SKIPPED_HUMIDITY else relative,
        pascal if pascal is not None and 30000 <= pascal <= 110000 else None,
    )


def _signed12(value: int) -> int:
    return value - 4096 if value > 2047 else value


def open_driver(options, place):
    """See catalogue."""
    bus = place.board.open_i2c(options.text("port"))
    return Driver(bus, place.clock, options.integer("address", 0x76, 0x77, ADDRESS))


class Driver:
    channels = CHANNELS

    def __init__(self, i2c, clock, address: int = ADDRESS):
        self._i2c = i2c
        self._clock = clock
        self._address = address
        self._state = SensorState(CHANNELS, clock.now(), 0, _STALE_MS)
        self._calibration = None
        self._asked = False
        self._due = clock.now()

    def step(self) -> None:
        now = self._clock.now()
        if now < self._due:
            return
        self._due = now + _EVERY_MS
        try:
            if self._calibration is None:
                self._begin(now)
            if self._calibration is None:
                return
            if self._asked:
                self._state.good(now, *decode(self._calibration, self._read(_DATA, 8)))
            self._i2c.writeto_mem(self._address, _CONTROL_HUMIDITY, b"\x01")
            self._i2c.writeto_mem(self._address, _CONTROL, _FORCED)
            self._asked = True
        except OSError:
            self._calibration = None
            self._asked = False
            self._state.bad(now, NO_ANSWER)

    def _begin(self, now: int) -> None:
        if self._read(_ID, 1)[0] != _CHIP:
            self._state.bad(now, FAULT)  # another chip: a BMP280 has no humidity
            return
        self._calibration = Calibration(self._read(_CALIBRATION_1, 26), self._read(_CALIBRATION_2, 7))

    def _read(self, register: int, size: int) -> bytes:
        return self._i2c.readfrom_mem(self._address, register, size)

    def readings(self, now_ms: int) -> list:
        return self._state.readings(now_ms)
