"""Plantower PMS5003, particulate matter, UART at 9600 baud, a frame about each second.

PMS5003 series data manual V2.3 appendix I: 42 4D, length 28, thirteen 16-bit words high byte first, the sum of all
bytes before it. Words 4 to 6 are PM1, PM2.5 and PM10 in whole ug/m3 "under atmospheric environment". 30 s until values
count.
"""

from micropython import const
from wayside_wire.lora_report import ReportChannel

from .state import SensorState
from .stream import Framer, StreamDriver

CHANNELS = (ReportChannel("pm1", "ug/m3", 0), ReportChannel("pm2.5", "ug/m3", 0), ReportChannel("pm10", "ug/m3", 0))
BAUD = 9600

_SIZE = const(32)
_WARM_UP_MS = const(30000)
_STALE_MS = const(5000)
_MOST = const(1000)  # maximum range of the data manual


def check(frame: bytes) -> bool:
    """Whether 32 bytes that begin with 42 4D 00 1C are a frame."""
    return sum(frame[:30]) & 0xFFFF == frame[30] << 8 | frame[31]


def decode(frame: bytes):
    """(PM1, PM2.5, PM10) in ug/m3 of a frame that check() takes; None for what the sensor cannot measure."""
    values = [frame[at] << 8 | frame[at + 1] for at in (10, 12, 14)]
    return tuple([value if value <= _MOST else None for value in values])


def open_driver(options, place):
    """See catalogue."""
    port = place.board.open_uart(options.text("port"), BAUD, "N")
    return Driver(port, place.clock, options.integer("warm_up_ms", 0, 600000, _WARM_UP_MS))


class Driver(StreamDriver):
    channels = CHANNELS

    def __init__(self, port, clock, warm_up_ms: int = _WARM_UP_MS):
        """port: a UART that never blocks; warm_up_ms: less only for one that is never without power."""
        state = SensorState(CHANNELS, clock.now(), warm_up_ms, _STALE_MS)
        super().__init__(port, clock, Framer(b"\x42\x4d\x00\x1c", _SIZE, check), decode, state, warm_up_ms)
