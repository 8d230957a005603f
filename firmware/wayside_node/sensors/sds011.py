"""Nova SDS011, particulate matter by laser scattering, UART at 9600 baud, a frame each second.

Laser Dust Sensor Control Protocol V1.3: AA C0, PM2.5 and PM10 in tenths of ug/m3 (low byte first), two bytes of id, the
sum of these six bytes, AB. The datasheet asks for 30 s after a start before values count, and gives 0 to 999.9 ug/m3.
"""

from micropython import const
from wayside_wire.lora_report import ReportChannel

from .state import SensorState
from .stream import Framer, StreamDriver

CHANNELS = (ReportChannel("pm2.5", "ug/m3", -1), ReportChannel("pm10", "ug/m3", -1))
BAUD = 9600

_SIZE = const(10)
_WARM_UP_MS = const(30000)
_STALE_MS = const(5000)
_MOST = const(9999)


def check(frame: bytes) -> bool:
    """Whether ten bytes that begin with AA C0 are a frame."""
    return frame[9] == 0xAB and sum(frame[2:8]) & 0xFF == frame[8]


def decode(frame: bytes):
    """(PM2.5, PM10) in tenths of ug/m3 of a frame that check() takes; None for what the sensor cannot measure."""
    values = (frame[2] | frame[3] << 8, frame[4] | frame[5] << 8)
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
        super().__init__(port, clock, Framer(b"\xaa\xc0", _SIZE, check), decode, state, warm_up_ms)
