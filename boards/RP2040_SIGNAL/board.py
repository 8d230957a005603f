"""A Raspberry Pi Pico with relays for lamps and current sensors behind them (wiring.md)."""

import time

from care import busy, watchdog
from machine import Pin
from rp2040 import reset, sync, sync_directory, uart, urandom, wires

__all__ = ("NAME", "busy", "driver", "lamps", "open_uart", "reset", "sync", "sync_directory", "urandom", "watchdog")

NAME = "RP2040_SIGNAL"

# port: (UART, TX, RX)
_PORTS = {
    "controller": (0, 0, 1),
    "monitor": (1, 4, 5),
}

# Red, yellow and green of channel 1, of channel 2, of channel 3.
_RELAYS = (6, 7, 8, 9, 10, 11, 12, 13, 14)
_SENSORS = (15, 16, 17, 18, 19, 20, 21, 22, 26)
_RENEW = 2
_INPUTS = (3, 27, 28)
_FLASH = 8  # the bit of wayside_wire.signal_frames; red, yellow, green are 1, 2, 4
_HALF_MS = 500


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    return uart(*wires(_PORTS, port), baud, parity)


def driver(port: str):
    """There is no driver to switch."""
    return None


class Lamps:
    """Relays, sensors and contacts. Each show() turns the renewing pin over, which holds the flash transfer relay."""

    def __init__(self, port: str, channels: int, inputs: int):
        if 3 * channels > len(_RELAYS) or inputs > len(_INPUTS):
            raise OSError("%s: this board has 3 channels and %d inputs" % (port, len(_INPUTS)))
        self._renew = Pin(_RENEW, Pin.OUT, value=0)
        self._relays = [Pin(pin, Pin.OUT, value=0) for pin in _RELAYS[: 3 * channels]]
        self._sensors = [Pin(pin, Pin.IN, Pin.PULL_DOWN) for pin in _SENSORS[: 3 * channels]]
        self._inputs = [Pin(pin, Pin.IN, Pin.PULL_DOWN) for pin in _INPUTS[:inputs]]
        self._ordered = bytes(channels)
        self._closed = bytearray(3 * channels)
        self._renewed = 0

    def show(self, lamps: bytes) -> None:
        """Switch the lamps; one byte per channel, bits as in wayside_wire.signal_frames."""
        self._ordered = lamps
        dark_half = time.ticks_ms() // _HALF_MS & 1
        number = 0
        for lamp in lamps:
            dark = lamp & _FLASH and dark_half
            for bit in (1, 2, 4):
                self._closed[number] = 1 if lamp & bit and not dark else 0
                self._relays[number].value(self._closed[number])
                number += 1
        self._renewed = 1 - self._renewed
        self._renew.value(self._renewed)

    def read(self):
        """(what each channel draws, inputs). A lamp that flashes draws what it should while it follows its relay."""
        drawn = bytearray(len(self._ordered))
        number = 0
        for channel, lamp in enumerate(self._ordered):
            for bit in (1, 2, 4):
                draws = self._sensors[number].value()
                if lamp & bit and lamp & _FLASH:
                    if draws == self._closed[number]:
                        drawn[channel] |= bit | _FLASH
                elif draws:
                    drawn[channel] |= bit
                number += 1
        return bytes(drawn), bytes([pin.value() for pin in self._inputs])


lamps = Lamps
