"""Sensirion SCD41, CO2 by photoacoustics with temperature and humidity, I2C at 62, a measurement each 5 s.

SCD4x datasheet D1 V1.6: commands of 16 bits (section 3.4), words with CRC-8 of polynomial 31 and start FF (section
3.12). Ranges: 0 to 40000 ppm, -10 to 60 Cel, 0 to 100 %RH (section 1).
"""

from micropython import const
from wayside_wire.lora_report import ReportChannel
from wayside_wire.number import divide_half_even

from .state import CHECKSUM, NO_ANSWER, SensorState

CHANNELS = (
    ReportChannel("co2", "ppm", 0),
    ReportChannel("temperature", "Cel", -2),
    ReportChannel("humidity", "%RH", -2),
)
ADDRESS = const(0x62)

_START = b"\x21\xb1"  # start_periodic_measurement
_READY = b"\xe4\xb8"  # get_data_ready_status
_READ = b"\xec\x05"  # read_measurement
_ASK_MS = const(1000)
_WARM_UP_MS = const(60000)  # the sensor heats itself; its first minute is told as such
_STALE_MS = const(15000)


def crc8(data: bytes) -> int:
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def words(data: bytes):
    """The 16-bit words of an answer, None when one of their checksums is wrong."""
    found = []
    for at in range(0, len(data), 3):
        if len(data) < at + 3 or crc8(data[at : at + 2]) != data[at + 2]:
            return None
        found.append(data[at] << 8 | data[at + 1])
    return found


def decode(data: bytes):
    """(ppm, hundredths of a degree, hundredths of %RH) of nine bytes, None for one out of range; None: checksum."""
    raw = words(data)
    if raw is None or len(raw) != 3:
        return None
    co2, temperature, humidity = raw
    celsius = divide_half_even(17500 * temperature, 65535) - 4500
    relative = divide_half_even(10000 * humidity, 65535)
    return (co2 if 0 < co2 <= 40000 else None, celsius if -1000 <= celsius <= 6000 else None, relative)


def open_driver(options, place):
    """See catalogue."""
    bus = place.board.open_i2c(options.text("port"))
    return Driver(bus, place.clock, options.integer("warm_up_ms", 0, 600000, _WARM_UP_MS))


class Driver:
    channels = CHANNELS

    def __init__(self, i2c, clock, warm_up_ms: int = _WARM_UP_MS):
        self._i2c = i2c
        self._clock = clock
        self._state = SensorState(CHANNELS, clock.now(), warm_up_ms, _STALE_MS)
        self._measuring = False
        self._warm_up_ms = warm_up_ms
        self._due = clock.now()

    def step(self) -> None:
        now = self._clock.now()
        if now < self._due:
            return
        self._due = now + _ASK_MS
        if self._state.is_silent(now):
            # It answers, and measures nothing: it was without power between two questions.
            self._measuring = False
            self._state.bad(now, NO_ANSWER)
        try:
            if not self._measuring:
                self._i2c.writeto(ADDRESS, _START)
                self._measuring = True
                self._state.warm_up(now, self._warm_up_ms)
                return
            ready = words(self._ask(_READY, 3))
            if ready is None:
                self._state.bad(now, CHECKSUM)
            elif ready[0] & 0x07FF:
                values = decode(self._ask(_READ, 9))
                if values is None:
                    self._state.bad(now, CHECKSUM)
                else:
                    self._state.good(now, *values)
        except OSError:
            self._measuring = False  # it may have lost power: it has to be started again, and to warm up
            self._state.bad(now, NO_ANSWER)

    def _ask(self, command: bytes, size: int) -> bytes:
        self._i2c.writeto(ADDRESS, command)
        return self._i2c.readfrom(ADDRESS, size)  # the sensor needs 1 ms, which the next address byte takes at 100 kHz

    def readings(self, now_ms: int) -> list:
        return self._state.readings(now_ms)
