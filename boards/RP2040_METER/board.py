"""A Raspberry Pi Pico with an RS-485 transceiver (wiring.md). Every board has a module of this name."""

from machine import Pin
from rp2040 import hold, reset, sync, sync_directory, trial, uart, urandom, watchdog, wires

__all__ = ("NAME", "driver", "hold", "open_uart", "reset", "sync", "sync_directory", "trial", "urandom", "watchdog")

NAME = "RP2040_METER"

# port: (UART, TX, RX, pin that switches the RS-485 driver)
_PORTS = {
    "link": (0, 0, 1, None),
    "rs485": (1, 4, 5, 6),
}


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    number, tx, rx, _ = wires(_PORTS, port)
    return uart(number, tx, rx, baud, parity)


def driver(port: str):
    """The function that switches the RS-485 driver of `port`: 1 sends, 0 listens. None: there is nothing to switch."""
    enable = wires(_PORTS, port)[3]
    return None if enable is None else Pin(enable, Pin.OUT, value=0).value
